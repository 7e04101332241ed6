"""What several of the fast tests begin with."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.fakes.pair import Pair


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Two hosts that change together, and the line between them."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = Pair(tmp_path)
    monkeypatch.setattr(socket, "create_connection", made.connect)
    return made
