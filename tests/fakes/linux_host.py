"""A Linux host in a directory, for the host program: systemd, nftables and btrfs by their rules.

It obeys what the real ones obey: a drop-in counts from the next daemon-reload on, a condition that
fails skips a start without an error, /run and the kernel's tables are gone after a boot, a unit
that is killed says so. Its power can be cut before any effect on the disk.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.host import boot, door, execute
from orchestrator.host.disk import Disk
from orchestrator.host.host import Host
from orchestrator.host.system import Ran, System
from tests.fakes.host_spool import install, listening, runuser
from tests.fakes.postgresql import FakePostgresql

SERVICES = ("db.service", "pacs.service")
CLUSTER = "postgresql@15-main.service"
DONE = Ran(0, "", "")


class PowerCut(BaseException):
    """The machine is without power from here on."""


class CuttableDisk(Disk):
    """A disk that counts its effects and loses power before one of them."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.cut_before: int | None = None

    def effect(self, what: str, path: Path) -> None:
        if self.cut_before is not None and len(self.effects) >= self.cut_before:
            raise PowerCut(f"{what} {path}")
        self.effects.append(f"{what} {path.name}")


class LinuxHost(System):
    """One machine with a product of two services in two releases."""

    disk: CuttableDisk

    def __init__(self, root: Path) -> None:
        super().__init__(root, program="wardship-host")
        self.disk = CuttableDisk()
        self.clock = 1_700_000_000.0
        self.boots = 1
        self.room = 1 << 40
        self.inodes: int | None = None
        self.running: dict[str, str] = {}
        self.loaded: dict[str, str] = {}
        self.units: dict[str, tuple[str, str]] = {}
        self.table: str | None = None
        self.pending: dict[str, list[str]] = {}
        self.hanging: set[str] = set()
        self.failing: set[str] = set()
        self.unstoppable: set[str] = set()
        #: Who is connected from elsewhere, and when that ends by itself.
        self.guests: dict[str, float] = {}
        self.ran: list[str] = []
        #: Each script, the directory that it was staged in, and the product's settings then.
        self.stepped: list[tuple[str, str, str]] = []
        self.synced: list[set[Path]] = []
        self.fails_to_sync = False
        self.postgresql = FakePostgresql()
        #: What the spool gave, and to which release.
        self.given: list[str] = []
        self.census = '{"studies": []}'
        self.truth_before: dict[str, str] = {}
        self.started_wrongly: list[str] = []

    def now(self) -> float:
        self.clock += 0.001
        return self.clock

    def monotonic(self) -> float:
        return self.now()

    def free(self, path: Path) -> int:
        """What is free; removing a snapshot gives room, not at once."""
        return self.room

    def inodes_left(self, path: Path) -> int | None:
        """Its file system does not count them, unless a test says so."""
        return self.inodes

    def device(self, path: Path) -> int:
        """Everything is on one disk, but for an archive."""
        return 2 if "archive" in path.parts else 1

    def sleep(self, seconds: float) -> None:
        """Time passes, and the units that were started meanwhile do their work."""
        self.clock += seconds
        for unit in [unit for unit in self.pending if unit not in self.hanging]:
            _work(self, unit)

    def boot_id(self) -> str:
        return f"boot-{self.boots}"

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float | None = 60.0,
        log: Path | None = None,
    ) -> Ran:
        if argv[0].endswith(tuple(f"/scripts/{name}" for name in SCRIPTS)):
            return self._script(Path(argv[0]), dict(env or {}), log)
        return PROGRAMS[argv[0]](self, list(argv[1:]), stdin)

    def cut_and_boot(self) -> None:
        """Power comes back: the door unit, then what starts by itself, then the boot unit."""
        self.cut_and_boot_without_boot_unit()
        boot.boot(Host(self))

    def cut_and_boot_without_boot_unit(self) -> None:
        """Power comes back and goes before the boot unit has begun."""
        self.disk.cut_before = None
        self.boots += 1
        self.running, self.units, self.pending, self.table = {}, {}, {}, None
        self.postgresql.runs = False
        shutil.rmtree(self.at("/run"), ignore_errors=True)
        self.reload()
        door.load(Host(self))
        before = self.snapshot_of_truth()
        for service in SERVICES:
            if self.start_service(service) and before != self.truth_before:
                self.started_wrongly.append(service)

    def snapshot_of_truth(self) -> dict[str, str]:
        """All that must be as before: volume, paths and drop-ins, as text."""
        known = ("/data/live", "/archive", "/etc", "/opt/pacs/current")
        tops = [self.at(path) for path in known if self.at(path).exists()]
        found: dict[str, str] = {}
        for top in tops:
            for path in sorted([top, *top.rglob("*")] if not top.is_symlink() else [top]):
                name = str(path.relative_to(self.root))
                if ".wants" in name or "wardship" in name or path.name.endswith(".d"):
                    continue
                if path.is_symlink():
                    found[name] = f"-> {path.readlink()}"
                elif path.is_file():
                    found[name] = path.read_text()
                else:
                    found[name] = "directory"
        for database, kept in self.postgresql.databases.items():
            if "_wardship_" not in database:
                shape = (kept.content, kept.lets_in, kept.limit, kept.granted, kept.settings)
                found[f"database {database}"] = repr(shape)
        return found

    def start_service(self, service: str) -> bool:
        """Start unless its loaded drop-in holds it (a skipped start is not an error) or it runs."""
        held = service in self.loaded and self.at("/var/lib/wardship/hold").exists()
        if held and not self.at("/run/wardship/may-start").exists():
            return False
        self.running.setdefault(service, self.at("/opt/pacs/current").readlink().name)
        return True

    def drop_ins(self) -> dict[str, str]:
        units = self.at("/etc/systemd/system")
        return {path.parent.name[:-2]: path.read_text() for path in units.glob("*.d/*-hold.conf")}

    def reload(self) -> None:
        self.loaded = self.drop_ins()

    def _script(self, path: Path, env: dict[str, str], log: Path | None) -> Ran:
        name, settings = path.name, self.at("/etc/pacs/pacs.json")
        known = settings.read_text() if settings.exists() else "none"
        self.stepped.append((name, path.parents[1].name, known))
        self.disk.effect("begin", Path(name))
        self.ran.append(f"{name} {env['WARDSHIP_RELEASE']} in {env['WARDSHIP_PHASE']}")
        if f"{name} in {env['WARDSHIP_PHASE']}" in self.failing:
            return Ran(1, "", f"{name} was told to fail")
        out = SCRIPTS[name](self, env)
        self.disk.effect("end", Path(name))
        if log is not None:
            with log.open("a") as file:
                file.write(f"{out}\n")
            return DONE
        return Ran(0, out, "")


def _stop(machine: LinuxHost, env: dict[str, str]) -> str:
    machine.running = {s: r for s, r in machine.running.items() if s in machine.unstoppable}
    if "WARDSHIP_CENSUS" in env:
        Path(env["WARDSHIP_CENSUS"]).write_text('{"studies": []}')
    return "stopped"


def _migrate(machine: LinuxHost, env: dict[str, str]) -> str:
    live = Path(env["WARDSHIP_VOLUME_LIVE"])
    database = machine.postgresql.databases.get(env.get("WARDSHIP_DATABASE_RECORDS", ""))
    if (live / "schema").read_text() != env["WARDSHIP_FROM"].partition(".")[0]:
        raise AssertionError(f"migrated from {env['WARDSHIP_FROM']}, which it is not of")
    for schema in ("half", env["WARDSHIP_RELEASE"].partition(".")[0]):
        (live / "schema").write_text(schema)
        if database:
            database.content = schema
        machine.disk.effect("middle", Path("migrate"))
    (live / "objects" / "a").unlink(missing_ok=True)
    if "WARDSHIP_VOLUME_IMAGES" in env:
        shutil.rmtree(machine.at("/archive/stored/deep"), ignore_errors=True)
    (machine.at("/etc/pacs") / "made-by-migrate").write_text("x")
    return "migrated"


def _start(machine: LinuxHost, env: dict[str, str]) -> str:
    for service in SERVICES:
        machine.disk.effect("middle", Path("start"))
        machine.start_service(service)
    return "started" if set(machine.running) == set(SERVICES) else "not started"


SCRIPTS: dict[str, Callable[[LinuxHost, dict[str, str]], str]] = {
    "stop": _stop,
    "migrate": _migrate,
    "start": _start,
    "census": lambda machine, _: machine.census,
    "forget": lambda *_: "",
    "carry": lambda *_: "carried",
}


def _systemctl(machine: LinuxHost, words: list[str], _: str) -> Ran:
    verb = next(word for word in words if not word.startswith("-"))
    units = [word for word in words[words.index(verb) + 1 :] if not word.startswith("-")]
    if verb == "show":
        wanted = next(word for word in words if word.startswith("--property=")).partition("=")[2]
        known = _properties(machine, units[0])
        return Ran(0, "".join(f"{name}={known[name]}\n" for name in wanted.split(",")), "")
    if verb == "daemon-reload":
        machine.reload()
    if verb == "start" and CLUSTER in units:
        machine.postgresql.runs = True
    for unit in units if verb in ("stop", "kill") else []:
        if unit not in machine.unstoppable:
            machine.running.pop(unit, None)
        if machine.units.get(unit, ("", ""))[0] == "active":
            machine.units[unit] = ("failed", "signal")
            machine.pending.pop(unit, None)
    return DONE


def _properties(machine: LinuxHost, unit: str) -> dict[str, str]:
    state, result = machine.units.get(unit, ("inactive", "success"))
    if unit in SERVICES:
        state = "active" if unit in machine.running else "inactive"
    return {
        "ActiveState": state,
        "Result": result,
        "LoadState": "loaded",
        "ControlGroup": "",
        "NeedDaemonReload": "no" if machine.loaded == machine.drop_ins() else "yes",
    }


def _systemd_run(machine: LinuxHost, words: list[str], _: str) -> Ran:
    unit = next(word for word in words if word.startswith("--unit=")).partition("=")[2]
    machine.disk.effect("unit", Path(unit))
    machine.units[unit] = ("active", "success")
    argv = words[words.index("--") + 1 :]
    # What waits or answers, a test that is about it runs. The spool is only there.
    if argv[0] == machine.program and argv[1] == "run":
        machine.pending[unit] = argv
    return DONE


def _work(machine: LinuxHost, unit: str) -> None:
    argv = machine.pending.pop(unit)
    try:
        code = execute.run(Host(machine), argv[4], argv[2], attempt=int(argv[6]))
    except PowerCut:
        machine.units[unit] = ("failed", "signal")
        raise
    machine.units[unit] = ("inactive", "success") if code == 0 else ("failed", "exit-code")


def _nft(machine: LinuxHost, words: list[str], stdin: str) -> Ran:
    machine.disk.effect("nft", Path(words[0]))
    if words == ["-f", "-"]:
        machine.table = stdin
    elif words[:2] == ["delete", "table"]:
        machine.table = None
    tables = [{"table": {"family": "inet", "name": "wardship"}}] if machine.table else []
    return Ran(0, json.dumps({"nftables": [{"metainfo": {}}, *tables]}), "")


def _ss(machine: LinuxHost, words: list[str], _: str) -> Ran:
    if "l" in words[0]:
        return listening(machine.units)
    here = [guest for guest, until in machine.guests.items() if machine.clock < until]
    if "K" in words[0]:
        machine.guests = {}
    return Ran(0, "".join(f"0 0 10.0.0.1:4242 {guest}\n" for guest in here), "")


def _btrfs(machine: LinuxHost, words: list[str], _: str) -> Ran:
    paths = [Path(word) for word in words if word.startswith("/")]
    if words[1] == "snapshot":
        shutil.copytree(paths[0], paths[1], symlinks=True)
    elif words[1] == "delete":
        machine.room = 1 << 40
        shutil.rmtree(paths[0])
    elif words[1] == "show" and not paths[0].is_dir():
        return Ran(1, "", "not a subvolume")
    return DONE


def _sync(machine: LinuxHost, words: list[str], _: str) -> Ran:
    machine.synced.append({Path(word) for word in words if word.startswith("/")})
    return Ran(1, "", "Input/output error") if machine.fails_to_sync else DONE


PROGRAMS: dict[str, Callable[[LinuxHost, list[str], str], Ran]] = {
    "systemctl": _systemctl,
    "systemd-run": _systemd_run,
    "nft": _nft,
    "ss": _ss,
    "btrfs": _btrfs,
    "sync": _sync,
    "id": lambda *_: Ran(0, "997\n", ""),
    "install": install,
    "runuser": runuser,
    "journalctl": lambda *_: Ran(0, "the services' last words\n", ""),
}


RECORDS = {"name": "records", "database": "pacs", "service": CLUSTER}


def manifest(change: str = "hospital-a-1", *, provider: str = "btrfs") -> dict[str, Any]:
    """A change of the product from 1.0 to 2.0. A host that copies has an archive too.

    With ``postgres`` its records are in a database beside another product's.
    """
    volumes: list[dict[str, Any]] = [
        {"name": "live", "path": "/data/live", "class": "index", "objects": ["objects"]}
    ]
    if provider == "copy":
        volumes.append(
            {"name": "images", "path": "/archive", "class": "archive", "objects": ["stored"]}
        )
    return {
        "schema": 1,
        "change_set": change,
        "facility": "hospital-a",
        "host": "pacs-a",
        "product": "pacs",
        "from_release": "1.0",
        "to_release": "2.0",
        "switch": {"kind": "rename", "root": "/opt/pacs"},
        "install": [{"staged": "files/pacs", "target": "/etc/pacs"}],
        "services": list(SERVICES),
        "provider": provider,
        "volumes": volumes,
        "paths": ["/etc/pacs", "/etc/pacs-licence", "/opt/pacs/current"],
        "door": {"tcp": [4242, 8042], "verifier_uid": 0},
        "limits": {"quiesce": 120, "snapshot": 120, "apply": 900, "restore": 900, "open": 60},
        "settings": {},
    } | ({"databases": [RECORDS]} if provider == "postgres" else {})


def by_hops(document: dict[str, Any]) -> dict[str, Any]:
    """The same change, by 2.0 to 3.0."""
    return {**document, "to_release": "3.0", "hops": ["2.0"]}


def install_product(machine: LinuxHost) -> None:
    """The product as found: release 1.0 runs on schema 1."""
    files = {
        "/data/live/schema": "1",
        "/data/live/objects/a": "image a",
        "/data/live/objects/b": "image b",
        "/archive/stored/a": "image on the archive",
        "/archive/stored/deep/b": "image that the new release deletes",
        "/etc/pacs/pacs.json": "settings of 1.0",
        "/opt/pacs/1.0/bin": "old",
        "/opt/pacs/2.0/bin": "new",
        "/opt/pacs/3.0/bin": "newest",
    }
    for name, text in files.items():
        path = machine.at(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    machine.at("/proc").mkdir()
    machine.at("/etc/systemd/system").mkdir(parents=True)
    machine.at("/opt/pacs/current").symlink_to("1.0")
    for service in SERVICES:
        machine.start_service(service)
    machine.postgresql.make("pacs", "1")
    pacs = machine.postgresql.databases["pacs"]
    pacs.settings, pacs.limit, pacs.granted = "work_mem=5MB", "40", True
    machine.postgresql.make("laboratory", "of others")
    machine.truth_before = machine.snapshot_of_truth()


def stage(machine: LinuxHost, change: str = "hospital-a-1") -> None:
    """What the role lays down: scripts and files."""
    top = machine.at(f"/var/lib/wardship/changes/{change}")
    for directory in (top, top / "hops" / "1"):
        (directory / "scripts").mkdir(parents=True, exist_ok=True)
        for name in ("stop", "migrate", "start", "census", "forget"):
            (directory / "scripts" / name).write_text("#!/bin/sh\n")
            (directory / "scripts" / name).chmod(0o700)
        staged = directory / "files" / "pacs" / "pacs.json"
        staged.parent.mkdir(parents=True, exist_ok=True)
        of = "2.0" if directory == top else "a hop"
        staged.write_text(f"settings of {of}")
