"""What each key of a declared file means, in a sentence: editors show it (``schema``)."""

from __future__ import annotations

from collections.abc import Mapping

#: By the model's name, then by the key as it is written in the file.
WORDS: Mapping[str, Mapping[str, str]] = {
    "FleetSettings": {
        "fleet": "The fleet's own name.",
        "depot": "Directory of the artifacts; a relative path counts from the fleet's directory.",
        "ssh": "How hosts are reached, unless a host says otherwise.",
        "verify": "How hard the checks look.",
        "gates": "What must hold before a change may begin.",
        "parking": "Keep what is sent while a door is shut, on every host with DICOM.",
        "vault": "The ansible-vault file that holds the secrets.",
        "parallel": "How many facilities are looked at or changed at the same time.",
    },
    "Ssh": {
        "user": "Account to log in as.",
        "port": "TCP port of ssh.",
        "key": "File of the private key; a relative path counts from the fleet's directory.",
        "jump": "Host to go through, as [user@]host[:port].",
        "become": "Whether that account becomes root by sudo.",
    },
    "VerifySettings": {
        "retrieves": "How many images are fetched to measure how fast they open.",
        "sample_files": "How many stored files are compared with the hash that the index keeps.",
        "patience_seconds": "How long a check without an answer is asked again, in seconds.",
        "limit_seconds": "How long all checks may take; then hosts put themselves back.",
    },
    "GateSettings": {
        "clock_skew_seconds": "How far a host's clock may be off, in seconds.",
        "quiet_minutes": "Minutes without a new object before a change; without it nobody looks.",
        "backup": "The stamp of a backup off the host; without it nobody looks.",
        "certificate_days": "Days that each certificate of DICOM TLS must still hold.",
        "checklists": "What a person has to confirm: by product, then by item.",
    },
    "BackupGate": {
        "stamp": "Path of the stamp on the controller; {facility} and {host} stand for the names.",
        "max_age_hours": "How old the backup may be, in hours.",
    },
    "ChecklistItem": {
        "asks": "What is to be confirmed.",
        "valid_days": "For how many days a confirmation holds; without it, for good.",
    },
    "VaultSettings": {
        "file": "The encrypted file, inside the fleet's directory.",
        "password_file": "File that holds the vault's password.",
        "password_env": "Environment variable that holds the vault's password.",
    },
    "Facility": {
        "facility": "The facility's name: the same as the file's.",
        "title": "What people call it.",
        "country": "Its country in two capital letters (ISO 3166-1).",
        "timezone": "Its time zone by IANA name, such as Africa/Mbabane.",
        "hosts": "Its hosts by name; a name is used once in the whole fleet.",
    },
    "Host": {
        "address": "Host name or IP address that ssh and DICOM use.",
        "ssh": "How this host is reached, in place of the fleet's settings.",
        "product": "The product that it carries, as the catalog names it.",
        "dicom": "The product's DICOM service.",
        "web": "The product's web service.",
        "hl7": "The product's HL7 v2 listener (MLLP).",
        "modalities": "Every AE that the product knows besides wardship's own.",
        "parking": "In place of the fleet's; false: nothing is kept here.",
        "volumes": "Where a volume of the product's role lies here, by its name.",
        "snapshot": "How its state is captured here, in place of the role's way.",
        "settings": "The product's settings, as its role's argument_specs name them.",
        "secrets": "The product's secrets: references, never the secrets themselves.",
        "gates": "What was confirmed for this host, and which gates are otherwise here.",
    },
    "DicomEndpoint": {
        "ae_title": "AE title that the product is called by.",
        "port": "TCP port of its DICOM service.",
        "tls": "DICOM over TLS: with it the service speaks nothing else.",
    },
    "DicomTls": {
        "ca": "PEM file of the authority that issued the service's certificate.",
        "certificate": "PEM file of the certificate that the service shows.",
        "name": "The name in the certificate; without it the host's address.",
        "callers": "Whether whoever connects has to show a certificate as well.",
        "probe": "What the verifier shows; needed where callers are certified.",
    },
    "ProbeIdentity": {
        "certificate": "PEM file of the verifier's certificate.",
        "key": "Where its private key is, as a secret.",
        "key_file": "Its private key as a file of mode 0600 on the controller.",
    },
    "WebEndpoint": {
        "port": "TCP port of its web service.",
        "dicomweb": "Path of its DICOMweb root.",
        "user": "Account that the verifier uses.",
        "password": "Where that account's password is.",
    },
    "SecretRef": {
        "vault": "Name of the variable in the vault.",
        "env": "Name of the environment variable.",
    },
    "Modality": {
        "ae_title": "Its AE title.",
        "address": "Its host name or IP address.",
        "port": "TCP port that it listens on.",
        "tls": "Whether the product calls it over TLS.",
        "retry": "Whether it sends again by itself what was refused, or a person has to.",
        "commitment": "Whether it asks for storage commitment.",
    },
    "Parking": {
        "directory": "Where it is kept; in no volume and no path of a product.",
        "quota_mib": "How much is kept, in MiB; then senders are told: out of resources.",
        "port": "Where the spool listens; the port after it stands in for HL7.",
        "tls": "Where the product's own DICOM TLS identity lies on its host.",
    },
    "ParkingIdentity": {
        "certificate": "PEM file of the product's certificate.",
        "key": "PEM file of its private key.",
        "ca": "PEM file of the authority of those who call.",
    },
    "Hl7Endpoint": {"port": "TCP port that it listens on."},
    "HostGates": {
        "confirmed": "The day on which each item of the checklist was confirmed.",
        "quiet_minutes": "In place of the fleet's.",
        "backup": "In place of the fleet's.",
        "certificate_days": "In place of the fleet's.",
    },
    "Catalog": {"products": "Every product by its name."},
    "Product": {
        "role": "The role that knows how to run it.",
        "releases": "Its releases by version; quote a version that looks like a number.",
    },
    "Release": {
        "artifact": "What the release is made of.",
        "upgrades_from": "The releases from which a change to this one was tried.",
        "refuses": "UIDs of SOP classes and transfer syntaxes that it does not take.",
        "irreversible": "Whether what it does to the data cannot be undone by the product.",
    },
    "Artifact": {
        "file": "Name of the file in the depot.",
        "sha256": "Its SHA-256 in hexadecimal.",
        "size": "Its size in bytes.",
    },
    "Mandate": {
        "mandate": "What is ordered, in a sentence.",
        "orders": "One order a product and facility.",
    },
    "Order": {
        "product": "The product, as the catalog names it.",
        "release": "The release that must run, as the catalog names it.",
        "facilities": "The facilities that it is ordered for: all, or a list.",
        "by": "The day by which it must run.",
    },
    "Role": {
        "kind": "What the product is to a hospital.",
        "switch": "How a release is switched on: rename sets the link `current`.",
        "root": "Directory below which the releases lie side by side.",
        "guard": "Where snapshot and undo run.",
        "snapshot": "How state is captured.",
        "services": "systemd units in the order in which they are started.",
        "door_users": "Accounts of its own services, which reach it while the door is shut.",
        "state": "Everything that a restore puts back.",
        "install": "What stage renders, and where apply puts it.",
        "suites": "Checks of wardship that apply to the product.",
        "min_free_mib": "Room that must be left on each volume, in MiB.",
        "limits": "Longest time of each phase, in seconds.",
    },
    "ProductState": {
        "volumes": "Volumes that are captured, or held as an archive.",
        "paths": "Files, links and directories outside the volumes that are saved.",
    },
    "StateVolume": {
        "name": "Its name; a host may say where it lies there.",
        "path": "Where it lies unless a host says otherwise.",
        "class": "Index: captured, put back by a restore. Archive: listed and held, never copied.",
        "objects": "Directories below it that hold stored objects: nobody may change those.",
        "optional": "Only on a host that says where it lies; its objects then lie on no other.",
    },
    "InstalledFiles": {
        "staged": "The directory rendered at stage, below the change's own.",
        "target": "The live directory that apply puts it in.",
    },
    "Limits": {
        "quiesce": "Stop everything and prove it.",
        "snapshot": "Make the snapshot and prove it.",
        "apply": "Switch, migrate, start.",
        "restore": "Put back and start.",
        "open": "Open the door.",
    },
}
