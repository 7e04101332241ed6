"""Orthanc's own checks of what others are told, and of what a power cut leaves."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from orchestrator import resources
from orchestrator.verify.model import CheckResult, Moment
from orchestrator.verify.outcome import Unknown
from tests.fakes.pacs import FakePacs
from tests.fakes.scene import Scene

_FILE = resources.roles() / "orthanc/checks/test_orthanc.py"
_SPEC = importlib.util.spec_from_file_location("orthanc_checks", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
orthanc: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(orthanc)

ADDRESS = '[{"addr_info": [{"local": "10.0.0.7"}]}]'
SAFE = "server fsync=on\nserver full_page_writes=on\nserver synchronous_commit=on\n"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with FakePacs() as pacs:
        made = Scene(pacs, tmp_path)
        yield made
        made.close()


def known(scene: Scene, check: str, **measures: JsonValue) -> None:
    scene.baseline = (CheckResult(check=check, status="passed", measures=measures),)


def remote(scene: Scene, told: str, *, moment: Moment = "applied", listed: str = ADDRESS) -> None:
    scene.moment = moment
    scene.host.outputs = {"ip -json": listed, "python3": f"{told}\n"}
    site = scene.site()
    orthanc.test_orthanc_remote(site.request, site, scene.record)


def durable(scene: Scene, said: str, *, moment: Moment = "applied", sync: str = "") -> None:
    scene.moment = moment
    scene.host.outputs = {"runuser": said, "sh -c": sync}
    site = scene.site()
    orthanc.test_orthanc_durable(site.request, site, scene.record)


def test_other_machines_are_let_in_as_before(scene: Scene) -> None:
    known(scene, "orthanc-remote", let_in=True)
    remote(scene, "")


def test_other_machines_that_are_shut_out_are_seen(scene: Scene) -> None:
    known(scene, "orthanc-remote", let_in=True)
    with pytest.raises(AssertionError, match=r"not let in any more: .* answered with 401"):
        remote(scene, "GET /system was answered with 401")


def test_a_web_service_that_was_never_for_others_is_a_warning(scene: Scene) -> None:
    remote(scene, "GET /system was answered with 401", moment="baseline")
    assert scene.record.because.startswith("warning: ")


def test_a_web_service_that_was_never_for_others_stays_as_it_is(scene: Scene) -> None:
    known(scene, "orthanc-remote", let_in=False)
    remote(scene, "GET /system was answered with 401")


def test_a_host_without_an_address_is_unknown(scene: Scene) -> None:
    known(scene, "orthanc-remote", let_in=True)
    with pytest.raises(Unknown, match="no address"):
        remote(scene, "", listed="[]")


def test_without_a_baseline_other_machines_that_are_shut_out_are_unknown(scene: Scene) -> None:
    with pytest.raises(Unknown):
        remote(scene, "GET /system was answered with 401")


def test_a_database_that_writes_before_it_answers_passes(scene: Scene) -> None:
    known(scene, "orthanc-durable", unsafe=[])
    durable(scene, SAFE)


@pytest.mark.parametrize(
    ("said", "sync"),
    [
        (SAFE.replace("fsync=on", "fsync=off"), ""),
        (f"{SAFE}set apart synchronous_commit=off\n", ""),
        (SAFE, '"SyncStorageArea" : false\n'),
    ],
)
def test_what_a_power_cut_would_lose_is_seen(scene: Scene, said: str, sync: str) -> None:
    known(scene, "orthanc-durable", unsafe=[])
    with pytest.raises(AssertionError, match="a power cut may lose what was stored"):
        durable(scene, said, sync=sync)


def test_what_was_always_so_is_a_warning_and_no_failure(scene: Scene) -> None:
    off = SAFE.replace("fsync=on", "fsync=off")
    durable(scene, off, moment="baseline")
    assert scene.record.because.startswith("warning: ")
    known(scene, "orthanc-durable", unsafe=["server fsync=off"])
    durable(scene, off)


def test_a_database_that_does_not_say_how_it_writes_is_unknown(scene: Scene) -> None:
    known(scene, "orthanc-durable", unsafe=[])
    with pytest.raises(Unknown, match="does not say"):
        durable(scene, "server fsync=on\n")
