"""The lab does to its hosts what it says, and leaves nothing on this machine.

Needs root and btrfs; a cold cache costs the building of the base image once.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from orchestrator.errors import LabError
from orchestrator.lab import golden, image
from orchestrator.lab.guest import put
from orchestrator.lab.hospital import Lab
from orchestrator.lab.model import DEFAULT_HOSTS, HostSpec, HostState
from orchestrator.lab.run import attempt, run, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")

STATE = Path("/var/lib/wardship-lab")
CACHE = Path(os.environ.get("WARDSHIP_CACHE", Path.home() / ".cache/wardship"))
A, B = (spec.name for spec in DEFAULT_HOSTS)
SMALL = HostSpec("solo", IPv4Address("10.77.0.21"), data_mib=512)
BOOT_ID = ["cat", "/proc/sys/kernel/random/boot_id"]


def a_lab(name: str) -> Lab:
    return Lab(name, state=STATE, cache=CACHE, say=print)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two hosts, as demonstrations and other tests have them."""
    it = a_lab("selftest")
    it.down()
    it.up()
    yield it
    it.down()


@pytest.fixture
def other() -> Iterator[Lab]:
    """A lab of another name that a test may break."""
    it = a_lab("selftestx")
    it.down()
    yield it
    it.down()


def traces(name: str) -> list[str]:
    """What of a lab is on this machine, wherever such a thing can be."""
    mounted = Path("/proc/self/mountinfo").read_text().splitlines()
    loops = run(["losetup", "-n", "-O", "BACK-FILE"]).stdout.splitlines()
    commands = (entry / "cmdline" for entry in Path("/proc").iterdir() if entry.name.isdigit())
    found = [line for line in (*mounted, *loops) if f"{STATE}/{name}/" in line]
    found += [f"process {line}" for line in map(_read, commands) if f"{STATE}/{name}/" in line]
    for top, pattern in (
        ("/run/netns", f"ws-{name}-*"),
        ("/run/systemd/nspawn/propagate", f"{name}-*"),
        ("/sys/fs/cgroup", f"**/wardship-lab.{name}.*"),
        (str(STATE), name),
        (str(STATE), f".{name}.lock"),
    ):
        found += [str(path) for path in Path(top).glob(pattern)]
    return found


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def free_mib(lab: Lab, host: str) -> int:
    asked = lab.run(host, ["df", "--output=avail", "-m", "/data"])
    return int(asked.stdout.split()[-1])


def test_both_hosts_come_up_whole_and_see_each_other(lab: Lab) -> None:
    assert lab.status().is_running
    for host, peer in ((A, "10.77.0.12"), (B, "10.77.0.11")):
        settled = lab.run(host, ["systemctl", "is-system-running", "--wait"], check=False)
        assert settled.stdout.strip() == "running"
        lab.run(host, ["bash", "-c", f"exec 3<>/dev/tcp/{peer}/22"], timeout=10)


def test_a_host_has_no_way_out(lab: Lab) -> None:
    assert lab.run(A, ["ip", "route", "show", "default"]).stdout == ""


def test_one_host_has_sessions_as_installed_hospitals_have(lab: Lab) -> None:
    assert lab.run(B, ["systemctl", "is-active", "systemd-logind"]).is_ok
    assert lab.run(A, ["systemctl", "is-active", "systemd-logind"], check=False).returncode != 0


def test_there_is_no_database_cluster_before_somebody_makes_one(lab: Lab) -> None:
    assert lab.run(A, ["pg_lsclusters", "--no-header"]).stdout == ""


def test_a_host_can_filter_packets_and_shape_traffic(lab: Lab) -> None:
    lab.run(A, ["nft", "add", "table", "inet", "selftest"])
    lab.run(A, ["nft", "delete", "table", "inet", "selftest"])
    shape = ["root", "tbf", "rate", "9mbit", "burst", "32k", "latency", "9ms"]
    lab.run(A, ["tc", "qdisc", "add", "dev", "host0", *shape])
    lab.run(A, ["tc", "qdisc", "del", "dev", "host0", "root"])


def test_the_modalities_reach_a_host_from_their_own_address(lab: Lab) -> None:
    lab.exec(["bash", "-c", "exec 3<>/dev/tcp/10.77.0.11/22"], at="mod", timeout=10)
    assert "10.77.0.9/24" in lab.exec(["ip", "-o", "-4", "addr"], at="mod").stdout


def test_input_and_awkward_arguments_arrive_as_they_were(lab: Lab) -> None:
    argument = "a b'c\"d$e\n*"
    echoed = lab.run(A, ["printf", "%s|", argument, ""])
    assert echoed.stdout == f"{argument}||"
    assert lab.run(A, ["cat"], stdin=bytes(range(256))).output == bytes(range(256))


def test_a_failing_command_is_an_error_unless_asked_for(lab: Lab) -> None:
    with pytest.raises(LabError, match="ended with 3"):
        lab.run(A, ["sh", "-c", "exit 3"])
    assert lab.run(A, ["sh", "-c", "exit 3"], check=False).returncode == 3


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = [lab.run(host, BOOT_ID).stdout for host in (A, B)]
    lab.up()
    assert [lab.run(host, BOOT_ID).stdout for host in (A, B)] == before


def test_a_crashed_host_boots_again_with_what_it_had(lab: Lab) -> None:
    before = lab.run(A, BOOT_ID).stdout
    lab.run(A, ["sh", "-c", "echo kept >/data/kept; nft add table inet gone"])
    lab.crash(A)
    assert [host.state for host in lab.status().hosts] == [HostState.STOPPED, HostState.RUNNING]
    lab.boot(A)
    lab.wait_ssh(A)
    assert lab.run(A, BOOT_ID).stdout != before
    assert lab.run(A, ["cat", "/data/kept"]).stdout == "kept\n"
    assert lab.run(A, ["nft", "list", "tables"]).stdout == ""


def test_a_host_that_reboots_itself_comes_back(lab: Lab) -> None:
    before = lab.run(B, BOOT_ID).stdout
    lab.run(B, ["systemctl", "reboot"], check=False)

    def is_back() -> bool:
        asked = lab.run(B, BOOT_ID, check=False, timeout=20)
        return asked.is_ok and asked.stdout != before

    assert until(is_back, timeout=30)


def test_a_stop_is_orderly(lab: Lab) -> None:
    unit = (
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\nExecStop=touch /data/ended\n"
    )
    lab.run(A, ["tee", "/run/systemd/system/farewell.service"], stdin=unit.encode())
    lab.run(A, ["systemctl", "start", "farewell"])
    lab.stop(A)
    assert (lab.paths.data(A) / "ended").exists()
    lab.boot(A)
    lab.wait_ssh(A)


def test_a_running_host_is_not_frozen_and_an_unfrozen_one_not_reset(lab: Lab, other: Lab) -> None:
    with pytest.raises(LabError, match="is running"):
        lab.freeze(A)
    other.up([SMALL])
    with pytest.raises(LabError, match="never frozen"):
        other.reset(SMALL.name)


def test_reset_puts_back_root_and_data_subvolumes_and_all(lab: Lab) -> None:
    make = (
        "rm -rf /data/* && cd /data && btrfs subvolume create live && echo golden >live/study &&"
        "mkdir .wardship && btrfs subvolume snapshot -r live .wardship/before &&"
        "echo golden >/etc/was"
    )
    spoil = (
        "cd /data && btrfs subvolume snapshot live .wardship/later && mv live .wardship/failed &&"
        "btrfs subvolume snapshot .wardship/before live &&"
        "btrfs subvolume delete .wardship/before &&"
        "echo spoilt | tee live/study .wardship/failed/study /etc/was && rm -rf /usr/bin/curl &&"
        "mkdir -p /var/deep && btrfs subvolume create /var/deep/er"
    )
    lab.run(B, ["sh", "-ec", make])
    lab.stop(B)
    lab.freeze(B)
    for _ in range(2):
        lab.boot(B)
        lab.wait_ssh(B)
        lab.run(B, ["sh", "-ec", spoil])
        lab.reset(B)
        lab.boot(B)
        lab.wait_ssh(B)
        shown = lab.run(B, ["cat", "/etc/was", "/data/live/study", "/data/.wardship/before/study"])
        assert shown.stdout == "golden\n" * 3
        assert lab.run(B, ["ls", "-A", "/data", "/data/.wardship"]).stdout.split() == [
            *("/data:", ".wardship", "live"),
            *("/data/.wardship:", "before"),
        ]
        assert lab.run(B, ["sh", "-c", "command -v curl && test ! -e /var/deep"]).is_ok
        kept = lab.run(B, ["btrfs", "property", "get", "/data/.wardship/before", "ro"])
        assert kept.stdout == "ro=true\n"
        lab.run(B, ["sh", "-ec", "cd /data && mv live l2 && mv l2 live"])


def test_data_can_be_filled_and_a_reset_empties_it(other: Lab) -> None:
    other.up([SMALL])
    other.stop(SMALL.name)
    other.freeze(SMALL.name)
    other.boot(SMALL.name)
    other.wait_ssh(SMALL.name)
    empty = free_mib(other, SMALL.name)
    fill = other.run(
        SMALL.name, ["dd", "if=/dev/zero", "of=/data/fill", "bs=1M", "status=none"], check=False
    )
    assert "No space left" in fill.stderr
    assert free_mib(other, SMALL.name) < 16
    other.reset(SMALL.name)
    other.boot(SMALL.name)
    other.wait_ssh(SMALL.name)
    assert free_mib(other, SMALL.name) > empty - 16


def test_a_reset_that_was_cut_off_is_finished_by_the_next_boot(
    other: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.up([SMALL])
    other.run(SMALL.name, ["sh", "-c", "echo golden | tee /data/was /etc/was"])
    other.stop(SMALL.name)
    other.freeze(SMALL.name)
    with monkeypatch.context() as cut:
        cut.setattr(golden, "finish_reset", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            other.reset(SMALL.name)
    other.boot(SMALL.name)
    other.wait_ssh(SMALL.name)
    assert other.run(SMALL.name, ["cat", "/data/was", "/etc/was"]).stdout == "golden\n" * 2


def test_two_labs_do_not_meet(lab: Lab, other: Lab) -> None:
    twin = HostSpec(A, IPv4Address("10.77.0.11"), data_mib=512)
    other.up([twin])
    other.run(A, ["touch", "/data/other"])
    assert lab.run(A, ["test", "-e", "/data/other"], check=False).returncode == 1
    # A container that boots now has seen the other lab's disks, and must not keep them busy.
    lab.crash(A)
    lab.boot(A)
    lab.wait_ssh(A)
    other.down()
    assert traces(other.name) == []
    assert lab.run(A, ["true"]).is_ok


@pytest.mark.parametrize(
    ("line", "sign"),
    [("unpacking the base image", "roots/base*/usr/bin"), ("solo: booting", "hosts/solo.sh")],
    ids=["unpacking", "booting"],
)
def test_an_up_that_was_killed_is_finished_by_the_next(other: Lab, line: str, sign: str) -> None:
    _kill_up(other, when_it_says=line, and_there_is=sign)
    other.up([SMALL])
    settled = other.run(SMALL.name, ["systemctl", "is-system-running", "--wait"], check=False)
    assert settled.stdout.strip() == "running"
    assert other.run(SMALL.name, ["test", "-x", "/usr/lib/postgresql/15/bin/postgres"]).is_ok


def test_down_after_a_killed_up_leaves_nothing(other: Lab) -> None:
    _kill_up(other, when_it_says="solo: booting", and_there_is="hosts/solo.sh")
    assert traces(other.name) != []
    other.down()
    assert traces(other.name) == []


def test_down_leaves_nothing_also_with_somebody_still_in_the_lab(other: Lab) -> None:
    other.up([SMALL])
    lingering = subprocess.Popen([*other.enter_argv("mod"), "sleep", "600"])
    # A mount namespace of somebody else, as ``ip netns exec`` makes one, sees the lab's disks.
    elsewhere = subprocess.Popen(["unshare", "--mount", "--propagation=slave", "sleep", "600"])
    try:
        other.down()
        assert traces(other.name) == []
        assert lingering.wait(timeout=5) != 0
        assert elsewhere.poll() is None
    finally:
        elsewhere.kill()
        elsewhere.wait()


def test_down_of_what_is_not_there_is_fine_and_twice_as_well(other: Lab) -> None:
    other.down()
    other.down()
    assert traces(other.name) == []
    assert other.status().hosts == ()


def test_where_systemd_is_pid_1_a_cage_is_a_service(lab: Lab) -> None:
    """The hosts have systemd as PID 1, and cages need nothing but Python: try them there."""
    for module in ("orchestrator.errors", "orchestrator.lab.run", "orchestrator.lab.cage"):
        source = importlib.util.find_spec(module)
        assert source is not None
        assert source.origin is not None
        inside = f"/opt/selftest/{module.replace('.', '/')}.py"
        put(lab.guest(B), inside, Path(source.origin).read_bytes())
    program = textwrap.dedent(
        """
        import pathlib, sys
        sys.path.insert(0, "/opt/selftest")
        from orchestrator.lab.cage import Cage, cages
        from orchestrator.lab.run import until
        script, log = pathlib.Path("/root/script.sh"), pathlib.Path("/root/log")
        script.write_text("echo began; setsid sleep 600 & sleep 600")
        cage = Cage("inner", "one")
        cage.launch(script, log)
        assert until(lambda: len(cage.members()) == 3, timeout=10), cage.members()
        assert cages("inner") == [cage]
        assert log.read_text() == "began\\n"
        cage.kill()
        assert cage.members() == []
        cage.remove()
        assert cages("inner") == []
        cage.launch(script, log)
        assert until(lambda: len(cage.members()) == 3, timeout=10), cage.members()
        cage.kill()
        cage.remove()
        """
    )
    lab.run(B, ["python3", "-"], stdin=program.encode(), timeout=60)


def test_a_damaged_base_image_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builds: list[Path] = []

    def bootstrap(root: Path, _debs: Path) -> None:
        builds.append(root)
        (root / "etc/ssh").mkdir(parents=True)

    monkeypatch.setattr(image, "_bootstrap", bootstrap)
    archive = image.base_image(tmp_path, print)
    assert image.base_image(tmp_path, print) == archive
    assert len(builds) == 1
    archive.write_bytes(archive.read_bytes()[:-1])
    image.base_image(tmp_path, print)
    assert len(builds) == 2


def _interrupt(*_arguments: object) -> None:
    raise KeyboardInterrupt


def _kill_up(lab: Lab, *, when_it_says: str, and_there_is: str) -> None:
    """Bring a lab up in another process, and kill that process in the middle of it."""
    program = (
        "import sys\nfrom pathlib import *\nfrom ipaddress import *\n"
        "from orchestrator.lab.hospital import Lab\nfrom orchestrator.lab.model import *\n"
        f"lab = Lab({lab.name!r}, state=Path({str(STATE)!r}), cache=Path({str(CACHE)!r}),"
        " say=lambda said: print(said, flush=True))\n"
        f"lab.up([HostSpec({SMALL.name!r}, IPv4Address('{SMALL.address}'), data_mib=512)])\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = itertools.takewhile(lambda line: line.strip() != when_it_says, child.stdout)
    said = [line.strip() for line in told]
    seen = until(lambda: any(lab.home.glob(and_there_is)), timeout=20)
    child.kill()
    child.communicate()
    assert seen, f"there never was {and_there_is}; it said {said}"
    # What the killed one had started goes by itself; nobody else works on the lab then.
    unpacking = ["pgrep", "-f", f"tar .*{STATE}/{lab.name}/"]
    assert until(lambda: not attempt(unpacking).stdout, timeout=5)
