"""Whatever a file holds: an answer or a ``WardshipError`` with file and line, never anything else.

Damaged files by the second (``tests.unit.fuzz``); by hypothesis legal YAML with strange values.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from orchestrator import resources
from orchestrator.adapters.secrets import secrets_in
from orchestrator.adapters.ssh_config import Target, write_ssh_config
from orchestrator.cli.app import execute
from orchestrator.errors import FleetError, PlanError
from orchestrator.fleet import inventory, trust
from orchestrator.fleet.load import load
from orchestrator.fleet.model import Fleet
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import TOLD, Plan
from orchestrator.plan.store import find
from orchestrator.survey.parse import host_survey
from tests.builders import (
    NOW,
    a_facility_survey,
    a_fleet,
    a_host_survey,
    fleet_files,
    write_fleet,
    write_roles,
)  # fmt: skip
from tests.unit import fuzz

A = "facilities/hospital-a.yml"
EXAMPLE = Path(__file__).parents[2] / "inventories" / "example"
#: One line: a file, a line of it, what is wrong.
PROBLEM = re.compile(r"[^\n:]+:[0-9]+: [^\n]+")
#: Keywords that a declaration may bring into the ssh configuration.
SSH = {"Host", "HostName", "HostKeyAlias", "User", "Port", "IdentityFile", "IdentitiesOnly",
       "ProxyJump"}  # fmt: skip


def answer(directory: Path, roles: Path) -> Fleet | None:
    """What loading gives; None for an error that is one of ours, whole and short."""
    try:
        return load(directory, roles=roles)
    except FleetError as error:
        refused = error
    for problem in refused.problems:
        assert PROBLEM.fullmatch(problem), problem
        assert len(problem) < 1000
    assert len(refused.problems) < 2000
    assert refused.problems or "no fleet.yml" in refused.what
    return None


def use(fleet: Fleet, scratch: Path) -> None:
    """A declaration that was taken can be used: inventory, ssh, a plan that is read back."""
    for name, facility in fleet.facilities.items():
        for path, content in inventory.render(fleet, name).items():
            if path.name == "hosts.yml":
                read = yaml.load(content, _Unsafe)  # noqa: S506 - a safe loader with one tag more
                assert list(read["all"]["hosts"]) == sorted(facility.hosts)
        targets = [
            Target(name=host, address=one.address, ssh=fleet.ssh_of(one))
            for host, one in facility.hosts.items()
        ]
        written = write_ssh_config(
            scratch / "ssh_config", targets, fleet=fleet.directory,
            known_hosts=fleet.known_hosts, control_dir=scratch,
        ).read_text()  # fmt: skip
        declared = written.partition("Host *\n")[0]
        assert {line.split()[0] for line in declared.splitlines() if line} <= SSH
        found = tuple(a_host_survey(host) for host in facility.hosts)
        survey = a_facility_survey(*found, facility=name)
        plan = make_plan(fleet, {name: survey}, now=NOW, depot={})
        assert Plan.model_validate_json(plan.model_dump_json()).digest == plan.digest


class _Unsafe(yaml.SafeLoader):
    """Reads what Ansible is to read."""


_Unsafe.add_constructor("!unsafe", lambda _, node: node.value)


def example() -> dict[str, bytes]:
    """The shipped example, by path."""
    return {
        str(path.relative_to(EXAMPLE)): path.read_bytes() for path in sorted(EXAMPLE.rglob("*.yml"))
    }


def small() -> dict[str, bytes]:
    """The tests' fleet, by path."""
    return {name: text.encode() for name, text in fleet_files().items()}


@pytest.mark.parametrize("original", [small, example])
def test_a_damaged_fleet_is_taken_or_refused(
    original: Callable[[], dict[str, bytes]], tmp_path: Path
) -> None:
    files = original()
    roles = write_roles(tmp_path / "roles") if original is small else resources.roles()
    fleet = tmp_path / "fleet"
    taken = []

    def one(dice: random.Random) -> None:
        name = dice.choice(sorted(files))
        for path, content in files.items():
            (fleet / path).parent.mkdir(parents=True, exist_ok=True)
            (fleet / path).write_bytes(fuzz.damaged(content, dice) if path == name else content)
        if found := answer(fleet, roles):
            taken.append(found)
            use(found, tmp_path)

    fuzz.each(original.__name__, one)
    assert taken, "nothing was ever taken: this tries only what is hopeless"


def test_a_damaged_role_is_taken_or_refused(tmp_path: Path) -> None:
    fleet = write_fleet(tmp_path / "fleet")
    roles = write_roles(tmp_path / "roles")
    files = {path: path.read_bytes() for path in sorted(roles.rglob("*.yml"))}

    def one(dice: random.Random) -> None:
        for path, content in files.items():
            path.write_bytes(content)
        path = dice.choice(sorted(files))
        path.write_bytes(fuzz.damaged(files[path], dice))
        answer(fleet, roles)

    fuzz.each("role", one, fuzz.SECONDS / 2)


def test_a_damaged_plan_is_the_same_plan_or_none(tmp_path: Path) -> None:
    surveys = {"hospital-a": a_facility_survey(a_host_survey())}
    plan = make_plan(a_fleet(tmp_path), surveys, now=NOW, depot={"orthanc-1.12.7.tar.gz": "good"})
    content = plan.model_dump_json(indent=2).encode()
    told = {"__all__": {"hosts": {"__all__": TOLD}}}

    def body(one: Plan) -> dict[str, Any]:
        """All that the digest is to cover: not when it was made, and what was only told then."""
        return one.model_dump(exclude={"made_at": True, "change_sets": told})

    file = tmp_path / "plan.json"

    def one(dice: random.Random) -> None:
        file.write_bytes(fuzz.damaged(content, dice))
        try:
            found = find(tmp_path, str(file))
        except PlanError:
            return
        assert body(found) == body(plan)

    fuzz.each("plan", one)


def test_a_damaged_vault_is_taken_or_refused(tmp_path: Path) -> None:
    content = b"web_a: hunter2\ndatabase_a: '#\"%{$'\nusers: {a: x, b: [y]}\n"

    def one(dice: random.Random) -> None:
        said = ""
        try:
            secrets_in(fuzz.damaged(content, dice), tmp_path / "vault.yml")
        except FleetError as error:
            said = error.what
        except (yaml.YAMLError, ValueError, RecursionError):
            return  # told as a vault that does not open
        assert "hunter2: " not in said

    fuzz.each("vault", one, fuzz.SECONDS / 2)


def test_damaged_known_hosts_lose_no_other_host(tmp_path: Path) -> None:
    key = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    content = f"pacs-a ssh-ed25519 {key}\npacs-b ssh-ed25519 {key}\n".encode()
    new = trust.HostKey("ssh-ed25519", key[:-4] + "BBBB")

    def one(dice: random.Random) -> None:
        text = fuzz.damaged(content, dice).decode(errors="replace")
        recorded = trust.recorded(text, "pacs-b")
        after = trust.record(text, "pacs-a", new, replace=True)
        assert trust.recorded(after, "pacs-a") == new
        assert trust.recorded(after, "pacs-b") == recorded

    fuzz.each("known_hosts", one, fuzz.SECONDS / 2)


def test_a_hosts_answer_that_is_damaged_is_a_survey_or_a_problem() -> None:
    content = a_host_survey().model_dump_json(exclude={"volumes"}).encode()
    volumes: list[JsonValue] = [one.model_dump(mode="json") for one in a_host_survey().volumes]

    def one(dice: random.Random) -> None:
        try:
            body = json.loads(fuzz.damaged(content, dice))
        except (ValueError, RecursionError):
            return
        found, problems = host_survey("pacs-a", {"survey": body, "volumes": volumes})
        assert found is not None or problems

    fuzz.each("answer", one, fuzz.SECONDS / 2)


def test_the_command_line_tells_no_bug_of_a_damaged_fleet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = write_roles(tmp_path / "roles")
    monkeypatch.setattr(resources, "roles", lambda: roles)
    files = small()
    fleet = write_fleet(tmp_path / "fleet")

    def one(dice: random.Random) -> None:
        name = dice.choice(sorted(files))
        (fleet / name).write_bytes(fuzz.damaged(files[name], dice))
        code = execute(
            ["--fleet", str(fleet), *dice.choice((["fleet", "check"], ["fleet", "show"]))]
        )
        out, err = capfd.readouterr()
        assert code in (0, 10), err
        for sign in out + err:
            assert sign == "\n" or sign.isprintable() or sign == "�", f"{sign!r} in {out + err!r}"
        (fleet / name).write_bytes(files[name])

    fuzz.each("command", one)


# -- legal YAML, strange values -----------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.sampled_from([piece.decode(errors="replace") for piece in fuzz.PIECES])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda part: (
        st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=8), part, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [here]
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(part, (*here, key))
    return found


def put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """The document with something else at this place."""
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = put(copy[place[0]], place[1:], new)
    return copy


@seed(fuzz.SEED)
@settings(
    max_examples=int(60 * fuzz.SECONDS), deadline=None, database=None,
    suppress_health_check=list(HealthCheck), print_blob=True,
)  # fmt: skip
@given(data=st.data())
def test_a_strange_value_anywhere_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    home = tmp_path_factory.getbasetemp() / "strange"
    roles = write_roles(home / "roles")
    files = fleet_files()
    name = data.draw(st.sampled_from(sorted(files)))
    document = yaml.safe_load(files[name])
    place = data.draw(st.sampled_from(places(document)))
    strange = put(document, place, data.draw(values))
    fleet = write_fleet(home / "fleet", {name: yaml.safe_dump(strange, allow_unicode=True)})
    if found := answer(fleet, roles):
        use(found, home)
