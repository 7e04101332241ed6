"""NetBox's sites, devices and virtual machines as the rows of a list of hospitals.

Asks through NetBox's own REST API, reads only, and sends the token nowhere but to the address that
was named. Decides nothing about values: a row goes the way that a spreadsheet's row goes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pynetbox
import requests
from requests.adapters import HTTPAdapter

from orchestrator.errors import FleetError
from orchestrator.fleet.importers.columns import COLUMNS
from orchestrator.fleet.importers.rows import MOST_ROWS, Cell, Row, Strange, Value
from orchestrator.fleet.problems import quoted

TOKEN = "NETBOX_TOKEN"  # noqa: S105 - the variable's name
#: What a role's slug makes of a machine; the command line may name others.
ROLES = {"host": "pacs", "modality": "modality", "workstation": "workstation"}
#: Seconds for one answer.
PATIENCE = 30.0
#: Columns that come from NetBox's own fields; all others from custom fields of the same names.
_ONE_WORD = re.compile(r"[!-~]+")
_OWN = {"facility", "title", "country", "timezone", "kind", "host", "address", "remarks"}


def read(url: str, roles: Mapping[str, str], *, patience: float = PATIENCE) -> list[Row]:
    """Every machine that has one of the roles, as a row.

    ``roles``: by kind of row (host, modality, workstation) the slug of NetBox's role.

    Raises:
        FleetError: NetBox was not asked, did not answer, or answered something else.
    """
    base = _checked(url)
    token = os.environ.get(TOKEN)
    if not token:
        raise FleetError(
            f"no token for {base}: the environment has no {TOKEN}",
            hint=f"a token that may read: read -rs {TOKEN} && export {TOKEN}",
        )
    if not _ONE_WORD.fullmatch(token):
        raise FleetError(
            f"{TOKEN} holds a sign that no token has: a line's end, a blank, or no ASCII",
            hint=f"give the token alone: read -rs {TOKEN} && export {TOKEN}",
        )
    api = pynetbox.api(base, token=token)
    api.http_session = session = requests.Session()
    session.trust_env = False  # neither a proxy nor a .netrc sees the token
    session.mount("https://", _Only(base, patience))
    session.mount("http://", _Only(base, patience))
    try:
        return list(_rows(api, roles))
    except FleetError:
        raise
    except pynetbox.RequestError as error:
        raise _refused(base, error.req.status_code) from None
    except pynetbox.ContentError:
        raise FleetError(
            f"{base}: does not answer as NetBox does",
            hint="name the address that NetBox itself has",
        ) from None
    except requests.exceptions.SSLError as error:
        if "WRONG_VERSION_NUMBER" in str(error):
            raise FleetError(
                f"{base}: speaks no TLS at that port", hint="look at the address and its port"
            ) from None
        raise FleetError(
            f"{base}: its certificate is not trusted ({_reason(error)})",
            hint="have it mended; or name your authority's file in REQUESTS_CA_BUNDLE",
        ) from None
    except requests.exceptions.Timeout:
        raise FleetError(
            f"{base}: no answer within {patience:.0f} s",
            hint="the same again when the line is well",
        ) from None
    except requests.exceptions.RequestException as error:
        raise FleetError(
            f"{base}: cannot be reached ({_reason(error)})", hint="look at the address and the line"
        ) from None
    except OSError as error:
        raise FleetError(
            f"{base}: cannot be asked: {quoted(str(error))}",
            hint="look at the file that REQUESTS_CA_BUNDLE names",
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FleetError(
            f"{base}: an answer is not what NetBox gives ({type(error).__name__}: {error})",
            hint="wardship knows NetBox 3.6 and later; export a CSV and import that",
        ) from None


class _Only(HTTPAdapter):
    """Goes to one address, with a time limit; pages may be said to be elsewhere, and are not."""

    def __init__(self, base: str, patience: float) -> None:
        super().__init__()
        self._base, self._patience = base, patience

    # The options that requests names one by one are handed on as they come.
    def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request, if it is for us."""
        if not str(request.url).startswith(f"{self._base}/"):
            raise FleetError(
                f"{self._base}: sends us on to {quoted(str(request.url))}, which was not followed",
                hint="name that address, if it is NetBox's own",
            )
        bundle = os.environ.get("REQUESTS_CA_BUNDLE")
        if bundle and not os.access(bundle, os.R_OK):
            raise FleetError(
                f"{bundle}: cannot be read", hint="REQUESTS_CA_BUNDLE names your authority's file"
            )
        verify = bundle or True
        return super().send(request, **{**options, "timeout": self._patience, "verify": verify})


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host:
        raise FleetError(f"{quoted(url)}: no address", hint="such as https://netbox.example.org")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise FleetError(
            f"{quoted(host)}: more than an address was given, and nothing was asked",
            hint=f"name it as https://netbox.example.org; the token goes into {TOKEN}",
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise FleetError(
            f"{quoted(url)}: the token would travel in the clear", hint="name it by https://"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(base: str, status: int) -> FleetError:
    if status in (401, 403):
        return FleetError(
            f"{base}: does not let this token in ({status})",
            hint=f"a token that may read sites, devices and virtual machines, in {TOKEN}",
        )
    if status == 404:
        return FleetError(f"{base}: there is no NetBox (404)", hint="name the address without /api")
    return FleetError(f"{base}: answers with {status}", hint="the same again when it is well")


def _reason(error: Exception) -> str:
    inner: object = error.args[0] if error.args else error
    inner = getattr(inner, "reason", inner)
    return quoted(str(inner).rpartition(": ")[2])


def _rows(api: Any, roles: Mapping[str, str]) -> Iterator[Row]:
    sites = {site.id: dict(site) for site in api.dcim.sites.all()}
    kinds = {slug: kind for kind, slug in roles.items()}
    asked = (
        ("device", api.dcim.devices.filter(role=[*kinds])),
        ("virtual machine", api.virtualization.virtual_machines.filter(role=[*kinds])),
    )
    machines = sorted(
        ((what, dict(one)) for what, found in asked for one in _bounded(found)),
        key=lambda each: (kinds.get(_slug(each[1]), "") != "host", str(each[1]["name"])),
    )
    for at, (what, machine) in enumerate(machines):
        yield _row(at, what, machine, sites, kinds)


def _bounded(found: Iterable[Any]) -> Iterator[Any]:
    for at, each in enumerate(found):
        if at >= MOST_ROWS:
            raise FleetError(
                f"more than {MOST_ROWS} machines have these roles", hint="name other roles"
            )
        yield each


def _slug(machine: Mapping[str, Any]) -> str:
    """Its role's: NetBox 3.6 renamed a device's ``device_role``."""
    role = machine.get("role") or machine.get("device_role") or {}
    return str(role.get("slug", ""))


def _row(
    at: int,
    what: str,
    machine: Mapping[str, Any],
    sites: Mapping[int, Any],
    kinds: Mapping[str, str],
) -> Row:
    name = str(machine["name"] or f"without a name, number {machine['id']}")
    kind = kinds.get(_slug(machine), "")
    site = sites.get((machine.get("site") or {}).get("id", 0), {})
    custom = machine.get("custom_fields") or {}
    primary = (machine.get("primary_ip") or {}).get("address") or ""
    own: dict[str, tuple[str, object]] = {
        "facility": ("site", site.get("slug")),
        "title": ("site.name", site.get("name")),
        "country": ("site.custom_fields.country", (site.get("custom_fields") or {}).get("country")),
        "timezone": ("site.time_zone", site.get("time_zone")),
        "kind": ("role", kind),
        "host": ("name", name) if kind == "host" else ("custom_fields.host", custom.get("host")),
        "address": ("primary_ip", str(primary).partition("/")[0]),
    }
    of = {
        column.name: (f"custom_fields.{column.name}", custom.get(column.name))
        for column in COLUMNS
        if column.name not in _OWN
    }
    cells = {
        key: Cell(f"{what} {name}, {where}", (at, place), _plain(value))
        for place, (key, (where, value)) in enumerate({**own, **of}.items())
    }
    return Row(Cell(f"{what} {name}", (at, -1), name), cells)


def _plain(value: object) -> Value:
    """A custom field's value; a selection gives its own."""
    if isinstance(value, Mapping) and set(value) == {"value", "label"}:
        value = value["value"]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return Strange("a list or an object", "make it a field of one value")
