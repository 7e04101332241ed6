"""Everything that was there is there: in the index, on disk, and in the product's own answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from orchestrator.survey.census import Census, CensusInstance, difference
from orchestrator.verify.model import CheckRequest
from orchestrator.verify.plugin import Record
from orchestrator.verify.sample import draw, unseen_share
from orchestrator.verify.site import Site

MB = 1e6
SHOWN = 10


def test_census_index(request_: CheckRequest, site: Site, record: Record) -> None:
    """The index is what it was, and every object that it names is on disk with its size."""
    now = site.census_now()
    record.show(summary("now", now))
    record.measure(**numbers(now))
    if request_.moment != "baseline":
        before = site.census_before()
        if request_.census_before is None:
            record.show("no census was taken before: the change was undone earlier")
            require_no_less(site, now)
        else:
            record.show(summary("before", before))
        change = difference(before, now)
        record.show(*change.told())
        # What a release received between its commit and its reversal is carried over.
        as_it_was = change.equal if request_.moment == "applied" else not change.lost
        assert as_it_was, f"the index is not as before: {'; '.join(change.told())}"
    gone = not_on_disk(site, now)
    if gone and request_.moment != "applied":  # removed by somebody while we looked?
        gone = gone & not_on_disk(site, site.census_now(again=True))
    record.show(*sorted(gone)[:SHOWN])
    assert not gone, f"{len(gone)} objects of the index are not on disk, or have another size"
    if not now.studies:
        assert site.found() == {}, "the index holds no study, and yet C-FIND gives some"
        record.say("the archive is empty, and was before")


def test_census_product(request_: CheckRequest, site: Site, record: Record) -> None:
    """C-FIND gives every study, also those without a date, with its number of objects."""
    at_applied = request_.moment == "applied"
    reference = (site.census_before() if at_applied else site.census_now()).counts()
    record.show(f"census: {told(reference)}")
    found = site.found()
    record.show(f"C-FIND: {told(found)}")
    upper = reference
    if request_.moment != "applied" and found != reference:
        upper = site.census_now(again=True).counts()  # the clinic works on while we look
    wrong = outside(found, reference, upper)
    record.show(*wrong[:SHOWN])
    assert not wrong, f"C-FIND and the census differ in {len(wrong)} studies, e.g. {wrong[0]}"


def test_archive_files(site: Site, record: Record) -> None:
    """Against the snapshot, every file; without one, nothing was applied: against the census."""
    before = site.census_before()
    named = len(files_of(before))
    if site.is_untouched():
        gone = not_on_disk(site, before)
        record.say("no snapshot was made, so nothing was changed: compared with the census")
        assert not gone, f"{len(gone)} objects are not on disk, or have another size"
        return
    proof = site.proof()
    record.measure(files=proof["files"], bytes=proof["bytes"], reread=proof["reread"])
    record.show(
        f"{proof['files']} files, {proof['bytes'] / MB:.1f} MB compared with the snapshot, "
        f"{proof['reread']} of them read on both sides, {proof['added']} added"
    )
    for kind in ("missing", "resized", "differing"):
        count = proof[f"{kind}_count"]
        record.show(*(f"{kind}: {path}" for path in proof[kind][:SHOWN]))
        assert not count, f"{count} stored files are {kind}, e.g. {proof[kind][0]}"
    unproved = not_as_the_index_says(proof, files_of(before))
    record.show(*(f"touched, and not as the index says: {path}" for path in unproved[:SHOWN]))
    assert not unproved, (
        f"{proof['touched_count']} objects of an archive were touched, and of {len(unproved)} the "
        f"content is not proved, e.g. {unproved[0]}"
    )
    assert proof["files"] >= named, (
        f"the snapshot holds {proof['files']} files, the census names {named}"
    )


def test_archive_sample(request_: CheckRequest, site: Site, record: Record) -> None:
    """Files drawn by the change's seed have the hash that the index keeps of them."""
    files = files_of(site.census_reference())
    known = sorted(path for path, entry in files.items() if entry.md5)
    assert len(known) == len(files), f"the index keeps no hash of {len(files) - len(known)} files"
    chosen = draw(known, request_.settings.sample_files, seed=request_.seed)
    hashes = site.host.md5(chosen)
    wrong = [path for path in chosen if hashes.get(path) != files[path].md5]
    if wrong and request_.moment != "applied":  # removed by somebody while we looked?
        left = files_of(site.census_now(again=True))
        wrong = [path for path in wrong if path in left]
    record.show(*(f"not as the index says: {path}" for path in wrong[:SHOWN]))
    assert not wrong, f"{len(wrong)} of {len(chosen)} files do not hold what the index says"
    hashed = sum(files[path].size for path in chosen)
    total = sum(entry.size for entry in files.values())
    share = unseen_share(len(files), len(chosen)) if files else 0.0
    record.measure(files=len(files), hashed=len(chosen), hashed_bytes=hashed, unseen_share=share)
    record.say(
        f"{len(chosen)} of {len(files)} files ({hashed / MB:.1f} of {total / MB:.1f} MB) hashed; "
        + (
            f"with 95 % confidence at most {share:.1%} of the files can be damaged unseen"
            if share
            else "nothing can be damaged unseen"
        )
    )


def not_as_the_index_says(
    proof: Mapping[str, Any], files: Mapping[str, CensusInstance]
) -> list[str]:
    """Touched objects of an archive that have not the index's hash: there is no copy of them."""
    touched = proof["touched"]
    wrong = [
        each["path"]
        for each in touched
        if each["path"] not in files or each["md5"] != files[each["path"]].md5
    ]
    unread = proof["touched_count"] - len(touched)
    return wrong + ([f"{unread} more, which were not read"] if unread else [])


def files_of(census: Census) -> dict[str, CensusInstance]:
    """Path in its volume → object, for every object whose file the index knows."""
    return {
        entry.file: entry
        for entries in census.objects().values()
        for entry in entries
        if entry.file
    }


def not_on_disk(site: Site, census: Census) -> set[str]:
    """What the census names and the disk has not, or has with another size."""
    files = files_of(census)
    objects = [entry for entries in census.objects().values() for entry in entries]
    nowhere = {f"object {entry.uid} has no file" for entry in objects if not entry.file}
    sizes = site.host.sizes(sorted({path.partition("/")[0] for path in files}))
    return nowhere | {path for path, entry in files.items() if sizes.get(path) != entry.size}


def outside(
    found: Mapping[str, int], lower: Mapping[str, int], upper: Mapping[str, int]
) -> list[str]:
    """Studies whose number of objects is not between two looks at the census."""
    wrong = []
    for study in sorted(found.keys() | lower.keys() | upper.keys()):
        ends = sorted((lower.get(study, 0), upper.get(study, 0)))
        if not ends[0] <= found.get(study, 0) <= ends[1]:
            wrong.append(f"{study}: {ends[1]} in the census, {found.get(study, 0)} found")
    return wrong


def require_no_less(site: Site, now: Census) -> None:
    """At least what the baseline counted: all that can be asked where quiesce counted nothing."""
    measured = site.baseline("census-index").measures
    for what, count in numbers(now).items():
        assert count >= cast(int, measured[what]), (
            f"{count} {what} are there, {measured[what]} were at the baseline"
        )


def numbers(census: Census) -> dict[str, int]:
    """What a census comes to."""
    return {"studies": len(census.studies), "objects": sum(census.modalities().values())}


def summary(when: str, census: Census) -> str:
    """One line."""
    kinds = ", ".join(f"{name or 'none'} {count}" for name, count in census.modalities().items())
    return f"{when}: {len(census.studies)} studies, objects by modality: {kinds or 'none'}"


def told(counts: Mapping[str, int]) -> str:
    """One line."""
    return f"{len(counts)} studies, {sum(counts.values())} objects"
