"""What a run of checks looks at. Each thing is opened when it is first needed and looked at once:
the clinic waits, and checks that see the same thing agree. A look that failed fails for all.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from orchestrator.survey.census import Census
from orchestrator.verify.model import CheckRequest, CheckResult, DicomTarget, TlsTarget, WebTarget
from orchestrator.verify.onhost import HostRefused, OnHost
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.probe import PROBE_ROOT
from orchestrator.wire.association import Peer
from orchestrator.wire.dicom import DicomClient
from orchestrator.wire.dicomweb import WebClient
from orchestrator.wire.errors import Garbled
from orchestrator.wire.tls import Tls

Seen = TypeVar("Seen")
#: Seconds without an answer, after which a service is called silent.
PATIENCE = 10.0


class Site:
    """The product on its host, and what was known of it before."""

    def __init__(self, request: CheckRequest) -> None:
        self.request = request
        self._seen: dict[str, tuple[Any, BaseException | None]] = {}

    def once(self, what: str, look: Callable[[], Seen]) -> Seen:
        """The result of the first look, or what went wrong with it."""
        if what not in self._seen:
            try:
                self._seen[what] = (look(), None)
            except BaseException as error:
                self._seen[what] = (None, error)
                raise
        result, problem = self._seen[what]
        if problem is not None:
            raise problem
        found: Seen = result
        return found

    @cached_property
    def host(self) -> OnHost:
        """The host."""
        return OnHost(self.request)

    @property
    def dicom_target(self) -> DicomTarget:
        """Where the DICOM service is.

        Raises:
            Unknown: none is declared.
        """
        if self.request.dicom is None:
            raise Unknown("no DICOM service is declared for this host")
        return self.request.dicom

    @property
    def web_target(self) -> WebTarget:
        """Where the web service is.

        Raises:
            Unknown: none is declared.
        """
        if self.request.web is None:
            raise Unknown("no web service is declared for this host")
        return self.request.web

    @property
    def tls_target(self) -> TlsTarget:
        """What the DICOM service has to prove.

        Raises:
            Unknown: no TLS is declared.
        """
        if (target := self.dicom_target.tls) is None:
            raise Unknown("no DICOM TLS is declared for this host")
        return target

    @cached_property
    def tls_declared(self) -> Tls | None:
        """How the DICOM service is spoken to; None where it speaks in the clear."""
        target = self.dicom_target.tls
        if target is None:
            return None
        key = os.environ.get(target.own_key_env) if target.own_key_env else None
        if target.own_key_env and key is None:
            raise Unknown(f"our key is not in the environment as {target.own_key_env}")
        return Tls(target.ca, target.name, target.own_certificate, key)

    @cached_property
    def dicom(self) -> DicomClient:
        """The DICOM service, called by its right name."""
        return self.dicom_as(self.dicom_target.ae_title)

    def dicom_as(self, ae_title: str) -> DicomClient:
        """The DICOM service, called by any name."""
        return DicomClient(self._peer(ae_title, self.tls_declared))

    def dicom_in_the_clear(self) -> DicomClient:
        """The DICOM service without TLS, whatever is declared: to see that it is refused."""
        return DicomClient(self._peer(self.dicom_target.ae_title, None))

    def _peer(self, ae_title: str, tls: Tls | None) -> Peer:
        target = self.dicom_target
        return Peer(
            target.address, target.port, ae_title, target.calling, timeout=PATIENCE, tls=tls
        )

    @cached_property
    def web(self) -> WebClient:
        """The web service, with the declared account."""
        target = self.web_target
        password = os.environ.get(target.password_env) if target.password_env else None
        if target.password_env and password is None:
            raise Unknown(f"the password is not in the environment as {target.password_env}")
        return self.web_as(target.user, password)

    def web_as(self, user: str | None, password: str | None) -> WebClient:
        """The web service, with any account or none."""
        target = self.web_target
        root = urljoin(target.url.rstrip("/") + "/", target.dicomweb)
        return WebClient(root, user=user, password=password, timeout=PATIENCE)

    def baseline(self, check: str) -> CheckResult:
        """What a check found at the baseline.

        Raises:
            Unknown: it was not run, or did not pass.
        """
        found = self.request.baseline.result(check) if self.request.baseline else None
        if found is None or found.status != "passed":
            raise Unknown(f"nothing to compare with: {check} has no result at the baseline")
        return found

    def census_now(self, *, again: bool = False) -> Census:
        """What the product's index holds now; ``again`` looks a second time.

        Raises:
            Unknown: the host program cannot say.
        """
        look = "census-again" if again else "census"
        found = self.once(
            look, lambda: Census.model_validate(self.host.program("census"), strict=False)
        )
        return found.without(PROBE_ROOT)

    def census_before(self) -> Census:
        """The census that quiesce took.

        A change that was undone before it could take one, and before its snapshot, has touched
        nothing: then what is there now is what was there.

        Raises:
            Unknown: there is none.
        """
        path = self.request.census_before
        if path is None and self.is_untouched():
            return self.census_now()
        if path is None or not path.is_file():
            raise Unknown("nothing to compare with: there is no census from before the change")
        text = path.read_text("utf-8")
        return self.once("census-before", lambda: Census.model_validate_json(text)).without(
            PROBE_ROOT
        )

    def proof(self) -> dict[str, Any]:
        """What the host program finds when it compares stored files with the snapshot.

        Raises:
            HostRefused: there is no snapshot.
            Unknown: it cannot say.
        """
        return self.once(
            "proof", lambda: self.host.program("prove", sample=0, seed=self.request.seed)
        )

    def is_untouched(self) -> bool:
        """Whether this change was undone before its snapshot, so that nothing was ever applied."""
        if self.request.moment != "restored":
            return False
        try:
            self.proof()
        except HostRefused as refused:
            return refused.kind == "order"
        return False

    def census_reference(self) -> Census:
        """What must be there: the census of before the change, at the baseline the one of now."""
        if self.request.moment == "baseline":
            return self.census_now()
        return self.census_before()

    def found(self, *, again: bool = False) -> dict[str, int]:
        """Every study that C-FIND gives, with its number of objects, but for the probe's.

        Raises:
            WireError: no complete answer.
        """
        return self.once("found-again" if again else "found", self._find)

    def _find(self) -> dict[str, int]:
        # Every key is empty (universal matching, PS3.4 C.2.2.2.3): also studies without a date.
        keys = {"StudyInstanceUID": "", "StudyDate": "", "NumberOfStudyRelatedInstances": ""}
        counts: Counter[str] = Counter()
        for match in self.dicom.find("STUDY", keys):
            uid, count = match.get("StudyInstanceUID"), match.get("NumberOfStudyRelatedInstances")
            if not uid or count is None or count == "":
                raise Garbled(
                    f"{self.dicom.peer} names a study without its UID or its number of objects"
                )
            if not str(uid).startswith(f"{PROBE_ROOT}."):
                counts[str(uid)] += int(count)
        return dict(counts)

    def obstacle(self) -> str | None:
        """Why nobody can get through to the product at the moment; None where the way is free."""
        if not self.host.answers():
            return "and its host cannot be reached"
        for address, port in self._ends():
            if _is_here(address) and not _listens(address, port):
                return f"and our tunnel to it is gone (nothing listens on {address}:{port})"
        return None

    def _ends(self) -> list[tuple[str, int]]:
        ends = []
        if self.request.dicom is not None:
            ends.append((self.request.dicom.address, self.request.dicom.port))
        if self.request.web is not None:
            url = urlsplit(self.request.web.url)
            ends.append((url.hostname or "127.0.0.1", url.port or 80))
        return ends

    def close(self) -> None:
        """Give the product its places back."""
        for opened in ("dicom", "web"):
            if opened in self.__dict__:
                self.__dict__[opened].close()


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True
