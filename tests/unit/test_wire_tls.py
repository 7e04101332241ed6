"""DICOM over TLS: never less than the profile, never in the clear, every failure by its name."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.lab.authority import Authority, Identity
from orchestrator.wire.association import Peer
from orchestrator.wire.certificates import read_certificates
from orchestrator.wire.dicom import DicomClient
from orchestrator.wire.errors import Cut, Garbled, NotConnected, NotSecure, Silent, WireError
from orchestrator.wire.tls import Tls, client_context, presented, show_certificate, speaks_tls
from tests.fakes.pacs import FakePacs

NAME = "pacs.invalid"
AUTHORITY, STRANGER = Authority(), Authority()
ARCHIVE, PROBE = AUTHORITY.issue(NAME), AUTHORITY.issue("wardship.invalid")
TLS = Tls(AUTHORITY.certificate, NAME, PROBE.certificate, PROBE.key)


def speaking(
    identity: Identity, *, asks: bool = False, trusts: str = AUTHORITY.certificate
) -> ssl.SSLContext:
    """A server's side; it ``asks`` its callers for a certificate of whom it ``trusts``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    show_certificate(context, identity.certificate, identity.key)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=trusts)
    return context


@contextmanager
def archive(context: ssl.SSLContext | None) -> Iterator[FakePacs]:
    with FakePacs(secured=context) as pacs:
        yield pacs


def peer_at(port: int) -> Peer:
    return Peer("127.0.0.1", port, "SOMEBODY", timeout=5.0)


def echo(pacs: FakePacs, tls: Tls | None) -> None:
    with DicomClient(pacs.peer(tls=tls)) as client:
        client.echo()


@pytest.mark.parametrize("asks", [False, True])
def test_a_peer_that_proves_its_name_is_spoken_to(asks: bool) -> None:
    with archive(speaking(ARCHIVE, asks=asks)) as pacs:
        echo(pacs, TLS)
        assert pacs.associations == 1


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (AUTHORITY.issue("other.invalid"), "another name"),
        (AUTHORITY.issue(NAME, days=-1), "has expired"),
        (AUTHORITY.issue(NAME, since=datetime.now(UTC) + timedelta(hours=5)), "not valid yet"),
        (STRANGER.issue(NAME), "did not issue"),
    ],
)
def test_a_certificate_that_proves_nothing_is_told_by_its_fault(shown: Identity, told: str) -> None:
    with archive(speaking(shown)) as pacs:
        with pytest.raises(NotSecure, match=told):
            echo(pacs, TLS)
        assert pacs.associations == 0


def test_a_caller_without_the_certificate_that_is_asked_for_is_told_so() -> None:
    bare = Tls(AUTHORITY.certificate, NAME)
    with (
        archive(speaking(ARCHIVE, asks=True)) as pacs,
        pytest.raises(NotSecure, match="asks for a certificate"),
    ):
        echo(pacs, bare)


def test_a_caller_whose_authority_is_not_known_there_is_told_so() -> None:
    with (
        archive(speaking(ARCHIVE, asks=True, trusts=STRANGER.certificate)) as pacs,
        pytest.raises(NotSecure, match="does not know the authority"),
    ):
        echo(pacs, TLS)


def test_a_peer_in_the_clear_is_never_spoken_to_where_tls_is_declared() -> None:
    with archive(None) as pacs:
        with pytest.raises(WireError) as told:
            echo(pacs, TLS)
        assert isinstance(told.value, NotSecure | Cut)
        assert pacs.associations == 0


def test_a_peer_that_answers_tls_with_plain_dicom_is_told_to_speak_none() -> None:
    with (
        answering(b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00") as port,
        pytest.raises(NotSecure, match="speaks no TLS"),
    ):
        DicomClient(replace(peer_at(port), tls=TLS)).echo()


def test_a_peer_with_tls_where_none_is_declared_is_told_so() -> None:
    with (
        archive(speaking(ARCHIVE)) as pacs,
        pytest.raises(NotSecure, match="none is declared"),
    ):
        echo(pacs, None)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_a_broken_version_is_not_taken_from_us(version: ssl.TLSVersion) -> None:
    old = speaking(ARCHIVE)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = old.maximum_version = version
    with archive(old) as pacs:
        assert presented("127.0.0.1", pacs.port, timeout=5, only=version)[0] == {
            ssl.TLSVersion.TLSv1: "TLSv1",
            ssl.TLSVersion.TLSv1_1: "TLSv1.1",
        }.get(version)
        with pytest.raises(NotSecure, match="refuses the TLS handshake"):
            echo(pacs, TLS)


def test_only_suites_with_ephemeral_keys_and_authenticated_encryption_are_offered() -> None:
    offered = [one["name"] for one in client_context(TLS).get_ciphers()]
    assert offered
    for name in offered:
        assert name.startswith(("ECDHE-", "TLS_")), name
        assert "GCM" in name or "CHACHA20" in name, name


def test_a_peer_that_never_answers_the_handshake_is_silent() -> None:
    with answering(None) as port, pytest.raises(Silent):
        DicomClient(replace(peer_at(port), tls=TLS, timeout=0.3)).echo()


def test_a_peer_that_hangs_up_in_the_handshake_says_nothing_of_itself() -> None:
    with answering(b"") as port, pytest.raises(Cut):
        DicomClient(replace(peer_at(port), tls=TLS)).echo()


def test_nothing_that_listens_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotConnected):
        DicomClient(replace(peer_at(port), tls=TLS)).echo()


@pytest.mark.parametrize(
    "tls",
    [
        replace(TLS, key=STRANGER.issue(NAME).key),
        replace(TLS, key="no key"),
        replace(TLS, ca="no certificate"),
    ],
)
def test_what_we_cannot_use_ourselves_is_told_without_the_key(tls: Tls) -> None:
    with pytest.raises(NotSecure) as told:
        client_context(tls)
    assert "our" in str(told.value)
    assert "no key" not in str(told.value)


def test_a_key_is_in_no_text_of_what_holds_it() -> None:
    assert "PRIVATE" not in repr(TLS)
    assert "PRIVATE" not in repr(PROBE)


def test_no_key_is_written_to_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    client_context(TLS)
    assert list(tmp_path.iterdir()) == []


def test_whether_tls_is_spoken_is_seen_without_believing_anything() -> None:
    with archive(speaking(STRANGER.issue("other.invalid"))) as secured, archive(None) as plain:
        assert speaks_tls("127.0.0.1", secured.port, timeout=5)
        assert not speaks_tls("127.0.0.1", plain.port, timeout=5)


def test_a_certificate_is_read_with_its_names_and_its_end() -> None:
    (found,) = read_certificates(ARCHIVE.certificate)
    assert found.names == (NAME,)
    assert found.not_before < datetime.now(UTC) < found.not_after
    assert len(found.fingerprint) == 64


@pytest.mark.parametrize("text", ["", "nothing", PROBE.key])
def test_what_is_no_certificate_is_garbled_and_not_repeated(text: str) -> None:
    with pytest.raises(Garbled) as told:
        read_certificates(text)
    assert not text or text not in str(told.value)


@contextmanager
def answering(says: bytes | None) -> Iterator[int]:
    """Something that listens, and answers the first bytes with these and no more; None: never."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                if says is None:
                    done.wait(10)
                else:
                    connection.sendall(says)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            done.set()
            thread.join(10)
