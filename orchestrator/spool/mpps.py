"""Modality performed procedure steps (PS3.4 annex F): kept as they came, given on in order."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom.dsutils import decode

from .store import MPPS_CREATE as CREATE
from .store import MPPS_SET as SET

__all__ = ["CREATE", "SET", "changed", "created", "read"]


def created(event: Any, uid: str) -> bytes:
    """An N-CREATE request, to be kept."""
    return _kept(event, uid, event.request.AttributeList)


def changed(event: Any, uid: str) -> bytes:
    """An N-SET request, to be kept."""
    return _kept(event, uid, event.request.ModificationList)


def _kept(event: Any, uid: str, content: Any) -> bytes:
    kept = {
        "uid": uid,
        "syntax": str(event.context.transfer_syntax),
        "dataset": base64.b64encode(content.getvalue() if content else b"").decode("ascii"),
    }
    return json.dumps(kept).encode()


def read(path: Path) -> tuple[str, str, Dataset]:
    """A kept request: the step's UID, its transfer syntax, its data set."""
    kept = json.loads(path.read_bytes())
    syntax = kept["syntax"]
    content = BytesIO(base64.b64decode(kept["dataset"]))
    is_implicit, is_little = syntax == "1.2.840.10008.1.2", syntax != "1.2.840.10008.1.2.2"
    return kept["uid"], syntax, decode(content, is_implicit, is_little)
