"""Images open as fast as before, and are the same."""

from __future__ import annotations

from statistics import fmean

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.sample import Look, as_measure, drawn, percentile, retrieved
from orchestrator.verify.site import Site
from orchestrator.wire.errors import WireError

#: Seconds. From the scopes of work: 5 s on average; below 1 s nobody waits.
MEAN, ALWAYS_FINE = 5.0, 1.0
#: Times the baseline's p95.
SLOW, TOO_SLOW = 1.5, 3.0
KB = 1e3


def test_retrieve_time(request_: CheckRequest, site: Site, record: Record) -> None:
    plan = drawn(site)
    record.measure(drawn=as_measure(plan))
    looks = retrieved(site)
    if not looks:
        assert site.found() == {}, "nothing was drawn from an archive that holds studies"
        record.measure(p95=None, mean=None, retrieves=0)
        record.say("the archive is empty: there is nothing to retrieve")
        return
    seconds = [look.seconds for look in looks]
    p95, mean = percentile(seconds, 0.95), fmean(seconds)
    record.measure(p95=round(p95, 4), mean=round(mean, 4), retrieves=len(seconds))
    record.show(f"{len(seconds)} retrieves: p95 {p95:.3f} s, mean {mean:.3f} s")
    if request_.moment == "baseline":
        record.measure(line=round(site.host.line()))
    else:
        compare(p95, site, record)
    assert mean <= MEAN, f"an image takes {mean:.1f} s on average, {MEAN:.0f} s are allowed"


def compare(p95: float, site: Site, record: Record) -> None:
    """Against the facility's own baseline."""
    before = site.baseline("retrieve-time").measures.get("p95")
    if not isinstance(before, int | float):
        raise Unknown("nothing to compare with: the archive was empty at the baseline")
    record.show(f"baseline: p95 {before:.3f} s")
    limit = max(TOO_SLOW * before, ALWAYS_FINE)
    assert p95 <= limit, (
        f"an image takes {p95:.2f} s (p95), it took {before:.2f} s at the baseline, more than"
        f" {limit:.2f} s is too slow; {line(site)}"
    )
    if p95 > SLOW * before:
        record.say(f"warning: slower than before, p95 is {p95:.3f} s and was {before:.3f} s")


def line(site: Site) -> str:
    """Whether it is the line that is slow, or what stands at its end."""
    try:
        now = site.host.line()
    except Unknown as problem:
        return f"whether the line is slow could not be seen: {problem}"
    before = site.baseline("retrieve-time").measures.get("line")
    was = f"{before / KB:.0f} kB/s" if isinstance(before, int | float) else "not known"
    return f"the line from its host carries {now / KB:.0f} kB/s, at the baseline it was {was}"


def test_retrieve_same(request_: CheckRequest, site: Site, record: Record) -> None:
    try:
        looks = retrieved(site)
    except WireError as error:
        raise Unknown(f"nothing to compare: {error}") from None
    prints = hashes(looks)
    record.measure(prints={uid: list(pair) for uid, pair in prints.items()})
    if request_.moment == "baseline":
        record.say(f"{len(prints)} objects hashed, to be compared with after the change")
        return
    before = site.baseline("retrieve-same").measures["prints"]
    assert isinstance(before, dict)
    assert prints.keys() == before.keys(), "other objects were retrieved than at the baseline"
    changed = sorted(uid for uid, pair in prints.items() if list(pair) != before[uid])
    record.show(*changed)
    assert not changed, f"{len(changed)} of {len(prints)} objects are not as they were"
    record.say(f"{len(prints)} objects: pixel and header hashes are those of before the change")


def hashes(looks: tuple[Look, ...]) -> dict[str, tuple[str, str, str]]:
    """Instance UID → transfer syntax, header hash, pixel hash."""
    found = {}
    for uid, look in {look.where.instance: look for look in looks}.items():
        print_ = look.stored.fingerprint()
        found[uid] = (look.stored.transfer_syntax, print_.header, print_.pixels)
    return found
