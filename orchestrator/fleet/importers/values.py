"""One cell's value as a declaration has it, or what is wrong with it. Pure.

What cannot be taken stays in place as text, so that the checks behind do not call it missing too;
a setting that belongs elsewhere is None.
"""

from __future__ import annotations

import re

from orchestrator.fleet.importers.rows import Cell, Strange, Told, shown, tell
from orchestrator.fleet.roles import Option

#: Blanks that a spreadsheet leaves around a value; others are part of it and are refused later.
_BLANKS = " \t\r\n\u00a0\ufeff"
_REFERENCE = re.compile(r"(env|vault):\s*([A-Za-z0-9_]{1,80})")
_DIGITS = re.compile(r"[0-9]{1,9}")
_YES, _NO = ("yes", "true", "x", "1"), ("no", "false", "0")

Taken = tuple[object, Told | None]


def text(cell: Cell) -> Taken:
    """A text; a number is none, since it has lost how it was written."""
    value = cell.value
    if isinstance(value, Strange):
        return value.what, tell(cell, f"{value.what}, expected the value itself: {value.mend}")
    if isinstance(value, bool):
        told = f"{shown(value)} is true or false here, expected text: format the cell as text"
        return str(value), tell(cell, f"{told} and write it again")
    if isinstance(value, int | float):
        told = (
            f"a number ({shown(value)}), expected text: 1.10 and 1.1 are one number here, and so"
            " are 007 and 7; format the cell as text and write it again"
        )
        return str(value), tell(cell, told)
    found = str(value).strip(_BLANKS)
    if not _is_unicode(found):
        return "?", tell(cell, "signs that are no text, expected it written again")
    return found, None


def number(cell: Cell) -> Taken:
    """A whole number, also where the spreadsheet holds it as text."""
    value = cell.value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 31:
        return int(value), None
    if isinstance(value, int) and not isinstance(value, bool):
        return value, None
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip(_BLANKS)):
        return int(value.strip(_BLANKS)), None
    return shown(value), tell(cell, f"{shown(value)}, expected a whole number")


def yes_or_no(cell: Cell) -> Taken:
    """A yes or a no."""
    said = str(cell.value).strip(_BLANKS).lower()
    if not isinstance(cell.value, Strange) and said in (*_YES, *_NO):
        return said in _YES, None
    return shown(cell.value), tell(cell, f"{shown(cell.value)}, expected yes or no")


def reference(cell: Cell) -> Taken:
    """Where a secret is. What else is there may be the secret itself, and is not repeated."""
    value = cell.value
    found = _REFERENCE.fullmatch(value.strip(_BLANKS)) if isinstance(value, str) else None
    if found:
        return {found[1]: found[2]}, None
    told = "this is no reference, expected env:NAME or vault:name, never the secret itself"
    return {"env": "NOT_SAID"}, tell(cell, told)


def setting(cell: Cell, option: Option | None) -> Taken:
    """A setting of a role, as the role's own specification says."""
    kind = option.type if option else "str"
    if option and option.secret:
        told = "a secret, expected it as secret:NAME with a reference, never the secret itself"
        return None, tell(cell, told)
    if kind == "int":
        return number(cell)
    if kind == "bool":
        return yes_or_no(cell)
    if kind in ("str", "path"):
        return text(cell)
    if kind == "list":
        found, told_of = text(cell)
        return [part.strip() for part in str(found).split(",") if part.strip()], told_of
    return None, tell(cell, f"a {kind}, which no cell can hold, expected it in the facility's file")


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
