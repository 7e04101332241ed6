"""NetBox's answers as rows of a list, and what it may say instead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from orchestrator.adapters import netbox
from orchestrator.errors import FleetError
from orchestrator.fleet.importers.rows import Row
from tests.fakes.netbox import FOUND, TOKEN, Answer, NetBox


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[NetBox]:
    monkeypatch.setenv(netbox.TOKEN, TOKEN)
    found = NetBox()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def said(row: Row) -> dict[str, object]:
    return {name: cell.value for name, cell in row.cells.items() if not cell.is_blank}


def refused(url: str, **options: float) -> str:
    with pytest.raises(FleetError) as refusal:
        netbox.read(url, netbox.ROLES, **options)
    told = f"{refusal.value}\n{refusal.value.hint}"
    assert TOKEN not in told
    return told


def test_every_page_is_read_and_hosts_come_first(box: NetBox) -> None:
    rows = netbox.read(box.url, netbox.ROLES)
    assert [(said(row)["kind"], row.name.value) for row in rows] == [
        ("host", "mhlatane-pacs"),
        ("host", "tachott-pacs"),
        ("modality", "mhlatane-ct1"),
        ("workstation", "mhlatane-ws1"),
    ]
    assert {path for path, _, _ in box.asked} == {
        "/api/dcim/sites/",
        "/api/dcim/devices/",
        "/api/virtualization/virtual-machines/",
    }


def test_a_host_is_what_netbox_says_of_it(box: NetBox) -> None:
    host = said(netbox.read(box.url, netbox.ROLES)[0])
    assert host == {
        "facility": "mhlatane", "title": "Mhlatane Hospital", "country": "SZ",
        "timezone": "Africa/Mbabane", "kind": "host", "host": "mhlatane-pacs",
        "address": "10.20.1.10", "product": "orthanc", "ae_title": "MHLATANE", "port": 4242,
        "web_port": 8042, "web_user": "wardship",
    }  # fmt: skip


def test_a_cell_is_named_as_a_person_finds_it_in_netbox(box: NetBox) -> None:
    (host, *_) = netbox.read(box.url, netbox.ROLES)
    assert host.cells["ae_title"].where == "device mhlatane-pacs, custom_fields.ae_title"
    assert host.cells["timezone"].where == "device mhlatane-pacs, site.time_zone"


def test_roles_may_have_other_names(box: NetBox) -> None:
    rows = netbox.read(box.url, {**netbox.ROLES, "host": "switch"})
    assert [row.name.value for row in rows if said(row)["kind"] == "host"] == ["core-1"]


def test_a_token_that_is_not_let_in_is_told_and_never_shown(
    box: NetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(netbox.TOKEN, "f" * 40)
    assert "does not let this token in (403)" in refused(box.url)
    monkeypatch.delenv(netbox.TOKEN)
    asked = len(box.asked)
    assert "the environment has no NETBOX_TOKEN" in refused(box.url)
    assert len(box.asked) == asked


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, "text/html", b"<html>Log in</html>"), "does not answer as NetBox does"),
        ((401, "application/json", b"{}"), "does not let this token in (401)"),
        ((404, "text/html", b"no"), "there is no NetBox (404)"),
        ((502, "text/html", b"<html>"), "answers with 502"),
        ((200, "application/json", b'{"count": 1, "next": null, "results": [[1]]}'), "is not what"),
        ((200, "application/json", b'{"count": 1}'), "is not what NetBox gives"),
    ],
)
def test_what_is_no_answer_is_told_in_words(box: NetBox, answer: Answer, told: str) -> None:
    box.instead = lambda _: answer
    assert told in refused(box.url)


def test_a_page_that_is_said_to_be_elsewhere_is_asked_for_here(box: NetBox) -> None:
    other = NetBox()
    box.elsewhere = other.url
    assert len(netbox.read(box.url, netbox.ROLES)) == 4
    other.server.server_close()
    assert other.asked == []


def test_a_netbox_that_sends_us_on_is_not_followed(box: NetBox) -> None:
    other = NetBox()
    box.instead = lambda path: (FOUND, "text/plain", f"{other.url}{path}".encode())
    assert "sends us on to" in refused(box.url)
    other.server.server_close()
    assert other.asked == []


def test_a_silent_netbox_is_not_waited_for(box: NetBox) -> None:
    told = threading.Event()

    def silent(_: str) -> Answer | None:
        told.wait(10)
        return None

    box.instead = silent
    try:
        assert "no answer within 0 s" in refused(box.url, patience=0.2)
    finally:
        told.set()


def test_a_netbox_that_is_not_there_is_told(box: NetBox) -> None:
    box.server.server_close()
    assert "cannot be reached" in refused(box.url) or "no answer" in refused(box.url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://netbox.example.org", "the token would travel in the clear"),
        ("netbox.example.org", "no address"),
        ("https://user:secret@netbox.example.org", "more than an address was given"),
        ("https://[", "no address"),
        ("ftp://netbox.example.org", "no address"),
    ],
)
def test_an_address_that_may_not_be_asked(box: NetBox, url: str, told: str) -> None:
    message = refused(url)
    assert told in message
    assert "secret" not in message
    assert box.asked == []


@pytest.mark.parametrize("token", [f"{TOKEN}\r", f"{TOKEN}\n", f" {TOKEN}", "ä" * 40])
def test_a_token_with_a_strange_sign_is_refused_and_never_shown(
    token: str, box: NetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(netbox.TOKEN, token)
    told = refused(box.url)
    assert "holds a sign that no token has" in told
    assert token.strip() not in told
    assert not box.asked


def test_an_authority_that_is_not_there_is_no_bug(
    box: NetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such")
    assert "/no/such: cannot be read\nREQUESTS_CA_BUNDLE names" in refused(box.url)


def test_a_port_without_tls_is_told_as_that(box: NetBox) -> None:
    assert "speaks no TLS at that port" in refused(box.url.replace("http:", "https:"))
