"""Images open as fast as before, and are the same."""

from __future__ import annotations

from hashlib import sha256
from statistics import fmean

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.sample import Look, as_measure, drawn, percentile, retrieved
from orchestrator.verify.site import Site
from orchestrator.wire.errors import Garbled, WireError

#: Seconds. From the scopes of work: 5 s on average; below 1 s nobody waits.
MEAN, ALWAYS_FINE = 5.0, 1.0
#: Times the baseline's p95.
SLOW, TOO_SLOW = 1.5, 3.0
KB = 1e3
#: What a study is found by: the first two are the patient's own.
IDENTITY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyDate",
    "StudyDescription",
)


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


def test_retrieve_names(request_: CheckRequest, site: Site, record: Record) -> None:
    """C-FIND gives the drawn studies as before, and gives them to who asks by the patient's name.

    Compared by hash: no name leaves the check.
    """
    studies = sorted({study for study, _, _ in drawn(site).objects})
    if not studies:
        assert site.found() == {}, "nothing was drawn from an archive that holds studies"
        record.say("the archive is empty: there is nobody to find")
        return
    answers = {study: identity(site, study) for study in studies}
    hashes = {study: hashed(answer) for study, answer in answers.items()}
    by_name = [study for study, answer in answers.items() if is_found(site, study, answer)]
    record.measure(names=dict(hashes), by_name=list(by_name))
    if request_.moment == "baseline":
        record.say(f"{len(by_name)} of {len(studies)} studies are found by their patient's name")
        return
    before = site.baseline("retrieve-names").measures
    names, found_before = before["names"], before["by_name"]
    assert isinstance(names, dict)
    assert isinstance(found_before, list)
    changed = [study for study in studies if names.get(study) != hashes[study]]
    record.show(*(f"under another name, number or date: {study}" for study in changed))
    assert not changed, (
        f"{len(changed)} of {len(studies)} studies have another name, number or date than before"
    )
    lost = [study for study in found_before if study not in by_name]
    record.show(*(f"not found by its patient's name: {study}" for study in lost))
    assert not lost, f"{len(lost)} of {len(studies)} studies are not found by name any more"


def identity(site: Site, study: str) -> tuple[str, ...]:
    """By what people find a study, as the archive's own index has it; never shown."""
    found = site.dicom.find("STUDY", {"StudyInstanceUID": study} | dict.fromkeys(IDENTITY, ""))
    if len(found) != 1:
        raise Garbled(f"C-FIND of study {study} gives {len(found)} studies")
    return tuple(str(found[0].get(key) or "").rstrip("^= ") for key in IDENTITY)


def hashed(answer: tuple[str, ...]) -> str:
    """One for all: a name alone could be guessed from its hash."""
    return sha256("\0".join(answer).encode()).hexdigest()


def is_found(site: Site, study: str, answer: tuple[str, ...]) -> bool:
    """Whether somebody who knows the patient's name and number gets to the study."""
    asked = {key: value for key, value in zip(IDENTITY[:2], answer, strict=False) if value}
    asked["SpecificCharacterSet"] = "ISO_IR 192"
    found = site.dicom.find("STUDY", {"StudyInstanceUID": "", **asked})
    return study in {str(match.get("StudyInstanceUID")) for match in found}
