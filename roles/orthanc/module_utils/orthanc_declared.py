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
    "Timeout": 0,
    "UseDicomTls": False,
}


def ae_table(known, declared):
    """Every AE that Orthanc knows, from its files and from its database."""
    table = {entry[0]: entry[1:3] for entry in map(_entry, declared.values())}
    return [
        {"ae_title": aet, "address": address, "port": port, "declared": [address, port] == at}
        for aet, address, port in map(_entry, known.values())
        for at in [table.get(aet)]
    ]


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
    undeclared, named = [], []
    for is_chosen, told in _settings(rest, declared, chosen, masked):
        (named if is_chosen else undeclared).append(told)
    return sorted([*problems, *undeclared]), sorted([*intended, *named])


def _modalities(live, declared):
    """AE titles with another address or none in the declaration (PS3.8 section 9.3.2)."""
    known = {entry[0]: entry[1:3] for entry in map(_entry, declared.values())}
    for aet, address, port in map(_entry, live.values()):
        if aet not in known:
            line = f"{{ae_title: {aet}, address: {address}, port: {port}}}"
            told = f"the AE {aet} ({address}:{port}) is configured there and not declared"
            yield f"{told}; under modalities: - {line}"
        elif [address, port] != known[aet]:
            where, at = known[aet]
            yield f"the AE {aet} is {address}:{port} there, declared is {where}:{at}"
    for name, entry in live.items():
        yield from _permissions(entry, declared.get(name))
    if "WARDSHIP" not in {_entry(each)[0] for each in live.values()}:
        yield "the probe's AE WARDSHIP (127.0.0.1:11112) is not configured there: add it once"


def _permissions(entry, declared):
    """What an AE is forbidden there, or is otherwise: a declaration without it would allow it."""
    if not isinstance(entry, dict):
        return
    same = declared if isinstance(declared, dict) else {}
    for setting, value in sorted(entry.items()):
        if setting not in ("AET", "Host", "Port") and value != same.get(
            setting, USUAL.get(setting)
        ):
            yield f"the AE {entry.get('AET')} has {setting} {value!r} there, which is not declared"


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
                yield False, f"the setting {path} is made there and not declared (orthanc_extra)"
        elif isinstance(value, dict) and isinstance(declared[name], dict):
            yield from _settings(value, declared[name], picked, masked, f"{path}.")
        elif value != declared[name]:
            hidden = any(is_secret(each, masked) for each in path.split("."))
            there = shown_value(value, declared[name], masked, hidden=hidden)
            told = shown_value(declared[name], value, masked, hidden=hidden)
            yield picked is not None, f"the setting {path} is {there} there, declared is {told}"
