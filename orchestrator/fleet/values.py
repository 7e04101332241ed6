"""What a declaration's values may be: names, titles, ports, paths, references to secrets.

Decides what is legal on its own. ``model`` gives them to everybody else.
"""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

#: Names of facilities, hosts and products: safe in file names, units, namespaces and inventories.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
#: DICOM PS3.5 section 6.2, VR AE: at most 16 characters, no backslash or control characters.
AETitle = Annotated[str, Field(pattern=r"^[A-Z0-9_.-]{1,16}$")]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
#: A host name or an IP address.
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]


_timezones = cache(available_timezones)


def _known_timezone(name: str) -> str:
    if name not in _timezones():
        raise ValueError("no such time zone; expected an IANA name such as Africa/Mbabane")
    return name


def _no_own_database(name: str) -> str:
    if name in ("postgres", "template0", "template1"):
        raise ValueError("expected a product's database, this is PostgreSQL's own")
    return name


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("expected an absolute path without '..'")
    return _plain_path(path)


def _plain_path(path: str) -> str:
    if not path or any(ord(sign) < 32 or sign in '"\x7f' for sign in path):
        raise ValueError("expected a path without quotes and control characters")
    if path.startswith("~") and not path.startswith("~/"):
        raise ValueError("expected ~/…, or a path without ~")
    return path


#: A database and the unit of its cluster, as the host program takes them (database_manifest.py).
DatabaseName = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,30}$"), AfterValidator(_no_own_database)
]
Cluster = Annotated[str, Field(pattern=r"^postgresql@[0-9]+-[A-Za-z0-9._]+\.service$")]
TimeZone = Annotated[str, AfterValidator(_known_timezone)]
HostPath = Annotated[
    str,
    AfterValidator(_absolute),
    WithJsonSchema({"type": "string", "pattern": r"^/(?!(.*/)?\.\.(/|$))[^\x00-\x1f\x7f\"]*$"}),
]
#: A path on the controller; relative ones count from the fleet's directory.
LocalPath = Annotated[str, AfterValidator(_plain_path)]
#: What people read: one line.
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,200}$")]


class Model(BaseModel):
    """What passes between packages: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretRef(Model):
    """Where a secret is; never the secret itself."""

    vault: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")
    env: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.vault is None) == (self.env is None):
            raise ValueError("expected exactly one of vault: NAME and env: NAME")
        return self
