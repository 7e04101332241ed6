"""The part of a manifest that says what is parked while the door is shut (docs/parking.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Tuple

DICOM = {"ae_title", "port", "spool_port", "modalities", "refuses", "tls", "callers"}
MODALITY = {"ae_title", "address", "port", "tls"}
IDENTITY = {"certificate", "key", "ca"}


@dataclass(frozen=True)
class Parking:
    """What the spool is told. ``dicom`` and ``mllp`` go to it as they are; ``quota`` in bytes."""

    directory: str
    quota: int
    dicom: Mapping[str, Any]
    mllp: Tuple[Mapping[str, int], ...]

    @property
    def ports(self) -> Tuple[Tuple[int, int], ...]:
        """Each port of the product with the one that stands in for it."""
        both = [self.dicom, *self.mllp]
        return tuple((int(each["port"]), int(each["spool_port"])) for each in both)


def parse(found: Mapping[str, Any]) -> Parking:
    """Read one that has no problems."""
    return Parking(
        directory=found["directory"],
        quota=found["quota_mib"] * 1024 * 1024,
        dicom=found["dicom"],
        mllp=tuple(found["mllp"]),
    )


def problems(found: Any, *, door: List[int]) -> List[str]:
    """Everything that is wrong with it. Raises as a dictionary does where it has another shape."""
    wrong = _keys("parking", found, {"directory", "quota_mib", "dicom", "mllp"})
    if wrong:
        return wrong
    dicom, listeners = found["dicom"], found["mllp"]
    wrong += _keys("parking dicom", dicom, DICOM)
    for each in listeners:
        wrong += _keys("parking mllp", each, {"port", "spool_port"})
    for each in dicom.get("modalities", []):
        wrong += _keys("a modality", each, MODALITY)
    if dicom.get("tls") is not None:
        wrong += _keys("parking tls", dicom["tls"], IDENTITY)
    if wrong:
        return wrong
    if not isinstance(found["quota_mib"], int) or found["quota_mib"] < 1:
        wrong.append(f"parking quota_mib is {found['quota_mib']!r}")
    if not dicom["modalities"]:
        wrong.append("parking names no modality")
    for each in (dicom, *listeners):
        if each["port"] not in door:
            wrong.append(f"parking stands in for port {each['port']}, which the door does not shut")
        if not isinstance(each["spool_port"], int) or not 1024 <= each["spool_port"] < 65536:
            wrong.append(f"parking spool_port is {each['spool_port']!r}")
    own = [each["spool_port"] for each in (dicom, *listeners)]
    if len(set(own)) < len(own) or set(own) & set(door):
        wrong.append(f"parking's own ports {own} are not its own")
    return wrong


def _keys(what: str, found: Dict[str, Any], wanted: "set[str]") -> List[str]:
    return [] if set(found) == wanted else [f"{what} has {sorted(found)}, not {sorted(wanted)}"]
