"""What is seen of databases that are to be copied in their cluster, and of the room there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import role_module

snapshot_postgres: Any = role_module("snapshot_postgres", "snapshot_postgres")
MIB = 1 << 20


class FakeModule:
    """Ansible's module, on a host whose cluster 15/main has these databases by size."""

    def __init__(self, directory: Path, sizes: dict[str, int], **databases: str) -> None:
        self.params = {
            "databases": databases,
            "clusters": dict.fromkeys(databases, "postgresql@15-main.service"),
        }
        self.directory, self.sizes = directory, sizes

    def run_command(self, words: list[str], **_: object) -> tuple[int, str, str]:
        if words[words.index("--cluster") + 1] != "15/main":
            return 1, "", "psql: error: no such cluster\n"
        wanted = next(word for word in words if word.startswith("wanted=")).partition("=")[2]
        size = self.sizes.get(wanted)
        return 0, "" if size is None else f"{self.directory},{size}\n", ""


def test_what_is_there_is_told_with_its_size(tmp_path: Path) -> None:
    module = FakeModule(tmp_path, {"health": 7}, records="health")
    ((found,), problems) = snapshot_postgres.looked(module)
    assert (found["database"], found["size"], problems) == ("health", 7, [])
    assert found["cluster"] == "postgresql@15-main.service"


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        ("postgresql@15-main.service", "there is no database health in PostgreSQL 15/main"),
        ("postgresql@9-old.service", "PostgreSQL 9/old does not say: psql: error: no such cluster"),
        ("postgresql.service", "postgresql.service is no unit of a PostgreSQL cluster"),
    ],
)
def test_what_could_not_be_looked_at_is_told(tmp_path: Path, cluster: str, told: str) -> None:
    module = FakeModule(tmp_path, {}, records="health")
    module.params["clusters"] = {"records": cluster}
    assert snapshot_postgres.looked(module) == ([], [told])


def test_databases_of_one_file_system_have_its_room_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = os.statvfs_result((4096, 4096, 2048, 2048, 2048, 0, 0, 0, 0, 255))  # 8 MiB
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    module = FakeModule(tmp_path, {"one": 4 * MIB, "two": 4 * MIB}, a="one", b="two")
    found, _ = snapshot_postgres.looked(module)
    assert list(snapshot_postgres.short(found[:1], 2)) == []
    (told,) = snapshot_postgres.short(found, 2)
    assert told == "8 MiB free, a copy of database one and two needs 10"
