"""How an Orthanc's live settings and AE table differ from what the fleet declares.

A setting may become another only where the declaration names it itself: that is intended, and told.
Anything else that is there and not declared would be lost by a change, and is a problem.
"""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.wardship_masks import is_secret, shown_value

#: An AE's further settings as Orthanc has them where none are given.
USUAL = {
    "AllowEcho": True,
    "AllowEventReport": True,
    "AllowFind": True,
    "AllowFindWorklist": True,
    "AllowGet": True,
    "AllowMove": True,
    "AllowNAction": True,
    "AllowStorageCommitment": True,
    "AllowStore": True,
    "AllowTranscoding": True,
    "LocalAet": "",
    "Manufacturer": "Generic",
    "RetrieveMethod": "SystemDefault",
    "Timeout": 0,
    "UseDicomTls": False,
}
#: What decides who may call, as Orthanc has it where its configuration says nothing.
UNSET = {
    "DicomAlwaysAllowEcho": True,
    "DicomAlwaysAllowFind": False,
    "DicomAlwaysAllowFindWorklist": False,
    "DicomAlwaysAllowGet": False,
    "DicomAlwaysAllowMove": False,
    "DicomAlwaysAllowStore": True,
    "DicomCheckCalledAet": False,
    "DicomCheckModalityHost": False,
    "DicomModalitiesInDatabase": False,
    "DicomTlsEnabled": False,
    "DicomTlsRemoteCertificateRequired": True,
}

#: What any AE may ask for, in the table or not.
SERVICES = {
    "DicomAlwaysAllowEcho": "echo",
    "DicomAlwaysAllowStore": "store",
    "DicomAlwaysAllowFind": "find",
    "DicomAlwaysAllowGet": "get",
    "DicomAlwaysAllowMove": "move",
    "DicomAlwaysAllowFindWorklist": "ask for worklists",
}


def in_force(live, known):
    """The AE table that Orthanc goes by. ``known``: its own answer, None where it gave none.

    With DicomModalitiesInDatabase it takes no notice of its files. Without, an AE that was added or
    changed while it runs is known until the next start.
    """
    files = live.get("DicomModalities", {})
    if known is None:
        return files
    if live.get("DicomModalitiesInDatabase"):
        return known
    return {
        **{name: _running(entry, known.get(name)) for name, entry in files.items()},
        **{name: entry for name, entry in known.items() if name not in files},
    }


def _running(entry, known):
    """The file's entry, unless Orthanc goes by another one."""
    return entry if known is None or _full(known) == _full(entry) else known


def not_loaded(live, known):
    """AEs that the files have and the running Orthanc does not."""
    if known is None or live.get("DicomModalitiesInDatabase"):
        return
    for name, entry in live.get("DicomModalities", {}).items():
        if name not in known:
            aet, address, port = _entry(entry)
            yield (
                f"the AE {aet} ({address}:{port}) is in the configuration, and Orthanc, which was "
                "not started since, does not know it: restart it when the clinic allows"
            )


def ae_table(table, declared):
    """Every AE of the table, and whether the fleet declares exactly this."""
    same = {entry["AET"]: entry for entry in map(_full, declared.values())}
    return [
        {
            "ae_title": entry["AET"],
            "address": entry["Host"],
            "port": entry["Port"],
            "tls": entry["UseDicomTls"],
            "declared": same.get(entry["AET"]) == entry,
        }
        for entry in map(_full, table.values())
    ]


def callers(live):
    """Who may call, whatever the AE table says: services that anybody may ask for, and checks."""
    there = {**UNSET, **live}
    return {
        "anybody": [what for name, what in SERVICES.items() if there[name]],
        "checks_address": bool(there["DicomCheckModalityHost"]),
        "checks_called": bool(there["DicomCheckCalledAet"]),
    }


def differences(live, declared, chosen, masked=()):
    """``(undeclared, intended)``: what would be lost or be another after a change, in words.

    A setting may become another only where the declaration names it itself (``chosen``): that is
    intended, and told. Anything else is undeclared.
    """
    problems = list(_modalities(live.get("DicomModalities", {}), declared["DicomModalities"]))
    problems += [
        f"the web account {user} is configured there and not declared"
        for user in live.get("RegisteredUsers") or {}
        if user not in declared["RegisteredUsers"]
    ]
    loaded = {Path(plugin).name for plugin in live.get("Plugins", [])}
    known = {Path(plugin).name for plugin in declared["Plugins"]}
    left_out = [f"the plugin {name} is loaded there and not declared" for name in loaded - known]
    intended = left_out if "Plugins" in chosen else []
    problems += left_out if "Plugins" not in chosen else []
    skip = {"DicomModalities", "RegisteredUsers", "Plugins"}
    rest = {name: value for name, value in live.items() if name not in skip}
    # What is not set there has a value as well, and a declaration must not make it another.
    unset = {name: value for name, value in UNSET.items() if name in declared and name not in rest}
    usual = {name for name, value in rest.items() if name not in declared and name in UNSET}
    rest = {**unset, **{n: v for n, v in rest.items() if n not in usual or v != UNSET[n]}}
    undeclared, named = [], []
    for is_chosen, told in _settings(rest, declared, chosen, masked):
        (named if is_chosen else undeclared).append(told)
    return sorted([*problems, *undeclared]), sorted([*intended, *named])


def _modalities(live, declared):
    """AE titles that differ from the declaration or are in one of them only (PS3.8 9.3.2)."""
    known = {entry[0]: entry[1:3] for entry in map(_entry, declared.values())}
    same = {_entry(entry)[0]: entry for entry in declared.values()}
    for aet, address, port in map(_entry, live.values()):
        if aet not in known:
            line = f"{{ae_title: {aet}, address: {address}, port: {port}}}"
            told = f"the AE {aet} ({address}:{port}) is configured there and not declared"
            yield f"{told}; under modalities: - {line}"
        elif [address, port] != known[aet]:
            where, at = known[aet]
            yield f"the AE {aet} is {address}:{port} there, declared is {where}:{at}"
    for entry in live.values():
        yield from _permissions(entry, same.get(_entry(entry)[0]))
    there = {_entry(each)[0] for each in live.values()}
    for aet in sorted(known.keys() - there - {"WARDSHIP"}):
        address, port = known[aet]
        yield (
            f"the AE {aet} ({address}:{port}) is declared and not configured there: "
            "add it there, or take it out of modalities"
        )
    if "WARDSHIP" not in there:
        yield "the probe's AE WARDSHIP (127.0.0.1:11112) is not configured there: add it once"


def _permissions(entry, declared):
    """What an AE is forbidden there, or is otherwise, but for its address."""
    there, same = _full(entry), _full(declared or [])
    for setting in sorted(there.keys() | same.keys()):
        if setting in ("AET", "Host", "Port"):
            continue
        value, told = there.get(setting), same.get(setting)
        if value != told:
            yield f"the AE {there['AET']} has {setting} {value!r} there, declared is {told!r}"


def _full(modality):
    """An entry with every setting, whether it is written as a list or as an object."""
    if isinstance(modality, dict):
        return {**USUAL, **modality}
    named = dict(zip(("AET", "Host", "Port", "Manufacturer"), modality))
    return {**USUAL, **named}


def _entry(modality):
    """Orthanc writes a modality as a list or as an object."""
    if isinstance(modality, dict):
        return [modality.get("AET"), modality.get("Host"), modality.get("Port")]
    return list(modality[:3])


def _settings(live, declared, chosen, masked, prefix=""):
    for name, value in live.items():
        path = prefix + name
        picked = chosen.get(name) if isinstance(chosen, dict) else None
        if name not in declared:
            if path != "PostgreSQL.Password":
                where = "dicom: tls:" if name.startswith("DicomTls") else "orthanc_extra"
                yield False, f"the setting {path} is made there and not declared ({where})"
        elif isinstance(value, dict) and isinstance(declared[name], dict):
            yield from _settings(value, declared[name], picked, masked, f"{path}.")
        elif value != declared[name]:
            hidden = any(is_secret(each, masked) for each in path.split("."))
            there = shown_value(value, declared[name], masked, hidden=hidden)
            told = shown_value(declared[name], value, masked, hidden=hidden)
            yield picked is not None, f"the setting {path} is {there} there, declared is {told}"
