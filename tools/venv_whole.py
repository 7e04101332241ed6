"""Is every file that the installed packages brought still there, as they brought it?

Runs under the environment's own Python and exits 1 with the first few differences. Compares sizes,
which takes a second at most; with ``--hash`` the contents too. Cannot see files added by others.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from itertools import islice
from pathlib import Path


def differences(site: Path, *, hashing: bool) -> Iterator[str]:
    """What the packages' RECORD files say and the disk does not, one line each."""
    records = sorted(site.glob("*.dist-info/RECORD"))
    if not records:
        yield f"{site}: nothing is installed"
    for record in records:
        with record.open(newline="", encoding="utf-8") as lines:
            for name, digest, size in csv.reader(lines):
                # os.path: twenty thousand Path objects would cost a second at every start.
                path = os.path.normpath(os.path.join(site, name))  # noqa: PTH118
                if size and (why := difference(path, digest if hashing else "", int(size))):
                    yield f"{path}: {why}"


def difference(path: str, digest: str, size: int) -> str:
    """Why the file is not as recorded; empty if it is, or if nothing was recorded of it."""
    try:
        found = os.stat(path).st_size  # noqa: PTH116
    except OSError as error:
        return str(error.strerror)
    if found != size:
        return f"{found} bytes, not {size}"
    if digest and not has_digest(path, digest):
        return "its content differs"
    return ""


def has_digest(path: str, recorded: str) -> bool:
    """Whether the file has RECORD's ``algorithm=urlsafe-base64`` digest."""
    algorithm, _, value = recorded.partition("=")
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, algorithm).digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == value


def main() -> int:
    """Exit 0 when nothing differs."""
    sites = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    hashing = "--hash" in sys.argv[1:]
    found = list(islice((d for site in sites for d in differences(site, hashing=hashing)), 5))
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
