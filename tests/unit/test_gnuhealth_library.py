"""What the role gnuhealth knows of a database: its series, its migration's record, its census."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import ROOT, load

UTILS = ROOT / "roles/gnuhealth/module_utils"
host: Any = load(UTILS / "gnuhealth_host.py", "ansible.module_utils.gnuhealth_host")
database: Any = load(UTILS / "gnuhealth_database.py", "ansible.module_utils.gnuhealth_database")
product: Any = load(UTILS / "gnuhealth_product.py", "ansible.module_utils.gnuhealth_product")
records: Any = load(UTILS / "gnuhealth_records.py", "ansible.module_utils.gnuhealth_records")
CONFIGURATION = """[database]
uri = {uri}
path = /data/live/gnuhealth
"""


class Database:
    """Answers by the words that a statement begins with; ``columns`` are those of a patient."""

    def __init__(self, columns: str = "id\nname\n") -> None:
        self.columns = columns

    def __call__(self, _names: object, statement: str, **_: object) -> str:
        assert "gnuhealth_patient" in statement
        return self.columns


@pytest.fixture
def names(tmp_path: Path) -> dict[str, Any]:
    """What the role's vars give, of this directory."""
    (tmp_path / "trytond.conf").write_text(CONFIGURATION.format(uri="postgresql://u:p@127.0.0.1/"))
    (tmp_path / "live").mkdir()
    return {
        "configuration": str(tmp_path / "trytond.conf"),
        "volumes": {"live": str(tmp_path / "live")},
        "root": str(tmp_path / "opt"),
        "database": "gnuhealth",
        "services": ["postgresql@15-main.service", "gnuhealth.service"],
        "port": 8000,
    }


@pytest.mark.parametrize(("columns", "series"), [("id\nname\n", "4.4"), ("id\nparty\n", "5.0")])
def test_the_schema_says_its_series(
    columns: str, series: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "psql", Database(columns))
    assert product.series(names) == series


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("", "holds no GNU Health"),
        ("id\n", "none that is known"),
        ("name\nparty\n", "half of each"),
    ],
)
def test_a_schema_of_no_one_series_is_refused(
    columns: str, told: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "psql", Database(columns))
    with pytest.raises(host.ProblemError, match=told):
        product.series(names)


def test_old_code_on_a_migrated_database_is_told(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "psql", Database("party\n"))
    product.require_database(names, "5.0.6")
    with pytest.raises(host.ProblemError, match=r"of GNU Health 5\.0, 4\.4\.1 cannot read"):
        product.require_database(names, "4.4.1")


def test_a_migration_that_was_cut_off_is_never_gone_on_with(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "psql", Database("party\n"))
    product.record(names, "5.0.6", "migrating")
    for release in ("4.4.1", "5.0.6"):
        with pytest.raises(host.ProblemError, match=r"a migration .* to 5\.0\.6 was cut off"):
            product.require_database(names, release)


def test_releases_of_one_series_are_told_apart_by_the_record(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "psql", Database("party\n"))
    product.record(names, "5.0.6", "migrated")
    product.require_database(names, "5.0.6")
    with pytest.raises(host.ProblemError, match=r"migrated to 5\.0\.6, 5\.0\.0 is started"):
        product.require_database(names, "5.0.0")


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("postgresql://u:p@10.0.0.7/", "on 10.0.0.7"),
        ("sqlite://", "names no database in PostgreSQL"),
        ("", "names no database in PostgreSQL"),
    ],
)
def test_a_database_that_no_snapshot_here_would_hold_is_refused(
    uri: str, told: str, names: dict[str, Any]
) -> None:
    Path(names["configuration"]).write_text(CONFIGURATION.format(uri=uri))
    with pytest.raises(host.ProblemError, match=told):
        database.address(names)


def test_the_password_of_the_database_may_hold_anything(names: dict[str, Any]) -> None:
    uri = "postgresql://gnuhealth:a%2Fb%40c@127.0.0.1:5433/"
    Path(names["configuration"]).write_text(CONFIGURATION.format(uri=uri))
    found = database.address(names)
    assert (found["PGPASSWORD"], found["PGPORT"]) == ("a/b@c", "5433")


@pytest.mark.parametrize(
    ("uri", "is_found"),
    [("/opt/4.4.1/site/bin/trytond", True), ("/usr/bin/trytond", False)],
)
def test_what_runs_is_told_by_where_its_process_lies(
    uri: str, names: dict[str, Any], is_found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(names["root"])
    (root / "4.4.1/site/trytond-6.0.76.dist-info").mkdir(parents=True)
    (root / "4.4.1/site/bin").mkdir()
    program = root.parent / uri.lstrip("/")
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(product, "version", lambda _: "6.0.76")
    with subprocess.Popen([sys.executable, str(program)]) as process:
        try:
            while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
                time.sleep(0.01)
            monkeypatch.setattr(product, "unit", lambda _: {"MainPID": str(process.pid)})
            if is_found:
                assert product.running(names) == "4.4.1"
                monkeypatch.setattr(product, "version", lambda _: "7.0.59")
            with pytest.raises(host.ProblemError):
                product.running(names)
        finally:
            process.kill()


def test_a_record_is_a_digest_that_only_this_host_can_make(tmp_path: Path) -> None:
    secret = records.key(tmp_path / "key")
    assert records.key(tmp_path / "key") == secret
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    one = records.digests('1,"Ana, Probe",\n2,Muster,""\n', secret)
    assert set(one) == {"1", "2"}
    assert one == records.digests('1,"Ana, Probe",\n2,Muster,""\n', secret)
    other = records.digests('1,"Ana, Probe",\n2,Muster,""\n', b"o" * 32)
    assert not set(one.values()) & set(other.values())
    assert "Ana" not in json.dumps(one)


def test_a_changed_field_is_another_digest_wherever_it_is() -> None:
    secret = b"s" * 32
    told = {
        records.digests(row, secret)["1"]
        for row in ("1,ab,c\n", "1,a,bc\n", "1,abc,\n", "1,,abc\n")
    }
    assert len(told) == 4


def test_a_record_that_is_there_twice_is_no_census() -> None:
    with pytest.raises(host.ProblemError, match="twice"):
        records.digests("1,a\n1,b\n", b"s" * 32)


def test_a_key_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(host.ProblemError, match="is no key"):
        records.key(tmp_path / "key")


def test_the_census_asks_for_the_column_of_its_series() -> None:
    for series, column in product.SERIES.items():
        asked = records.statements(column)
        assert f"y.id = p.{column}" in asked["patients"], series
        assert set(asked) >= {"patients", "orders", "results", "accounts"}


def carried(
    change: Path, before: dict[str, list[str]] | None, after: dict[str, list[str]] | None
) -> subprocess.CompletedProcess[str]:
    """The script after a reversal; None: it was not counted."""
    (change / "reversal.json").write_text("{}")
    for name, counted in (("migrated", before), ("reversal", after)):
        if counted is not None:
            (change / f"written-{name}.json").write_text(json.dumps(counted))
    scripts = change / "scripts"
    scripts.mkdir()
    for source in (UTILS / "gnuhealth_host.py", ROOT / "roles/gnuhealth/templates/host/carry"):
        (scripts / source.name).write_bytes(source.read_bytes())
    argv = [sys.executable, "-IB", str(scripts / "carry")]
    given = {"WARDSHIP_DIR": str(change), "WARDSHIP_FAILED_LIVE": "/data/.wardship/failed"}
    return subprocess.run(argv, env=given, capture_output=True, text=True, check=False)


COUNTED = {"gnuhealth_patient": ["24", "2026-03-01"], "gnuhealth_prescription_order": ["0", ""]}


def test_a_reversal_with_nothing_written_is_well(tmp_path: Path) -> None:
    done = carried(tmp_path, COUNTED, COUNTED)
    assert (done.returncode, done.stdout) == (0, "nothing was written since the commit\n")


def test_a_reversal_tells_every_table_that_people_wrote_to(tmp_path: Path) -> None:
    later = {
        "gnuhealth_patient": ["24", "2026-03-02"],
        "gnuhealth_prescription_order": ["40", "2026-03-02"],
        "gnuhealth_lab": ["1", ""],
    }
    done = carried(tmp_path, COUNTED | {"gnuhealth_lab": ["2", ""]}, later)
    assert done.returncode == 1
    for words in ("gnuhealth_lab (-1 rows)", "gnuhealth_patient (changed)", "order (+40 rows)"):
        assert words in done.stderr


@pytest.mark.parametrize(("before", "after"), [(None, COUNTED), (COUNTED, None)])
def test_a_reversal_that_could_not_count_says_so(
    before: dict[str, list[str]] | None, after: dict[str, list[str]] | None, tmp_path: Path
) -> None:
    done = carried(tmp_path, before, after)
    assert done.returncode == 1
    assert "is not known, it is in /data/.wardship/failed" in done.stderr


def test_a_person_may_accept_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "written-accepted").touch()
    done = carried(tmp_path, COUNTED, None)
    assert (done.returncode, "accepted" in done.stdout) == (0, True)


def test_what_a_program_complains_of_is_kept_and_its_last_line_told(tmp_path: Path) -> None:
    argv = ["setpriv", "--", sys.executable, "-c", "import sys; sys.exit('first\\nlast')"]
    with pytest.raises(host.ProblemError, match=r"^python[\d.]*: last$"):
        host.run(argv, keep=tmp_path / "kept")
    assert (tmp_path / "kept").read_text().split() == ["first", "last"]
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0


def test_a_key_of_one_change_is_no_others(tmp_path: Path) -> None:
    one, other = (records.key_of(name, tmp_path / "key") for name in ("a", "b"))
    assert one != other
    assert records.key_of("a", tmp_path / "key") == one


@pytest.mark.parametrize(
    ("program", "is_it"),
    [
        ("/opt/gnuhealth/5.0.6/bin/trytond-admin -c x -d y --all", True),
        ("/usr/bin/python3.11 -P /opt/gnuhealth/5.0.6/site/bin/trytond-admin --all", True),
        ("sh -c pgrep -f trytond-admin", False),
        ("grep trytond-admin /var/log/syslog", False),
    ],
)
def test_who_only_speaks_of_a_migration_is_none(
    program: str, is_it: bool, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "run", lambda _: f"/sbin/init\n{program}\n")
    monkeypatch.setattr(product, "psql", lambda *_: "0\n")
    assert bool(product.under_way({**names, "shared": False})) is is_it


@pytest.mark.parametrize(
    ("shared", "of"), [(True, "datname = current_database()"), (False, "true")]
)
def test_in_a_shared_cluster_only_its_own_database_counts(
    shared: bool, of: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def psql(_: object, statement: str) -> str:
        asked.append(statement)
        return "a report as reports from this host\n"

    monkeypatch.setattr(product, "psql", psql)
    given = {**names, "shared": shared}
    told = "a report as reports from this host is connected to the database: "
    assert next(product.strangers(given)).startswith(told)
    assert f"and {of} and" in asked[0]
    assert "usename <> 'u'" in asked[0], "GNU Health's own account is no stranger"
    attachments = ["/data/live/gnuhealth"]
    assert (product.writes_to(given) == attachments) is shared


def test_a_stop_that_failed_is_the_one_try_that_may_count(
    names: dict[str, Any], tmp_path: Path
) -> None:
    change = tmp_path / "change"
    scripts = change / "scripts"
    scripts.mkdir(parents=True)
    for each in [ROOT / "roles/gnuhealth/templates/host/stop", *UTILS.glob("*.py")]:
        (scripts / each.name).write_text(each.read_text())
    settings = {**names, "shared": True, "databases": {}, "bridge": []}
    (scripts / "settings.json").write_text(json.dumps(settings))
    (change / "reversal.json").write_text("{}")
    environment = {"WARDSHIP_DIR": str(change), "WARDSHIP_PHASE": "restore", "PATH": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-IB", str(scripts / "stop")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode != 0, "nothing can be stopped here"
    assert (change / "reversal-begun").exists(), "a second try would count the old database"
    assert not (change / "written-reversal.json").exists()
