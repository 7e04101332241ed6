"""A scanner that sends a burst of whole studies, and may ask for storage commitment afterwards.

Objects of every kind of the lab: multi-frame, compressed, colour, with ``--big`` some megabytes
each. Every acknowledgement is a line of the manifest, as the lab's modality writes it. What is
refused is sent again when the association is gone, and not when it is answered with a failure: what
a scanner does that gives up. Run as ``python -m tests.lab.station``; tells JSON when it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from orchestrator.lab import modality, studies
from orchestrator.lab.loss import describe
from orchestrator.lab.modality import Acknowledged
from orchestrator.lab.studies import Archive, Kind
from orchestrator.spool.client import leave_answers
from orchestrator.wire.association import Peer
from orchestrator.wire.tls import client_context

BIG = Kind("CT", CTImageStorage, images=1000, size=1500)


def main(argv: Sequence[str]) -> int:
    parser = modality.arguments()
    parser.add_argument("--objects", type=int, default=500)
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--listen", type=int, help="ask for commitment, and hear it on this port")
    parser.add_argument("--wait", type=float, default=120.0)
    asked = parser.parse_args(argv)
    peer = modality.archive(asked)
    heard: queue.Queue[dict[str, Any]] = queue.Queue()
    listener = _listen(asked, heard) if asked.listen else None
    sent, refused = _send(peer, asked)
    told: dict[str, Any] = {"sent": len(sent), "refused": refused}
    if listener is not None:
        told["asked"] = _ask(peer, sent)
        told["heard"] = heard.get(timeout=asked.wait)
        listener.shutdown()
    json.dump(told, sys.stdout)
    return 0


def _objects(asked: argparse.Namespace) -> Iterator[Dataset]:
    source = Archive(site=asked.calling, seed=asked.seed)
    if asked.big:
        for image in range(1, asked.objects + 1):
            yield studies.instance(source, 1, image, kind=BIG)
        return
    made = (one for number in range(1, 10_000) for one in studies.study(source, number))
    yield from (one for one, _ in zip(made, range(asked.objects), strict=False))


def _send(peer: Peer, asked: argparse.Namespace) -> tuple[list[Dataset], dict[str, int]]:
    sent: list[Dataset] = []
    refused: dict[str, int] = {}
    association: Association | None = None
    for made in _objects(asked):
        until = time.monotonic() + asked.wait
        while True:
            if association is None or not association.is_established:
                association = _associate(peer)
            status = association.send_c_store(made) if association else Dataset()
            if "Status" in status or time.monotonic() > until:
                break
            time.sleep(0.1)
        if status.get("Status") == 0:
            sent.append(made)
            _write(asked.manifest, made)
        else:
            name = f"{int(status.Status):#06x}" if "Status" in status else "no answer"
            refused[name] = refused.get(name, 0) + 1
    if association is not None and association.is_established:
        association.release()
    return sent, refused


def _associate(peer: Peer) -> Association | None:
    contexts = {
        (one.SOPClassUID, one.file_meta.TransferSyntaxUID)
        for number in range(1, 25)
        for one in studies.study(Archive("x"), number)
        if one.InstanceNumber == 1
    }
    wanted = [build_context(name, syntax) for name, syntax in sorted(contexts)]
    return _open(peer, wanted)


def _open(peer: Peer, contexts: list[Any], **more: Any) -> Association | None:
    entity = AE(ae_title=peer.calling)
    secured = (client_context(peer.tls), peer.tls.name) if peer.tls else None
    association = entity.associate(
        peer.address,
        peer.port,
        contexts=contexts,
        ae_title=peer.ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, leave_answers)],
        tls_args=secured,
        **more,
    )
    return association if association.is_established else None


def _write(manifest: Path, made: Dataset) -> None:
    line = Acknowledged(at=datetime.now(UTC), object=describe(made), tries=1)
    with manifest.open("ab") as stream:
        stream.write(line.model_dump_json().encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _ask(peer: Peer, sent: Sequence[Dataset]) -> int:
    """PS3.4 section J.3.2, of all that was acknowledged and of one that never was sent."""
    request = Dataset()
    request.TransactionUID = generate_uid()
    request.ReferencedSOPSequence = [
        _reference(one.SOPClassUID, one.SOPInstanceUID) for one in sent
    ]
    request.ReferencedSOPSequence.append(_reference(CTImageStorage, "2.25.1"))
    until = time.monotonic() + 60
    while (association := _open(peer, [build_context(StorageCommitmentPushModel)])) is None:
        if time.monotonic() > until:
            return -1
        time.sleep(0.5)
    status, _ = association.send_n_action(
        request, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    association.release()
    return int(status.Status) if "Status" in status else -1


def _reference(sop_class: str, uid: str) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = sop_class, uid
    return made


def _listen(asked: argparse.Namespace, heard: queue.Queue[dict[str, Any]]) -> Any:
    def on_report(event: Any) -> tuple[int, None]:
        told = event.event_information
        heard.put(
            {
                "type": event.event_type,
                "committed": len(told.get("ReferencedSOPSequence", [])),
                "failed": [
                    str(one.ReferencedSOPInstanceUID) for one in told.get("FailedSOPSequence", [])
                ],
            }
        )
        return 0, None

    entity = AE(ae_title=asked.calling)
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    context = None
    if asked.tls_ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(asked.tls_certificate, asked.tls_key)
    return entity.start_server(
        ("", asked.listen),
        block=False,
        ssl_context=context,
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)],
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
