"""What is kept for the person who asks why: the failed paths and the services' last words.

Nothing here may stop a restore: what cannot be kept is noted.
"""

from __future__ import annotations

from . import ballast, saved
from .change import look
from .outcome import FailedError
from .phases import ABSENT
from .work import Work

LINES = "2000"
ENOUGH = 32 * 1024 * 1024


def keep(work: Work) -> None:
    """Keep what is about to be put back or lost; what was kept before stays."""
    directory = work.change.paths.evidence
    if work.system.free(work.host.layout.state) < ballast.SIZE + ENOUGH:
        work.note("evidence not kept: the disk is full")
        return
    try:
        work.disk.make_dir(directory)
        _journal(work)
        if not (directory / "paths").exists():
            saved.save(work.system, work.manifest.paths, to=directory / "paths.tmp")
            work.disk.rename(directory / "paths.tmp", directory / "paths")
    except (FailedError, OSError) as error:
        work.note(f"evidence not kept: {error}")


def _journal(work: Work) -> None:
    """The services' journal since quiesce, once. It may name patients: it stays on the host."""
    at = work.change.paths.evidence / "journal.log"
    state, record = look(work.change, "quiesce")
    if at.exists() or state == ABSENT:
        return
    since = f"@{int(float(record['began']))}"
    units = [word for service in work.manifest.services for word in ("-u", service)]
    argv = ["journalctl", "--no-pager", "-o", "short-iso", "--since", since, "-n", LINES, *units]
    ran = work.system.run(argv, timeout=20)
    work.disk.write(at, (ran.out or ran.err).encode())
