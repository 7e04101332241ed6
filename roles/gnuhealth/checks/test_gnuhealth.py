"""What only GNU Health can tell: its release, its records as people see them, who is let in.

A version that answers is no health: old code on a migrated database answers one too. So the
verifier logs in as people do, counts, and reads. What it reads is compared field by field with the
baseline, as digests under a key of the host, which no journal holds. A record that was worked on
between the baseline and the door's shutting says nothing, and is counted apart.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from httpx import codes

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.site import Site
from orchestrator.wire.errors import Declined
from orchestrator.wire.tryton import TrytonClient

SCRIPTS = "/var/lib/wardship/changes/{}/scripts"
#: Run on the host with what the role laid there: the release that answers, the database's name,
#: what is wrong between them, and the key of this change's digests, which is kept nowhere else.
ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import gnuhealth_host as here, gnuhealth_product as product, gnuhealth_records as records
names = here.settings()
try:
    product.require_database(names, sys.argv[2])
    told = ""
except here.ProblemError as problem:
    told = str(problem)
print(json.dumps([product.running(names), names["database"], told, records.key_of(sys.argv[3])]))
"""
#: Model → its kind in the census, and the fields that every series of releases has.
READ = {
    "gnuhealth.patient": (
        "patients",
        ("rec_name", "puid", "lastname", "gender", "dob", "deceased", "blood_type",
         "critical_info"),
    ),
    "gnuhealth.imaging.test.request": (
        "orders",
        ("request", "request_line", "date", "state", "urgent", "comment", "patient.rec_name",
         "requested_test.rec_name", "doctor.rec_name"),
    ),
}  # fmt: skip
#: All but wardship's own, active or not.
OTHERS: dict[str, list[Any]] = {
    "patients": [["puid", "not like", "WARDSHIP-%"], ["active", "in", [True, False]]],
    "orders": [["OR", ["request", "=", None], ["request", "not like", "WARDSHIP-%"]]],
}
SAMPLE = 20
#: An account of GNU Health's own demonstration data.
DEMO = ("demo_doctor", "gnusolidario")


@pytest.fixture
def server(site: Site, request_: CheckRequest) -> Iterator[TrytonClient]:
    """The server, nobody logged in."""
    database = _asked(site, request_)[1]
    with TrytonClient(site.web_target.url, database=database) as client:
        yield client


@pytest.fixture
def ris(server: TrytonClient, site: Site) -> TrytonClient:
    """The server, with the verifier logged in."""
    server.log_in(site.web_target.user or "", _password(site))
    return server


def test_gnuhealth_release(site: Site, request_: CheckRequest, record: Record) -> None:
    """The release that runs is the one that was ordered, by where its process lies."""
    running = _asked(site, request_)[0]
    record.show(f"release {running}")
    assert running == request_.release, f"{running} runs, ordered is {request_.release}"


def test_gnuhealth_database(site: Site, request_: CheckRequest) -> None:
    """The database is of the release that runs: other code would write to it and not read it."""
    told = _asked(site, request_)[2]
    assert not told, told


def test_gnuhealth_search(
    ris: TrytonClient, site: Site, request_: CheckRequest, record: Record
) -> None:
    """Who logs in finds every patient and order, and reads of them what was read before."""
    read: dict[str, dict[str, str]] = {}
    says: dict[str, str] = {}
    for model, (kind, fields) in READ.items():
        known, found = _found(ris, site, request_, model)
        record.show(f"{kind}: {len(known)} in the census, {found} found")
        assert found == len(known), f"{found} {kind} are found, {len(known)} are in the census"
        wanted = _sample(site, request_, sorted(known, key=int), kind)
        # As people find the inactive too: a patient who was merged is one.
        for one in ris.search(model, fields, domain=[["id", "in", wanted], *OTHERS[kind]]):
            name = f"{kind} {one['id']}"
            read[name] = _digests(one, fields, _asked(site, request_)[3])
            says[name] = known[str(one["id"])]
        missing = [number for number in wanted if f"{kind} {number}" not in read]
        assert not missing, f"{len(missing)} {kind} are found and cannot be read, e.g. {missing[0]}"
    record.measure(read=read, says=says)
    if request_.moment == "baseline":
        record.say(f"{len(read)} records were read field by field")
        return
    before, same = _still_as_read(site)
    for name in same:
        now = read.get(name, {})
        wrong = sorted(field for field, digest in before[name].items() if now.get(field) != digest)
        assert not wrong, f"{name} does not read as before in {', '.join(wrong)}"
    told = f"{len(same)} records read as before, field by field"
    if len(same) < len(before):
        told += f"; {len(before) - len(same)} were worked on before the door was shut"
    record.say(told)


def test_gnuhealth_accounts(
    server: TrytonClient, site: Site, request_: CheckRequest, record: Record
) -> None:
    """No demo account and no password that everybody knows is let in; roles are as before."""
    script = f"{SCRIPTS.format(request_.change_set)}/accounts"
    found = json.loads(site.host.run(script))
    assert not found["demo"], f"demo accounts are active: {', '.join(found['demo'])}"
    assert not found["known"], (
        f"accounts have a password that everybody knows: {', '.join(found['known'])}"
    )
    if request_.moment == "applied":  # each try makes the server slower for the next
        assert _refuses(server, *DEMO), f"{DEMO[0]} is let in"
    record.measure(roles=found["roles"])
    record.say(f"{found['active']} accounts are active, none of them with a known password")
    if mighty := sorted({"admin", "root"} & set(found["untried"])):
        raise Unknown(f"the password of {mighty[0]} cannot be tried: set it anew, then plan again")
    if found["untried"]:
        # Of a form that no release hashes in any more, and the wrong place to refuse an update for.
        record.say(f"not tried: the passwords of {len(found['untried'])} accounts, in an old form")
    if request_.moment == "baseline":
        return
    before = site.baseline("gnuhealth-accounts").measures["roles"]
    assert isinstance(before, list)
    lost = set(map(str, before)) - set(found["roles"])
    assert not lost, f"{len(lost)} roles of accounts are gone"


def _asked(site: Site, request_: CheckRequest) -> list[str]:
    """Release, database, and what is wrong between them, by the host; asked once."""
    scripts = SCRIPTS.format(request_.change_set)
    words = ["python3", "-IBc", ASK, scripts, request_.release, request_.change_set]
    found: list[str] = site.once("gnuhealth", lambda: json.loads(site.host.run(*words)))
    return found


def _password(site: Site) -> str:
    name = site.web_target.password_env
    password = os.environ.get(name) if name else None
    if not password or not site.web_target.user:
        raise Unknown("no account is declared for the verifier under web")
    return password


def _found(
    ris: TrytonClient, site: Site, request_: CheckRequest, model: str
) -> tuple[dict[str, str], int]:
    """What the census knows of a kind, and how many are found; twice, since people work."""
    kind = READ[model][0]
    domain = OTHERS[kind]
    if request_.moment == "applied":
        return site.census_before().records.get(kind, {}), ris.count(model, domain)
    known, found = site.census_now().records.get(kind, {}), ris.count(model, domain)
    if len(known) != found:
        known = site.census_now(again=True).records.get(kind, {})
        found = ris.count(model, domain)
    return known, found


def _sample(site: Site, request_: CheckRequest, known: list[str], kind: str) -> list[int]:
    """Those of the baseline that are still there; at the baseline drawn anew."""
    if request_.moment != "baseline":
        before, _ = _still_as_read(site)
        numbers = [name.split()[1] for name in before if name.split()[0] == kind]
        return [int(number) for number in numbers if number in known]
    drawn = random.Random(request_.seed).sample(known, min(SAMPLE, len(known)))  # noqa: S311
    return [int(number) for number in drawn]


def _still_as_read(site: Site) -> tuple[dict[str, dict[str, str]], list[str]]:
    """What was read at the baseline, and which of it nobody worked on until the door was shut."""
    measures = site.baseline("gnuhealth-search").measures
    before, says = measures["read"], measures["says"]
    assert isinstance(before, dict)
    assert isinstance(says, dict)
    counted = site.census_before().records
    same = [
        name
        for name in before
        if counted.get(name.split()[0], {}).get(name.split()[1]) == says[name]
    ]
    return {name: dict(fields) for name, fields in before.items()}, same


def _digests(one: dict[str, Any], fields: tuple[str, ...], key: str) -> dict[str, str]:
    """What is read of each field, as nobody can read it again."""
    found = {}
    for field in fields:
        value: Any = one
        for name in field.replace(".", ". ").split(" "):
            value = value.get(name) if isinstance(value, dict) else None
        said = json.dumps(value, sort_keys=True).encode()
        found[field] = hmac.new(key.encode(), said, hashlib.sha256).hexdigest()[:16]
    return found


def _refuses(server: TrytonClient, user: str, password: str) -> bool:
    try:
        server.log_in(user, password)
    except Declined as answer:
        if answer.status != codes.UNAUTHORIZED:
            raise
        return True
    return False
