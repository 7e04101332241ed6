"""A Debian kernel with an initramfs of ours, for hosts that need a kernel of their own.

From Debian's signed packages, unpacked and never installed on this machine; kept in the cache. The
initramfs mounts the root and ``/data`` of a disk made by ``power`` and hands over to systemd.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.lab import debian
from orchestrator.lab.kept import keep, locked
from orchestrator.lab.run import run
from orchestrator.lab.tools import ensure

SUITE = "bookworm"
_PACKAGES = ("linux-image-cloud-amd64", "busybox-static")
#: Loaded in this order, each after what it needs: the disk, the file systems, the door.
_MODULES = ("virtio_pci", "virtio_blk", "ext4", "btrfs", "nf_tables", "nft_reject_inet")
_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /dev /root
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "/modules/$module"; done < /modules/order
until [ -b /dev/vda3 ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t @root@ -o noatime /dev/vda2 /root
/bin/busybox mount -t btrfs -o noatime /dev/vda3 /root/data
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /lib/systemd/systemd
"""
ROOTS = ("btrfs", "ext4")


@dataclass(frozen=True)
class Kernel:
    """What QEMU's ``-kernel`` and ``-initrd`` take; an initramfs for each kind of root."""

    image: Path
    directory: Path

    def initramfs(self, root: str) -> Path:
        return self.directory / f"initramfs-{root}"


def kernel(*, cache: Path, say: Callable[[str], None]) -> Kernel:
    """The kernel, from the cache or unpacked now. Safe beside another builder.

    Raises:
        LabError: Debian's packages could not be had.
    """
    recipe = json.dumps([SUITE, _PACKAGES, _MODULES, _INIT, ROOTS])

    def make(into: Path) -> None:
        ensure({"depmod": "kmod"}, say)
        say("fetching Debian's cloud kernel")
        _make(into, cache=cache)

    entry = keep(cache / "kernel" / hashlib.sha256(recipe.encode()).hexdigest()[:16], make)
    return Kernel(entry / "vmlinuz", entry)


def _make(into: Path, *, cache: Path) -> None:
    suite = debian.open_suite(SUITE, cache / "apt")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".kernel-") as name:
        tree = Path(name)
        with locked(suite.root / "lock"):
            packages = suite.download(_PACKAGES)
            wanted = [
                path
                for package, path in packages.items()
                if package.startswith(("linux-image-", "busybox-static="))
            ]
            debian.unpack(wanted, tree)
        shutil.copy(next((tree / "boot").glob("vmlinuz-*")), into / "vmlinuz")
        (into / "packages.txt").write_text("".join(f"{name}\n" for name in sorted(packages)))
        for root in ROOTS:
            _write_initramfs(into / f"initramfs-{root}", tree, init=_INIT.replace("@root@", root))


def _write_initramfs(to: Path, tree: Path, *, init: str) -> None:
    modules = next((tree / "usr/lib/modules").iterdir())
    order = list(_closure(tree, modules))
    with to.open("wb") as archive:
        names: list[tuple[str, bytes | None]] = [("bin", None), ("modules", None)]
        names += [("bin/busybox", (tree / "usr/bin/busybox").read_bytes())]
        names += [("init", init.encode())]
        names += [(f"modules/{path.name}", path.read_bytes()) for path in order]
        names += [("modules/order", "".join(f"{path.name}\n" for path in order).encode())]
        for number, (name, content) in enumerate(names, start=1):
            archive.write(_member(name, content, number))
        archive.write(_member("TRAILER!!!", b"", 0))


def _closure(tree: Path, modules: Path) -> Iterator[Path]:
    """The wanted modules and what they need, each before its users."""
    run(["depmod", "-b", str(tree / "usr"), modules.name])
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {Path(path).name.split(".")[0].replace("-", "_"): path for path in needs}
    soft = ("crc32c_generic", "libcrc32c", "xxhash_generic", "nf_reject_ipv4", "nf_reject_ipv6")
    seen: set[str] = set()
    for name in (*soft, *_MODULES):
        if name not in by_name:  # built in, or not in this kernel: the boot shows which
            continue
        for path in (*reversed(needs[by_name[name]]), by_name[name]):
            if path not in seen:
                seen.add(path)
                yield modules / path


def _member(name: str, content: bytes | None, number: int) -> bytes:
    """One member of a cpio archive of the kind "newc"; no content makes a directory."""
    mode = 0o040755 if content is None else 0o100755
    body = content or b""
    fields = (number, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(body)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
