"""The checks of the product's services: each sees what it is there for, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import JsonValue

from orchestrator.verify.checks import test_dicom as dicom
from orchestrator.verify.checks import test_dicomweb as dicomweb
from orchestrator.verify.checks import test_retrieve as retrieve
from orchestrator.verify.checks import test_service as service
from orchestrator.verify.model import CheckResult, Moment
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.probe import make_probe
from orchestrator.verify.site import Site
from orchestrator.wire.dicomweb import WebClient
from orchestrator.wire.errors import Declined, Garbled, NotOffered, Rejected
from tests.fakes.pacs import FakePacs
from tests.fakes.scene import Scene, clinical

OBJECTS = [*clinical(1, 3), *clinical(2, 2)]


@pytest.fixture(scope="module")
def running() -> Iterator[FakePacs]:
    with FakePacs() as pacs:
        yield pacs


@pytest.fixture
def scene(running: FakePacs, tmp_path: Path) -> Iterator[Scene]:
    running.mend()
    made = Scene(running, tmp_path)
    made.fill(OBJECTS)
    made.keep_census()

    def forget(study: str) -> None:
        kept = made.pacs.objects.items()
        made.pacs.objects = {
            uid: stored for uid, stored in kept if stored.dataset().StudyInstanceUID != study
        }

    made.host.forget = forget
    yield made
    made.close()


@pytest.fixture
def site(scene: Scene) -> Site:
    return scene.site()


def stored(scene: Scene) -> set[str]:
    return set(scene.pacs.objects)


CLINICAL = {o.sop_instance for o in OBJECTS}


def test_a_right_name_is_answered_and_a_wrong_one_refused(scene: Scene, site: Site) -> None:
    dicom.test_dicom_echo(site.dicom, scene.record)
    dicom.test_dicom_wrong_ae(site, site.dicom, scene.record)


def test_a_pacs_under_another_name_fails_both(scene: Scene) -> None:
    request = scene.request()
    assert request.dicom is not None
    renamed = request.dicom.model_copy(update={"ae_title": "OLDNAME"})
    site = Site(request.model_copy(update={"dicom": renamed}))
    with pytest.raises(Rejected):
        dicom.test_dicom_echo(site.dicom, scene.record)
    with pytest.raises(Rejected):
        dicom.test_dicom_wrong_ae(site, site.dicom, scene.record)


def test_a_pacs_that_answers_to_any_name_fails(
    scene: Scene, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom, "WRONG_NAME", scene.pacs.ae_title)
    with pytest.raises(pytest.fail.Exception, match="not its name"):
        dicom.test_dicom_wrong_ae(site, site.dicom, scene.record)


def test_a_round_trip_leaves_no_trace(scene: Scene, site: Site) -> None:
    dicom.test_dicom_round_trip(site, scene.record)
    assert stored(scene) == CLINICAL


def test_what_an_earlier_probe_left_is_removed(scene: Scene, site: Site) -> None:
    scene.pacs.objects |= {o.sop_instance: o for o in make_probe().objects}
    dicom.test_dicom_round_trip(site, scene.record)
    assert stored(scene) == CLINICAL
    assert any("earlier probe" in line for line in scene.record.evidence)


def test_an_object_that_comes_back_other_is_seen_and_removed(scene: Scene, site: Site) -> None:
    scene.pacs.faults.alters = 1
    with pytest.raises(AssertionError, match="with other pixels"):
        dicom.test_dicom_round_trip(site, scene.record)
    assert stored(scene) == CLINICAL


def test_a_header_that_comes_back_other_is_seen(scene: Scene, site: Site) -> None:
    scene.pacs.faults.signs = True
    with pytest.raises(AssertionError, match="with another header"):
        dicom.test_dicom_round_trip(site, scene.record)


def test_an_object_that_does_not_come_back_is_seen(scene: Scene, site: Site) -> None:
    scene.pacs.faults.drops = 1
    with pytest.raises(AssertionError, match="C-MOVE says it sent 1 of 2"):
        dicom.test_dicom_round_trip(site, scene.record)


def test_objects_that_come_back_under_other_uids_are_seen(scene: Scene, site: Site) -> None:
    scene.pacs.faults.renames = True
    with pytest.raises(AssertionError, match="brought other objects"):
        dicom.test_dicom_round_trip(site, scene.record)


def test_an_archive_that_takes_nothing_is_seen(scene: Scene, site: Site) -> None:
    scene.pacs.faults.store = 0xA700
    with pytest.raises(Declined, match="0xa700"):
        dicom.test_dicom_round_trip(site, scene.record)


def test_a_study_that_is_not_found_is_seen(scene: Scene, site: Site) -> None:
    scene.pacs.faults.empty = True
    with pytest.raises(AssertionError, match="a study of 2 objects gives"):
        dicom.test_dicom_round_trip(site, scene.record)


def test_a_probe_that_cannot_be_removed_fails(scene: Scene, site: Site) -> None:
    scene.host.forget = None
    with pytest.raises(pytest.fail.Exception, match="could not be removed"):
        dicom.test_dicom_round_trip(site, scene.record)


def test_a_probe_that_is_still_found_fails(scene: Scene, site: Site) -> None:
    scene.host.forget = lambda _: None
    with pytest.raises(AssertionError, match="still found"):
        dicom.test_dicom_round_trip(site, scene.record)


def test_both_ways_of_asking_agree(scene: Scene, site: Site) -> None:
    dicomweb.test_dicomweb_qido(site.request, site, site.web, scene.record)
    dicomweb.test_dicomweb_wado(site, site.web, scene.record)


def test_a_web_service_that_is_not_there_fails(scene: Scene) -> None:
    site = scene.site()
    site.__dict__["web"] = nothing_there()
    with pytest.raises(NotOffered):
        dicomweb.test_dicomweb_qido(site.request, site, site.web, scene.record)


def nothing_there() -> WebClient:
    return WebClient("http://pacs/x", transport=httpx.MockTransport(lambda _: httpx.Response(404)))


def test_a_web_service_that_gives_less_fails(
    scene: Scene, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.moment = "applied"
    site.found()
    scene.pacs.objects.pop(OBJECTS[-1].sop_instance)
    applied = scene.site()
    applied._seen |= site._seen
    with pytest.raises(AssertionError, match="differ in 1 studies"):
        dicomweb.test_dicomweb_qido(applied.request, applied, applied.web, scene.record)


def test_an_archive_that_is_empty_both_ways_is_no_agreement(scene: Scene) -> None:
    scene.moment = "applied"
    scene.pacs.faults.empty = True
    site = scene.site()
    with pytest.raises(AssertionError, match="2 are in the census"):
        dicomweb.test_dicomweb_qido(site.request, site, site.web, scene.record)


def test_nothing_to_compare_with_is_unknown(scene: Scene, site: Site) -> None:
    scene.pacs.faults.find = 0xC000
    with pytest.raises(Unknown):
        dicomweb.test_dicomweb_qido(site.request, site, site.web, scene.record)
    with pytest.raises(Unknown):
        dicomweb.test_dicomweb_wado(site, site.web, scene.record)


def test_a_web_service_that_gives_other_pixels_fails(scene: Scene, site: Site) -> None:
    retrieve.test_retrieve_time(site.request, site, scene.record)
    scene.pacs.faults.alters = 1
    with pytest.raises(AssertionError, match="other than C-GET does"):
        dicomweb.test_dicomweb_wado(site, site.web, scene.record)


def after_a_baseline(scene: Scene) -> Scene:
    """The scene at *applied*, with what the checks measured at the baseline."""
    site = scene.site()
    found = []
    for check in ("retrieve-time", "retrieve-same"):
        record = Record()
        run = (
            retrieve.test_retrieve_time if check == "retrieve-time" else retrieve.test_retrieve_same
        )
        run(site.request, site, record)
        found.append(CheckResult(check=check, status="passed", measures=record.measures))
    scene.moment, scene.baseline = "applied", tuple(found)
    return scene


def test_the_same_objects_are_retrieved_after_as_before(scene: Scene) -> None:
    site = after_a_baseline(scene).site()
    retrieve.test_retrieve_time(site.request, site, scene.record)
    retrieve.test_retrieve_same(site.request, site, scene.record)
    assert scene.record.measures["retrieves"] == site.request.settings.retrieves
    drawn = scene.baseline[0].measures["drawn"]
    assert scene.record.measures["drawn"] == drawn


def test_a_pacs_with_one_place_is_asked_one_at_a_time(scene: Scene, site: Site) -> None:
    scene.pacs.allow(1)
    retrieve.test_retrieve_time(site.request, site, scene.record)
    assert scene.record.measures["retrieves"] == site.request.settings.retrieves


def test_an_object_that_opens_other_than_before_is_seen(scene: Scene) -> None:
    after_a_baseline(scene)
    one = OBJECTS[0]
    scene.pacs.objects[one.sop_instance] = replace(one, data=one.data[:-1] + b"\x01")
    site = scene.site()
    with pytest.raises(AssertionError, match="1 of 5 objects are not as they were"):
        retrieve.test_retrieve_same(site.request, site, scene.record)


def test_an_object_that_does_not_come_is_seen(scene: Scene) -> None:
    after_a_baseline(scene)
    scene.pacs.faults.empty = True
    site = scene.site()
    with pytest.raises(Exception, match=r"brought nothing|answers C-GET"):
        retrieve.test_retrieve_time(site.request, site, scene.record)


def test_an_object_that_comes_under_another_uid_is_seen(scene: Scene) -> None:
    after_a_baseline(scene)
    scene.pacs.faults.renames = True
    site = scene.site()
    with pytest.raises(Garbled, match="brought"):
        retrieve.test_retrieve_time(site.request, site, scene.record)


def test_without_a_baseline_nothing_is_known(scene: Scene) -> None:
    scene.moment = "applied"
    site = scene.site()
    with pytest.raises(Unknown):
        retrieve.test_retrieve_time(site.request, site, scene.record)


@pytest.mark.parametrize(
    ("before", "now", "failed", "warned"),
    [
        (0.1, 0.1, False, False),
        (0.1, 0.16, False, True),
        (0.1, 0.99, False, True),
        (0.1, 1.01, True, False),
        (0.5, 1.49, False, True),
        (0.5, 1.51, True, False),
    ],
)
def test_slow_is_told_and_too_slow_fails(
    scene: Scene, before: float, now: float, *, failed: bool, warned: bool
) -> None:
    measured = CheckResult(check="retrieve-time", status="passed", measures={"p95": before})
    scene.moment, scene.baseline = "applied", (measured,)
    if failed:
        with pytest.raises(AssertionError):
            retrieve.compare(now, scene.site(), scene.record)
    else:
        retrieve.compare(now, scene.site(), scene.record)
    assert scene.record.because.startswith("warning") == warned


def test_an_empty_archive_has_nothing_to_retrieve(scene: Scene) -> None:
    scene.fill([])
    site = scene.site()
    retrieve.test_retrieve_time(site.request, site, scene.record)
    assert "nothing to retrieve" in scene.record.because


def test_an_empty_index_with_a_full_archive_is_no_pass(scene: Scene) -> None:
    scene.host.census["studies"] = []
    site = scene.site()
    with pytest.raises(AssertionError):
        retrieve.test_retrieve_time(site.request, site, scene.record)


def unit(name: str, **other: str) -> str:
    said = {
        "Id": name, "LoadState": "loaded", "ActiveState": "active", "SubState": "running",
        "NRestarts": "0", "InvocationID": "a1",
    } | other  # fmt: skip
    return "\n".join(f"{key}={value}" for key, value in said.items())


def services(
    scene: Scene,
    *,
    now: dict[str, str] | None = None,
    first: dict[str, str] | None = None,
    moment: Moment = "applied",
) -> None:
    scene.moment = moment
    site = scene.site()
    both = [unit("db.service"), unit("pacs.service", **(first or {}))]
    scene.host.outputs["systemctl show"] = "\n\n".join(both)
    at_first = service.units(site)
    scene.host.outputs["systemctl show"] = f"{both[0]}\n\n{unit('pacs.service', **(now or {}))}"
    service.test_service_active(site.request, site, scene.record, at_first)


def test_services_that_run_and_run_on_pass(scene: Scene) -> None:
    services(scene)


RESTARTED = {"NRestarts": "2", "InvocationID": "a9"}


def before(run: str) -> tuple[CheckResult, ...]:
    runs: dict[str, JsonValue] = {"pacs.service": run}
    return (CheckResult(check="service-active", status="passed", measures={"runs": runs}),)


def test_a_new_release_that_had_to_be_restarted_fails(scene: Scene) -> None:
    scene.baseline = before("a1")
    with pytest.raises(AssertionError, match="restarted 2 times"):
        services(scene, first=RESTARTED, now=RESTARTED)


def test_what_ran_on_since_the_baseline_may_have_a_past(scene: Scene) -> None:
    services(scene, first=RESTARTED, now=RESTARTED, moment="baseline")
    scene.baseline = before("a9")
    services(scene, first=RESTARTED, now=RESTARTED, moment="restored")


@pytest.mark.parametrize(
    "now",
    [
        {"ActiveState": "failed", "SubState": "failed"},
        {"ActiveState": "activating", "SubState": "auto-restart"},
        {"SubState": "stop-sigterm"},
        {"InvocationID": "b2"},
        {"NRestarts": "1"},
    ],
)
def test_a_service_that_does_not_run_on_fails(scene: Scene, now: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match=r"pacs\.service"):
        services(scene, now=now, moment="baseline")


def at_boot(scene: Scene, before: str | None, now: str, *, moment: Moment = "applied") -> None:
    if before is not None:
        measures: dict[str, JsonValue] = {
            "at_boot": {"db.service": "static", "pacs.service": before}
        }
        scene.baseline = (CheckResult(check="service-at-boot", status="passed", measures=measures),)
    scene.moment = moment
    site = scene.site()
    both = [unit("db.service", UnitFileState="static"), unit("pacs.service", UnitFileState=now)]
    scene.host.outputs["systemctl show"] = "\n\n".join(both)
    service.test_service_at_boot(site.request, site, scene.record, service.units(site))


@pytest.mark.parametrize(
    ("before", "now"),
    [("enabled", "enabled"), ("enabled-runtime", "enabled"), ("disabled", "disabled")],
)
def test_what_starts_at_boot_as_before_passes(scene: Scene, before: str, now: str) -> None:
    at_boot(scene, before, now)


@pytest.mark.parametrize("now", ["disabled", "masked", ""])
def test_what_does_not_start_at_boot_any_more_fails(scene: Scene, now: str) -> None:
    with pytest.raises(AssertionError, match=r"not started at boot any more: pacs\.service"):
        at_boot(scene, "enabled", now)


def test_what_was_never_started_at_boot_is_a_warning(scene: Scene) -> None:
    at_boot(scene, None, "disabled", moment="baseline")
    assert scene.record.because.startswith("warning: ")


def test_without_a_baseline_what_starts_at_boot_is_unknown(scene: Scene) -> None:
    with pytest.raises(Unknown):
        at_boot(scene, None, "disabled")


def names(scene: Scene, moment: Moment) -> Record:
    scene.moment = moment
    site, record = scene.site(), Record()
    if moment == "baseline":
        record_of_time = Record()
        retrieve.test_retrieve_time(site.request, site, record_of_time)
        scene.baseline = (
            CheckResult(check="retrieve-time", status="passed", measures=record_of_time.measures),
        )
    retrieve.test_retrieve_names(site.request, site, record)
    if moment == "baseline":
        found = CheckResult(check="retrieve-names", status="passed", measures=record.measures)
        scene.baseline = (*scene.baseline, found)
    return record


def test_patients_are_found_under_the_names_that_they_had(scene: Scene) -> None:
    names(scene, "baseline")
    names(scene, "applied")


def test_no_name_leaves_the_check(scene: Scene) -> None:
    record = names(scene, "baseline")
    told = f"{record.measures} {record.evidence} {record.because}"
    assert "LAB-" not in told
    assert "^" not in told


def test_a_patient_with_another_name_is_seen(scene: Scene) -> None:
    names(scene, "baseline")
    scene.pacs.faults.called = "S?NT?TICO"
    with pytest.raises(AssertionError, match="have another name, number or date"):
        names(scene, "applied")


def test_a_patient_who_is_not_found_by_name_any_more_is_seen(scene: Scene) -> None:
    names(scene, "baseline")
    scene.pacs.faults.nameless = True
    with pytest.raises(AssertionError, match="not found by name any more"):
        names(scene, "applied")


def test_a_name_that_was_never_found_is_not_missed(scene: Scene) -> None:
    scene.pacs.faults.nameless = True
    names(scene, "baseline")
    names(scene, "applied")


def test_without_names_from_before_nothing_is_known(scene: Scene) -> None:
    names(scene, "baseline")
    scene.baseline = scene.baseline[:1]
    with pytest.raises(Unknown):
        names(scene, "applied")


def test_a_slow_line_is_told_from_a_slow_archive(scene: Scene) -> None:
    measures: dict[str, JsonValue] = {"p95": 0.1, "line": 10_000_000}
    measured = CheckResult(check="retrieve-time", status="passed", measures=measures)
    scene.moment, scene.baseline = "applied", (measured,)
    scene.host.line_carries = 64_000
    with pytest.raises(AssertionError, match=r"carries 64 kB/s, at the baseline it was 10000 kB/s"):
        retrieve.compare(2.0, scene.site(), scene.record)


def test_a_line_that_cannot_be_tried_is_said(scene: Scene) -> None:
    measured = CheckResult(check="retrieve-time", status="passed", measures={"p95": 0.1})
    scene.moment, scene.baseline = "applied", (measured,)
    scene.host.reachable = False
    with pytest.raises(AssertionError, match="whether the line is slow could not be seen"):
        retrieve.compare(2.0, scene.site(), scene.record)


LISTENING = "LISTEN 0 128 {} 0.0.0.0:*\nLISTEN 0 5 [::]:8042 [::]:*\n"


def ports(scene: Scene, line: str) -> None:
    scene.host.outputs["ss"] = LISTENING.format(line)
    site = scene.site()
    service.test_ports_listening(site.request, site, scene.record)


@pytest.mark.parametrize("line", ["0.0.0.0:4242", "*:4242", "10.0.0.1%eth0:4242"])
def test_ports_that_others_reach_pass(scene: Scene, line: str) -> None:
    ports(scene, line)


@pytest.mark.parametrize("line", ["127.0.0.1:4242", "[::1]:4242", "0.0.0.0:4243"])
def test_ports_that_others_do_not_reach_fail(scene: Scene, line: str) -> None:
    with pytest.raises(AssertionError, match="port 4242"):
        ports(scene, line)


@pytest.mark.parametrize(("mib", "enough"), [(512, True), (511, False)])
def test_room_is_measured(scene: Scene, mib: int, *, enough: bool) -> None:
    scene.host.outputs["df"] = f"Avail Mounted on\n{mib << 20} /data\n"
    site = scene.site()
    if enough:
        service.test_disk_free(site.request, site, scene.record)
        return
    with pytest.raises(AssertionError, match="511 MiB free"):
        service.test_disk_free(site.request, site, scene.record)


@pytest.mark.parametrize(("target", "right"), [("/opt/pacs/2.0", True), ("/opt/pacs/1.0", False)])
def test_the_link_names_the_release(scene: Scene, target: str, *, right: bool) -> None:
    scene.host.outputs |= {"readlink": f"{target}\n", "test": ""}
    site = scene.site()
    if right:
        service.test_release_runs(site.request, site, scene.record)
        return
    with pytest.raises(AssertionError, match=r"ordered is 2\.0"):
        service.test_release_runs(site.request, site, scene.record)


@pytest.mark.parametrize(
    ("check", "field"),
    [
        (service.test_ports_listening, "ports"),
        (service.test_disk_free, "volumes"),
    ],
)
def test_nothing_declared_is_nothing_seen(
    scene: Scene, check: Callable[..., None], field: str
) -> None:
    scene.host.outputs |= {"ss": "", "df": "Avail Mounted on\n"}
    site = scene.site()
    bare = site.request.model_copy(update={field: ()})
    with pytest.raises(AssertionError, match="is declared"):
        check(bare, site, scene.record)


def test_no_service_declared_is_nothing_seen(scene: Scene) -> None:
    scene.host.outputs["systemctl show"] = ""
    site = scene.site()
    site.request = site.request.model_copy(update={"services": ()})
    with pytest.raises(AssertionError, match="no service is declared"):
        service.test_service_active(site.request, site, scene.record, {})


def test_images_that_take_too_long_on_average_fail_at_any_time(
    scene: Scene, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieve, "MEAN", 0.0)
    with pytest.raises(AssertionError, match="on average"):
        retrieve.test_retrieve_time(site.request, site, scene.record)


def test_a_baseline_without_a_time_is_nothing_to_compare_with(scene: Scene) -> None:
    measured = CheckResult(check="retrieve-time", status="passed", measures={"p95": None})
    scene.moment, scene.baseline = "applied", (measured,)
    with pytest.raises(Unknown, match="was empty at the baseline"):
        retrieve.compare(0.1, scene.site(), scene.record)
