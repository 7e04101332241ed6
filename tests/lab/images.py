"""Images at their orders: a modality sends one, GNU Health fetches it, somebody looks.

Two programs, each in its own network: ``send`` at the modality's, ``people`` at the controller's,
logged in as who may do anything (password on standard input). Both tell JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from orchestrator.lab import modality
from orchestrator.lab.model import MODALITY_NAME
from orchestrator.lab.ris import psql
from orchestrator.lab.ris_database import DATABASE
from orchestrator.wire.tryton import TrytonClient
from tests.lab.controlled import CHECKOUT, LONG
from tests.lab.pacs import Pacs
from tests.lab.ris import Ris

ORDER, CONFIG = "gnuhealth.imaging.test.request", "gnuhealth.orthanc.config"
OLD, NEW = "gnuhealth.orthanc.study", "gnuhealth.imaging_orthanc.study"
FIRST_WITH_NEW = 7
SEEN = "update gnuhealth_orthanc_config set last_changed_index = {last};"


def study_number(ris: Ris, order: str) -> str:
    """The number that GNU Health gave the study of an order (by its request number)."""
    return str(_people(ris, "number", order))


def send(pacs: Pacs, study: str) -> None:
    """An image of this study from the modality, acknowledged.

    Of somebody with a short number: 5.0.6 cannot fetch a study of one with nine characters or more
    whom it does not know, nor one without a referring physician.
    """
    argv = pacs.demo.modality_argv(pacs.host)
    words = [sys.executable, "-m", __name__, "send", study, *argv, "--manifest", "/dev/null"]
    whole = [*pacs.lab.enter_argv(MODALITY_NAME), *words]
    assert _told(whole, "") == study


def pass_over(pacs: Pacs, ris: Ris) -> None:
    """GNU Health has fetched all that is in its PACS by now, it believes."""
    last = int(pacs.demo.rest(pacs.host).json("/changes?last")["Last"])
    psql(ris.run, SEEN.format(last=last))


def fetched(ris: Ris, study: str) -> list[str]:
    """Have GNU Health fetch what is new; the orders under whose number it has this study then."""
    return list(_people(ris, "fetch", study))


def at_orders(ris: Ris, study: str) -> list[str]:
    """The orders under whose number GNU Health has this study."""
    return list(_people(ris, "look", study))


def _people(ris: Ris, *words: str) -> Any:
    argv = [sys.executable, "-m", __name__, "people", ris.radiology.url, *words]
    return _told([*ris.lab.enter_argv(), *argv], ris.radiology.hospital.admin_password)


def _told(argv: list[str], given: str) -> Any:
    done = subprocess.run(
        argv, cwd=CHECKOUT, input=given, capture_output=True, text=True, timeout=LONG, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class People(TrytonClient):
    """A person with every right."""

    def fetch(self) -> None:
        """What is ordered of the menu, in either series."""
        if int(self.version().partition(".")[0]) < FIRST_WITH_NEW:
            servers = [one["id"] for one in self.search(CONFIG, ["id"])]
            self.call(CONFIG, "do_sync", servers)
            return
        wizard = "wizard.gnuhealth.imaging_orthanc.get_new_studies"
        session, _, _ = self._call(f"{wizard}.create", [self._context])
        self._call(f"{wizard}.execute", [session, {}, "update", self._context])
        self._call(f"{wizard}.delete", [session, self._context])

    def orders(self, study: str) -> list[str]:
        """The orders that have the study's number, if GNU Health has fetched that study."""
        is_old = int(self.version().partition(".")[0]) < FIRST_WITH_NEW
        model, uid = (OLD, "instance_uid") if is_old else (NEW, "study_instance_UID")
        found = self.search(model, ["merge_id"], domain=[[uid, "=", study]])
        numbers = [one["merge_id"] for one in found]
        asked = self.search(ORDER, ["request"], domain=[["merge_id", "in", numbers]])
        return [str(one["request"] or one["id"]) for one in asked]


def people(url: str, verb: str, what: str) -> Any:
    with People(url, database=DATABASE, timeout=120.0) as ris:
        ris.log_in("admin", sys.stdin.read().strip())
        if verb == "number":
            (order,) = ris.search(ORDER, ["merge_id"], domain=[["request", "=", what]])
            return order["merge_id"]
        if verb == "fetch":
            ris.fetch()
        return ris.orders(what)


def main(argv: list[str]) -> Any:
    if argv[0] == "people":
        return people(*argv[1:])
    asked = modality.arguments().parse_args(argv[2:])
    image = next(modality.images(asked.calling, seed=asked.seed))
    image.StudyInstanceUID, image.PatientID, image.ReferringPhysicianName = argv[1], "P-1", ""
    modality.sender(modality.archive(asked))(image)
    return str(image.StudyInstanceUID)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))  # noqa: T201 - a program's answer
