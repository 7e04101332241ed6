"""What only Orthanc's own web service can tell: which release runs, and who is let in."""

from __future__ import annotations

from httpx import codes

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.plugin import Record
from orchestrator.wire.dicomweb import WebClient
from orchestrator.wire.errors import Declined

#: Accounts that Orthanc's own samples and packages come with, and no account at all.
DEFAULTS = (("orthanc", "orthanc"), ("demo", "demo"), ("admin", "admin"), (None, None))


def test_orthanc_release(request_: CheckRequest, web: WebClient, record: Record) -> None:
    """The release that runs is the one that was ordered, by its own word."""
    system = web.get("/system").json()
    record.show(f"version {system['Version']}, database version {system['DatabaseVersion']}")
    assert system["Version"] == request_.release, (
        f"{system['Version']} runs, ordered is {request_.release}"
    )


def test_orthanc_index(web: WebClient) -> None:
    """The index is the hospital's PostgreSQL, not an empty one that Orthanc made itself."""
    plugin = web.get("/system").json()["DatabaseBackendPlugin"]
    assert plugin, "Orthanc runs with an index of its own, without its PostgreSQL plugin"


def test_orthanc_accounts(web: WebClient, record: Record) -> None:
    """No demo or default account is let in, while the verifier's own is."""
    web.get("/system")
    let_in = [user or "(nobody)" for user, password in DEFAULTS if not refuses(web, user, password)]
    assert not let_in, f"let in without the hospital's own password: {', '.join(let_in)}"
    record.say(f"{len(DEFAULTS)} default accounts were refused")


def refuses(web: WebClient, user: str | None, password: str | None) -> bool:
    """Whether this account is turned away; any other failure is no answer to that."""
    with WebClient(web.url, user=user, password=password) as stranger:
        try:
            stranger.get("/system")
        except Declined as answer:
            if answer.status not in (codes.UNAUTHORIZED, codes.FORBIDDEN):
                raise
            return True
    return False
