"""Patients of GNU Health by their hospital number (PUID): made, brought up to date, merged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from .refusal import NotTakenError, missing
from .ris import ANY, ORDER, Ris, as_day
from .ris import day as day_of
from .segments import NULL, Segment, day, require_plain

PERSON, PATIENT = "party.party", "gnuhealth.patient"
RESULT = "gnuhealth.imaging.test.result"
#: HL7 table 0001, as GNU Health says it.
GENDERS = {"F": "f", "M": "m", "O": "other", "A": "other", "N": "nd", "U": "u"}
#: The kind of identifier that is a hospital's number (HL7 table 0203), or of no kind.
NUMBERS = ("MR", "")
#: A patient's number has no more characters (PS3.5 table 6.2-1, LO).
LONGEST = 64
KNOWN = ("ref", "name", "lastname", "gender", "dob", "active", "is_person", "is_patient")


@dataclass(frozen=True)
class Person:
    """What PID says. None: it does not say, and what the RIS has stays."""

    number: str
    given: str | None
    family: str
    gender: str | None
    born: date | None
    says_born: bool


@dataclass(frozen=True)
class Known:
    """A person of the RIS; ``patient``: none where the person is not one yet."""

    party: int
    patient: int | None
    is_active: bool
    values: dict[str, Any]


def read(pid: Segment, *, authority: str) -> Person:
    """What a PID segment says of a person (HL7 v2.5.1 section 3.4.2).

    Args:
        authority: who gives the numbers (PID-3.4); empty: those count that name nobody.

    Raises:
        NotTakenError: not enough of it, or in a way that nobody can read.
    """
    family, given, middle = (pid.part(5, number) for number in (1, 2, 3))
    if not family or family == NULL:
        raise missing("PID-5, the family name,")
    sex, told = pid.part(8), pid.part(7)
    born = day(told, "PID-7") if told not in ("", NULL) else None
    if sex not in (*GENDERS, "", NULL):
        raise NotTakenError("PID-8 is none of F, M, O, U, A and N", "103")
    first = " ".join(each for each in (given, middle) if each not in ("", NULL))
    return Person(
        number=_number(pid, 3, authority),
        given=first if first or NULL in (given, middle) else None,
        family=family,
        gender=GENDERS["U"] if sex == NULL else GENDERS.get(sex),
        born=born,
        says_born=told == NULL or born is not None,
    )


def former_number(mrg: Segment, *, authority: str) -> str:
    """The number that is not to be used any more (MRG-1).

    Raises:
        NotTakenError: there is none, or there are several.
    """
    return _number(mrg, 1, authority)


def _number(segment: Segment, field: int, authority: str) -> str:
    """The one number of the hospital's kind and of its own authority."""
    where = f"{segment.name}-{field}"
    found: dict[str, set[str]] = {}
    for repetition in range(1, segment.repetitions(field) + 1):
        number, of, kind = (segment.part(field, part, repetition=repetition) for part in (1, 4, 5))
        if number not in ("", NULL) and of == authority:
            found.setdefault(kind, set()).add(number)
    best = next((found[kind] for kind in NUMBERS if kind in found), set())
    if not best:
        raise missing(f"{where}, the number of the patient by the authority that is declared,")
    if len(best) > 1:
        raise NotTakenError(f"{where} has {len(best)} numbers of the hospital", "205")
    (number,) = best
    if len(number) > LONGEST:
        raise NotTakenError(f"{where} has more than {LONGEST} characters", "102")
    return require_plain(number, where)


class Patients:
    """The patients of a RIS."""

    def __init__(self, ris: Ris) -> None:
        self._ris = ris

    def keep(self, person: Person) -> int:
        """The patient's id, made or brought up to date. A second time does nothing.

        Raises:
            NotTakenError: the number is of somebody who is not to be changed so.
            NotNowError: the RIS does not answer.
        """
        known = self.find(person.number)
        if known is None:
            party = self._ris.create(PERSON, _new(person))
            return self._ris.create(PATIENT, {self._ris.person: party})
        if not known.is_active:
            raise NotTakenError("the patient is not active in the RIS, or was merged", "204")
        self._ris.change(PERSON, [known.party], _differing(person, known.values))
        if known.patient is None:
            return self._ris.create(PATIENT, {self._ris.person: known.party})
        return known.patient

    def find(self, number: str) -> Known | None:
        """Who has this number, active or not.

        Raises:
            NotTakenError: it is not the number of a person.
        """
        people = self._ris.search(PERSON, KNOWN, [["ref", "=", number], ANY])
        if not people:
            return None
        (values,) = people
        if not values["is_person"]:
            raise NotTakenError("the number is not a person's in the RIS", "205")
        of = [[self._ris.person, "=", values["id"]], ANY]
        patients = self._ris.search(PATIENT, ["id", "active"], of)
        is_active = values["active"] and all(one["active"] for one in patients)
        return Known(values["id"], patients[0]["id"] if patients else None, is_active, values)

    def merge(self, former: str, person: Person) -> None:
        """What is the former number's becomes the person's; nobody finds the former any more.

        Only orders and results are moved. Who has other records is refused before anything is
        changed: what they mean for another person, only a person can say.

        Raises:
            NotTakenError: it cannot be done so.
            NotNowError: the RIS does not answer.
        """
        if former == person.number:
            raise NotTakenError("PID-3 and MRG-1 are the same number", "205")
        gone = self.find(former)
        if gone is not None and gone.patient is not None:
            self._require_imaging_only(gone.patient)
        stays = self.keep(person)
        if gone is None:
            return  # never known here
        if gone.patient is not None:
            for model in (ORDER, RESULT):
                theirs = self._ris.search(model, ["id"], [["patient", "=", gone.patient]])
                self._ris.change(model, [one["id"] for one in theirs], {"patient": stays})
            if gone.is_active:
                self._ris.change(PATIENT, [gone.patient], {"active": False})
        if gone.values["active"]:
            self._ris.change(PERSON, [gone.party], {"active": False})

    def _require_imaging_only(self, patient: int) -> None:
        refers = [["relation", "=", PATIENT], ["ttype", "=", "many2one"]]
        for one in self._ris.search("ir.model.field", ["name", "model.model"], refers):
            model = str(one["model."]["model"])
            if model in (ORDER, RESULT) or not self._is_kept(model):
                continue
            of = [[one["name"], "=", patient]]
            if count := int(self._ris.call(model, "search_count", of)):
                told = f"{count} of {model} are the former patient's: merge in the RIS"
                raise NotTakenError(told, "207")

    def _is_kept(self, model: str) -> bool:
        """Whether its records are kept, which those of a dialogue are not."""
        return not model.endswith((".start", ".report"))


def _new(person: Person) -> dict[str, Any]:
    return {
        "ref": person.number,
        "name": person.given or "",
        "lastname": person.family,
        "gender": person.gender or GENDERS["U"],
        "dob": as_day(person.born),
        "is_person": True,
        "is_patient": True,
        "fed_country": None,
    }


def _differing(person: Person, known: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"lastname": person.family, "is_patient": True}
    if person.given is not None:
        said["name"] = person.given
    if person.gender is not None:
        said["gender"] = person.gender
    changed = {name: value for name, value in said.items() if (known[name] or "") != value}
    if person.says_born and day_of(known["dob"]) != person.born:
        changed["dob"] = as_day(person.born)
    return changed
