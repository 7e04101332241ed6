"""How hosts of a set talk: one question, one answer, each signed under the key of their change.

HMAC-SHA256 (RFC 2104) over the text of the message. What is signed holds the other side's nonce, so
that nothing can be said twice, and the speaker's role, so that nothing can be turned back to him.
Refuses whatever is not signed so, is too long or takes too long; says nothing that must be secret.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import socket
import time
from pathlib import Path
from typing import Any, Callable, Dict

from .outcome import FailedError
from .records import Record

#: Who speaks. What the anchor says to whoever it may be is its *word*, which others may hand on.
ANCHOR, MEMBER, WORD = "anchor", "member", "word"
#: Seconds for one question and its answer, all of it.
TIMEOUT = 10.0
#: Bytes of one line.
LONGEST = 16384


class Talk:
    """One connection, line by line, with one deadline for all that is said over it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._until = time.monotonic() + TIMEOUT
        self._read = b""

    def say(self, text: str) -> None:
        """Send a line.

        Raises:
            OSError: it did not go out in time.
        """
        self._line.settimeout(self._left())
        self._line.sendall(text.encode() + b"\n")

    def hear(self) -> str:
        """The next line.

        Raises:
            FailedError: the other side said no more, or too much.
            OSError: it took too long.
        """
        while b"\n" not in self._read:
            self._line.settimeout(self._left())
            more = self._line.recv(4096)
            self._read += more
            if not more or len(self._read) > LONGEST:
                raise FailedError("the other side said no more" if not more else "it says too much")
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace")

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        return left


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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FailedError(f"what the {role} says is no message") from None
    raise FailedError(f"what the {role} says is not signed under the key of this change")


def ask(address: str, port: int, key: str, told: Record) -> Dict[str, Any]:
    """Tell the anchor how we stand; what it answers.

    Raises:
        FailedError: no answer, or none of the anchor's.
    """
    try:
        with socket.create_connection((address, port), TIMEOUT) as line:
            talk, ours = Talk(line), secrets.token_hex(16)
            theirs = talk.hear()
            asked = sign(key, MEMBER, {**told, "nonce": theirs, "mine": ours})
            # In the clear beside it: under which key it is.
            talk.say(json.dumps({"change": told["change"], "asked": asked}))
            answer = verified(key, ANCHOR, talk.hear())
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


def answer(
    line: socket.socket, key_of: Callable[[str], str], hear: Callable[[Record], Record]
) -> None:
    """Take one question and answer it; ``hear`` gives the answer to what was told.

    ``key_of`` gives the key of a change by its name.

    Raises:
        FailedError: it was not one of ours; nothing was heard.
        OSError: the other side went away, or takes too long.
    """
    talk, nonce = Talk(line), secrets.token_hex(16)
    talk.say(nonce)
    try:
        about = json.loads(talk.hear())
        change, asked = str(about["change"]), str(about["asked"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FailedError("what was asked is no question") from None
    key = key_of(change)
    told = verified(key, MEMBER, asked)
    if told.get("nonce") != nonce or told.get("change") != change:
        raise FailedError("an old question was asked again")
    talk.say(sign(key, ANCHOR, {**hear(told), "nonce": told.get("mine")}))


def is_key(given: Any) -> bool:
    """Whether this can be the key of a change: 32 bytes in hex."""
    return isinstance(given, str) and re.fullmatch("[0-9a-f]{64}", given) is not None


def key_at(path: Path) -> str:
    """The key of a change.

    Raises:
        FailedError: there is none.
    """
    try:
        key = path.read_text().strip()
    except OSError as error:
        raise FailedError(f"the key of this change cannot be read: {error.strerror}") from None
    if not is_key(key):
        raise FailedError("the key of this change is none")
    return key


def _mac(key: str, role: str, text: str) -> str:
    return hmac.new(bytes.fromhex(key), f"{role}\n{text}".encode(), "sha256").hexdigest()


def _reason(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else error.strerror or str(error)
