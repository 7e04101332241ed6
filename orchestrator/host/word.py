"""How hosts of a set talk: one question, one answer, each signed under the key of their change.

HMAC-SHA256 (RFC 2104) over the text of the message. What is signed holds the other side's nonce, so
that nothing can be said twice, and the speaker's role, so that nothing can be turned back to him.
Refuses whatever is not signed so; says nothing that must be secret.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import socket
from pathlib import Path
from typing import Any, Callable, Dict, TextIO

from .outcome import FailedError
from .records import Record

#: Who speaks. What the anchor says to whoever it may be is its *word*, which others may hand on.
ANCHOR, MEMBER, WORD = "anchor", "member", "word"
#: Seconds for one question and its answer.
TIMEOUT = 10.0
#: Bytes of one line.
LONGEST = 65536


def sign(key: str, role: str, said: Record) -> str:
    """A line that only who has the key can have written."""
    text = json.dumps(said, sort_keys=True)
    return json.dumps({"text": text, "mac": _mac(key, role, text)})


def verified(key: str, role: str, line: str) -> Dict[str, Any]:
    """What was said, if it was said in this role under this key.

    Raises:
        FailedError: it was not.
    """
    try:
        message = json.loads(line)
        text, mac = message["text"], message["mac"]
        if hmac.compare_digest(_mac(key, role, text), mac):
            said: Dict[str, Any] = json.loads(text)
            return said
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FailedError(f"what the {role} says is no message") from None
    raise FailedError(f"what the {role} says is not signed under the key of this change")


def ask(address: str, port: int, key: str, told: Record) -> Dict[str, Any]:
    """Tell the anchor how we stand; what it answers.

    Raises:
        FailedError: no answer, or none of the anchor's.
    """
    try:
        with socket.create_connection((address, port), TIMEOUT) as line:
            line.settimeout(TIMEOUT)
            with _talk(line) as talk:
                theirs, ours = _read(talk).strip(), secrets.token_hex(16)
                question = sign(key, MEMBER, {**told, "nonce": theirs, "mine": ours})
                talk.write(question + "\n")
                talk.flush()
                answer = verified(key, ANCHOR, _read(talk))
    except OSError as error:
        raise FailedError(f"{address}:{port} does not answer: {_reason(error)}") from None
    if answer.get("nonce") != ours:
        raise FailedError(f"{address}:{port} answers another question")
    return answer


def silence(address: str, port: int, key: str, told: Record) -> str:
    """Why the anchor does not answer; empty where it does."""
    try:
        ask(address, port, key, told)
    except FailedError as error:
        return error.because
    return ""


def answer(line: socket.socket, key: str, hear: Callable[[Record], Record]) -> None:
    """Take one question and answer it; ``hear`` gives the answer to what was told.

    Raises:
        FailedError: it was not one of ours; nothing was heard.
    """
    nonce = secrets.token_hex(16)
    with _talk(line) as talk:
        talk.write(nonce + "\n")
        talk.flush()
        told = verified(key, MEMBER, _read(talk))
        if told.get("nonce") != nonce:
            raise FailedError("an old question was asked again")
        talk.write(sign(key, ANCHOR, {**hear(told), "nonce": told.get("mine")}) + "\n")
        talk.flush()


def is_key(given: Any) -> bool:
    """Whether this can be the key of a change: 32 bytes in hex."""
    return isinstance(given, str) and re.fullmatch("[0-9a-f]{64}", given) is not None


def key_at(path: Path) -> str:
    """The key of a change.

    Raises:
        FailedError: there is none.
    """
    try:
        return path.read_text().strip()
    except OSError as error:
        raise FailedError(f"the key of this change cannot be read: {error.strerror}") from None


def _talk(line: socket.socket) -> TextIO:
    return line.makefile("rw", encoding="utf-8", newline="\n")


def _read(talk: TextIO) -> str:
    line = talk.readline(LONGEST)
    if not line.endswith("\n"):
        raise FailedError("the other side said no more")
    return line


def _mac(key: str, role: str, text: str) -> str:
    return hmac.new(bytes.fromhex(key), f"{role}\n{text}".encode(), "sha256").hexdigest()


def _reason(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else error.strerror or str(error)
