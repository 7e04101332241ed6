"""Whom the product lets in, and which presentation contexts it takes: asked, and written down.

A context is one SOP class with one transfer syntax, since an acceptor takes only one of several
that are proposed together. An association holds 128 of them (PS3.8 section 9.3.2.2), so several are
opened. Nothing is sent over them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import AllTransferSyntaxes, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext

from .client import CannotError, NoneTakenError, RejectedError, opened
from .settings import Settings
from .store import sync

ECHO = "1.2.840.10008.1.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
COMMITMENT = "1.2.840.10008.1.20.1"
MPPS = "1.2.840.10008.3.1.2.3.3"
QUERIES = (
    "1.2.840.10008.5.1.4.1.2.1.1",
    "1.2.840.10008.5.1.4.1.2.1.2",
    "1.2.840.10008.5.1.4.1.2.1.3",
    "1.2.840.10008.5.1.4.1.2.2.1",
    "1.2.840.10008.5.1.4.1.2.2.2",
    "1.2.840.10008.5.1.4.1.2.2.3",
)
PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
LARGEST = 128
#: By SOP class, the transfer syntaxes that are taken.
Accepted = dict[str, list[str]]


@dataclass(frozen=True)
class Learned:
    """Which declared AEs the product lets in, and what it takes of them."""

    callers: tuple[str, ...]
    contexts: Accepted


def learn(settings: Settings) -> Learned:
    """Ask the running product; what the release to come refuses is left out.

    An AE may be one that only looks at images, so that the first that may send is believed.

    Raises:
        CannotError: it does not answer, or takes no object at all.
    """
    titles = [one.ae_title for one in settings.dicom.modalities]
    callers = tuple(title for title in titles if _is_let_in(settings, caller=title))
    objects = {str(each.abstract_syntax) for each in AllStoragePresentationContexts}
    for title in callers:
        found = _contexts(settings, caller=title)
        if objects & found.keys():
            return Learned(callers, found)
    raise CannotError("the product takes no kind of object from any declared AE")


def _is_let_in(settings: Settings, *, caller: str) -> bool:
    try:
        _accepted(settings, next(iter(_groups(list(_wanted())))), caller=caller)
    except RejectedError:
        return False
    return True


def _contexts(settings: Settings, *, caller: str) -> Accepted:
    found: Accepted = {}
    for group in _groups(list(_wanted())):
        for each in _accepted(settings, group, caller=caller):
            name, syntax = str(each.abstract_syntax), str(each.transfer_syntax[0])
            if not {name, syntax} & set(settings.dicom.refuses):
                found.setdefault(name, []).append(syntax)
    return found


def _accepted(
    settings: Settings, group: list[PresentationContext], *, caller: str
) -> list[PresentationContext]:
    try:
        with opened(settings, group, caller=caller) as association:
            return association.accepted_contexts
    except NoneTakenError:
        return []


def _wanted() -> Iterator[tuple[str, str]]:
    for each in AllStoragePresentationContexts:
        for syntax in AllTransferSyntaxes:
            yield str(each.abstract_syntax), str(syntax)
    for name in (ECHO, WORKLIST, COMMITMENT, MPPS, *QUERIES):
        for syntax in PLAIN:
            yield name, str(syntax)


def _groups(wanted: Sequence[tuple[str, str]]) -> Iterable[list[PresentationContext]]:
    for start in range(0, len(wanted), LARGEST):
        yield [build_context(name, syntax) for name, syntax in wanted[start : start + LARGEST]]


def keep(directory: Path, learned: Learned) -> None:
    """Write it down, whole or not at all."""
    path = directory / "learned.json"
    aside = path.with_suffix(".new")
    with aside.open("w", encoding="ascii") as file:
        json.dump({"callers": learned.callers, "contexts": learned.contexts}, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    sync(directory)


def kept(directory: Path) -> Learned:
    """What was written down.

    Raises:
        OSError, ValueError, KeyError: nothing was, or not whole.
    """
    found = json.loads((directory / "learned.json").read_text(encoding="ascii"))
    return Learned(tuple(found["callers"]), found["contexts"])
