"""What a hospital's RIS was filled with: synthetic people, orders and visits, over JSON-RPC.

A program of its own, run in the controller's network: the password of ``admin`` on its standard
input. It knows GNU Health 4.4 only, which the lab's database is made with.
"""

from __future__ import annotations

import argparse
import random
import sys
from datetime import date, datetime, timedelta
from typing import Any

from orchestrator.lab.ris import BRIDGE, VERIFIER
from orchestrator.lab.ris_database import DATABASE
from orchestrator.wire.tryton import TrytonClient

PATIENTS, ORDERS, VISITS = 24, 40, 12
#: Made up for tests of names: Latin with marks, and long ones. Nobody's.
GIVEN = ("Ana-Lúcia", "Ndéye", "Þórunn", "Sipho", "Wanjirũ", "Zoë", "Mÿriam", "Ibrahīm")
FAMILY = ("Probe", "Muster", "Ejemplo", "Échantillon", "Tšhupo", "Példa")
_BEGUN = date(2024, 3, 1)


class Filler:
    """Makes records by the one account that may make all of them."""

    def __init__(self, ris: TrytonClient) -> None:
        self._ris = ris
        self._drawn = random.Random(4)  # noqa: S311 - synthetic data

    def fill(self) -> None:
        """All of it, in the order in which one needs the other."""
        institution = self._institution()
        doctor = self._doctor(institution)
        patients = [self._patient(number) for number in range(PATIENTS)]
        tests = [self._test(code, name) for code, name in (("CRTHX", "Chest"), ("CTHD", "Head"))]
        for number in range(ORDERS):
            patient, test = self._drawn.choice(patients), self._drawn.choice(tests)
            order = self._make(
                "gnuhealth.imaging.test.request", patient=patient, requested_test=test,
                doctor=doctor, date=_moment(number), comment=f"Lab order {number}",
                urgent=number % 5 == 0,
            )  # fmt: skip
            if number % 3 == 0:
                self._ris.call("gnuhealth.imaging.test.request", "requested", [order])
        for number in range(VISITS):
            self._make(
                "gnuhealth.patient.evaluation", patient=patients[number], healthprof=doctor,
                evaluation_start=_moment(number), chief_complaint=f"Lab visit {number}",
            )  # fmt: skip

    def make_verifier(self) -> None:
        """An account that reads what the verifier compares, in a group of its own. No password."""
        group = self._make("res.group", name="wardship verifier")
        for model in ("gnuhealth.imaging.test.request", "gnuhealth.imaging.test"):
            (found,) = self._ris.search("ir.model", ["id"], domain=[["model", "=", model]])
            self._make(
                "ir.model.access", model=found["id"], group=group, perm_read=True,
                perm_write=False, perm_create=False, perm_delete=False,
            )  # fmt: skip
        self._make(
            "res.user", name="wardship verifier", login=VERIFIER, groups=[["add", [group]]]
        )  # fmt: skip

    def make_bridge(self) -> None:
        """The bridge's account: two groups of GNU Health's own, and one that sees who has what."""
        named = ["name", "in", ["Health Front Desk", "Health Imaging"]]
        groups = [one["id"] for one in self._ris.search("res.group", ["id"], domain=[named])]
        if len(groups) != 2:
            raise SystemExit("GNU Health does not have the groups that the bridge needs")
        group = self._make("res.group", name="wardship bridge")
        refers = [["relation", "=", "gnuhealth.patient"], ["ttype", "=", "many2one"]]
        found = self._ris.search("ir.model.field", ["model"], domain=refers)
        for model in sorted({one["model"] for one in found}):
            self._make(
                "ir.model.access", model=model, group=group, perm_read=True, perm_write=False,
                perm_create=False, perm_delete=False,
            )  # fmt: skip
        self._make(
            "res.user", name="bridge", login=BRIDGE, groups=[["add", [*groups, group]]]
        )  # fmt: skip

    def _institution(self) -> int:
        currency = self._make(
            "currency.currency", name="Lab unit", code="XTS", symbol="L", digits=2,
            rounding={"__class__": "Decimal", "decimal": "0.01"},
        )  # fmt: skip
        party = self._make("party.party", name="Lab hospital", is_institution=True)
        institution = self._make(
            "gnuhealth.institution", name=party, code="LAB", institution_type="hospital",
            public_level="public",
        )  # fmt: skip
        company = self._make("company.company", party=party, currency=currency)
        changed = {"companies": [["add", [company]]], "company": company}
        self._ris.call("res.user", "write", [1], changed)
        return institution

    def _doctor(self, institution: int) -> int:
        person = self._person("Probe", "Doctor", "LAB-DOC", is_healthprof=True)
        return self._make(
            "gnuhealth.healthprofessional", name=person, institution=institution, code="LAB-1"
        )

    def _patient(self, number: int) -> int:
        given, family = self._drawn.choice(GIVEN), self._drawn.choice(FAMILY)
        person = self._person(given, family, f"LAB-{number:04d}", is_patient=True)
        told = f"Lab note {number}" if number % 4 == 0 else None
        return self._make("gnuhealth.patient", name=person, critical_info=told)

    def _person(self, given: str, family: str, ref: str, **kind: bool) -> int:
        born = date(1940, 1, 1) + timedelta(days=self._drawn.randrange(28000))
        return self._make(
            "party.party", name=given, lastname=family, is_person=True, ref=ref,
            gender=self._drawn.choice("fm"), dob=_day(born), fed_country="XXX", **kind,
        )  # fmt: skip

    def _test(self, code: str, name: str) -> int:
        kinds = self._ris.search("gnuhealth.imaging.test.type", ["id"], limit=1)
        kind = (
            kinds[0]["id"]
            if kinds
            else self._make("gnuhealth.imaging.test.type", code="CR", name="Radiography")
        )
        (unit,) = self._ris.search("product.uom", ["id"], domain=[["symbol", "=", "u"]])
        template = self._make(
            "product.template", name=f"{name} image", type="service", default_uom=unit["id"],
            list_price={"__class__": "Decimal", "decimal": "10"},
            products=[["create", [{"code": code}]]],
        )  # fmt: skip
        of = [["template", "=", template]]
        (product,) = self._ris.search("product.product", ["id"], domain=of)
        return self._make(
            "gnuhealth.imaging.test", code=code, name=name, test_type=kind, product=product["id"]
        )

    def _make(self, model: str, /, **values: Any) -> int:
        (made,) = self._ris.call(model, "create", [values])
        return int(made)


def _day(of: date) -> dict[str, Any]:
    return {"__class__": "date", "year": of.year, "month": of.month, "day": of.day}


def _moment(number: int) -> dict[str, Any]:
    at = datetime(_BEGUN.year, _BEGUN.month, _BEGUN.day, 8, 30) + timedelta(hours=7 * number)  # noqa: DTZ001
    clock = {"hour": at.hour, "minute": at.minute, "second": 0, "microsecond": 0}
    return _day(at.date()) | {"__class__": "datetime"} | clock


def main() -> None:
    """Fill the database of the server whose root is the one argument."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url")
    with TrytonClient(parser.parse_args().url, database=DATABASE, timeout=120.0) as ris:
        ris.log_in("admin", sys.stdin.read().strip())
        filler = Filler(ris)
        filler.fill()
        filler.make_verifier()
        filler.make_bridge()


if __name__ == "__main__":
    main()
