"""Plan files, vaults, known_hosts and arguments that are not what they should be.

Each is refused with its class's exit code, and nothing is written. The messages are in
``tests/golden/expected/bad_input_plans.txt`` and ``bad_input_arguments.txt``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from orchestrator import resources
from orchestrator.fleet.load import load
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.plan.store import save
from tests.builders import NOW, a_facility_survey, a_host_survey, write_fleet
from tests.golden import assert_golden
from tests.unit import bad_input
from tests.unit.bad_input import Bench, Spoil, all_of, change, folder, link, pipe, write

bench = bad_input.bench

A = "facilities/hospital-a.yml"


def a_plan(fleet: Path) -> Plan:
    """A plan for one hospital of the fleet in this directory."""
    surveys = {"hospital-a": a_facility_survey(a_host_survey())}
    return make_plan(load(fleet), surveys, now=NOW, depot={"orthanc-1.12.7.tar.gz": "good"})


def edited(edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], str | bytes]:
    """The plan's JSON after an edit."""

    def content(fleet: Path) -> str:
        body = json.loads(a_plan(fleet).model_dump_json())
        edit(body)
        return json.dumps(body)

    return content


PLANS: dict[str, Callable[[Path], str | bytes]] = {
    "another address": edited(lambda p: p["change_sets"][0]["hosts"][0].update(address="10.0.0.1")),
    "another release": edited(
        lambda p: p["change_sets"][0]["hosts"][0].update(to_release="1.10.1")
    ),
    "another digest": edited(lambda p: p.update(digest="0" * 64)),
    "no digest": edited(lambda p: p.update(digest="")),
    "a digest that is an escape": edited(lambda p: p.update(digest="\x1b[2J")),
    "a field that is not known": edited(lambda p: p.update(waves=[])),
    "a field too few": edited(lambda p: p.pop("parallel")),
    "a text for a number": edited(lambda p: p.update(parallel="many")),
    "cut off": lambda fleet: a_plan(fleet).model_dump_json()[:-100],
    "empty": lambda _: "",
    "a list": lambda _: "[]",
    "a number": lambda _: "1",
    "another document": lambda _: '{"a": 1}',
    "not JSON": lambda _: "fleet: test\n",
    "not UTF-8": lambda fleet: a_plan(fleet).model_dump_json().encode("utf-16"),
    "10 MB": lambda _: b"[" + b'"x",' * 2_500_000 + b"1]",
    "deep nesting": lambda _: "[" * 100_000,
    "deep nesting where something is": lambda _: '{"change_sets": ' + "[" * 100_000,
}


def test_a_plan_file_that_is_not_as_made_is_refused(bench: Bench) -> None:
    told = []
    for name, content in PLANS.items():
        data = content(bench.fleet)
        file = bench.fleet.parent / "plan.json"
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        said = bench.said("run", str(file))
        assert said.startswith("exit 30\n"), f"{name}: {said}"
        told.append(f"## {name}\n{said}")
    assert_golden("bad_input_plans.txt", "\n".join(told))


def test_a_plan_of_another_fleet_is_refused(bench: Bench, tmp_path: Path) -> None:
    other = write_fleet(tmp_path / "other")
    change("fleet.yml", "fleet: test", "fleet: other")(other)
    file = save(a_plan(other), tmp_path / "state")
    said = bench.said("run", str(file))
    assert said.startswith("exit 30\n")
    assert "is of the fleet other, this is test" in said


@pytest.mark.parametrize("kind", [folder, pipe, lambda name: link(name, "/dev/zero")])
def test_what_is_no_file_is_no_plan(bench: Bench, kind: Callable[[str], Spoil]) -> None:
    kind("plan.json")(bench.fleet)
    assert bench.said("run", str(bench.fleet / "plan.json")).startswith("exit 30\n")


# -- the vault and the hosts' keys --------------------------------------------------------------

VAULT = "vault: {file: vault.yml, password_file: password}\nssh:"
PASSWORD = "open sesame"


def vault(inside: str, password: str | bytes = PASSWORD) -> Spoil:
    """A vault with this inside, and this in the password's file."""
    lib = VaultLib([("default", VaultSecret(PASSWORD.encode()))])
    return all_of(
        change("fleet.yml", "ssh:", VAULT),
        change(A, "{env: WEB_PASSWORD}", "{vault: web_a}"),
        write("vault.yml", bytes(lib.encrypt(inside.encode()))),
        write("password", password),
    )


VAULTS: dict[str, Spoil] = {
    "a wrong password": vault("web_a: hunter2\n", "wrong"),
    "a password not in UTF-8": vault("web_a: hunter2\n", b"caf\xe9"),
    "a name that is not in it": vault("web_b: hunter2\n"),
    "no mapping in it": vault("hunter2"),
    "nothing in it": vault(""),
    "no YAML in it": vault("web_a: [hunter2"),
    "a number among the secrets of one": vault("web_a: {hunter2: [x, 1]}\n"),
    "a number for a secret": vault("web_a: 20261231\n"),
    "a truth for a secret": vault("web_a: no\n"),
    "no day for a secret": vault("web_a: 2026-99-99\n"),
    "nothing for a secret": vault("web_a:\n"),
    "a template for a secret": vault("web_a: 'hunter2{{ x'\n"),
    "a billion laughs in it": vault(
        "a: &a 1\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(20))
    ),
    "deep nesting in it": vault("web_a: " + "[" * 5000),
    "a vault that is cut off": all_of(
        vault("web_a: hunter2\n"), write("vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    ),
    "a vault with rubbish in it": all_of(
        vault("web_a: hunter2\n"), write("vault.yml", "$ANSIBLE_VAULT;1.1;AES256\nzz\xff\n")
    ),
    "a vault of another kind": all_of(
        vault("web_a: hunter2\n"), write("vault.yml", "$ANSIBLE_VAULT;9.9;ROT13\n6162\n")
    ),
    "a vault that is not encrypted": all_of(
        vault("web_a: hunter2\n"), write("vault.yml", "web_a: hunter2\n")
    ),
    "a vault that is a directory": all_of(vault(""), folder("vault.yml")),
    "a vault that is a link out": all_of(vault(""), link("vault.yml", "/etc/hostname")),
    "a vault that is a pipe": all_of(vault(""), pipe("vault.yml")),
    "known_hosts not in UTF-8": write("known_hosts", b"caf\xe9 ssh-ed25519 x\n"),
    "a known_hosts that is a directory": folder("known_hosts"),
    "a known_hosts that is a pipe": pipe("known_hosts"),
    "a known_hosts that does not end": link("known_hosts", "/dev/zero"),
}


def test_a_vault_or_known_hosts_that_cannot_be_used_is_told(bench: Bench, tmp_path: Path) -> None:
    told = []
    for number, (name, spoil) in enumerate(VAULTS.items()):
        bench.fleet = write_fleet(tmp_path / f"{number}/fleet")
        spoil(bench.fleet)
        said = bench.said("fleet", "check")
        assert said.startswith("exit 10\n"), f"{name}: {said}"
        assert "hunter2" not in said
        told.append(f"## {name}\n{said}")
    assert_golden("bad_input_secrets.txt", "\n".join(told))


@pytest.mark.parametrize("spoil", [pipe("password"), folder("password")])
def test_a_password_file_that_is_none_leaves_the_vault_shut(bench: Bench, spoil: Spoil) -> None:
    all_of(vault("web_a: hunter2\n"), spoil)(bench.fleet)
    said = bench.said("fleet", "check")
    assert said.startswith("exit 0\n")
    assert "vault.yml: not opened (no password here)" in said


def test_a_secret_marked_unsafe_may_look_like_a_template(bench: Bench) -> None:
    vault("web_a: !unsafe 'hunter2{{ x'\n")(bench.fleet)
    assert bench.said("fleet", "check").startswith("exit 0\n")


@pytest.mark.parametrize(
    "content", ["", "ssh-ed25519\n", "ssh-ed25519 ????\n", b"\xff\xfe", "x" * 99]
)
def test_a_key_file_without_a_key_is_refused(bench: Bench, content: str | bytes) -> None:
    write("host.pub", content)(bench.fleet)
    file = str(bench.fleet / "host.pub")
    said = bench.said("fleet", "trust", "pacs-a", "--yes", "--key-file", file)
    assert said.startswith("exit 10\n")


# -- arguments ----------------------------------------------------------------------------------

NONSENSE = ("", "../../etc/passwd", "hospital-a/../x", "a\nnext: b", "\x1b[2J\x9b31m", "a\u202eb",
            "'; DROP TABLE x; --", "x" * 300, "\udcff", "%s{0}$(id)", "zażółć")  # fmt: skip
COMMANDS: dict[tuple[str, ...], int] = {
    ("survey", "{}"): 10,
    ("plan", "{}"): 10,
    ("run", "{}"): 30,
    ("run", "{}", "--resume"): 30,
    ("status", "{}"): 30,
    ("abort", "{}"): 30,
    ("restore", "{}"): 30,
    ("rollback", "{}"): 30,
    ("clear", "{}", "--reason", "x"): 30,
    ("report", "{}"): 30,
    ("fleet", "trust", "{}", "--yes"): 10,
    ("fleet", "{}"): 64,
    ("{}",): 64,
    ("status", "--since={}"): 64,
}


def test_nonsense_in_place_of_a_name_is_refused(bench: Bench) -> None:
    told = []
    for command, code in COMMANDS.items():
        for word in NONSENSE:
            said = bench.said(*(part.replace("{}", word) for part in command))
            expected = 64 if word == "\udcff" else code
            assert said.startswith(f"exit {expected}\n"), (command, word, said)
            assert "\nnext: b" not in said
        shown = bench.said(*(part.replace("{}", "\x1b[2J/../x") for part in command))
        told.append(f"## {' '.join(command)}\n{shown}")
    assert_golden("bad_input_arguments.txt", "\n".join(told))


@pytest.mark.parametrize("name", ["", "no/such", "\x1b[2J", "/dev/null", "/etc/hostname"])
def test_a_fleet_that_is_none_is_refused(bench: Bench, name: str) -> None:
    bench.fleet = Path(name)
    assert bench.said("fleet", "check").startswith("exit 10\n")


def test_what_this_machine_refuses_is_no_bug(bench: Bench) -> None:
    write(".wardship", "in the way")(bench.fleet)
    for command in (["fleet", "render"], ["status"], ["survey"]):
        said = bench.said(*command)
        assert said.startswith("exit 74\n"), said
        assert "/fleet/.wardship: File exists" in said


def test_json_carries_no_raw_escape(bench: Bench) -> None:
    change(A, "    secrets:", '    settings: {orthanc_name: "\\x9b2J\\e[2J\\u202e"}\n    secrets:')(
        bench.fleet
    )
    said = bench.said("fleet", "show", "--json")
    shown = json.loads(said.partition("\n")[2].rpartition("}")[0] + "}")
    host = shown["facilities"]["hospital-a"]["hosts"]["pacs-a"]
    assert host["settings"]["orthanc_name"] == "\x9b2J\x1b[2J\u202e"


def test_a_terminal_that_cannot_show_a_sign_stops_nothing(bench: Bench, tmp_path: Path) -> None:
    change(A, "country: SZ", "country: SZ\ntitle: zażółć →")(bench.fleet)
    code = (
        "import sys; from pathlib import Path; from orchestrator import resources;"
        "roles = Path(sys.argv.pop()); resources.roles = lambda: roles;"
        "from orchestrator.cli.app import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--fleet", str(bench.fleet), "fleet", "show",
         str(resources.roles())],
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin"},
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\\u2192" in done.stdout
