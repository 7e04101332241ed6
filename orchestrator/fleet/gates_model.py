"""What must hold before a change may begin, as far as a fleet declares it.

A gate that is not declared is absent: it neither passes nor refuses. Only the clock is looked at
always, since everything that is written down is dated by it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Item = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackupGate(_Model):
    """A stamp that dates a backup off the host: a file as ``wardship backup stamp`` writes it.

    ``stamp``: its path on the controller; ``{facility}`` and ``{host}`` stand for the names.
    """

    stamp: str
    max_age_hours: int = Field(ge=1, le=24 * 366, strict=True)


class ChecklistItem(_Model):
    """Something that only a person can confirm: a licence, an antivirus exclusion.

    ``valid_days``: how long a confirmation holds; without it, for good.
    """

    asks: str = Field(min_length=3, max_length=300)
    valid_days: int | None = Field(default=None, ge=1, strict=True)


class GateSettings(_Model):
    """``gates:`` of ``fleet.yml``. ``checklists``: by product, then by item.

    ``certificate_days``: how long every certificate of DICOM TLS must still hold.
    """

    clock_skew_seconds: float = Field(default=5.0, gt=0, le=3600)
    quiet_minutes: int | None = Field(default=None, ge=1, le=24 * 60, strict=True)
    backup: BackupGate | None = None
    certificate_days: int | None = Field(default=None, ge=1, le=3650, strict=True)
    checklists: dict[str, dict[Item, ChecklistItem]] = Field(default_factory=dict)


class HostGates(_Model):
    """``gates:`` of a host: the dates of what was confirmed, and what is otherwise here.

    The others replace the fleet's.
    """

    confirmed: dict[Item, date] = Field(default_factory=dict)
    quiet_minutes: int | None = Field(default=None, ge=1, le=24 * 60, strict=True)
    backup: BackupGate | None = None
    certificate_days: int | None = Field(default=None, ge=1, le=3650, strict=True)
