"""Which hosts a lab has: written before any of them is made, so that nothing is made unrecorded."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter

from orchestrator.errors import LabError
from orchestrator.lab.model import HostSpec
from orchestrator.lab.paths import LabPaths

_RECORD = TypeAdapter(tuple[HostSpec, ...])


def hosts(paths: LabPaths) -> tuple[HostSpec, ...]:
    """The lab's hosts; none when there is no such lab."""
    try:
        return _RECORD.validate_json(paths.record.read_bytes())
    except FileNotFoundError:
        return ()


def add(paths: LabPaths, wanted: Sequence[HostSpec]) -> None:
    """Record hosts beside those that the lab has.

    Raises:
        LabError: one of them is there already and is another, or two have one address.
    """
    merged = merge(hosts(paths), wanted)
    paths.home.mkdir(parents=True, exist_ok=True)
    paths.home.chmod(0o700)
    unfinished = paths.record.with_suffix(".new")
    unfinished.write_bytes(_RECORD.dump_json(merged))
    unfinished.rename(paths.record)


def merge(known: Sequence[HostSpec], wanted: Sequence[HostSpec]) -> tuple[HostSpec, ...]:
    """Both, each once.

    Raises:
        LabError: as ``add``.
    """
    merged = {spec.name: spec for spec in known}
    for spec in wanted:
        if merged.setdefault(spec.name, spec) != spec:
            raise LabError(
                f"the lab has another {spec.name} already: {merged[spec.name]}",
                hint="wardship lab down, then up again",
            )
    if len({spec.address for spec in merged.values()}) < len(merged):
        raise LabError("two hosts have one address", hint="give each its own")
    return tuple(merged.values())
