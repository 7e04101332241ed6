"""DICOM over TLS: what we offer a peer, what it has to prove, and what a failure of it means.

The profile is PS3.15 B.9, Non-Downgrading BCP 195: TLS 1.2 with ephemeral keys and authenticated
encryption, or TLS 1.3. A peer is believed only with a certificate of the declared authority for the
declared name. There is no way back to plain DICOM.
"""

from __future__ import annotations

import os
import socket
import ssl
import warnings
from dataclasses import dataclass, field
from typing import Any

from orchestrator.wire.errors import Cut, NotSecure, Silent, WireError

#: TLS 1.2 suites (RFC 9325 section 4.2); those of TLS 1.3 are all of this kind.
SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
#: What OpenSSL says of a certificate (X509_V_ERR_…).
_NOT_YET, _EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 9, 10, 62, 64
#: What it says when the answer was no TLS at all.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})
#: The peer's words about *our* certificate (RFC 8446 section 6.2).
_ABOUT_US = {
    "CERTIFICATE_REQUIRED": "asks for a certificate, and we have none to show",
    "CERTIFICATE_EXPIRED": "says that our certificate has expired",
    "CERTIFICATE_UNKNOWN": "does not accept our certificate",
    "BAD_CERTIFICATE": "does not accept our certificate",
    "UNSUPPORTED_CERTIFICATE": "does not accept our certificate",
    "UNKNOWN_CA": "does not know the authority that issued our certificate",
}


@dataclass(frozen=True)
class Tls:
    """What a peer has to prove (``ca``: certificates of authorities; ``name``), and our own proof.

    All are PEM texts but ``name``, a host name or an address. ``key`` is a secret without password.
    """

    ca: str
    name: str
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)


def client_context(tls: Tls) -> ssl.SSLContext:
    """What we offer: never less than the profile.

    Raises:
        NotSecure: what we were given ourselves cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    try:
        context.load_verify_locations(cadata=tls.ca)
    except (ssl.SSLError, ValueError) as error:
        raise NotSecure(f"our list of authorities cannot be used: {_said(error)}") from None
    if tls.certificate and tls.key:
        show_certificate(context, tls.certificate, tls.key)
    return context


def show_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Let ``context`` prove who we are. The key goes through memory, never to a disk.

    Raises:
        NotSecure: they do not belong together, or cannot be read.
    """
    handle = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(f"{certificate.strip()}\n{key.strip()}\n".encode())
        # An empty password: OpenSSL must not ask for one at the terminal.
        context.load_cert_chain(f"/proc/self/fd/{handle}", password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise NotSecure(f"our own certificate cannot be used: {_said(error)}") from None
    finally:
        os.close(handle)


def noting(context: ssl.SSLContext) -> list[Exception]:
    """What goes wrong on the connections of ``context`` from now on: pynetdicom keeps no reason."""
    noted: list[Exception] = []

    class Noting(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as inherited
            try:
                super().do_handshake(block)
            except Exception as error:
                noted.append(error)
                raise

        def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
            try:
                return super().recv(buflen, flags)
            except ssl.SSLError as error:
                noted.append(error)
                raise

    context.sslsocket_class = Noting
    return noted


def meaning(peer: object, error: Exception) -> WireError:
    """What a failed handshake says about the peer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotSecure(f"{peer} {_untrusted(error)}")
    if isinstance(error, TimeoutError):
        return Silent(f"{peer} did not answer the TLS handshake")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or not isinstance(
        error, ssl.SSLError
    ):
        return Cut(f"{peer} ended the connection before TLS was agreed on")
    reason = error.reason or ""
    if reason in _NO_TLS:
        return NotSecure(f"{peer} speaks no TLS, which is declared for it")
    alert = reason.rpartition("ALERT_")[2]
    if alert in _ABOUT_US:
        return NotSecure(f"{peer} {_ABOUT_US[alert]}")
    return NotSecure(f"{peer} refuses the TLS handshake: {_said(error)}")


def is_refusal(error: Exception) -> bool:
    """Whether the peer itself refused what was offered, for another reason than our certificate."""
    reason = getattr(error, "reason", None) or ""
    return "ALERT_" in reason and reason.rpartition("ALERT_")[2] not in _ABOUT_US


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return "shows a certificate that has expired"
    if code == _NOT_YET:
        return "shows a certificate that is not valid yet"
    if code in (_WRONG_HOST, _WRONG_ADDRESS):
        return f"shows a certificate of another name: {error.verify_message}"
    return f"shows a certificate that the declared authority did not issue: {error.verify_message}"


def _said(error: Exception) -> str:
    """OpenSSL's own word; never what it was given, which may be a key."""
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else type(error).__name__


def speaks_tls(address: str, port: int, *, timeout: float) -> bool:
    """Whether TLS is answered there, with whatever certificate. Nothing is sent but the offer."""
    try:
        presented(address, port, timeout=timeout)
    except ssl.SSLError as error:
        return error.reason is not None and error.reason not in _NO_TLS
    except OSError:
        return False
    return True


def presented(
    address: str,
    port: int,
    *,
    timeout: float,
    tls: Tls | None = None,
    only: ssl.TLSVersion | None = None,
) -> tuple[str, bytes]:
    """The TLS version that is agreed on, and the certificate (DER) that is shown, unjudged.

    ``tls``: with our own proof. ``only``: offer this version alone, also one that is broken, as an
    attacker would.

    Raises:
        ssl.SSLError, OSError: no TLS came about.
        ValueError: this machine's own TLS cannot offer that version.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls and tls.certificate and tls.key:
        show_certificate(context, tls.certificate, tls.key)
    if only is not None:
        _offer_only(context, only)
    with (
        socket.create_connection((address, port), timeout=timeout) as plain,
        context.wrap_socket(plain) as secured,
    ):
        certificate: Any = secured.getpeercert(binary_form=True)
        return str(secured.version()), certificate or b""


def _offer_only(context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    if version < ssl.TLSVersion.TLSv1_2:
        # Today's libraries offer what is broken only at security level 0.
        context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version
        context.maximum_version = version
