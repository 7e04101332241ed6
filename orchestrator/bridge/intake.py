"""What a message of the hospital's ordering system asks for, done in the RIS, and then answered.

AA is said when the RIS has it, and never before: the bridge has no queue of its own, so nothing can
be lost in it. AE: not done, and another try may help (the RIS does not answer). AR: as it stands it
is never done, and MSA-3 says why. One message at a time, in the order in which they came; whoever
sends waits for the answer, so a sender's own order is kept.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from datetime import tzinfo

from orchestrator.wire import mllp

from . import order_message, patients
from .orders import Orders
from .patients import Patients, Person
from .refusal import NotNowError, NotTakenError
from .ris import Ris
from .segments import Segment, decoded, only
from .settings import Hl7

KINDS = {
    ("ADT", "A04"): "register",
    ("ADT", "A08"): "register",
    ("ADT", "A40"): "merge",
    ("ORM", "O01"): "order",
}
#: Processing ids (HL7 table 0103) of messages that mean it.
PRODUCTION = ("P", "")


class Intake:
    """Answers messages for one RIS.

    Args:
        told: what is declared of the hospital's system.
        zone: of times that name none.
    """

    def __init__(self, ris: Ris, told: Hl7, *, zone: tzinfo) -> None:
        self._told = told
        self._zone = zone
        self._patients = Patients(ris)
        self._orders = Orders(ris, doctor=told.doctor)
        self._one_at_a_time = threading.Lock()

    def answer(self, message: bytes) -> bytes:
        """The acknowledgement, when what was asked for is done or cannot be."""
        try:
            header = mllp.read(message)
        except mllp.BrokenError as broken:
            _say("AR", "", str(broken))
            return mllp.NO_MESSAGE
        code, because, condition = "AA", "", ""
        with self._one_at_a_time:
            try:
                self._do(decoded(message, charset=self._told.charset))
            except NotTakenError as refused:
                code, because, condition = "AR", str(refused), refused.condition
            except NotNowError as failed:
                code, because, condition = "AE", str(failed), "207"
            except Exception as error:
                code, because, condition = "AE", f"{type(error).__name__} in the bridge", "207"
        _say(code, mllp.control_id(message), because)
        return mllp.acknowledged(header, code, because, condition=condition)

    def settled(self) -> None:
        """Wait until nothing is under way, and let nothing begin any more."""
        self._one_at_a_time.acquire()

    def _do(self, segments: Sequence[Segment]) -> None:
        header = only(segments, "MSH")
        kind, event = header.part(9), header.part(9, 2)
        if kind not in {each for each, _ in KINDS}:
            raise NotTakenError("of messages only ADT and ORM are taken", "200")
        if (kind, event) not in KINDS:
            raise NotTakenError("of events only A04, A08, A40 and O01 are taken", "201")
        if header.part(11) not in PRODUCTION:
            raise NotTakenError("MSH-11: only production is taken", "103")
        getattr(self, f"_{KINDS[kind, event]}")(segments)

    def _register(self, segments: Sequence[Segment]) -> None:
        self._patients.keep(self._person(segments))

    def _merge(self, segments: Sequence[Segment]) -> None:
        mrg = only(segments, "MRG")
        former = patients.former_number(mrg, authority=self._told.authority)
        self._patients.merge(former, self._person(segments))

    def _order(self, segments: Sequence[Segment]) -> None:
        person = self._person(segments)
        asked = order_message.read(segments, zone=self._zone, placer=self._told.placer)
        known = self._patients.find(person.number)
        acts = self._orders.intended(asked, known.patient if known else None)
        patient = self._patients.keep(person)
        for act in acts:
            act(patient)

    def _person(self, segments: Sequence[Segment]) -> Person:
        return patients.read(only(segments, "PID"), authority=self._told.authority)


def _say(code: str, control: str, because: str) -> None:
    """A line for the service's journal; of a message only its control id."""
    named = control if control.isprintable() and control else "-"
    print(f"{named}: {code} {because}".rstrip(), file=sys.stderr, flush=True)
