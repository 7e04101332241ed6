"""The parts of the lab's machinery that decide, without a lab."""

from __future__ import annotations

import multiprocessing
from ipaddress import IPv4Address
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from orchestrator.errors import LabError
from orchestrator.lab import golden, image, network, record, ssh, tools
from orchestrator.lab.cage import Cage, cages, hierarchies
from orchestrator.lab.disk import mountpoints
from orchestrator.lab.host import boot_script, machine_id
from orchestrator.lab.lock import locked
from orchestrator.lab.model import DEFAULT_HOSTS, HostSpec, Login, check_lab_name
from orchestrator.lab.paths import LabPaths
from orchestrator.lab.run import Ran, attempt, run, until

HOST = HostSpec("pacs-a", IPv4Address("10.77.0.11"))


@pytest.fixture
def paths(tmp_path: Path) -> LabPaths:
    return LabPaths(tmp_path, "dev")


@pytest.mark.parametrize("name", ["", "one-two", "Dev", "1st", "a/b", "..", "a" * 21, "a\n"])
def test_a_name_that_could_be_mistaken_is_refused_for_a_lab(name: str) -> None:
    with pytest.raises(LabError):
        check_lab_name(name)


@pytest.mark.parametrize("name", ["", "ctl", "mod", "a.b", "A", "-a", "a-", "../x", "a b"])
def test_a_name_that_could_be_mistaken_is_refused_for_a_host(name: str) -> None:
    with pytest.raises(LabError):
        HostSpec(name, IPv4Address("10.77.0.11"))


@pytest.mark.parametrize("address", ["10.77.0.1", "10.77.0.9", "10.78.0.11", "127.0.0.1"])
def test_an_address_that_is_taken_or_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(LabError):
        HostSpec("pacs-a", IPv4Address(address))


def test_hosts_of_a_lab_are_kept_over_processes(paths: LabPaths) -> None:
    assert record.hosts(paths) == ()
    record.add(paths, DEFAULT_HOSTS[:1])
    record.add(paths, DEFAULT_HOSTS)
    assert record.hosts(paths) == DEFAULT_HOSTS


def test_a_host_does_not_change_under_its_name() -> None:
    with pytest.raises(LabError, match="another pacs-a"):
        record.merge([HOST], [HostSpec(HOST.name, HOST.address, Login.SESSIONS)])


def test_two_hosts_have_two_addresses() -> None:
    with pytest.raises(LabError, match="one address"):
        record.merge([HOST], [HostSpec("pacs-b", HOST.address)])


def test_a_port_fits_an_interface_name_and_differs_from_host_to_host() -> None:
    names = ["pacs-a", "a-host-with-a-long-name-1", "a-host-with-a-long-name-2"]
    ports = [network.port(name) for name in names]
    assert ports[0] == "p-pacs-a"
    assert len(set(ports)) == len(names)
    assert all(len(port) <= 15 for port in ports)


def test_a_hardware_address_is_local_and_belongs_to_one_address() -> None:
    assert network.hardware_address("10.77.0.11") == "02:57:0a:4d:00:0b"


def test_a_boot_makes_the_network_anew_and_a_reboot_does_too(paths: LabPaths) -> None:
    lines = boot_script(paths, HOST).splitlines()
    loop = lines.index("while :; do")
    wired = next(number for number, line in enumerate(lines) if "ip netns add" in line)
    booted = next(number for number, line in enumerate(lines) if "systemd-nspawn" in line)
    assert loop < wired < booted
    assert lines[booted + 1].strip() == "[ $? -eq 133 ] || exit 0"


def test_a_path_with_a_blank_is_one_word_in_the_boot_script(tmp_path: Path) -> None:
    text = boot_script(LabPaths(tmp_path / "a b", "dev"), HOST)
    assert f"'--directory={tmp_path}/a b/dev/roots/pacs-a'" in text


def test_machine_ids_differ_between_labs_and_between_hosts() -> None:
    ids = {machine_id(lab, host) for lab in ("one", "two") for host in ("pacs-a", "pacs-b")}
    assert len(ids) == 4
    assert all(len(each) == 32 and int(each, 16) for each in ids)


def test_ssh_trusts_only_what_the_lab_made(paths: LabPaths) -> None:
    ssh.make_keys(paths, DEFAULT_HOSTS)
    text = paths.ssh_config.read_text()
    assert "StrictHostKeyChecking yes" in text
    assert "Host pacs-b\n  HostName 10.77.0.12" in text
    assert paths.ssh_key.stat().st_mode & 0o777 == 0o600
    known = paths.known_hosts.read_text().splitlines()
    assert [line.split()[0] for line in known] == ["pacs-a,10.77.0.11", "pacs-b,10.77.0.12"]


def test_a_key_pair_that_was_cut_off_is_made_again_and_a_whole_one_is_kept(paths: LabPaths) -> None:
    ssh.make_keys(paths, [HOST])
    kept = paths.ssh_key.read_bytes()
    paths.host_key(HOST.name).with_suffix(".pub").unlink()
    paths.host_key(HOST.name).write_text("half a k")
    ssh.make_keys(paths, [HOST])
    assert paths.ssh_key.read_bytes() == kept
    assert paths.host_key(HOST.name).read_text().startswith("-----BEGIN")


def test_only_what_is_missing_is_installed() -> None:
    assert tools.missing_packages(lambda _program: True) == []
    lacking = {"btrfs", "debootstrap"}
    packages = tools.missing_packages(lambda program: program not in lacking)
    assert packages == ["btrfs-progs", "debootstrap"]


def test_an_image_has_no_identity_no_cluster_and_nothing_that_wakes_up(tmp_path: Path) -> None:
    for name in ("etc/ssh/ssh_host_rsa_key", "etc/machine-id", "etc/postgresql/15/main/conf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    image.finish(tmp_path)
    assert list((tmp_path / "etc/ssh").glob("ssh_host_*")) == []
    assert (tmp_path / "etc/machine-id").read_text() == ""
    assert not (tmp_path / "etc/postgresql/15").exists()
    timer = tmp_path / "etc/systemd/system/apt-daily.timer"
    assert timer.readlink() == Path("/dev/null")


def test_another_recipe_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.recipe_key()
    monkeypatch.setattr(image, "PACKAGES", f"{image.PACKAGES},cowsay")
    assert image.recipe_key() != before


def test_one_tree_of_control_groups_is_used_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    assert hierarchies(tmp_path) == [tmp_path]


def test_of_several_trees_those_are_used_that_a_container_looks_at(tmp_path: Path) -> None:
    for name in ("systemd", "unified", "cpu"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "pids").mkdir()
    assert hierarchies(tmp_path) == [tmp_path / "systemd", tmp_path / "unified"]


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="cages are services here")
def test_a_cage_knows_its_members_at_any_depth_and_no_other_labs_cages(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    for name, pids in (
        ("wardship-lab.dev.pacs-a", "1\n2\n"),
        ("wardship-lab.dev.pacs-a/payload/deep", "2\n3\n"),
        ("wardship-lab.devil.pacs-a", "4\n"),
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "cgroup.procs").write_text(pids)
    assert Cage("dev", "pacs-a", tmp_path).members() == [1, 2, 3]
    assert [cage.host for cage in cages("dev", tmp_path)] == ["pacs-a"]
    assert Cage("dev", "pacs-b", tmp_path).members() == []


def test_generations_of_one_host_are_not_taken_for_another_s(tmp_path: Path) -> None:
    for name in ("golden-pacs-a-1", "golden-pacs-a-2", "golden-pacs-a-b-3", "golden-pacs-3"):
        (tmp_path / name).mkdir()
    half = golden.Half(tmp_path / "pacs-a")
    assert sorted(half.generations("pacs-a")) == [1, 2]


def test_nothing_is_mounted_below_an_ordinary_directory(tmp_path: Path) -> None:
    assert mountpoints(tmp_path) == []
    assert Path("/proc") in mountpoints(Path("/"))


def test_a_program_that_fails_says_which_and_why() -> None:
    with pytest.raises(LabError, match=r"sh -c .* ended with 7: that is why"):
        run(["sh", "-c", "echo that is why >&2; exit 7"])


def test_a_program_that_does_not_end_is_an_error() -> None:
    with pytest.raises(LabError, match="did not end within"):
        attempt(["sleep", "20"], timeout=0.2)


def test_a_program_that_is_not_there_is_a_failure_and_no_crash() -> None:
    assert not attempt(["no-such-program-here"]).is_ok


def test_output_is_kept_as_it_was() -> None:
    assert Ran(("x",), 0, b"\xff", "").stdout == "�"
    assert run(["printf", r"\377"]).output == b"\xff"


def test_waiting_ends_with_the_condition_or_with_the_time() -> None:
    answers = iter([False, False, True])
    assert until(lambda: next(answers), timeout=5)
    assert not until(lambda: False, timeout=0.1)


def test_one_process_at_a_time_and_the_next_when_the_first_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.lab.lock.PATIENCE", 20.0)
    lock, heard = tmp_path / "lock", list[str]()
    ours, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(lock, theirs), daemon=True
    )
    holder.start()
    assert ours.recv() == "held"

    def say(line: str) -> None:
        heard.append(line)
        holder.kill()

    with locked(lock, "this", say=say):
        assert heard == ["waiting for another process that works on this"]
    holder.join()


def test_a_lock_that_was_removed_while_held_does_not_let_two_in(tmp_path: Path) -> None:
    lock, order = tmp_path / "lock", list[str]()
    with locked(lock, "this", say=order.append):
        lock.unlink()
    with locked(lock, "this", say=order.append):
        assert lock.exists()
    assert order == []


def _hold(lock: Path, to: Connection) -> None:
    with locked(lock, "that", say=lambda _line: None):
        to.send("held")
        multiprocessing.Event().wait()
