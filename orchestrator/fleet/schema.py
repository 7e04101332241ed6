"""JSON Schemas of the files that people write, made from the models that read them.

For editors: they complete keys, show what each means and mark what the loader would refuse for its
shape. What must hold between two places (does the release exist) only ``fleet check`` knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from orchestrator.fleet.catalog import Catalog
from orchestrator.fleet.mandate import Mandate
from orchestrator.fleet.model import Facility, FleetSettings, Role
from orchestrator.fleet.schema_words import WORDS

#: By the schema's name: the model, and the files that it describes.
DECLARED: dict[str, tuple[type[BaseModel], str]] = {
    "fleet": (FleetSettings, "fleet.yml"),
    "facility": (Facility, "facilities/*.yml"),
    "catalog": (Catalog, "catalog.yml"),
    "mandate": (Mandate, "mandate.yml"),
    "role": (Role, "meta/wardship.yml of a product's role"),
}
#: What a model refuses that its fields do not say.
_NARROWER: dict[str, dict[str, Any]] = {
    "SecretRef": {"oneOf": [{"required": ["vault"]}, {"required": ["env"]}]},
}


def schemas() -> dict[str, bytes]:
    """Every schema by its file name, such as ``facility.schema.json``."""
    return {f"{name}.schema.json": _text(model) for name, (model, _) in DECLARED.items()}


def _text(model: type[BaseModel]) -> bytes:
    schema = model.model_json_schema(by_alias=True)
    for name, part in [(model.__name__, schema), *schema.get("$defs", {}).items()]:
        part.update(_NARROWER.get(name, {}))
        part["description"] = " ".join(part.get("description", "").replace("``", "`").split())
        for key, words in WORDS.get(name, {}).items():
            _describe(part["properties"][key], words)
    for part in _parts(schema):
        if isinstance(part.get("title"), str):
            del part["title"]
        if "patternProperties" in part:  # a key that does not fit is no key
            part.setdefault("additionalProperties", False)
    # Draft 7 is what editors know best, and nothing newer is used.
    body = {"$schema": "http://json-schema.org/draft-07/schema#", "title": model.__name__, **schema}
    return json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n"


def _describe(field: dict[str, Any], words: str) -> None:
    if "$ref" in field:  # draft 7 does not look at what stands beside a reference
        field["allOf"] = [{"$ref": field.pop("$ref")}]
    field["description"] = words


def _parts(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        part = [*part.values()]
    for inner in part if isinstance(part, list) else ():
        yield from _parts(inner)
