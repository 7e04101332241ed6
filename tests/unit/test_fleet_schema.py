"""The schemas for editors: they take what the loader takes, and refuse the shapes it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from orchestrator import resources
from orchestrator.fleet.schema import DECLARED, schemas
from orchestrator.fleet.schema_words import WORDS
from orchestrator.fleet.yamlfile import read_yaml

# Comes with ansible-lint; has no types.
Draft7 = import_module("jsonschema").Draft7Validator
EXAMPLE = Path(__file__).parents[2] / "inventories" / "example"


def read(directory: Path, name: str) -> Any:
    document, problems = read_yaml(directory, name)
    assert not problems
    assert document is not None
    return document.value


def as_an_editor_reads(value: Any) -> Any:
    """YAML 1.2 has no days: an editor reads a text."""
    return json.loads(json.dumps(value, default=lambda day: day.isoformat()))


def refusals(name: str, value: Any) -> list[str]:
    schema = json.loads(schemas()[f"{name}.schema.json"])
    return [each.message for each in Draft7(schema).iter_errors(as_an_editor_reads(value))]


FILES = [
    ("fleet", EXAMPLE, "fleet.yml"),
    ("catalog", EXAMPLE, "catalog.yml"),
    ("mandate", EXAMPLE, "mandate.yml"),
    *(("facility", EXAMPLE, f"facilities/{p.name}") for p in EXAMPLE.glob("facilities/*.yml")),
    *(
        ("role", resources.roles(), str(p.relative_to(resources.roles())))
        for p in resources.roles().glob("*/meta/wardship.yml")
    ),
    ("role", resources.templates(), "role/meta/wardship.yml"),
]


@pytest.mark.parametrize(("name", "directory", "file"), FILES)
def test_what_is_shipped_holds_by_its_schema(name: str, directory: Path, file: str) -> None:
    assert refusals(name, read(directory, file)) == []


def test_every_schema_is_one() -> None:
    for text in schemas().values():
        Draft7.check_schema(json.loads(text))


def _host(value: Any) -> Any:
    return next(iter(value["hosts"].values()))


def _password(value: Any, reference: object) -> None:
    _host(value)["web"]["password"] = reference


Breaks = Callable[[Any], object]
BROKEN: list[tuple[str, str, Breaks]] = [
    ("fleet", "unknown key", lambda v: v.update(colour="red")),
    ("fleet", "no name", lambda v: v.pop("fleet")),
    ("fleet", "a text for a number", lambda v: v.update(parallel="many")),
    ("fleet", "too many", lambda v: v.update(parallel=65)),
    ("fleet", "a wrong user", lambda v: v["ssh"].update(user="Root!")),
    ("fleet", "unknown gate", lambda v: v.update(gates={"moon": 1})),
    ("facility", "no hosts", lambda v: v.update(hosts={})),
    ("facility", "a small country", lambda v: v.update(country="sz")),
    ("facility", "a name with a space", lambda v: v.update(facility="hospital a")),
    ("facility", "an AE title of 17", lambda v: _host(v)["dicom"].update(ae_title="A" * 17)),
    ("facility", "no such port", lambda v: _host(v)["dicom"].update(port=65536)),
    ("facility", "a secret itself", lambda v: _host(v)["secrets"].update(x="hunter2")),
    (
        "facility",
        "two sources",
        lambda v: _password(v, {"vault": "a", "env": "A"}),
    ),
    ("facility", "no source", lambda v: _password(v, {})),
    ("facility", "a relative path", lambda v: _host(v).update(volumes={"live": "data"})),
    ("facility", "a path upwards", lambda v: _host(v).update(volumes={"live": "/data/../etc"})),
    ("facility", "a host's name", lambda v: v["hosts"].update({"PACS A": _host(v)})),
    ("catalog", "a short hash", lambda v: _release(v)["artifact"].update(sha256="0")),
    ("catalog", "an empty file", lambda v: _release(v)["artifact"].update(size=0)),
    ("catalog", "a path", lambda v: _release(v)["artifact"].update(file="../x")),
    ("catalog", "a release as a number", lambda v: _release(v).update(upgrades_from=[1.1])),
    ("mandate", "no orders", lambda v: v.pop("orders")),
    ("mandate", "some facilities", lambda v: v["orders"][0].update(facilities="some")),
    ("mandate", "a number for a day", lambda v: v["orders"][0].update(by=7)),
    ("role", "unknown kind", lambda v: v.update(kind="toaster")),
    ("role", "no services", lambda v: v.update(services=[])),
    ("role", "class", lambda v: v["state"]["volumes"][0].update({"class": "heap"})),
]


def _release(value: Any) -> Any:
    return next(iter(value["products"]["orthanc"]["releases"].values()))


@pytest.mark.parametrize(
    ("name", "breaks"), [pytest.param(n, b, id=f"{n}: {what}") for n, what, b in BROKEN]
)
def test_a_shape_that_the_loader_refuses_the_schema_refuses(name: str, breaks: Breaks) -> None:
    _, directory, file = next(one for one in FILES if one[0] == name)
    value = deepcopy(read(directory, file))
    breaks(value)
    with pytest.raises(ValidationError):
        DECLARED[name][0].model_validate(value)
    assert refusals(name, value)


def models() -> set[type[BaseModel]]:
    """Every model that a declared file is made of."""
    found: set[type[BaseModel]] = set()
    left = [model for model, _ in DECLARED.values()]
    while left:
        model = left.pop()
        found.add(model)
        names = json.dumps(model.model_json_schema()).split('"#/$defs/')[1:]
        wanted = {name.partition('"')[0] for name in names}
        left += [each for each in _all_models(BaseModel) if each.__name__ in wanted - _names(found)
                 and each.__module__.startswith("orchestrator.fleet.")]  # fmt: skip
    return found


def _names(models: set[type[BaseModel]]) -> set[str]:
    return {model.__name__ for model in models}


def _all_models(top: type[BaseModel]) -> list[type[BaseModel]]:
    return [each for below in top.__subclasses__() for each in (below, *_all_models(below))]


def test_every_key_has_words_and_no_words_are_left_over() -> None:
    keys = {
        model.__name__: {info.alias or name for name, info in model.model_fields.items()}
        for model in models()
    }
    assert {name: set(words) for name, words in WORDS.items()} == keys


def test_an_editor_shows_the_words_of_every_key() -> None:
    facility = json.loads(schemas()["facility.schema.json"])
    assert facility["properties"]["timezone"]["description"].startswith("Its time zone by IANA")
    assert facility["$defs"]["Host"]["properties"]["gates"]["allOf"] == [
        {"$ref": "#/$defs/HostGates"}
    ]


def test_a_day_is_a_day() -> None:
    assert as_an_editor_reads({"by": date(2027, 3, 31)}) == {"by": "2027-03-31"}
