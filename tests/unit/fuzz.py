"""Damage to text files: what editors, transfers, colleagues and spreadsheets do to them, at random.

The same seed gives the same damage. ``WARDSHIP_FUZZ_SEED`` and ``WARDSHIP_FUZZ_SECONDS`` (for each
target) change what is tried.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable

SEED = int(os.environ.get("WARDSHIP_FUZZ_SEED", "20261123"))
SECONDS = float(os.environ.get("WARDSHIP_FUZZ_SECONDS", "4"))
#: What one case may take, in seconds of the processor, and all of them in MiB.
SLOWEST, LARGEST = 10.0, 600
#: Cases that are tried on any machine.
ENOUGH = 25

#: Pieces that mean something to YAML, JSON, terminals, ssh, Ansible, shells, or nobody.
PIECES: tuple[bytes, ...] = tuple(
    piece.encode("utf-8", "surrogatepass")
    for piece in (
        *"{}[]:,-#&*!|>'\"%@`?~<=\\/$;() \n\t\r\0\x1b\x7f\x9b\ufeff\u202e\u2028é→😀",
        "---\n", "...\n", "<<: ", "&a ", "*a", "!!python/object/apply:os.system ", "!unsafe ", "? ",
        "null", "~", "yes", "no", "0x1F", "010", "1:30", "1_000", ".inf", ".nan", "1e999", "-0",
        "9" * 30, "1.10", "2026-12-31", "2026-99-99", "{{ x }}", "{% x %}", "{#", "\\0", "\\ud800",
        "\ud800", "../", "/etc/passwd", "~root/", "$(id)", "%s", "\n  ProxyCommand x\n", "x" * 5000,
        "[" * 200, "{a: " * 60, '"\\', "\\x9b", "vault: ", "env: ", "hosts:\n", "facility: ", "all",
        "- ", "  ", "\n\n", "#" * 300, '""', "''", "[]", "{}", "true", "orthanc", "pacs-a",
    )
)  # fmt: skip


Damaged = Callable[[random.Random], bytes]


def damaged(text: bytes, dice: random.Random) -> bytes:
    """The text after one to six accidents."""
    for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
        text = dice.choice(_ACCIDENTS)(text, dice)
    return text


def _flip(text: bytes, dice: random.Random) -> bytes:
    if not text:
        return text
    at = dice.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << dice.randrange(8))]) + text[at + 1 :]


def _cut(text: bytes, dice: random.Random) -> bytes:
    start, end = _span(text, dice)
    return text[:start] + text[end:]


def _end(text: bytes, dice: random.Random) -> bytes:
    return text[: dice.randrange(len(text) + 1)]


def _again(text: bytes, dice: random.Random) -> bytes:
    start, end = _span(text, dice)
    times = dice.choice((1, 1, 2, 50))
    return text[:end] + text[start:end] * times + text[end:]


def _move(text: bytes, dice: random.Random) -> bytes:
    start, end = _span(text, dice)
    rest, piece = text[:start] + text[end:], text[start:end]
    at = dice.randrange(len(rest) + 1)
    return rest[:at] + piece + rest[at:]


def _insert(text: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(PIECES) + text[at:]


def _replace_value(text: bytes, dice: random.Random) -> bytes:
    """What stands after a colon becomes something else: most of what a person gets wrong."""
    colons = [at for at, sign in enumerate(text) if sign == ord(":")]
    if not colons:
        return text
    start = dice.choice(colons) + 1
    ends = [at for at in range(start, min(start + 60, len(text))) if text[at] in b",\n}]"]
    end = ends[0] if ends else start
    return text[:start] + b" " + dice.choice(PIECES) + text[end:]


def _lines(text: bytes, dice: random.Random) -> bytes:
    lines = text.split(b"\n")
    first, second = dice.randrange(len(lines)), dice.randrange(len(lines))
    kind = dice.randrange(4)
    if kind == 0:
        lines[first], lines[second] = lines[second], lines[first]
    elif kind == 1:
        lines[first] = b"  " + lines[first]
    elif kind == 2:
        lines[first] = lines[first].lstrip()
    else:
        lines.insert(second, lines[first])
    return b"\n".join(lines)


def _encode(text: bytes, dice: random.Random) -> bytes:
    how = dice.choice(("utf-16", "utf-8-sig", "cp1252", "utf-32"))
    return text.decode("utf-8", "replace").encode(how, "replace")


_ACCIDENTS = (_flip, _cut, _end, _again, _move, _insert, _insert, _replace_value, _replace_value,
              _replace_value, _lines, _lines, _encode)  # fmt: skip


def _span(text: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(text) + 1)
    return start, min(len(text), start + dice.choice((1, 2, 8, 40, 400)))


def each(target: str, one: Callable[[random.Random], None], seconds: float = SECONDS) -> None:
    """Try one case after the other until the time is up; one that fails says its number.

    The number of cases depends on the machine, but each case only on the seed and its number.
    """
    ends = time.monotonic() + seconds
    number = 0
    while time.monotonic() < ends or number < ENOUGH:
        before = time.process_time()
        try:
            one(random.Random(f"{target} {SEED} {number}"))  # noqa: S311 - to be repeated
            took = time.process_time() - before
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            assert took < SLOWEST, f"it took {took:.0f} s"
            assert used < LARGEST, f"{used} MiB were used"
        except BaseException as error:
            error.add_note(f"{target}: WARDSHIP_FUZZ_SEED={SEED}, case {number}")
            raise
        number += 1
    print(f"{target}: {number} cases, WARDSHIP_FUZZ_SEED={SEED}")  # noqa: T201
