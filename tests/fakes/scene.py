"""A product and its host, healthy unless told otherwise, and a ``Site`` that looks at them."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.fleet.model import VerifySettings
from orchestrator.verify.model import (
    CheckReport,
    CheckRequest,
    CheckResult,
    DicomTarget,
    Moment,
    TlsTarget,
    WebTarget,
)
from orchestrator.verify.plugin import Record
from orchestrator.verify.probe import make_probe
from orchestrator.verify.site import Site
from orchestrator.wire.dicomweb import WebClient
from orchestrator.wire.objects import StoredObject, encode
from tests.fakes.onhost import FakeOnHost
from tests.fakes.pacs import FakePacs, dicomweb

Raw = dict[str, Any]
ROOT = "2.25.4711"


def clinical(study: int, objects: int) -> list[StoredObject]:
    """Objects of a synthetic study that is not the probe's."""
    made = []
    dataset = make_probe(token=study).objects[0].dataset()
    for number in range(1, objects + 1):
        dataset.PatientID = f"LAB-{study}"
        dataset.StudyInstanceUID = f"{ROOT}.{study}"
        dataset.SeriesInstanceUID = f"{ROOT}.{study}.1"
        dataset.SOPInstanceUID = f"{ROOT}.{study}.1.{number}"
        made.append(encode(dataset, str(dataset.file_meta.TransferSyntaxUID)))
    return made


def census_of(objects: list[StoredObject]) -> Raw:
    """What the host's census script would say."""
    studies: dict[str, list[Raw]] = {}
    for stored in objects:
        dataset = stored.dataset()
        studies.setdefault(str(dataset.StudyInstanceUID), []).append(
            {
                "uid": stored.sop_instance,
                "file": f"orthanc/{stored.sop_instance}",
                "size": stored.size,
                "md5": hashlib.md5(stored.data).hexdigest(),  # noqa: S324
            }
        )
    series = {
        uid: [{"uid": f"{uid}.1", "modality": "OT", "instances": instances}]
        for uid, instances in studies.items()
    }
    return {
        "schema": 1,
        "product": "orthanc",
        "patients": len(studies),
        "studies": [{"uid": uid, "series": found} for uid, found in series.items()],
    }


@dataclass
class Scene:
    """``moment`` decides what there is to compare with; ``begin`` before looking."""

    pacs: FakePacs
    directory: Path
    host: FakeOnHost = field(default_factory=FakeOnHost)
    moment: Moment = "baseline"
    baseline: tuple[CheckResult, ...] = ()
    record: Record = field(default_factory=Record)
    tls: TlsTarget | None = None
    _sites: list[Site] = field(default_factory=list)

    def fill(self, objects: list[StoredObject]) -> None:
        """Archive, index and disk hold these objects, and agree."""
        self.pacs.objects = {stored.sop_instance: stored for stored in objects}
        self.host.census = census_of(objects)
        self.host.files = {
            entry["file"]: (entry["size"], entry["md5"])
            for study in self.host.census["studies"]
            for series in study["series"]
            for entry in series["instances"]
        }
        self.host.proof = {
            "files": len(objects), "bytes": 1000, "reread": 0, "added": 0,
            "touched": [], "touched_count": 0,
            **{kind: [] for kind in ("missing", "resized", "differing")},
            **{f"{kind}_count": 0 for kind in ("missing", "resized", "differing")},
        }  # fmt: skip

    def keep_census(self) -> None:
        """What is there now is what quiesce counts."""
        from json import dumps

        (self.directory / "census.json").write_text(dumps(self.host.census))

    def request(self) -> CheckRequest:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.pacs.destinations["WARDSHIP"] = port
        later, census = self.moment != "baseline", self.directory / "census.json"
        return CheckRequest(
            change_set="c1",
            moment=self.moment,
            host="pacs-a",
            ssh_config=Path("none"),
            release="2.0",
            root="/opt/pacs",
            services=("db.service", "pacs.service"),
            ports=(4242, 8042),
            volumes=("/data/live",),
            min_free_mib=512,
            suites=(),
            dicom=DicomTarget(
                port=self.pacs.port,
                ae_title=self.pacs.ae_title,
                receive_port=port,
                tls=self.tls,
            ),
            web=WebTarget(url="http://127.0.0.1:1", dicomweb="/dicom-web"),
            settings=VerifySettings(),
            seed=3,
            baseline=self._baseline() if later else None,
            census_before=census if later and census.exists() else None,
        )

    def _baseline(self) -> CheckReport:
        return CheckReport(
            change_set="c1",
            host="pacs-a",
            moment="baseline",
            taken_at=datetime(2026, 1, 1, tzinfo=UTC),
            results=self.baseline,
        )

    def close(self) -> None:
        """Nobody looks any more: an open association would outlast the test."""
        for site in self._sites:
            site.close()

    def site(self) -> Site:
        """Somebody who looks at it now."""
        site = Site(self.request())
        self._sites.append(site)
        site.__dict__["host"] = self.host
        site.__dict__["web"] = WebClient("http://pacs/dicom-web", transport=dicomweb(self.pacs))
        return site
