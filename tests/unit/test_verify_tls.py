"""The checks of DICOM TLS: each sees what it is there for, and an absent answer is no pass."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.lab.authority import Authority, Identity
from orchestrator.verify.checks import test_dicom as dicom
from orchestrator.verify.checks import test_tls as tls
from orchestrator.verify.model import CheckResult, TlsTarget
from orchestrator.verify.outcome import Unknown
from orchestrator.wire.errors import NotSecure, WireError
from tests.fakes.pacs import FakePacs
from tests.fakes.scene import Scene
from tests.unit.test_wire_tls import speaking

NAME = "pacs.invalid"
AUTHORITY = Authority()
ARCHIVE, PROBE = AUTHORITY.issue(NAME), AUTHORITY.issue("wardship.invalid")
OTHER, OVER = AUTHORITY.issue("other.invalid"), AUTHORITY.issue(NAME, days=-1)
Make = Callable[..., Scene]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("PROBE_KEY", PROBE.key)
    with ExitStack() as stack:

        def make(context: ssl.SSLContext | None, declares: Identity = ARCHIVE) -> Scene:
            made = Scene(stack.enter_context(FakePacs(secured=context)), tmp_path)
            made.tls = TlsTarget(
                ca=AUTHORITY.certificate, name=NAME, certificate=declares.certificate,
                own_certificate=PROBE.certificate, own_key_env="PROBE_KEY",
            )  # fmt: skip
            stack.callback(made.close)
            return made

        yield make


def good(identity: Identity = ARCHIVE) -> ssl.SSLContext:
    return speaking(identity, asks=True, trusts=AUTHORITY.certificate)


def old() -> ssl.SSLContext:
    """Takes what is broken as well."""
    context = good()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def test_the_declared_certificate_in_force_passes(scene: Make) -> None:
    made = scene(good())
    tls.test_tls_certificate(made.site(), made.record)
    assert "the declared certificate, in force until" in made.record.because


def test_the_other_checks_speak_tls_as_well(scene: Make) -> None:
    made = scene(good())
    site = made.site()
    dicom.test_dicom_wrong_ae(site, site.dicom, made.record)


@pytest.mark.parametrize(
    ("shows", "told"), [(OTHER, "another certificate"), (OVER, "not in force now")]
)
def test_another_certificate_or_one_that_is_over_fails(
    scene: Make, shows: Identity, told: str
) -> None:
    made = scene(good(shows))
    with pytest.raises(AssertionError, match=told):
        tls.test_tls_certificate(made.site(), made.record)


def test_the_declared_certificate_fails_if_its_authority_is_not_the_declared_one(
    scene: Make,
) -> None:
    stranger = Authority().issue(NAME)
    made = scene(good(stranger), stranger)
    with pytest.raises(NotSecure, match="did not issue"):
        tls.test_tls_certificate(made.site(), made.record)


def test_an_archive_in_the_clear_fails_every_check(scene: Make) -> None:
    made = scene(None)
    site = made.site()
    with pytest.raises(WireError):
        tls.test_tls_certificate(site, made.record)
    with pytest.raises(pytest.fail.Exception, match="answers in the clear"):
        tls.test_tls_only(site, made.record)
    with pytest.raises((WireError, Unknown)):
        tls.test_tls_version(site.request, site, made.record)


def test_a_caller_in_the_clear_is_seen_refused(scene: Make) -> None:
    made = scene(good())
    tls.test_tls_only(made.site(), made.record)


def test_an_archive_that_is_away_is_not_taken_for_one_that_refuses(scene: Make) -> None:
    made = scene(good())
    with socket.create_server(("127.0.0.1", 0)) as free:
        made.pacs = replace(made.pacs, _server=SimpleNamespace(server_address=free.getsockname()))
    site = made.site()
    with pytest.raises(WireError):
        tls.test_tls_only(site, made.record)
    with pytest.raises((WireError, Unknown)):
        tls.test_tls_version(site.request, site, made.record)
    with pytest.raises(WireError):
        tls.test_tls_certificate(site, made.record)


def test_broken_versions_refused_pass(scene: Make) -> None:
    made = scene(good())
    made.moment = "applied"
    site = made.site()
    tls.test_tls_version(site.request, site, made.record)
    assert made.record.measures == {"broken": []}


def test_broken_versions_taken_by_the_new_release_fail(scene: Make) -> None:
    made = scene(old())
    made.moment = "applied"
    site = made.site()
    with pytest.raises(AssertionError, match=r"TLSv1 and TLSv1\.1 accepted"):
        tls.test_tls_version(site.request, site, made.record)


def test_broken_versions_as_they_were_found_are_told_and_no_failure(scene: Make) -> None:
    made = scene(old())
    site = made.site()
    tls.test_tls_version(site.request, site, made.record)
    assert "warning: TLSv1 and TLSv1.1 accepted" in made.record.because
    assert made.record.measures == {"broken": ["TLSv1", "TLSv1.1"]}


@pytest.mark.parametrize(
    ("before", "fails"), [(["TLSv1", "TLSv1.1"], False), (["TLSv1"], True), (None, True)]
)
def test_after_a_restore_no_more_is_taken_than_before(
    scene: Make, before: list[str] | None, fails: bool
) -> None:
    made = scene(old())
    made.moment = "restored"
    known = CheckResult(check="tls-version", status="passed", measures={"broken": before})
    made.baseline = (known,) if before is not None else ()
    site = made.site()
    if not fails:
        tls.test_tls_version(site.request, site, made.record)
        return
    with pytest.raises((AssertionError, Unknown)):
        tls.test_tls_version(site.request, site, made.record)


def test_our_own_key_that_is_not_there_is_unknown(
    scene: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene(good())
    monkeypatch.delenv("PROBE_KEY")
    with pytest.raises(Unknown, match="not in the environment as PROBE_KEY"):
        tls.test_tls_certificate(made.site(), made.record)


def test_without_a_declaration_the_checks_are_unknown(scene: Make) -> None:
    made = scene(good())
    made.tls = None
    with pytest.raises((Unknown, WireError)):
        tls.test_tls_certificate(made.site(), made.record)
