"""What a fleet says of one host of the lab: its part of the facility's file, and its secrets."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.lab import gnuhealth, ris
from orchestrator.lab.artifacts import PRODUCT
from orchestrator.lab.provision import LIVE, WEB_USER, Hospital
from orchestrator.lab.ris import RisHospital


@dataclass(frozen=True)
class Declared:
    """A host of a hospital of the lab. ``host_key``: type and key, as in a .pub file."""

    facility: str
    country: str
    timezone: str
    host: str
    address: str
    host_key: str
    hospital: Hospital | RisHospital

    @property
    def product(self) -> str:
        """What runs there."""
        return PRODUCT if isinstance(self.hospital, Hospital) else gnuhealth.PRODUCT

    def written(self) -> dict[str, object]:
        """The host as the facility's file has it."""
        own = (
            self._pacs(self.hospital)
            if isinstance(self.hospital, Hospital)
            else self._ris(self.hospital)
        )
        return {"address": self.address, "product": self.product} | own

    def vaulted(self) -> dict[str, str]:
        """Its secrets by their name in the vault."""
        kept = {self._named("database_password"): self.hospital.database_password}
        if isinstance(self.hospital, RisHospital):
            kept[self._named("bridge_password")] = self.hospital.bridge_password
            return kept | {self._named("web_password"): self.hospital.verifier_password}
        kept[self._named("web_password")] = self.hospital.web_password
        if self.hospital.secured:
            kept[self._named("dicom_key")] = self.hospital.secured.probe.key
        return kept

    def certificates(self) -> dict[str, str]:
        """What is public of its DICOM TLS, by file. The archive's key is on its host alone."""
        found = self.hospital.secured if isinstance(self.hospital, Hospital) else None
        if found is None:
            return {}
        return {
            f"tls/{self.host}-ca.pem": found.ca,
            f"tls/{self.host}.pem": found.archive.certificate,
            f"tls/{self.host}-wardship.pem": found.probe.certificate,
        }

    def _pacs(self, hospital: Hospital) -> dict[str, object]:
        modalities = [
            {"ae_title": remote.ae_title, "address": remote.address, "port": remote.port}
            | ({"tls": True} if remote.tls else {})
            for remote in hospital.modalities
        ]
        web = {"port": 8042, "dicomweb": "/dicom-web", "user": WEB_USER}
        host: dict[str, object] = {
            "dicom": {"ae_title": hospital.ae_title, "port": 4242} | self._tls(hospital),
            "web": web | {"password": {"vault": self._named("web_password")}},
            "modalities": modalities,
            "settings": {"orthanc_name": hospital.title},
            "secrets": {"orthanc_database_password": {"vault": self._named("database_password")}},
        }
        if hospital.live != LIVE:
            volumes = {"live": hospital.live}
            volumes |= {"images": hospital.images} if hospital.images else {}
            host |= {"volumes": volumes, "snapshot": "copy"}
        return host

    def _tls(self, hospital: Hospital) -> dict[str, object]:
        if (found := hospital.secured) is None:
            return {}
        probe = {
            "certificate": f"tls/{self.host}-wardship.pem",
            "key": {"vault": self._named("dicom_key")},
        }
        own = {"ca": f"tls/{self.host}-ca.pem", "certificate": f"tls/{self.host}.pem"}
        return {"tls": own | {"name": found.name, "probe": probe}}

    def _ris(self, hospital: RisHospital) -> dict[str, object]:
        password = {"vault": self._named("web_password")}
        host: dict[str, object] = {
            "web": {"port": ris.PORT, "user": ris.VERIFIER, "password": password},
            "hl7": {"port": ris.HL7_PORT},
            "dicom": {"ae_title": ris.WORKLIST, "port": ris.WORKLIST_PORT},
            "settings": {
                "gnuhealth_modules": list(ris.MODULES),
                "gnuhealth_hl7_doctor": ris.DOCTOR,
                "gnuhealth_hl7_authority": ris.AUTHORITY,
                "gnuhealth_stations": dict(ris.STATIONS),
                "gnuhealth_worklist_seconds": 2,
            },
            "secrets": {
                "gnuhealth_database_password": {"vault": self._named("database_password")},
                "gnuhealth_bridge_password": {"vault": self._named("bridge_password")},
            },
        }
        if hospital.shared:
            host |= {"volumes": {"live": hospital.live}, "snapshot": "postgres"}
        return host

    def _named(self, secret: str) -> str:
        return f"{secret}_{self.host.replace('-', '_')}"
