"""Which presentation contexts the product takes: asked one by one, and written down.

A context is one SOP class with one transfer syntax, since an acceptor takes only one of several
that are proposed together. An association holds 128 of them (PS3.8 section 9.3.2.2), so several are
opened. Nothing is sent over them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydicom.uid import AllTransferSyntaxes, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext

from .client import CannotError, opened
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


def learn(settings: Settings) -> Accepted:
    """Ask the running product; those that the release to come refuses are left out.

    Raises:
        CannotError: it does not answer, or takes no object at all.
    """
    # The product's own title as caller: nobody else is declared on every host.
    caller = settings.dicom.modalities[0].ae_title
    found: Accepted = {}
    for group in _groups(list(_wanted())):
        with opened(settings, group, caller=caller) as association:
            for each in association.accepted_contexts:
                name, syntax = str(each.abstract_syntax), str(each.transfer_syntax[0])
                if not {name, syntax} & set(settings.dicom.refuses):
                    found.setdefault(name, []).append(syntax)
    if not set(found) & {str(each.abstract_syntax) for each in AllStoragePresentationContexts}:
        raise CannotError("the product takes no kind of object")
    return found


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


def keep(directory: Path, accepted: Accepted) -> None:
    """Write them down, whole or not at all."""
    path = directory / "contexts.json"
    aside = path.with_suffix(".new")
    with aside.open("w", encoding="ascii") as file:
        json.dump(accepted, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    sync(directory)


def kept(directory: Path) -> Accepted:
    """What was written down."""
    found: Accepted = json.loads((directory / "contexts.json").read_text(encoding="ascii"))
    return found
