"""Lists an archive over DICOM alone: C-FIND from study to instance, C-GET of a sample.

Whose archive it is does not matter, so two of different makers can be compared. What an archive
leaves out is noticed where it can be: the number of objects that it says a study has, and studies
that a question by date finds and the question for all did not (a limit on answers, which DICOM has
no word for). The sample is drawn by the UIDs themselves: both archives give the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from pydicom import Dataset

from orchestrator.errors import SurveyError
from orchestrator.survey.listing import ListedSeries, ListedStudy
from orchestrator.wire.dicom import DicomClient

#: Of a study and its patient; what any of them says is kept as a digest (PS3.4 table C.6-5).
ATTRIBUTES = (
    "AccessionNumber",
    "PatientBirthDate",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyDescription",
    "StudyID",
    "StudyTime",
)
_COUNT = "NumberOfStudyRelatedInstances"
#: What objects of a modality are likely to be, where an archive does not tell their SOP class: it
#: need not (PS3.4 table C.6-5). So few, since an association has room for no more.
_STORAGE = "1.2.840.10008.5.1.4.1.1."
OF_MODALITY = {
    modality: tuple(f"{_STORAGE}{each}" for each in those.split())
    for modality, those in {
        "CR": "1 1.1 7",
        "CT": "2 2.1 7",
        "DX": "1.1 1 7",
        "ES": "77.1.1 77.1.1.1 7",
        "MG": "1.2 1.1 13.1.3 7",
        "MR": "4 4.1 7",
        "NM": "20 7",
        "PT": "128 130 7",
        "RF": "12.2 12.1 7",
        "SR": "88.11 88.22 88.33 88.67",
        "US": "6.1 3.1 7",
        "XA": "12.1 12.1.1 7",
    }.items()
}
OTHERWISE = tuple(f"{_STORAGE}{each}" for each in ["7", "7.1", "7.2", "7.3", "7.4", "104.1"])
#: Object → its series and the SOP classes that it may be of.
_Classes = dict[str, tuple[str, tuple[str, ...]]]
#: Hears how many studies of how many were listed.
Heard = Callable[[int, int], None]


class DicomLister:
    """Lists one archive. ``key``: of the digests; ``retrieve``: about how many objects to fetch.

    ``finder`` and ``getter`` talk to the same archive, each on an association of its own.
    """

    def __init__(
        self,
        finder: DicomClient,
        getter: DicomClient,
        *,
        key: bytes,
        retrieve: int = 0,
        heard: Heard = lambda _done, _all: None,
    ) -> None:
        self._finder, self._getter, self._key = finder, getter, key
        self._retrieve, self._heard = retrieve, heard

    def studies(self) -> Iterator[ListedStudy]:
        """Every study, in the order of the UIDs.

        Raises:
            WireError: no answer, or a refusal.
            SurveyError: what it answers does not fit together.
        """
        found = self._all_studies()
        share = self._retrieve / max(1, self._count(found)) if self._retrieve else 0.0
        for number, uid in enumerate(sorted(found), start=1):
            yield self._study(uid, found[uid], share)
            self._heard(number, len(found))

    def _count(self, found: dict[str, list[Dataset]]) -> int:
        """How many objects there are; of studies of which it is not told, by listing them."""
        said = {uid: _said_count(answers) for uid, answers in found.items()}
        listed = (len(self._series(uid)[1]) for uid, count in said.items() if count is None)
        return sum(count for count in said.values() if count is not None) + sum(listed)

    def _all_studies(self) -> dict[str, list[Dataset]]:
        """Study UID → its answers; more than one where the study has several patients."""
        found = self._ask_studies({})
        if not self._left_out(found):
            return found
        # What came meanwhile is in a second answer; what a limit leaves out is not.
        if left_out := self._left_out(again := self._ask_studies({})):
            raise SurveyError(
                f"{self._finder.peer} leaves studies out when asked for all of them,"
                f" such as {min(left_out)}",
                hint="raise its limit on query results, then take the census again",
            )
        return again

    def _left_out(self, found: dict[str, list[Dataset]]) -> set[str]:
        """Studies that a question for the older or the newer half finds beside these."""
        dates = sorted({str(each.get("StudyDate") or "") for one in found.values() for each in one})
        known = [date for date in dates if len(date) == 8 and date.isdigit()]
        if len(known) < 2:
            return set()
        middle = len(known) // 2
        older, newer = f"-{known[middle - 1]}", f"{known[middle]}-"
        halves = (self._ask_studies({"StudyDate": dated}) for dated in (older, newer))
        return {uid for half in halves for uid in half.keys() - found.keys()}

    def _ask_studies(self, wanted: dict[str, str]) -> dict[str, list[Dataset]]:
        keys = dict.fromkeys(("StudyInstanceUID", "PatientID", *ATTRIBUTES, _COUNT), "")
        # Many archives answer in the character set of the question: this one holds every name.
        keys = {"SpecificCharacterSet": "ISO_IR 192", **keys}
        found: dict[str, list[Dataset]] = {}
        for each in self._finder.find("STUDY", keys | wanted):
            found.setdefault(_uid(each, "StudyInstanceUID"), []).append(each)
        return found

    def _study(self, uid: str, answers: list[Dataset], share: float) -> ListedStudy:
        series, classes = self._series(uid)
        said, listed = _said_count(answers), sum(len(each.instances) for each in series)
        if said not in (None, listed):
            # It may have grown since the first question, or be gone.
            answers = self._ask_studies({"StudyInstanceUID": uid}).get(uid, [])
            series, classes = self._series(uid)
            said, listed = _said_count(answers), sum(len(each.instances) for each in series)
            if said not in (None, listed):
                raise SurveyError(
                    f"study {uid}: {self._finder.peer} says that it has {said} objects,"
                    f" and lists {listed}",
                    hint="is it being written to? Take the census again when it rests",
                )
        return ListedStudy(
            study=uid,
            patient=self._digest("PatientID", _values(answers, "PatientID"), size=16),
            said={
                name: self._digest(name, values, size=8)
                for name in ATTRIBUTES
                if any(values := _values(answers, name))
            },
            series=series,
            is_counted=said is not None,
            content={
                sop: self._content(uid, of, sop, those)
                for sop, (of, those) in sorted(classes.items())
                if is_drawn(sop, share)
            },
        )

    def _series(self, study: str) -> tuple[tuple[ListedSeries, ...], _Classes]:
        """The series in order, and of each object its series and what SOP class it may be of."""
        listed: list[ListedSeries] = []
        classes: _Classes = {}
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": "", "Modality": ""}
        answers = {_uid(a, "SeriesInstanceUID"): a for a in self._finder.find("SERIES", keys)}
        for series, answer in sorted(answers.items()):
            wanted = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
            asked = wanted | {"SOPInstanceUID": "", "SOPClassUID": ""}
            objects = self._finder.find("IMAGE", asked)
            uids = sorted({_uid(each, "SOPInstanceUID") for each in objects})
            modality = str(answer.get("Modality") or "")
            for each in objects:
                told = str(each.get("SOPClassUID") or "")
                those = (told,) if told else OF_MODALITY.get(modality, OTHERWISE)
                classes[_uid(each, "SOPInstanceUID")] = series, those
            listed.append(ListedSeries(uid=series, modality=modality, instances=tuple(uids)))
        return tuple(listed), classes

    def _content(
        self, study: str, series: str, sop: str, classes: tuple[str, ...]
    ) -> tuple[str, str]:
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": sop}
        objects = self._getter.get("IMAGE", keys, classes=classes).objects
        if len(objects) != 1:
            raise SurveyError(
                f"object {sop}: {self._finder.peer} lists it once and sends {len(objects)}",
                hint="look at the archive's own log",
            )
        found = objects[0].fingerprint()
        header = self._digest("header", [found.header], size=16)
        return header, self._digest("pixels", [found.pixels], size=16)

    def _digest(self, name: str, values: Sequence[str], *, size: int) -> str:
        said = "\0".join((name, *values)).encode()
        return hashlib.blake2b(said, key=self._key, digest_size=size).hexdigest()


def is_drawn(uid: str, share: float) -> bool:
    """Whether an object is in the sample of this share of all: in a larger one it is, too."""
    drawn = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8]) / 2**64
    return drawn < share


def _uid(answer: Dataset, keyword: str) -> str:
    found = str(answer.get(keyword) or "")
    if not found:
        raise SurveyError(
            f"an answer to C-FIND has no {keyword}", hint="look at the archive's own log"
        )
    return found


def _said_count(answers: Sequence[Dataset]) -> int | None:
    """How many objects the archive says a study has; None where it does not say."""
    found = [each.get(_COUNT) for each in answers]
    if not found or any(each in (None, "") for each in found):
        return None
    return sum(int(each) for each in found)


def _values(answers: Sequence[Dataset], keyword: str) -> list[str]:
    """What is said, each once, without what pads a value (PS3.5 section 6.2)."""
    return sorted({str(each.get(keyword) or "").rstrip(" ^=\0") for each in answers})
