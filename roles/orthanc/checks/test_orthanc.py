"""What only Orthanc can tell: which release runs, who is let in, whether what it stored is kept."""

from __future__ import annotations

import json

from httpx import codes

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.site import Site
from orchestrator.wire.dicomweb import WebClient
from orchestrator.wire.errors import Declined

#: Accounts that Orthanc's own samples and packages come with, and no account at all.
DEFAULTS = (("orthanc", "orthanc"), ("demo", "demo"), ("admin", "admin"), (None, None))
#: Run on the host, with what the role laid there: nothing, or why a caller from outside is turned
#: away. It has to come with an account: who has none gets the same answer from either.
ASK = """
import sys
sys.path.insert(0, f"/var/lib/wardship/changes/{sys.argv[1]}/scripts")
import orthanc_host as here
try:
    here.Web(here.configuration("/etc/orthanc"), sys.argv[2]).read("GET", "/system")
except here.ProblemError as problem:
    print(problem)
"""
#: How the database writes, also where one account or database has it its own way.
DURABILITY = """
select 'server ' || name || '=' || setting from pg_settings
where name in ('fsync', 'full_page_writes', 'synchronous_commit')
union all
select 'set apart ' || unnest from pg_db_role_setting, unnest(setconfig)
where unnest like 'synchronous_commit=%'
order by 1
"""
SERVER_SETTINGS = 3
#: Orthanc's own: every stored file is synced unless this says no.
UNSYNCED = (
    """grep -Ehio '"SyncStorageArea"[[:space:]]*:[[:space:]]*false' /etc/orthanc/*.json"""
    " || [ $? = 1 ]"
)


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


def test_orthanc_remote(request_: CheckRequest, site: Site, record: Record) -> None:
    """Other machines are let in as before: asked at the host's own address, not its loopback."""
    listed = json.loads(site.host.run("ip", "-json", "-4", "address", "show", "scope", "global"))
    addresses = [one["local"] for link in listed for one in link["addr_info"]]
    if not addresses:
        raise Unknown("its host has no address of its own but loopback's")
    told = site.host.run("python3", "-IBc", ASK, request_.change_set, addresses[0]).strip()
    record.measure(let_in=not told)
    record.show(f"at {addresses[0]}, with the product's own account: {told or 'let in'}")
    if request_.moment == "baseline":
        if told:
            record.say(f"warning: other machines are not let in, as found: {told}")
        return
    assert not told or not site.baseline("orthanc-remote").measures["let_in"], (
        f"other machines are not let in any more: {told}"
    )


def test_orthanc_durable(request_: CheckRequest, site: Site, record: Record) -> None:
    """What Orthanc says it has stored outlasts a power cut, as before."""
    psql = ["runuser", "-u", "postgres", "--", "psql", "-XqAtc", DURABILITY]
    kept = site.host.run(*psql).splitlines()
    if len([line for line in kept if line.startswith("server ")]) != SERVER_SETTINGS:
        raise Unknown("PostgreSQL does not say how it writes")
    found = [line for line in kept if not line.endswith("=on")]
    found += site.host.run("sh", "-c", UNSYNCED).splitlines()
    record.measure(unsafe=list(found))
    record.show(*kept)
    if request_.moment == "baseline":
        if found:
            record.say(f"warning: a power cut may lose what was stored, as found: {told(found)}")
        return
    before = site.baseline("orthanc-durable").measures["unsafe"]
    assert isinstance(before, list)
    worse = [line for line in found if line not in before]
    assert not worse, f"a power cut may lose what was stored: {told(worse)}"


def told(lines: list[str]) -> str:
    """One line."""
    return "; ".join(line.strip() for line in lines)


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
