"""Host keys: recorded once by name, never replaced silently."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import FleetError
from orchestrator.fleet.trust import HostKey, best, read_keys, record, recorded


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Real host keys by name, made by OpenSSH."""
    directory = tmp_path_factory.mktemp("keys")
    made = {"one": "ed25519", "two": "ed25519", "curve": "ecdsa"}
    for name, kind in made.items():
        argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(directory / name)]
        subprocess.run(argv, check=True)
    return {name: directory / f"{name}.pub" for name in made}


def key(path: Path) -> HostKey:
    (found,) = read_keys(path.read_text())
    return found


def test_the_fingerprint_is_openssh_s(keys: dict[str, Path]) -> None:
    argv = ["ssh-keygen", "-l", "-f", str(keys["one"])]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert key(keys["one"]).fingerprint == shown.split()[1]


def test_keyscan_output_is_read_and_the_best_key_taken(keys: dict[str, Path]) -> None:
    one, curve = key(keys["one"]), key(keys["curve"])
    scanned = (
        "# 10.77.0.11:22 SSH-2.0-OpenSSH_9.2p1\n"
        f"10.77.0.11 {curve.kind} {curve.blob}\n10.77.0.11 {one.kind} {one.blob}\n"
        "10.77.0.11 ssh-dss AAAA\n@revoked x ssh-ed25519 AAAA\ngarbage\n"
    )
    assert read_keys(scanned) == [curve, one]
    assert best(read_keys(scanned)) == one
    assert best([]) is None


def test_a_key_that_is_not_of_its_type_is_not_taken(keys: dict[str, Path]) -> None:
    assert read_keys(f"host ssh-rsa {key(keys['one']).blob}") == []
    assert read_keys("host ssh-ed25519 not-base64") == []


def test_a_first_key_is_recorded_under_the_hosts_name(keys: dict[str, Path]) -> None:
    one = key(keys["one"])
    text = record("other ssh-ed25519 AAAA\n", "pacs-a", one, replace=False)
    assert text == f"other ssh-ed25519 AAAA\npacs-a {one.kind} {one.blob}\n"
    assert recorded(text, "pacs-a") == one
    assert record(text, "pacs-a", one, replace=False) == text


def test_another_key_is_refused_and_replaced_only_when_asked(keys: dict[str, Path]) -> None:
    one, two = key(keys["one"]), key(keys["two"])
    text = record("", "pacs-a", one, replace=False)
    with pytest.raises(FleetError) as caught:
        record(text, "pacs-a", two, replace=False)
    assert one.fingerprint in caught.value.what
    assert two.fingerprint in caught.value.what
    assert "--replace" in caught.value.hint
    assert record(text, "pacs-a", two, replace=True) == f"pacs-a {two.kind} {two.blob}\n"
