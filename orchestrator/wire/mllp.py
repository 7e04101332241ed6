"""HL7 v2 over MLLP: frames, a listener, acknowledgements.

The frame is that of HL7's "Minimal Lower Layer Protocol" (release 1): 0x0B, message, 0x1C, 0x0D.
Messages are bytes; a header is read as Latin-1, since its character set does not matter for it.
Needs nothing of ours, so that programs which run on hosts carry it with them.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import hl7

START, END = b"\x0b", b"\x1c\r"
#: Bytes that one message may have.
LARGEST = 64 * 1024 * 1024
#: Seconds after which a connection that says nothing more is ended.
IDLE = 600.0
#: HL7 table 0008.
CODES = ("AA", "AE", "AR", "CA", "CE", "CR")
#: To what cannot be read, and so has no control id to answer to.
NO_MESSAGE = b"MSH|^~\\&|||||||ACK|0|P|2.5.1\rMSA|AR||this is no HL7 message\r"
#: HL7 table 0357, message error conditions.
CONDITIONS = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "207": "Application internal error",
}


class BrokenError(Exception):
    """What came is no message; ``str`` says why."""


def listen(
    port: int, answer: Callable[[bytes], bytes], *, address: str = ""
) -> socketserver.ThreadingTCPServer:
    """Listen, in threads of its own; each message has its ``answer`` before the next is read.

    Raises:
        OSError: the port is not to be had.
    """

    class Desk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            serve(self.request, answer)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server((address, port), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def serve(connection: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    """One sender, until it leaves."""
    connection.settimeout(IDLE)
    try:
        for message in messages(connection):
            connection.sendall(framed(answer(message)))
    except OSError:
        return


def messages(connection: socket.socket) -> Iterator[bytes]:
    """The messages that come over a connection; ends when it does.

    Raises:
        OSError: it broke, or went on for too long without an end.
    """
    held, looked = bytearray(), 0
    while True:
        del held[: held.find(START) if START in held else len(held)]  # between messages is nothing
        end_at = held.find(END, looked)
        if end_at >= 0:
            yield bytes(held[len(START) : end_at])
            del held[: end_at + len(END)]
            looked = 0
            continue
        looked = max(len(held) - 1, 0)  # END may have come half
        if len(held) > LARGEST:
            raise OSError("a message without an end")
        more = connection.recv(65536)
        if not more:
            return
        held += more


def framed(message: bytes) -> bytes:
    return START + message + END


def read(message: bytes) -> hl7.Message:
    """A message, byte for byte (as Latin-1: its character set does not matter here).

    Raises:
        BrokenError: it has no header, or one without a control id.
    """
    try:
        found: hl7.Message = hl7.parse(message.decode("latin-1"))
        if not str(found.segment("MSH")(10)):
            raise BrokenError("MSH has no message control id")
    except (hl7.HL7Exception, KeyError, IndexError, ValueError) as error:
        raise BrokenError(f"no HL7 message: {type(error).__name__}") from None
    return found


def acknowledged(message: hl7.Message, code: str, because: str, *, condition: str = "") -> bytes:
    """The acknowledgement of a message, in its own separators (HL7 v2.5.1 section 2.9.2.1).

    ``condition``: of table 0357, told in an ERR segment.
    """
    header = message.segment("MSH")
    separator, encoding = _field(header, 1), _field(header, 2)
    to_whom = [_field(header, number) for number in (5, 6, 3, 4)]
    at = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    kind = [_field(header, 11) or "P", _field(header, 12) or "2.5.1"]
    own = hl7.generate_message_control_id()
    segments = [
        ["MSH", encoding, *to_whom, at, "", "ACK", own, *kind],
        ["MSA", code, _field(header, 10), *([because] if because else [])],
    ]
    if condition:
        named = encoding[0].join([condition, CONDITIONS[condition], "HL70357"])
        segments.append(["ERR", "", "", named, "E"])
    answer = "".join(separator.join(fields) + "\r" for fields in segments)
    return answer.encode("latin-1", "replace")


def _field(segment: hl7.Segment, number: int) -> str:
    try:
        return str(segment(number))
    except (KeyError, IndexError):
        return ""


def control_id(message: bytes) -> str:
    """MSH-10: what an answer refers to.

    Raises:
        BrokenError: it is no message.
    """
    return str(read(message).segment("MSH")(10))


def answer_to(address: tuple[str, int], message: bytes, *, timeout: float) -> str:
    """Send a message; the code of the answer: AA, AE, AR, CA, CE or CR (HL7 table 0008).

    Raises:
        OSError, BrokenError: as ``answered``.
    """
    return answered(address, message, timeout=timeout)[0]


def answered(address: tuple[str, int], message: bytes, *, timeout: float) -> tuple[str, str]:
    """Send a message; the code of the answer and its text (MSA-1 and MSA-3).

    Raises:
        OSError: nobody listens, or nothing came back.
        BrokenError: what came back acknowledges something else.
    """
    control = control_id(message)
    with socket.create_connection(address, timeout=timeout) as connection:
        connection.sendall(framed(message))
        for reply in messages(connection):
            return _understood(reply, control)
    raise OSError("the connection was closed without an answer")


def _understood(reply: bytes, control: str) -> tuple[str, str]:
    try:
        segment = hl7.parse(reply.decode("latin-1")).segment("MSA")
        code, about = str(segment(1)), str(segment(2))
    except (hl7.HL7Exception, KeyError, IndexError, ValueError):
        raise BrokenError("the answer is no acknowledgement") from None
    if about != control:
        raise BrokenError("the answer is to another message")
    if code not in CODES:
        raise BrokenError("the answer has no acknowledgement code")
    return code, _field(segment, 3)
