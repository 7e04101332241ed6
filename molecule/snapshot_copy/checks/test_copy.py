"""What the role promises when it refuses nothing: what is to be copied can be, and put back."""

from __future__ import annotations

from typing import Any

from orchestrator.verify.model import CheckRequest

#: PostgreSQL goes on writing: of its databases, names and owners stand still, sizes do not.
LISTING = "find {top}/postgresql/base -printf '%P %y %m %U:%G\\n' | sort"
ARCHIVES = ("/images",)


def test_copy_is_whole_and_renamed(host: Any, request_: CheckRequest) -> None:
    """A copy beside each volume holds what the volume holds, and takes another name at once."""
    volumes = [volume for volume in request_.volumes if not volume.startswith(ARCHIVES)]
    assert volumes
    for volume in volumes:
        aside, renamed = f"{volume}.molecule", f"{volume}.renamed"
        try:
            host.check_output(f"cp --archive --reflink=auto {volume} {aside}")
            listed = host.check_output(LISTING.format(top=aside))
            assert len(listed.splitlines()) > 1
            assert listed == host.check_output(LISTING.format(top=volume))
            inode = host.check_output(f"stat --format=%i {aside}")
            host.check_output(f"mv --no-target-directory {aside} {renamed}")
            assert host.check_output(f"stat --format=%i {renamed}") == inode
            assert host.check_output(LISTING.format(top=renamed)) == listed
        finally:
            host.check_output(f"rm -rf {aside} {renamed}")
