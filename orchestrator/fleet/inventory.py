"""One facility as an Ansible inventory directory: the same bytes for the same declaration.

Usable with plain ``ansible-playbook -i DIR``. Secrets are references: to the vault's variables,
which travel encrypted as the vault file itself, or to the environment. What is declared is never
taken as a template. One inventory a facility, always: one for thousands of hosts does not load.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import JsonValue

from orchestrator.errors import FleetError
from orchestrator.files import write_whole
from orchestrator.fleet.model import Fleet, Host, SecretRef, Ssh

_HEAD = b"# Written by: wardship fleet render. Changes here are lost.\n"


class _Template(str):
    """A text that Ansible is to evaluate; every other text is data."""

    __slots__ = ()


class _Dumper(yaml.CSafeDumper):
    """Texts with template marks are ``!unsafe`` unless we made them."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's own signature
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if any(mark in text for mark in ("{{", "{%", "{#")):
        return dumper.represent_scalar("!unsafe", text, style="'")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text)


def _template(dumper: _Dumper, text: _Template) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="'")


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Template, _template)


def render(fleet: Fleet, facility: str) -> dict[Path, bytes]:
    """The files of a facility's inventory, by path relative to the inventory directory.

    Raises:
        FleetError: the facility is not declared, or the vault file cannot be read.
    """
    declared = fleet.facilities.get(facility)
    if declared is None:
        raise FleetError(
            f"no facility {facility}", hint=f"declared are: {', '.join(sorted(fleet.facilities))}"
        )
    hosts = {name: _host(fleet, facility, name, host) for name, host in declared.hosts.items()}
    body = yaml.dump(
        {"all": {"hosts": hosts}},
        Dumper=_Dumper,
        sort_keys=True,
        default_flow_style=False,
        allow_unicode=True,
        width=10_000,
    )
    files = {Path("hosts.yml"): _HEAD + body.encode()}
    if fleet.settings.vault:
        files[Path("group_vars/all/vault.yml")] = _vault(fleet, fleet.settings.vault.file)
    return files


def host_variables(host: str, values: Mapping[str, JsonValue]) -> dict[Path, bytes]:
    """A file that tells one host more, beside those of ``render``."""
    body = yaml.dump(
        dict(values), Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=10_000
    )
    return {Path("host_vars", f"{host}.yml"): _HEAD + body.encode()}


def write(files: dict[Path, bytes], directory: Path) -> None:
    """Write an inventory's files below ``directory`` (0700, files 0600); others there are left."""
    for relative, content in sorted(files.items()):
        path = directory / relative
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, [content], mode=0o600)


def _vault(fleet: Fleet, file: str) -> bytes:
    try:
        return fleet.path(file).read_bytes()
    except OSError as error:
        raise FleetError(
            f"{file}: cannot be read ({error.strerror})", hint="wardship fleet check"
        ) from error


def _host(fleet: Fleet, facility: str, name: str, host: Host) -> dict[str, object]:
    product = fleet.catalog.products[host.product]
    variables: dict[str, object] = dict(host.settings)
    variables |= _references(host)
    variables |= _connection(fleet, name, host)
    variables |= {
        "wardship_facility": facility,
        "wardship_timezone": fleet.facilities[facility].timezone,
        "wardship_host": name,
        "wardship_product": host.product,
        "wardship_role": product.role,
        "wardship_root": fleet.roles[product.role].root,
        "wardship_volumes": {volume.name: volume.path for volume in fleet.volumes_of(host)},
        "wardship_archives": [
            volume.name for volume in fleet.volumes_of(host) if volume.kind == "archive"
        ],
        "wardship_databases": {one.name: one.database for one in fleet.databases_of(host)},
        "wardship_snapshot": fleet.snapshot_of(host),
        "wardship_modalities": [
            modality.model_dump(exclude_defaults=True) for modality in host.modalities
        ],
    }
    return variables | _services(host)


def _services(host: Host) -> dict[str, object]:
    found: dict[str, object] = {}
    if host.dicom:
        found["wardship_dicom_ae_title"] = host.dicom.ae_title
        found["wardship_dicom_port"] = host.dicom.port
        if host.dicom.tls:
            found["wardship_dicom_tls"] = True
            found["wardship_dicom_tls_callers"] = host.dicom.tls.callers
    if host.web:
        found["wardship_web_port"] = host.web.port
        found["wardship_web_dicomweb"] = host.web.dicomweb
        if host.web.user:
            found["wardship_web_user"] = host.web.user
        if host.web.password:
            found["wardship_web_password"] = _reference(host.web.password)
    if host.hl7:
        found["wardship_hl7_port"] = host.hl7.port
    return found


def _references(host: Host) -> dict[str, object]:
    """The host's secrets. One named as in the vault is the vault's variable itself."""
    return {name: _reference(ref) for name, ref in host.secrets.items() if ref.vault != name}


def _reference(ref: SecretRef) -> _Template:
    if ref.vault:
        return _Template("{{ " + ref.vault + " }}")
    return _Template(f'{{{{ lookup("ansible.builtin.env", "{ref.env}", default=undef()) }}}}')


def _connection(fleet: Fleet, name: str, host: Host) -> dict[str, JsonValue]:
    ssh = fleet.ssh_of(host)
    found: dict[str, JsonValue] = {
        "ansible_host": host.address,
        "ansible_port": ssh.port,
        "ansible_user": ssh.user,
        "ansible_become": ssh.become,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": _ssh_arguments(fleet, name, ssh),
    }
    if ssh.key:
        found["ansible_ssh_private_key_file"] = str(fleet.path(ssh.key))
    return found


def _ssh_arguments(fleet: Fleet, name: str, ssh: Ssh) -> str:
    """Only the host key that was recorded under the host's own name is taken."""
    known = str(fleet.known_hosts).replace("%", "%%")
    options = [
        "StrictHostKeyChecking=yes",
        f'UserKnownHostsFile="{known}"',
        "GlobalKnownHostsFile=/dev/null",
        f"HostKeyAlias={name}",
    ]
    if ssh.jump:
        options.append(f"ProxyJump={ssh.jump}")
    return " ".join(f"-o {shlex.quote(option)}" for option in options)
