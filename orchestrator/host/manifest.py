"""The manifest of a change: what may be touched on this host, and for how long.

Everything wrong with one is told at once. Unknown keys are refused: a newer controller that means
more than we understand must not be half obeyed.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Dict, List, Mapping, Optional, Tuple

from . import SCHEMA, database_manifest, parked_manifest, together_manifest
from .database_manifest import Database
from .layout import IDENTIFIER
from .outcome import RefusedError
from .parked_manifest import Parking
from .together_manifest import Together

PHASES = ("quiesce", "snapshot", "apply", "restore", "open")
#: What limits may say besides, and what it means where they do not, in seconds.
CHECKS, CHECKING = "checks", 1800
PROVIDERS = ("btrfs", "copy", database_manifest.PROVIDER)
INDEX, ARCHIVE = "index", "archive"
SWITCHES = ("rename", "install")
KEYS = {
    *("schema", "change_set", "facility", "host", "product", "from_release", "to_release"),
    *("switch", "install", "services", "provider", "volumes", "paths", "door", "limits"),
    "settings",
}
#: Not in every manifest.
OPTIONAL = PARKING, TOGETHER, DATABASES, HOPS = "parking", "together", "databases", "hops"
RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,80}")
SERVICE = re.compile(r"[A-Za-z0-9@._:\\-]+\.(service|socket|timer|path)")
VOLUME = re.compile(r"[a-z][a-z0-9_]{0,30}")
STATE = "/var/lib/wardship"


@dataclass(frozen=True)
class Volume:
    """A volume. *index*: captured by a snapshot; *archive*: listed, never copied or moved.

    ``objects``: where images lie.
    """

    name: str
    path: str
    objects: Tuple[str, ...]
    kind: str = INDEX


@dataclass(frozen=True)
class Install:
    """A staged file or directory (in the change's directory) and where it goes."""

    staged: str
    target: str


@dataclass(frozen=True)
class Manifest:
    """A change as this host is to carry it out. Limits are in seconds."""

    change_set: str
    facility: str
    host: str
    product: str
    from_release: str
    to_release: str
    switch_root: Optional[str]
    install: Tuple[Install, ...]
    services: Tuple[str, ...]
    provider: str
    volumes: Tuple[Volume, ...]
    paths: Tuple[str, ...]
    ports: Tuple[int, ...]
    verifier_uid: int
    #: Accounts of the product's own services, which reach it while the door is shut.
    door_users: Tuple[str, ...]
    limits: Mapping[str, int]
    #: How long the controller's checks may take while the door is shut.
    checking: int
    parking: Optional[Parking] = None
    together: Optional[Together] = None
    #: Captured in a cluster that serves others too.
    databases: Tuple[Database, ...] = ()
    #: Releases on the way, each staged in a directory of its own (ADR 21).
    hops: Tuple[str, ...] = ()


def parse(document: Any) -> Manifest:
    """Read a manifest.

    Raises:
        RefusedError: with every problem found.
    """
    problems = _problems(document) if isinstance(document, dict) else ["it is not a JSON object"]
    if problems:
        raise RefusedError("manifest", "; ".join(problems))
    switch = document["switch"]
    return Manifest(
        change_set=document["change_set"],
        facility=document["facility"],
        host=document["host"],
        product=document["product"],
        from_release=document["from_release"],
        to_release=document["to_release"],
        switch_root=switch["root"] if switch["kind"] == "rename" else None,
        install=tuple(Install(i["staged"], i["target"]) for i in document["install"]),
        services=tuple(document["services"]),
        provider=document["provider"],
        volumes=tuple(
            Volume(v["name"], v["path"], tuple(v["objects"]), v["class"])
            for v in document["volumes"]
        ),
        paths=tuple(document["paths"]),
        ports=tuple(sorted(set(document["door"]["tcp"]))),
        verifier_uid=document["door"]["verifier_uid"],
        door_users=tuple(document["door"].get("users", ())),
        limits={phase: int(document["limits"][phase]) for phase in PHASES},
        checking=int(document["limits"].get(CHECKS, CHECKING)),
        parking=parked_manifest.parse(document[PARKING]) if PARKING in document else None,
        together=together_manifest.parse(document[TOGETHER]) if TOGETHER in document else None,
        databases=database_manifest.parse(document.get(DATABASES, ())),
        hops=tuple(document.get(HOPS, ())),
    )


def _problems(document: Dict[str, Any]) -> List[str]:
    if document.get("schema") != SCHEMA:
        return [f"schema is {document.get('schema')!r}, this program reads {SCHEMA}"]
    unknown = sorted(set(document) - KEYS - {*OPTIONAL})
    missing = sorted(KEYS - set(document))
    problems = [f"unknown key {key}" for key in unknown] + [f"{key} is missing" for key in missing]
    if problems:
        return problems
    try:
        parts = (_names, _switch, _state, _databases, _limits, _parking, _together)
        return [problem for part in parts for problem in part(document)]
    except (KeyError, TypeError, AttributeError) as error:
        return [f"a part has the wrong shape: {type(error).__name__} {error}"]


def _names(document: Dict[str, Any]) -> List[str]:
    named = {key: document[key] for key in ("from_release", "to_release")}
    named.update({f"hop {number}": hop for number, hop in enumerate(document.get(HOPS, []), 1)})
    wrong = [f"{key} is {name!r}" for key, name in named.items() if not RELEASE.fullmatch(name)]
    if HOPS in document and (
        len({*named.values()}) < len(named) or document["switch"]["kind"] != "rename"
    ):
        wrong.append(f"hops {document[HOPS]} are no way to {document['to_release']}")
    if not IDENTIFIER.fullmatch(document["change_set"]):
        wrong.append(f"change_set is {document['change_set']!r}")
    wrong += [
        f"{key} is not a string"
        for key in ("facility", "host", "product")
        if not isinstance(document[key], str)
    ]
    wrong += [f"service {s!r} is not a unit" for s in document["services"] if not _unit(s)]
    return wrong if document["services"] else [*wrong, "services is empty"]


def _unit(name: Any) -> bool:
    return isinstance(name, str) and SERVICE.fullmatch(name) is not None


def _switch(document: Dict[str, Any]) -> List[str]:
    switch = document["switch"]
    if switch["kind"] not in SWITCHES:
        return [f"switch kind {switch['kind']!r} is not one of {', '.join(SWITCHES)}"]
    keys = {"kind", "root"} if switch["kind"] == "rename" else {"kind"}
    wrong = [f"switch has {sorted(switch)}, not {sorted(keys)}"] if set(switch) != keys else []
    if not wrong and switch["kind"] == "rename":
        wrong += _path("switch root", switch["root"])
        if posixpath.join(switch["root"], "current") not in document["paths"]:
            wrong.append(f"paths does not name {switch['root']}/current, which the switch changes")
    for each in document["install"]:
        if set(each) != {"staged", "target"}:
            wrong.append(f"an install has {sorted(each)}")
            continue
        wrong += _path("install target", each["target"])
        wrong += _inside("staged", each["staged"])
        if not any(below(each["target"], path) for path in document["paths"]):
            wrong.append(f"{each['target']} is installed and not below one of paths")
    return wrong


def _state(document: Dict[str, Any]) -> List[str]:
    wrong: List[str] = []
    if document["provider"] not in PROVIDERS:
        wrong.append(f"provider {document['provider']!r} is not one of {', '.join(PROVIDERS)}")
    for volume in document["volumes"]:
        wrong += _volume(volume)
    if wrong:
        return wrong
    names = [volume["name"] for volume in document["volumes"]]
    wrong += [
        f"volume {name} is named twice" for name in sorted(set(names)) if names.count(name) > 1
    ]
    for one, other in combinations(document["volumes"], 2):
        if below(one["path"], other["path"]) or below(other["path"], one["path"]):
            wrong.append(f"volumes {one['name']} and {other['name']} lie in one another")
    for path in document["paths"]:
        wrong += _path("path", path)
        wrong += [
            f"path {path} lies in volume {volume['name']}"
            for volume in document["volumes"]
            if below(path, volume["path"]) or below(volume["path"], path)
        ]
    return wrong


def _databases(document: Dict[str, Any]) -> List[str]:
    return database_manifest.problems(
        document.get(DATABASES, []),
        provider=document["provider"],
        services=document["services"],
        volumes=[volume["name"] for volume in document["volumes"]],
    )


def _volume(volume: Dict[str, Any]) -> List[str]:
    if set(volume) != {"name", "path", "class", "objects"}:
        return [f"a volume has {sorted(volume)}"]
    wrong = _path(f"volume {volume['name']}", volume["path"])
    if not VOLUME.fullmatch(volume["name"]):
        wrong.append(f"volume name {volume['name']!r}")
    if volume["class"] not in (INDEX, ARCHIVE):
        wrong.append(f"volume {volume['name']} has class {volume['class']!r}, not index or archive")
    if volume["class"] == ARCHIVE and not volume["objects"]:
        wrong.append(f"archive {volume['name']} names no directory of objects")
    for directory in volume["objects"]:
        wrong += _inside(f"objects of {volume['name']}", directory)
    return wrong


def _limits(document: Dict[str, Any]) -> List[str]:
    limits, door = document["limits"], document["door"]
    wrong = [] if set(limits) | {CHECKS} == {*PHASES, CHECKS} else [f"limits has {sorted(limits)}"]
    wrong += [
        f"limit of {phase} is {seconds!r} s"
        for phase, seconds in limits.items()
        if not isinstance(seconds, int) or not 1 <= seconds <= 86400
    ]
    users = door.get("users", [])
    if {*door, "users"} != {"tcp", "verifier_uid", "users"} or not isinstance(
        door["verifier_uid"], int
    ):
        wrong.append("door needs tcp and verifier_uid")
    elif not isinstance(users, list) or not all(isinstance(u, str) and u for u in users):
        wrong.append(f"door users is {users!r}")
    elif not door["tcp"] or not all(isinstance(p, int) and 0 < p < 65536 for p in door["tcp"]):
        wrong.append(f"door tcp is {door['tcp']!r}")
    if not isinstance(document["settings"], dict):
        wrong.append("settings is not an object")
    return wrong


def _parking(document: Dict[str, Any]) -> List[str]:
    if PARKING not in document:
        return []
    found = document[PARKING]
    wrong = parked_manifest.problems(found, door=document["door"]["tcp"])
    if wrong:
        return wrong
    wrong += _path("parking directory", found["directory"])
    captured = [*document["paths"], *(volume["path"] for volume in document["volumes"])]
    return wrong + [
        f"parking directory {found['directory']} lies in {path}, which may be put back"
        for path in captured
        if below(found["directory"], path) or below(path, found["directory"])
    ]


def _together(document: Dict[str, Any]) -> List[str]:
    if TOGETHER not in document:
        return []
    found, door = document[TOGETHER], document["door"]["tcp"]
    return together_manifest.problems(found, host=document["host"], door=door)


def below(path: str, above: str) -> bool:
    """Is ``path`` the directory ``above`` or in it?"""
    return path == above or path.startswith(above.rstrip("/") + "/")


def _path(what: str, path: Any) -> List[str]:
    if not isinstance(path, str) or not path.startswith("/") or posixpath.normpath(path) != path:
        return [f"{what} {path!r} is not an absolute, normal path"]
    if path == "/" or below(path, STATE) or below(STATE, path):
        return [f"{what} {path} may not be touched"]
    return []


def _inside(what: str, path: Any) -> List[str]:
    normal = isinstance(path, str) and path and posixpath.normpath(path) == path
    is_inside = normal and not path.startswith(("/", ".."))
    return [] if is_inside else [f"{what} {path!r} is not a relative, normal path"]
