"""Takes the census of a facility's hosts, or of any archive, into listings."""

from __future__ import annotations

import hashlib
import os
import re
import secrets as random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue, TypeAdapter, ValidationError

from orchestrator import resources
from orchestrator.adapters.archives import peer as archive_of
from orchestrator.adapters.secrets import Secrets
from orchestrator.adapters.ssh import HostProgram
from orchestrator.errors import SurveyError, UsageError, WardshipError
from orchestrator.files import write_whole
from orchestrator.fleet import inventory
from orchestrator.fleet.model import Fleet
from orchestrator.survey.listing import Counts, Entry, ListedRecord, ListingHead, write_listing
from orchestrator.survey.listing_dicom import DicomLister, Heard
from orchestrator.wire.association import Peer
from orchestrator.wire.dicom import DicomClient
from orchestrator.wire.errors import WireError
from orchestrator.wiring.survey import ansible_runner, host_program, secrets_of, ssh_configuration

Say = Callable[[str], None]
_RECORDS = TypeAdapter(dict[str, dict[str, str]])


def take(
    fleet: Fleet, facility: str, *, retrieve: int, say: Say, heard: Heard
) -> dict[Path, Counts]:
    """Each host's listing, by its file; ``retrieve``: about how many objects to fetch.

    Raises:
        SurveyError: a host could not be listed whole; what was listed before it stays.
    """
    ssh_config, secrets = ssh_configuration(fleet), Secrets(fleet)
    program = host_program(fleet, ssh_config)
    taken: dict[Path, Counts] = {}
    for name, host in fleet.facilities[facility].hosts.items():
        role = fleet.catalog.products[host.product].role
        # What lists records by itself may have a DICOM service that is no archive: a worklist.
        if (resources.roles() / role / "tasks" / "census.yml").exists():
            say(f"{name}: listing the records of {host.product}")
            taken |= _records(fleet, facility, name, secrets)
        elif host.dicom:
            say(f"{name}: listing {host.dicom.ae_title} over DICOM")
            with _reached(program, name, host.dicom.port) as port:
                peer = archive_of(fleet, host, host.dicom, port=port, secret=secrets.resolve)
                taken |= _archive(fleet, name, peer, retrieve=retrieve, heard=heard)
        else:
            say(f"{name}: {host.product} has neither DICOM nor records that can be listed")
    return taken


def take_archive(fleet: Fleet, peer: Peer, *, retrieve: int, heard: Heard) -> dict[Path, Counts]:
    """The listing of an archive that the fleet does not declare.

    Raises:
        SurveyError: it could not be listed whole.
    """
    name = f"{peer.ae_title}@{peer.address}:{peer.port}"
    return _archive(fleet, name, peer, retrieve=retrieve, heard=heard)


def any_archive(words: str, *, calling: str) -> Peer:
    """``AE@HOST:PORT`` as a peer.

    Raises:
        UsageError: it is not written so.
    """
    found = re.fullmatch(r"([!-\[\]-~ ]{1,16})@(\[[0-9A-Fa-f:]+\]|[^@:\s]+):(\d{1,5})", words)
    if not found or not 0 < int(found[3]) < 65536 or not 0 < len(calling) <= 16:
        raise UsageError(
            f"{words}: no archive",
            hint="such as --archive OLDPACS@10.58.0.4:104",
        )
    return Peer(found[2].strip("[]"), int(found[3]), found[1], calling=calling, timeout=120.0)


def _archive(
    fleet: Fleet, name: str, peer: Peer, *, retrieve: int, heard: Heard
) -> dict[Path, Counts]:
    key = _key(fleet.state)
    with DicomClient(peer) as finder, DicomClient(peer) as getter:
        lister = DicomLister(finder, getter, key=key, retrieve=retrieve, heard=heard)
        with _explained(name):
            return _written(
                fleet, name, lister.studies(), how=f"DICOM, {peer.ae_title}", key=_name(key)
            )


def _records(fleet: Fleet, facility: str, name: str, secrets: Secrets) -> dict[Path, Counts]:
    with TemporaryDirectory(prefix="inventory-", dir=fleet.state) as directory:
        inventory.write(inventory.render(fleet, facility), Path(directory))
        outcome = ansible_runner(fleet, ssh_configuration(fleet)).run(
            "census", inventory=Path(directory), hosts=[name], extra_vars={},
            hide=secrets_of(fleet, facility, secrets),
        )[name]  # fmt: skip
    if not outcome.is_done:
        raise SurveyError(
            f"{name}: {outcome.status}: {outcome.because}", hint=f"wardship survey {facility}"
        )
    records, key = _told(name, outcome.data)
    entries = (
        ListedRecord(record=kind, key=number, digest=digest)
        for kind, known in sorted(records.items())
        for number, digest in sorted(known.items())
    )
    return _written(fleet, name, entries, how="the product's own index", key=key)


def _told(name: str, data: dict[str, JsonValue]) -> tuple[dict[str, dict[str, str]], str]:
    try:
        return _RECORDS.validate_python(data.get("records")), str(data["key"])
    except (ValidationError, KeyError):
        raise SurveyError(
            f"{name}: the role's census gave no records", hint="wardship role check"
        ) from None


def _written(
    fleet: Fleet, name: str, entries: Iterable[Entry], *, how: str, key: str
) -> dict[Path, Counts]:
    now = datetime.now(UTC)
    directory = fleet.state / "census"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{re.sub('[^A-Za-z0-9.-]', '_', name)}-{now:%Y%m%dT%H%M%S}.jsonl"
    head = ListingHead(source=name, how=how, taken_at=now, key=key)
    return {path: write_listing(path, head, entries)}


@contextmanager
def _reached(program: HostProgram, host: str, port: int) -> Iterator[int]:
    """A port here that leads to the host's own; a host that is away could not be looked at."""
    with ExitStack() as stack:
        try:
            tunnel = stack.enter_context(program.forward(host, local=[port]))
        except WardshipError as error:
            raise SurveyError(error.what, hint=error.hint) from error
        yield tunnel.local[port]


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """What the wire says, as something to act on."""
    try:
        yield
    except WireError as error:
        raise SurveyError(
            f"{name}: {error}", hint="nothing was written; wardship survey says what answers there"
        ) from error


def _key(state: Path) -> bytes:
    """The fleet's own secret, made on first use: who has only a listing cannot guess at names."""
    path = state / "census.key"
    state.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        _make_key(path)
    found = path.read_bytes()
    if len(found) != 32:
        raise SurveyError(
            f"{path} is no key", hint="remove it; listings from before cannot be compared any more"
        )
    return found


def _make_key(path: Path) -> None:
    made = path.with_name(f".{path.name}.{os.getpid()}")
    write_whole(made, [random.token_bytes(32)], mode=0o600)
    with suppress(FileExistsError):  # the first of two commands makes it
        os.link(made, path)
    made.unlink()


def _name(key: bytes) -> str:
    return hashlib.sha256(b"name of " + key).hexdigest()[:8]
