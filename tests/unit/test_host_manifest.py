"""A manifest is understood as a whole or refused with every problem."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.host.manifest import parse
from orchestrator.host.outcome import RefusedError
from tests.fakes.linux_host import manifest


def test_a_good_manifest_is_read() -> None:
    read = parse(manifest())
    assert read.switch_root == "/opt/pacs"
    assert read.ports == (4242, 8042)
    assert read.volumes[0].objects == ("objects",)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.update(schema=2), "schema is 2"),
        (lambda m: m.update(surprise=1), "unknown key surprise"),
        (lambda m: m.pop("paths"), "paths is missing"),
        (lambda m: m.update(change_set="../x"), "change_set is '../x'"),
        (lambda m: m.update(to_release="a/b"), "to_release is 'a/b'"),
        (lambda m: m.update(services=[]), "services is empty"),
        (lambda m: m.update(services=["--now"]), "'--now' is not a unit"),
        (lambda m: m.update(provider="lvm"), "provider 'lvm'"),
        (lambda m: m["switch"].update(kind="vendor"), "switch kind 'vendor'"),
        (lambda m: m["switch"].update(root="/opt/x"), "paths does not name /opt/x/current"),
        (lambda m: m["install"][0].update(staged="../up"), "staged '../up'"),
        (lambda m: m["install"][0].update(target="/usr/x"), "/usr/x is installed and not below"),
        (lambda m: m["paths"].append("/data/live/x"), "lies in volume live"),
        (lambda m: m["paths"].append("/data"), "lies in volume live"),
        (lambda m: m["paths"].append("/"), "/ may not be touched"),
        (lambda m: m["paths"].append("/var/lib"), "may not be touched"),
        (lambda m: m["paths"].append("/etc/../x"), "not an absolute, normal path"),
        (lambda m: m["volumes"][0].update({"class": "scratch"}), "not index or archive"),
        (
            lambda m: m["volumes"][0].update({"class": "archive", "objects": []}),
            "names no directory of objects",
        ),
        (
            lambda m: m["volumes"].append({**m["volumes"][0], "name": "b", "path": "/data/live/b"}),
            "volumes live and b lie in one another",
        ),
        (lambda m: m["volumes"].append(m["volumes"][0]), "volume live is named twice"),
        (lambda m: m["volumes"][0].update(path="/var/lib/wardship"), "may not be touched"),
        (lambda m: m["door"].update(tcp=[]), "door tcp"),
        (lambda m: m["door"].update(tcp=[70000]), "door tcp"),
        (lambda m: m["limits"].update(apply=0), "limit of apply is 0"),
        (lambda m: m["limits"].pop("open"), "limits has"),
        (lambda m: m.update(volumes=[{"name": 1}]), "a volume has"),
        (lambda m: m.update(switch=None), "wrong shape"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[dict[str, Any]], object], told: str) -> None:
    document = copy.deepcopy(manifest())
    change(document)
    with pytest.raises(RefusedError) as refused:
        parse(document)
    assert told in refused.value.because


def test_all_problems_are_told_at_once() -> None:
    document = {**manifest(), "provider": "lvm", "services": [], "change_set": "X"}
    with pytest.raises(RefusedError) as refused:
        parse(document)
    assert refused.value.because.count(";") == 2
