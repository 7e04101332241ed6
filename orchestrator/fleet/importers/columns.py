"""The columns of a table of hospitals: what each means, and in which rows it may stand.

A row is one machine: a host that wardship looks after, or an AE that one of them knows. What a
value must look like is the declaration's business (``fleet.model``).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

#: A row's kind; a workstation is declared as a modality is: as an AE that an archive knows.
KINDS = ("host", "modality", "workstation")
Form = Literal["text", "number", "yes or no", "reference", "remark"]


class Column(NamedTuple):
    """``rows``: where it may be filled, ``any``, ``host`` or ``ae``."""

    name: str
    about: str
    example: str
    form: Form = "text"
    rows: Literal["any", "host", "ae"] = "any"


COLUMNS: tuple[Column, ...] = (
    Column("facility", "the hospital's name in the fleet: small letters, digits, -", "hospital-b"),
    Column("title", "what people call it", "Another hospital"),
    Column("country", "two capital letters (ISO 3166-1)", "SZ"),
    Column("timezone", "its time zone by IANA name", "Africa/Mbabane"),
    Column("kind", "what this row is: host, modality or workstation", "host"),
    Column("host", "the host's name; in other rows, the host that knows the AE", "pacs-b"),
    Column("address", "host name or IP address", "192.0.2.12"),
    Column("product", "the product, as catalog.yml names it", "orthanc", rows="host"),
    Column("release", "the release that is to be ordered for it", "1.12.7", rows="host"),
    Column("ae_title", "AE title: capital letters, digits, _ . -, at most 16", "HOSPITALB"),
    Column("port", "TCP port of its DICOM service", "4242", "number"),
    Column("web_port", "TCP port of its web service", "8042", "number", "host"),
    Column("dicomweb", "path of its DICOMweb root", "/dicom-web", rows="host"),
    Column("web_user", "account that the checks use", "wardship", rows="host"),
    Column(
        "web_password", "where its password is: env:NAME or vault:name", "", "reference", "host"
    ),
    Column("tls", "whether the archive calls it over TLS: yes or no", "", "yes or no", "ae"),
    Column("ssh_user", "account for ssh, where it is not the fleet's", "", rows="host"),
    Column("ssh_port", "TCP port of ssh, where it is not the fleet's", "", "number", "host"),
    Column("ssh_jump", "the gateway that ssh goes through", "", rows="host"),
    Column("remarks", "for people: not read", "", "remark"),
)
#: Columns that name what they set: ``setting:orthanc_name``.
FAMILIES: dict[str, Column] = {
    "setting": Column("setting:NAME", "a setting of the product's role", "", rows="host"),
    "secret": Column(
        "secret:NAME",
        "where a secret of the product is: env:NAME or vault:name",
        "",
        "reference",
        "host",
    ),
    "volume": Column("volume:NAME", "where a volume of the product lies here", "", rows="host"),
}
_BY_NAME = {column.name: column for column in COLUMNS}
_OTHER_NAMES = {
    "time_zone": "timezone", "aet": "ae_title", "aetitle": "ae_title", "ip": "address",
    "ip_address": "address", "dicom_port": "port", "remark": "remarks", "notes": "remarks",
}  # fmt: skip


def column(header: str) -> Column | None:
    """The column that a header names; None where there is none."""
    family, colon, name = header.strip().partition(":")
    if colon and family.strip().lower() in FAMILIES and name.strip():
        found = FAMILIES[family.strip().lower()]
        return found._replace(name=f"{family.strip().lower()}:{name.strip()}")
    plain = "_".join(header.lower().replace("-", " ").replace("_", " ").split())
    return _BY_NAME.get(_OTHER_NAMES.get(plain, plain))


def names() -> str:
    """Every column, for a message."""
    return ", ".join([*_BY_NAME, *(each.name for each in FAMILIES.values())])
