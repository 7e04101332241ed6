"""Storage commitment (PS3.4 annex J): asked while the door was shut, answered afterwards.

By a census of the product that stays: an object that it has is committed, another is not. The
report goes out on an association of our own, for the one that asked is gone.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from pydicom import Dataset
from pydicom.sequence import Sequence
from pynetdicom import build_context, build_role

from .client import CannotError, associate, to_others
from .contexts import COMMITMENT, PLAIN
from .settings import Modality, Settings
from .store import Item

#: The one instance of this class (PS3.4 section J.3.5).
INSTANCE = "1.2.840.10008.1.20.1.1"
#: Event types: all are there; some are not (PS3.4 table J.3-2).
COMPLETE, FAILURES = 1, 2
#: Failure reason: no such object instance (PS3.3 section C.14.1.1).
NO_SUCH_OBJECT = 0x0112


def report(item: Item, held: Collection[str]) -> tuple[int, Dataset]:
    """The event that answers a parked request: its type and its information."""
    asked = json.loads(item.path.read_bytes())
    told = Dataset()
    told.TransactionUID = asked["transaction"]
    there = [each for each in asked["objects"] if each[1] in held]
    gone = [each for each in asked["objects"] if each[1] not in held]
    if there:
        told.ReferencedSOPSequence = Sequence([_reference(*each) for each in there])
    if gone:
        told.FailedSOPSequence = Sequence([_failure(*each) for each in gone])
    return (FAILURES if gone else COMPLETE), told


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def _failure(sop_class: str, uid: str) -> Dataset:
    item = _reference(sop_class, uid)
    item.FailureReason = NO_SUCH_OBJECT
    return item


def send(settings: Settings, item: Item, held: Collection[str]) -> None:
    """Report to whoever asked.

    Raises:
        CannotError: it is not known, does not answer, or does not take it.
    """
    to = _who(settings, item.source)
    if to is None:
        raise CannotError(f"{item.source} is not declared")
    kind, told = report(item, held)
    association = associate(
        (to.address, to.port),
        [build_context(COMMITMENT, list(PLAIN))],
        calling=settings.dicom.ae_title,
        called=to.ae_title,
        secured=to_others(settings.dicom.tls) if to.tls and settings.dicom.tls else None,
        roles=[build_role(COMMITMENT, scp_role=True)],
    )
    try:
        status, _ = association.send_n_event_report(told, kind, COMMITMENT, INSTANCE)
    except (ValueError, RuntimeError) as error:  # no context was accepted for it, or it has ended
        raise CannotError(f"{to.ae_title} takes no report: {error}") from None
    finally:
        if association.is_established:
            association.release()
    if getattr(status, "Status", None) != 0:
        raise CannotError(f"{to.ae_title} does not take the report")


def _who(settings: Settings, ae_title: str) -> Modality | None:
    return next((one for one in settings.dicom.modalities if one.ae_title == ae_title), None)
