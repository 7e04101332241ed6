"""Whether the bridge takes an order: wardship's own, for a patient of its own and for no modality.

The message is the same every time, so only the first changes anything in the RIS. What it makes
stays there, since GNU Health's orders cannot be taken back; it is named for what it is.
"""

from __future__ import annotations

from datetime import UTC, datetime

from orchestrator.wire import mllp

from .settings import Settings
from .worklist import VERIFIER

ORDER = f"{VERIFIER}-1"
PATIENT = f"{VERIFIER}-PROBE"
#: When it is said to have been ordered; any constant will do.
AT = "20200101120000+0000"
TIMEOUT = 60.0


def ask(settings: Settings) -> tuple[str, str]:
    """The code of the bridge's own answer, and its reason.

    Raises:
        OSError: nobody listens, or nothing came back.
        BrokenError: what came back acknowledges something else.
        ValueError: no HL7 is declared.
    """
    if settings.hl7 is None:
        raise ValueError("no HL7 is declared for this host")
    at = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    test = _test(settings)
    kind = "ORM^O01" if test else "ADT^A08"
    control = f"{VERIFIER}-{at[:14]}"
    header = f"MSH|^~\\&|{VERIFIER}||BRIDGE||{at}||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
    segments = [header, f"PID|1||{PATIENT}^^^{settings.hl7.authority}^MR||{VERIFIER}^PROBE|||U"]
    if test:
        number = f"{ORDER}^{settings.hl7.placer}"
        segments += [f"ORC|NW|{number}|||||||{AT}", f"OBR|1|{number}||{test}"]
    message = ("\r".join(segments) + "\r").encode()
    return mllp.answered(("127.0.0.1", settings.hl7.port), message, timeout=TIMEOUT)


def _test(settings: Settings) -> str:
    """An imaging test that the RIS knows; none where no station is declared."""
    stations = settings.worklist.stations if settings.worklist else ()
    return min((code for one in stations for code in one.tests), default="")
