"""What the role promises when it refuses nothing: the database can be copied, and put back."""

from __future__ import annotations

from typing import Any

#: What wardship's host program does, in PostgreSQL's own programs.
PSQL = "runuser -u postgres -- psql -XqAt -v ON_ERROR_STOP=1"
DUMP = "bash -o pipefail -c 'runuser -u postgres -- pg_dump -d {} | grep -v restrict | sha256sum'"
MODULES = "select count(*) from ir_module"
LIVE, COPY = "gnuhealth", "gnuhealth_molecule"


def test_database_is_copied_and_renamed_beside_others(host: Any) -> None:
    """A copy of the database gives the same dump, and takes another name at once."""
    kept = host.check_output("cat /var/lib/laboratory/kept | wc -l")
    try:
        host.check_output("systemctl stop gnuhealth")
        host.check_output(f"{PSQL} -c 'create database {COPY} template {LIVE}'")
        assert host.check_output(DUMP.format(COPY)) == host.check_output(DUMP.format(LIVE))
        host.check_output(f"{PSQL} -c 'alter database {COPY} rename to {COPY}_renamed'")
        assert host.check_output(f"{PSQL} -d {COPY}_renamed -c '{MODULES}'") != "0"
    finally:
        for name in (COPY, f"{COPY}_renamed"):
            host.check_output(f"{PSQL} -c 'drop database if exists {name}'")
        host.check_output("systemctl start gnuhealth")
    assert int(host.check_output("cat /var/lib/laboratory/kept | wc -l")) > int(kept)
    assert host.run("test -e /var/lib/laboratory/refused").rc != 0
