"""What the role promises when it refuses nothing: each volume can be snapshotted, whole."""

from __future__ import annotations

from typing import Any

from orchestrator.verify.model import CheckRequest

LISTING = "find {top} -printf '%P %y %m %U:%G %s\\n' | sort"


def test_snapshot_is_whole(host: Any, request_: CheckRequest) -> None:
    """A snapshot of each volume is made, and holds all that the volume holds."""
    assert request_.volumes
    for volume in request_.volumes:
        aside = f"{volume}.molecule"
        host.check_output(f"btrfs subvolume snapshot -r {volume} {aside}")
        try:
            listed = host.check_output(LISTING.format(top=aside))
            assert len(listed.splitlines()) > 1
            # PostgreSQL goes on writing below the volume: what the snapshot holds stands still.
            assert host.check_output(LISTING.format(top=f"{aside}/orthanc")) == host.check_output(
                LISTING.format(top=f"{volume}/orthanc")
            )
        finally:
            host.check_output(f"btrfs subvolume delete {aside}")
