"""What must hold between a host and its product's role: settings, secrets, volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.fleet.declared import Declared
from orchestrator.fleet.model import Host
from orchestrator.fleet.problems import Problem, quoted
from orchestrator.fleet.roles import is_reserved
from orchestrator.fleet.yamlfile import outside


def settings_are_options(d: Declared) -> Iterator[Problem]:
    """Each setting is an option of the role's ``stage``, of its type, and no secret."""
    for file, _, name, host in d.hosts():
        role = d.role(host)
        if role is None:
            continue
        stage = role.options.get("stage", {})
        known = ", ".join(
            sorted(o for o, spec in stage.items() if not (is_reserved(o) or spec.secret))
        )
        for setting, value in host.settings.items():
            loc = ("hosts", name, "settings", setting)
            option = stage.get(setting)
            if is_reserved(setting):
                yield d.at(file, loc, f"{setting} is set by wardship itself, expected it not here")
            elif option is None:
                yield d.at(file, loc, f"{host.product} has no setting {setting}, expected {known}")
            elif option.secret:
                text = f"{setting} is a secret, expected it under secrets, as a reference"
                yield d.at(file, loc, text)
            elif because := _misfit(value, option.type, option.choices):
                yield d.at(file, loc, f"{setting} {because}")


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


def _misfit(value: object, kind: str, choices: tuple[object, ...]) -> str | None:
    wanted = _TYPES.get(kind, (object,))
    is_bool_for_number = isinstance(value, bool) and bool not in wanted and object not in wanted
    if not isinstance(value, wanted) or is_bool_for_number:
        return f"is not a {kind}, expected a {kind}"
    named = value if isinstance(value, list) else [value]
    strange = [quoted(one) for one in named if choices and one not in choices]
    if strange:
        return f"is {', '.join(strange)}, expected one of {', '.join(map(str, choices))}"
    return None


def required_options_are_given(d: Declared) -> Iterator[Problem]:
    """What the role cannot do without is declared."""
    for file, _, name, host in d.hosts():
        role = d.role(host)
        for option, spec in role.options.get("stage", {}).items() if role else ():
            given = option in host.settings or option in host.secrets
            if spec.required and not given and not is_reserved(option):
                section = "secrets" if spec.secret else "settings"
                text = f"{host.product} needs {option}, expected it under {section}"
                yield d.at(file, ("hosts", name), text)


#: What a role may need that is not among settings and secrets, and where it is declared.
_DECLARED_ELSEWHERE: dict[str, Callable[[Host], object]] = {
    "dicom.ae_title": lambda host: host.dicom,
    "web.port": lambda host: host.web,
    "web.user": lambda host: host.web and host.web.user,
    "web.password": lambda host: host.web and host.web.password,
}


def services_are_declared(d: Declared) -> Iterator[Problem]:
    """What the role needs to know about the product's DICOM and web services is declared."""
    for file, _, name, host in d.hosts():
        role = d.role(host)
        for declared, of in _DECLARED_ELSEWHERE.items():
            option = role.option("wardship_" + declared.replace(".", "_")) if role else None
            if option and option.required and not of(host):
                text = f"{host.product} needs {declared}, expected it here"
                yield d.at(file, ("hosts", name), text)


def secrets_are_options(d: Declared) -> Iterator[Problem]:
    """Each secret is an option of one of the role's verbs."""
    for file, _, name, host in d.hosts():
        role = d.role(host)
        for secret in host.secrets if role else ():
            loc = ("hosts", name, "secrets", secret)
            if role and (is_reserved(secret) or role.option(secret) is None):
                yield d.at(file, loc, f"{host.product} has no option {secret} for this secret")
            if secret in host.settings:
                yield d.at(file, loc, f"{secret} is under settings too, expected it here only")


def volumes_are_known(d: Declared) -> Iterator[Problem]:
    """Only a volume that the role names can lie elsewhere."""
    for file, _, name, host in d.hosts():
        role = d.role(host)
        known = [volume.name for volume in role.role.state.volumes] if role else []
        for volume in host.volumes if role else ():
            if volume not in known:
                text = f"{host.product} has no volume {volume}, expected {', '.join(known)}"
                yield d.at(file, ("hosts", name, "volumes", volume), text)


def databases_are_known(d: Declared) -> Iterator[Problem]:
    """Only a database that the role names can be called otherwise, or be captured by itself."""
    for file, _, name, host in d.hosts():
        role = d.role(host)
        if role is None:
            continue
        known = [one.name for one in role.role.state.databases]
        for database in host.databases:
            if database not in known:
                expected = ", ".join(known) or "none"
                text = f"{host.product} has no database {database}, expected {expected}"
                yield d.at(file, ("hosts", name, "databases", database), text)
        if host.snapshot == "postgres" and not known:
            text = f"the role of {host.product} names no database, expected another way"
            yield d.at(file, ("hosts", name, "snapshot"), text)


def vault_is_a_vault(d: Declared) -> Iterator[Problem]:
    """The vault file is there and is encrypted."""
    vault = d.settings.vault if d.settings else None
    if vault is None:
        return
    loc, path = ("vault", "file"), (d.directory / vault.file)
    if because := outside(d.directory, vault.file):
        yield d.at("fleet.yml", loc, because)
    elif not path.is_file():
        yield d.at("fleet.yml", loc, f"no file {vault.file}, expected an ansible-vault file")
    elif (begins := _beginning(path)) is None:
        yield d.at("fleet.yml", loc, f"{vault.file} cannot be read, expected a readable file")
    elif begins != _VAULT:
        text = f"{vault.file} is not encrypted, expected: ansible-vault encrypt {vault.file}"
        yield d.at("fleet.yml", loc, text)


_VAULT = b"$ANSIBLE_VAULT;"


def _beginning(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(len(_VAULT))
    except OSError:
        return None


def secrets_exist(d: Declared) -> Iterator[Problem]:
    """Each vault reference has a vault, and is in it where it could be opened."""
    for file, loc, ref in d.secrets():
        if ref.vault is None:
            continue
        if d.settings and d.settings.vault is None:
            yield d.at(file, loc, "a vault variable, but fleet.yml names no vault file")
        elif d.vault_names is not None and ref.vault not in d.vault_names:
            assert d.settings
            assert d.settings.vault
            yield d.at(file, loc, f"no {ref.vault} in {d.settings.vault.file}, expected it there")


def vault_names_are_not_hidden(d: Declared) -> Iterator[Problem]:
    """A host's variable of the same name would hide the vault's in the rendered inventory."""
    for file, _, name, host in d.hosts():
        refs = {key: ref.vault for key, ref in host.secrets.items()}
        password = host.web.password.vault if host.web and host.web.password else None
        for key, vault in [*refs.items(), ("web.password", password)]:
            hidden = vault in host.settings or (vault in refs and refs[vault] != vault)
            if vault and hidden:
                text = f"the host's own {vault} hides the vault's for {key}, rename the latter"
                yield d.at(file, ("hosts", name), text)
