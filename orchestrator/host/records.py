"""The records of the host: small JSON files with a schema, each written whole or not at all.

A record that cannot be understood is never read as if it were absent: that would make an
interrupted change look like one that never began.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Optional

from . import SCHEMA
from .disk import Disk
from .outcome import FailedError

Record = Dict[str, Any]


def read(path: Path) -> Optional[Record]:
    """The record at ``path``, None when there is none.

    Raises:
        FailedError: it is there and is not a record of this schema.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        record = json.loads(text)
    except ValueError as error:
        raise FailedError(f"{path} is not a record: {error}") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise FailedError(f"{path} is not a record of schema {SCHEMA}")
    return record


def write(disk: Disk, path: Path, record: Record) -> None:
    """Put a record at ``path``, in place of the one before."""
    disk.write(path, _bytes(record))


def create(disk: Disk, path: Path, record: Record) -> bool:
    """Write a record once; False when one stands already, which then stays as it is."""
    return disk.create(path, _bytes(record))


def _bytes(record: Record) -> bytes:
    return (json.dumps({"schema": SCHEMA, **record}, indent=1, sort_keys=True) + "\n").encode()
