"""What must hold of the certificates that a host's DICOM TLS is declared with.

They are files of the fleet: authorities, the archive's own certificate, the probe's with its key.
Whether one has expired is no matter of the declaration: a plan looks at that.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator

from orchestrator.fleet.declared import Declared
from orchestrator.fleet.model import DicomTls, Host
from orchestrator.fleet.problems import Problem
from orchestrator.fleet.yamlfile import LARGEST_FILE, outside
from orchestrator.fleet.yamlreader import Loc


def certificates_are_there(d: Declared) -> Iterator[Problem]:
    """Each file is one of the fleet's own and holds certificates; the archive's has its name."""
    for file, loc, host, tls in _declared(d):
        given: dict[tuple[str, ...], str] = {("ca",): tls.ca, ("certificate",): tls.certificate}
        if tls.probe:
            given[("probe", "certificate")] = tls.probe.certificate
        for where, path in given.items():
            names = _names(d, path)
            if isinstance(names, str):
                yield d.at(file, (*loc, *where), names)
            elif where == ("certificate",) and (wanted := tls.name or host.address) not in names:
                text = f"{path} is of {', '.join(names) or 'no name'}, expected {wanted}"
                yield d.at(file, (*loc, *where), text)


def probe_keys_are_private(d: Declared) -> Iterator[Problem]:
    """A key that is a file belongs to its owner alone."""
    for file, loc, _, tls in _declared(d):
        path = tls.probe.key_file if tls.probe else None
        if path is None:
            continue
        where = (*loc, "probe", "key_file")
        if because := outside(d.directory, path):
            yield d.at(file, where, because)
            continue
        try:
            found = (d.directory / path).stat()
        except OSError as error:
            yield d.at(file, where, f"{path} cannot be read ({error.strerror}), expected a key")
            continue
        if not stat.S_ISREG(found.st_mode):
            yield d.at(file, where, f"{path} is no file, expected a key")
        elif found.st_mode & 0o077:
            text = f"{path} can be read by others, expected: chmod 600 {path}"
            yield d.at(file, where, text)


def roles_can_do_tls(d: Declared) -> Iterator[Problem]:
    """TLS is declared only where the product's role can set it up; else it would be left out."""
    for file, loc, host, _ in _declared(d):
        role = d.role(host)
        if role and role.option("wardship_dicom_tls") is None:
            yield d.at(file, loc, f"the role of {host.product} knows no DICOM TLS, expected none")
    for file, _, name, host in d.hosts():
        role = d.role(host)
        for at, modality in enumerate(host.modalities):
            if modality.tls and role and role.option("wardship_dicom_tls") is None:
                where = ("hosts", name, "modalities", at, "tls")
                text = f"the role of {host.product} knows no DICOM TLS, expected none"
                yield d.at(file, where, text)


def _declared(d: Declared) -> Iterator[tuple[str, Loc, Host, DicomTls]]:
    for file, _, name, host in d.hosts():
        if host.dicom and host.dicom.tls:
            yield file, ("hosts", name, "dicom", "tls"), host, host.dicom.tls


def _names(d: Declared, path: str) -> tuple[str, ...] | str:
    """The names of the first certificate in a file, or what is wrong with the file."""
    # Imported here: most commands look at no certificate.
    from orchestrator.wire.certificates import read_certificates
    from orchestrator.wire.errors import Garbled

    if because := outside(d.directory, path):
        return because
    try:
        with (d.directory / path).open("rb") as stream:
            text = stream.read(LARGEST_FILE).decode("ascii", "replace")
        return read_certificates(text)[0].names
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}), expected a PEM file"
    except Garbled:
        return f"{path} holds no certificate, expected a PEM file"
