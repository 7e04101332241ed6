"""What is wrong with a declaration is told with file and line, by exit code 10; nothing is written.

The messages are in ``tests/golden/expected/bad_input.txt``.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.cli.app import execute
from tests.builders import MANDATE, write_fleet, write_roles
from tests.golden import assert_golden
from tests.unit import bad_input
from tests.unit.bad_input import (
    Bench,
    Spoil,
    all_of,
    change,
    folder,
    link,
    pipe,
    write,
)  # fmt: skip

bench = bad_input.bench

A = "facilities/hospital-a.yml"
DEPOT = "depot/orthanc-1.12.7.tar.gz"
LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{to}: &{to} [{', '.join([f'*{of}'] * 9)}]\n"
    for of, to in zip("abcdefgh", "bcdefghi", strict=True)
)
HEAD = "facility: hospital-a\ncountry: SZ\ntimezone: Africa/Mbabane\n"

CASES: dict[str, Spoil] = {
    "an unknown key": change(A, "country: SZ", "country: SZ\nstreet: x"),
    "a key that is nearly right": change(A, "modalities:", "modalites:"),
    "a text for a number": change(A, "port: 4242", 'port: "4242"'),
    "a number for a text": change(A, "address: 10.77.0.11", "address: 10"),
    "a list for a mapping": change(A, "{ae_title: HOSPITALA, port: 4242}", "[HOSPITALA, 4242]"),
    "a key that is there twice": change(A, "country: SZ", "country: SZ\ncountry: MZ"),
    "a host that is declared twice": change("facilities/hospital-b.yml", "  pacs-b:", "  pacs-a:"),
    "an address that is declared twice": change(
        "facilities/hospital-b.yml", "10.77.0.12", "10.77.0.11"
    ),
    "a release that the catalog has not": write(
        "mandate.yml", MANDATE.replace('"1.12.7"', '"1.12.8"')
    ),
    "a release without quotes": write("mandate.yml", MANDATE.replace('"1.12.7"', "1.10")),
    "a product that the catalog has not": change(A, "product: orthanc", "product: orthank"),
    "an AE title of 17 characters": change(A, "HOSPITALA", "HOSPITALAABCDEFGH"),
    "an AE title with a space": change(A, "HOSPITALA", "HOSPITAL A"),
    "a port that is none": change(A, "port: 4242", "port: 65536"),
    "a time zone that is a path": change(A, "Africa/Mbabane", "../../etc/passwd"),
    "a DICOMweb root at another host": change(
        A, "port: 8042", "port: 8042\n      dicomweb: //elsewhere.example/"
    ),
    "a user with a colon": change(A, "user: wardship", '"user": "a:b"'),
    "a title of two lines": change(A, "country: SZ", 'country: SZ\ntitle: "x\\nnext: y"'),
    "a title that moves the cursor": change(A, "country: SZ", 'country: SZ\ntitle: "\\e[2Jx"'),
    "an artifact of another size": write(DEPOT, "1.12.7!"),
    "an artifact that is not there": lambda fleet: (fleet / DEPOT).unlink(),
    "an artifact that is a directory": folder(DEPOT),
    "an artifact that is a link out": link(DEPOT, "/etc/hostname"),
    "a depot outside": change("fleet.yml", "ssh:", "depot: ../depot\nssh:"),
    "a depot from the root": change("fleet.yml", "ssh:", "depot: /srv/depot\nssh:"),
    "a depot that is a link out": all_of(
        change("fleet.yml", "ssh:", "depot: elsewhere\nssh:"), link("elsewhere", "/etc")
    ),
    "a depot of somebody's home": change("fleet.yml", "ssh:", "depot: ~postgres/x\nssh:"),
    "a depot with NUL in its name": change("fleet.yml", "ssh:", 'depot: "a\\0b"\nssh:'),
    "a key with a second line": change("fleet.yml", "id_ed25519", '"id\\n  ProxyCommand x"'),
    "an artifact's name with a directory": change(
        "catalog.yml", "file: orthanc-1.12.7", "file: ../orthanc-1.12.7"
    ),
    "a facility that is a link out": link(A, "/etc/hostname"),
    "a facility that is a link to itself": link("facilities/hospital-c.yml", "hospital-c.yml"),
    "a catalog that is a link to itself": link("catalog.yml", "catalog.yml"),
    "a facility that is a directory": folder(A),
    "a facility that is a pipe": pipe(A),
    "a catalog that is a directory": folder("catalog.yml"),
    "a mandate that is a pipe": pipe("mandate.yml"),
    "facilities that are a file": all_of(
        lambda fleet: shutil.rmtree(fleet / "facilities"),
        lambda fleet: (fleet / "facilities").write_text("x"),
    ),
    "a facility named by two lines": write("facilities/a\nnext: b.yml", "x"),
    "a facility named by an escape": write("facilities/a\x1b[2J.yml", "x"),
    "a facility not named in UTF-8": write("facilities/caf\udce9.yml", "x"),
    "an empty file": write(A, ""),
    "a file of comments": write(A, "# nothing\n"),
    "a file of 10 MB": write(A, "#" * 10_000_000),
    "a billion laughs": write(A, LAUGHS),
    "an anchor": change(A, "country: SZ", "country: &land SZ"),
    "a merge key": change(A, "country: SZ", "country: SZ\n<<: {title: x}"),
    "a tag": change(A, "country: SZ", "country: !!python/name:os.system SZ"),
    "two documents": change(A, "country: SZ", "country: SZ\n---\na: 1"),
    "deep nesting": write(A, "hosts: " + "[" * 50_000),
    "deep nesting of mappings": write(A, "{a: " * 50_000),
    "too many problems": write(A, "".join(f"k{i}: &a 1\n" for i in range(20_000))),
    "too many unknown keys": write(A, HEAD + "".join(f"k{i}: 1\n" for i in range(20_000))),
    "too many values": write(A, f"{HEAD}hosts: [{'1,' * 400_000}]\n"),
    "a long value": change(A, "country: SZ", f"country: {'x' * 900_000}"),
    "a long number": change(A, "port: 4242", f"port: {'9' * 900_000}"),
    "UTF-16": write(A, HEAD.encode("utf-16")),
    "Latin-1": write(A, HEAD.encode() + b"title: caf\xe9\n"),
    "NUL": write(A, HEAD + "title: a\0b\n"),
    "a tab": write(A, HEAD + "hosts:\n\tpacs-a: {}\n"),
    "half a surrogate": change(A, "country: SZ", 'country: "\\ud800"'),
    "a quote that does not end": change(A, "country: SZ", 'country: "SZ'),
    "a number in octal": change(A, "port: 4242", "port: 0104"),
    "a number in base 60": change(A, "port: 4242", "port: 1:44"),
    "no number": change(A, "port: 4242", "port: .nan"),
    "a country that YAML takes for false": change(A, "country: SZ", "country: NO"),
    "a secret that is written down": change(A, "{env: WEB_PASSWORD}", "hunter2"),
    "a fleet.yml that is a directory": folder("fleet.yml"),
    "a fleet.yml that is a pipe": pipe("fleet.yml"),
}


def test_the_good_fleet_has_no_problem(bench: Bench) -> None:
    assert bench.said("fleet", "check").startswith("exit 0\n")


def test_what_is_wrong_is_told_and_nothing_is_written(bench: Bench, tmp_path: Path) -> None:
    told = []
    for number, (name, spoil) in enumerate(CASES.items()):
        bench.fleet = write_fleet(tmp_path / f"{number}/fleet")
        spoil(bench.fleet)
        said = bench.said("fleet", "check")
        assert said.startswith("exit 10\n"), f"{name}: {said}"
        assert len(said) < 25_000, f"{name}: {len(said)} characters to read"
        lines = said.replace(f"/{number}/fleet", "/fleet").splitlines()
        if len(lines) > 12:
            lines = [*lines[:5], "  (…)", *lines[-3:]]
        told.append("\n".join([f"## {name}", *lines, ""]))
    assert_golden("bad_input.txt", "\n".join(told))


@pytest.mark.parametrize("bom", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_and_windows_line_ends_are_no_problem(bench: Bench, bom: bytes) -> None:
    text = (bench.fleet / A).read_bytes()
    (bench.fleet / A).write_bytes(bom + text.replace(b"\n", b"\r\n"))
    assert bench.said("fleet", "check").startswith("exit 0\n")


@pytest.mark.parametrize("closed", ["fleet.yml", A, "facilities", "depot", "."])
def test_what_may_not_be_read_is_named(
    bench: Bench, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest's own directories are for their owner: this one is on everybody's way.
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        bench.fleet = write_fleet(Path(home) / "fleet")
        roles = write_roles(Path(home) / "roles")
        monkeypatch.setattr(resources, "roles", lambda: roles)
        (bench.fleet / closed).chmod(0)
        try:
            said = bench.said("fleet", "check", as_nobody=True)
        finally:
            (bench.fleet / closed).chmod(0o755)
    assert said.startswith("exit 10\n"), said
    name = {"depot": "orthanc-1.12.7.tar.gz", ".": "fleet.yml"}.get(closed, closed)
    assert name in said


def test_a_file_that_vanishes_while_it_is_read_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def vanishing(path: Path, *how: object, **more: object) -> object:
        if path.name == "hospital-a.yml":
            path.rename(path.with_name(".gone"))
        return opened(path, *how, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", vanishing)
    code = execute(["--fleet", str(bench.fleet), "fleet", "check"])
    assert code == 10


def test_a_hundred_broken_files_are_told_in_bounded_time_and_length(bench: Bench) -> None:
    for number in range(100):
        write(f"facilities/h{number}.yml", "a: &a 1\n" * 1000)(bench.fleet)
    before = time.process_time()
    said = bench.said("fleet", "check")
    assert time.process_time() - before < 20, "a person waits for this"
    assert "… and " in said
    assert len(said.splitlines()) < 210
