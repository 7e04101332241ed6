"""The base image: a small Debian that boots to systemd, sshd and PostgreSQL without a cluster.

Built once per recipe, from Debian's signed packages, and kept in the cache as one archive that is
checked every time it is used: one that does not match its digest is built again. A build that was
cut off leaves nothing that could be taken for an image.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.lab.debian import DEFAULT_MIRROR, mirror
from orchestrator.lab.kept import keep
from orchestrator.lab.run import attempt, run

SUITE = "bookworm"
PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,python3,iproute2,nftables,btrfs-progs,"
    "curl,ca-certificates,dcmtk,procps,less,locales,postgresql-15"
)
#: What a container has no use for, and what would wake up in the middle of a test.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dev-hugepages.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "kmod-static-nodes.service",
    "modprobe@.service",
    "sys-fs-fuse-connections.mount",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-machine-id-commit.service",
    "systemd-pstore.service",
    "systemd-remount-fs.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)
#: PostgreSQL's own cluster is no hospital's: who provisions makes one where the hospital has it.
DROPPED = (
    "etc/hostname",
    "etc/postgresql/15",
    "etc/resolv.conf",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/lib/postgresql/15",
    "var/log/postgresql",
)
#: Made here, because systemd would make subvolumes of them at boot.
DIRECTORIES = (
    "data",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/lib/machines",
    "var/lib/portables",
)
FILES = {
    "etc/postgresql-common/createcluster.d/lab.conf": "create_main_cluster = false\n",
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n",
    "etc/ssh/sshd_config.d/lab.conf": (
        "UseDNS no\nMaxSessions 50\nMaxStartups 50\nHostKey /etc/ssh/ssh_host_ed25519_key\n"
    ),
}
_ARCHIVE = "root.tar.zst"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: Namespaces of its own: its mounts and its processes end with it, also when it is killed.
_CONTAINED = (
    *("unshare", "--mount", "--propagation=slave", "--pid", "--mount-proc"),
    *("--fork", "--kill-child=KILL"),
)


def recipe_key() -> str:
    """What names an image: the digest of all that decides what is in it, the mirror apart."""
    recipe = [SUITE, PACKAGES, MASKED, DROPPED, DIRECTORIES, FILES]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def base_image(cache: Path, say: Callable[[str], None]) -> Path:
    """The image's archive, built if the cache has none that is whole.

    Raises:
        LabError: it could not be built.
    """

    def build(into: Path) -> None:
        say(f"building the base image (Debian {SUITE}, once; one to three minutes)")
        _build(into, debs=cache / "debs", say=say)

    return keep(cache / "base" / recipe_key() / "image", build) / _ARCHIVE


def unpack_image(archive: Path, root: Path) -> None:
    """Unpack the image into a directory that exists."""
    run(["tar", "--zstd", "-xpf", str(archive), "--numeric-owner", "-C", str(root)])


def _build(into: Path, *, debs: Path, say: Callable[[str], None]) -> None:
    making = into.parent
    for unfinished in making.parent.glob(".making-*"):
        if unfinished != making:
            shutil.rmtree(unfinished)
    root = making / "root"
    root.mkdir()
    debs.mkdir(parents=True, exist_ok=True)
    _bootstrap(root, debs)
    finish(root)
    say("packing the base image")
    packed = into / _ARCHIVE
    run(
        [
            "tar",
            "--zstd",
            "-cf",
            str(packed),
            "--numeric-owner",
            "--sort=name",
            "-C",
            str(root),
            ".",
        ]
    )
    shutil.rmtree(root)


def _bootstrap(root: Path, debs: Path) -> None:
    argv = [
        *_CONTAINED,
        "debootstrap",
        "--variant=minbase",
        "--merged-usr",
        "--force-check-gpg",
        f"--keyring={_KEYRING}",
        f"--cache-dir={debs.resolve()}",
        f"--include={PACKAGES}",
        SUITE,
        str(root),
        _bootstrap_mirror(),
    ]
    run(argv, env=_proxy())


def finish(root: Path) -> None:
    """Make of a fresh installation an image: no identity, no cluster, nothing that slows a boot."""
    for name in DROPPED:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True, exist_ok=True)
    units = root / "etc/systemd/system"
    for name in MASKED:
        mask(units, name)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "etc/machine-id").write_text("")


def mask(units: Path, name: str) -> None:
    """Keep a unit from ever starting, as ``systemctl mask`` does."""
    units.mkdir(parents=True, exist_ok=True)
    (units / name).unlink(missing_ok=True)
    (units / name).symlink_to("/dev/null")


def _bootstrap_mirror() -> str:
    """This machine's mirror, if debootstrap can speak to it."""
    own = mirror()
    return own if urlsplit(own).scheme in ("http", "https") else DEFAULT_MIRROR


def _proxy() -> dict[str, str]:
    """The proxy that apt is set up for; debootstrap reads the environment only."""
    if "http_proxy" in os.environ:
        return {}
    asked = attempt(["apt-config", "shell", "proxy", "Acquire::http::Proxy"])
    proxy = asked.stdout.strip().removeprefix("proxy=").strip("'\"")
    return {"http_proxy": proxy} if proxy not in ("", "DIRECT") else {}
