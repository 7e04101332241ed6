"""A bridge beside a fake RIS, and a hospital's system that sends to it. Nobody in it is real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from orchestrator.bridge.intake import Intake
from orchestrator.bridge.ris import Ris
from orchestrator.bridge.settings import Hl7
from orchestrator.bridge.settings import Ris as Where
from tests.fakes.gnuhealth import PASSWORD, USER, FakeGnuHealth

ZONE = ZoneInfo("Africa/Mbabane")
PID = "PID|1||P-1^^^H^MR~77^^^H^SS||Muster^Ana^Lúcia||19800203|F"


@dataclass
class Scene:
    """``answer``: code, reason and condition of what the bridge says to a message."""

    ris: FakeGnuHealth
    where: Where
    intake: Intake
    sent: int = 0

    def answer(
        self, kind: str, *segments: str, charset: str = "UNICODE UTF-8", codec: str = "utf-8"
    ) -> tuple[str, str, str]:
        reply = self.intake.answer(self.message(kind, *segments, charset=charset).encode(codec))
        lines = reply.decode("latin-1").rstrip("\r").split("\r")
        msa = [*lines[1].split("|"), "", ""]
        assert msa[2] == str(self.sent)
        condition = lines[2].split("|")[3].split("^")[0] if len(lines) > 2 else ""
        return msa[1], msa[3], condition

    def message(self, kind: str, *segments: str, charset: str) -> str:
        self.sent += 1
        header = f"MSH|^~\\&|HIS|H|RIS|H|20261101080000||{kind}|{self.sent}|P|2.5.1||||||{charset}"
        return "\r".join([header, *segments]) + "\r"

    def order(
        self, *changed: tuple[str, str], control: str = "NW", pid: str = PID
    ) -> tuple[str, str, str]:
        """Sends ORM^O01 for order H-1, with texts in its OBR and ORC replaced."""
        orc = f"ORC|{control}|H-1|||||||20261101081500"
        obr = "OBR|1|H-1||CTHD^Head|||||||||Pain|||D-1"
        for before, after in changed:
            orc, obr = orc.replace(before, after), obr.replace(before, after)
        return self.answer("ORM^O01", pid, "PV1|1|O", orc, obr)


@contextmanager
def scene(series: int = 6, *, doctor: str | None = "D-1") -> Iterator[Scene]:
    fake = FakeGnuHealth(series)
    with fake.serving() as url:
        where = Where(url, "gnuhealth", USER, PASSWORD)
        told = Hl7(port=0, charset="ASCII", authority="H", placer="", doctor=doctor)
        intake = Intake(Ris(where), told, zone=ZONE)
        yield Scene(fake, where, intake)
