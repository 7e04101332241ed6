"""What a census says is there (docs/roles.md), whoever took it: objects and records by name."""

from __future__ import annotations

from typing import Any, Set

from .outcome import FailedError


def objects(census: Any) -> Set[str]:
    """The SOP Instance UIDs of a census.

    Raises:
        FailedError: it is none.
    """
    try:
        return {
            str(instance["uid"])
            for study in _all(census["studies"], list)
            for series in _all(study["series"], list)
            for instance in _all(series["instances"], list)
        }
    except (KeyError, TypeError) as error:
        raise FailedError(f"the census has another shape: {error}") from None


def named(census: Any) -> Set[str]:
    """Objects by UID, records by kind and key. What names neither is no census.

    Raises:
        FailedError: it is none.
    """
    if not isinstance(census, dict) or not {"studies", "records"} & set(census):
        raise FailedError("the census has another shape: neither studies nor records")
    found = objects(census) if "studies" in census else set()
    try:
        for kind, records in _all(census.get("records", {}), dict).items():
            found.update(f"{kind} {key}" for key in _all(records, dict))
    except TypeError as error:
        raise FailedError(f"the census has another shape: {error}") from None
    return found


def _all(found: Any, shape: type) -> Any:
    if not isinstance(found, shape):
        raise TypeError(f"{type(found).__name__} where a {shape.__name__} was expected")
    return found
