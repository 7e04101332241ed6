"""Settings as they may be shown: one line a value, secrets compared and never told.

For modules that show how one configuration differs from another, and for the controller, which
looks at every difference again. A value is a secret where its own name, or one above it, says so,
and where its text carries credentials. What is in doubt is hidden.
"""

from __future__ import annotations

import json
import re

SECRET, ANOTHER = "(secret)", "(another secret)"
_NAMED = (
    r"passw|passphrase|passwd|secret|token|credential|authoriz|cookie"
    r"|(?:api|access|account|private|signing|encryption|licen[cs]e)[-_ ]?key"
)
#: Names of settings whose values nobody may read.
NAMES = re.compile(rf"{_NAMED}|RegisteredUsers|headers$|^pwd$|^pin$", re.I)
#: Credentials within a text: of a URL (RFC 3986 section 3.2.1; up to the last @, since passwords
#: are often not escaped), of HTTP (RFC 9110 section 11.4), of a connection string or a query.
WITHIN = re.compile(
    r"(?<=://)[^\s\"'<>]+(?=@)"
    r"|(?<=\bBearer )\S{8,}|(?<=\bBasic )[\w+/=-]{8,}"
    rf"|(?P<name>[\w-]*(?:{_NAMED}|\bpwd|\bsig)[\w-]*[\"']?\s*[=:]\s*)"
    r"(?!\((?:another )?secret\))(?P<value>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^\s&;,'\"]+)",
    re.I,
)
_KEY_FILE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def is_secret(name, masked=()):
    """Whether a setting of this name is never shown; ``masked`` are further names."""
    return name in masked or NAMES.search(name) is not None


def scrubbed(text, twin=None):
    """A text without the credentials in it; ``twin`` is the text on the other side."""
    if _KEY_FILE.search(text):
        return SECRET if twin in (None, text) else ANOTHER
    other = [found[0] for found in WITHIN.finditer(twin)] if isinstance(twin, str) else []
    mine = [found[0] for found in WITHIN.finditer(text)]
    mark = ANOTHER if other and other != mine else SECRET
    return WITHIN.sub(lambda found: (found["name"] or "") + mark, text)


def redacted(value, twin=None, masked=(), *, hidden=False):
    """A tree of settings with its secrets replaced, beside its ``twin`` on the other side."""
    if isinstance(value, dict):
        return {
            name: redacted(
                each, _below(twin, name), masked, hidden=hidden or is_secret(str(name), masked)
            )
            for name, each in value.items()
        }
    if hidden:
        return SECRET if twin in (None, value) else ANOTHER
    if isinstance(value, list):
        account = _is_account(value)
        return [
            redacted(each, _below(twin, index), masked, hidden=account and index > 0)
            for index, each in enumerate(value)
        ]
    return scrubbed(value, twin) if isinstance(value, str) else value


def _below(tree, step):
    if isinstance(tree, dict):
        return tree.get(step)
    is_there = isinstance(tree, list) and isinstance(step, int) and step < len(tree)
    return tree[step] if is_there else None


def _is_account(found):
    """A list that begins with an address: what comes after it is often an account."""
    return bool(found) and isinstance(found[0], str) and "://" in found[0]


def shown_value(value, twin=None, masked=(), *, hidden=False):
    """A value as it may be shown, in one line, beside its ``twin`` on the other side."""
    told = redacted(value, twin, masked, hidden=hidden)
    return told if hidden and isinstance(told, str) else _json(told)


def _json(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def lines(found, twin=None, masked=(), path="", *, hidden=False):
    """``path = value`` of everything in a tree of settings, in order of the paths.

    A list of plain values is one line: what moves in it is seen there.
    """
    if isinstance(found, dict) and found:
        for name in sorted(found):
            below = f"{path}.{name}" if path else name
            secret = hidden or is_secret(name, masked)
            yield from lines(found[name], _below(twin, name), masked, below, hidden=secret)
    elif isinstance(found, list) and any(isinstance(each, (dict, list)) for each in found):
        for index, each in enumerate(found):
            before = _below(twin, index)
            yield from lines(each, before, masked, f"{path}[{index}]", hidden=hidden)
    else:
        yield f"{path} = {shown_value(found, twin, masked, hidden=hidden)}"
