"""Settings as they may be shown: one line a value, secrets compared and never told.

For modules that show how one configuration differs from another. A value is a secret where its own
name, or one above it, says so, and where its text carries credentials. What is in doubt is hidden.
"""

from __future__ import annotations

import json
import re

SECRET, ANOTHER = "(secret)", "(another secret)"
#: Names of settings whose values nobody may read.
NAMES = re.compile(r"passw|secret|token|credential|api_?key|RegisteredUsers", re.I)
#: Credentials within a text: of a URL (RFC 3986 section 3.2.1), of a libpq connection string.
WITHIN = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=password=)\S+", re.I)


def is_secret(name, masked=()):
    """Whether a setting of this name is never shown; ``masked`` are further names."""
    return name in masked or NAMES.search(name) is not None


def shown_value(value, twin=None, *, hidden=False):
    """A value as it may be shown, beside its ``twin`` on the other side."""
    if hidden:
        return SECRET if twin in (None, value) else ANOTHER
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if WITHIN.search(text):
        other = json.dumps(twin, ensure_ascii=False, sort_keys=True)
        return WITHIN.sub(ANOTHER if _within(other) not in ([], _within(text)) else SECRET, text)
    return text


def _within(text):
    return WITHIN.findall(text)


def lines(found, twin=None, masked=(), path="", *, hidden=False):
    """``path = value`` of everything in a tree of settings, in order of the paths.

    A list of plain values is one line: what moves in it is seen there.
    """
    if isinstance(found, dict) and found:
        for name in sorted(found):
            before = twin.get(name) if isinstance(twin, dict) else None
            below = f"{path}.{name}" if path else name
            secret = hidden or is_secret(name, masked)
            yield from lines(found[name], before, masked, below, hidden=secret)
    elif isinstance(found, list) and any(isinstance(each, (dict, list)) for each in found):
        for index, each in enumerate(found):
            known = isinstance(twin, list) and index < len(twin)
            before = twin[index] if known else None
            yield from lines(each, before, masked, f"{path}[{index}]", hidden=hidden)
    else:
        yield f"{path} = {shown_value(found, twin, hidden=hidden)}"
