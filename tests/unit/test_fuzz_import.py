"""Damaged lists of hospitals are taken, or refused in words with nothing written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.cli.app import execute
from tests.builders import write_fleet, write_roles
from tests.builders_lists import as_csv, as_workbook, packed, parts
from tests.unit import fuzz


def damaged_csv(dice: random.Random) -> bytes:
    return fuzz.damaged(as_csv(separator=dice.choice(",;\t")), dice)


def damaged_workbook(dice: random.Random) -> bytes:
    """The file itself, or one of the parts that it is packed from."""
    if dice.random() < 0.3:
        return fuzz.damaged(as_workbook(), dice)
    contents = parts(as_workbook())
    name = dice.choice(sorted(contents))
    return packed({**contents, name: fuzz.damaged(contents[name], dice)})


def files(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "damaged"), [("list.csv", damaged_csv), ("list.xlsx", damaged_workbook)]
)
def test_a_damaged_list_is_taken_whole_or_nothing_is_written(
    name: str,
    damaged: fuzz.Damaged,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roles = write_roles(tmp_path / "roles")
    monkeypatch.setattr(resources, "roles", lambda: roles)
    fleet = write_fleet(tmp_path / "fleet")
    before, taken = files(fleet), []

    def one(dice: random.Random) -> None:
        (tmp_path / name).write_bytes(damaged(dice))
        code = execute(["--fleet", str(fleet), "fleet", "import", str(tmp_path / name)])
        out, err = capfd.readouterr()
        assert code in (0, 10), err
        if code == 10:
            assert "\nnext: " in err, err
            assert files(fleet) == before
            return
        taken.append(out)
        assert execute(["--fleet", str(fleet), "fleet", "check"]) == 0, capfd.readouterr()
        capfd.readouterr()
        for path in files(fleet).keys() - before.keys():
            assert (path.parent.name, path.suffix) == ("facilities", ".yml")
            path.unlink()
        for path, content in before.items():
            path.write_bytes(content)

    fuzz.each(name, one)
    assert taken, "nothing was ever taken: this tries only what is hopeless"
