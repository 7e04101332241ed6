"""The census of a RIS: every patient, order and result as a keyed digest of what it says.

Of all but the verifier's own patient and order, which a change may make.
The digest is of the same fields in every series of releases, read from the database by PostgreSQL's
own account. The key is made once on the host and never leaves it: nobody can guess a patient's data
from a digest elsewhere. Standard library only, Python 3.9.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import secrets
from pathlib import Path

try:
    from ansible.module_utils.gnuhealth_database import OWN, psql
    from ansible.module_utils.gnuhealth_host import ProblemError
    from ansible.module_utils.gnuhealth_product import DEMO, SERIES, series
except ImportError:  # beside the host scripts
    from gnuhealth_database import OWN, psql
    from gnuhealth_host import ProblemError
    from gnuhealth_product import DEMO, SERIES, series

KEY = Path("/var/lib/wardship/census.key")
PATIENT = (
    "active biological_sex blood_type rh hb crit_allergic crit_cancer crit_cardio crit_cognitive "
    "crit_dbt crit_hbp crit_immuno crit_nutrition crit_social critical_info general_info family "
    "current_address current_insurance primary_care_doctor"
)
PARTY = (
    "active code ref name lastname gender dob est_dob deceased is_patient is_person marital_status "
    "citizenship residence fed_country federation_account unidentified alternative_identification"
)
ORDER = "request request_line date patient requested_test doctor state urgent comment context"
RESULT = "number date request_date patient requested_test doctor comment request"
EVALUATION = (
    "code patient evaluation_start evaluation_endtime healthprof state chief_complaint notes"
)
APPOINTMENT = "name patient healthprof institution appointment_date state urgency comments"
#: But for those that an installation makes for demonstrations, which a migration disables.
ACCOUNTS = "select id, login, name, employee from res_user where active and login not like "


def statements(party):
    """Kind of record → what to ask; ``party`` is the column of a patient that names the party."""
    told = f"{_of('p', PATIENT)}, {_of('y', PARTY)}"
    named = f"from gnuhealth_patient p left join party_party y on y.id = p.{party}"
    ours = f"where coalesce(y.ref, '') not like '{OWN}'"
    kinds = {
        "orders": ("gnuhealth_imaging_test_request", ORDER),
        "results": ("gnuhealth_imaging_test_result", RESULT),
        "evaluations": ("gnuhealth_patient_evaluation", EVALUATION),
        "appointments": ("gnuhealth_appointment", APPOINTMENT),
    }
    asked = {
        kind: f"select r.id, {_of('r', names)} from {table} r"  # noqa: S608 - all names are ours
        for kind, (table, names) in kinds.items()
    }
    asked["orders"] += f" where coalesce(r.request, '') not like '{OWN}'"
    patients = f"select p.id, {told} {named} {ours}"
    return {"patients": patients, **asked, "accounts": f"{ACCOUNTS}'{DEMO}'"}


def _of(alias, fields):
    return ", ".join(f'{alias}."{field}"' for field in fields.split())


def stored(names):
    """The census (orchestrator.survey.census.Census)."""
    secret = key()
    asked = statements(SERIES[series(names)])
    records = {kind: digests(psql(names, asked[kind]), secret) for kind in asked}
    return {
        "schema": 1,
        "product": names["product"],
        "patients": len(records["patients"]),
        "studies": [],
        "records": records,
    }


def digests(text, secret):
    """Key of each record → digest of its fields. Empty and absent are the same."""
    found = {}
    for row in csv.reader(io.StringIO(text)):
        said = "\0".join(row[1:]).encode()
        if row[0] in found:
            raise ProblemError("a record is there twice")
        found[row[0]] = hashlib.blake2b(said, key=secret, digest_size=16).hexdigest()
    return found


def key_name(path=KEY):
    """What tells this host's key from others'."""
    return hashlib.sha256(b"name of " + key(path)).hexdigest()[:8]


def key(path=KEY):
    """The host's own secret, made on first use, whole or not at all; the first of two makes it."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    found = path.read_bytes()
    if len(found) != 32:
        raise ProblemError(
            f"{path} is no key: digests from before cannot be compared with any more"
        )
    return found


def key_of(change, path=KEY):
    """A key for one change alone, which nobody can make who has not the host's."""
    return hashlib.blake2b(change.encode(), key=key(path), digest_size=32).hexdigest()
