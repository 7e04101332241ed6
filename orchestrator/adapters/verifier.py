"""Looks at a product through the host's ssh: opens the tunnel, runs the checks in their process.

Decides nothing about results. A tunnel that cannot be made gives *unknown* for every check.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.adapters.ssh import HostProgram, Tunnel
from orchestrator.errors import FleetError, WardshipError
from orchestrator.fleet.model import SecretRef
from orchestrator.plan.model import ChangeSet, HostChange
from orchestrator.verify import runner, suites
from orchestrator.verify.model import (
    CheckReport,
    CheckRequest,
    CheckResult,
    DicomTarget,
    Moment,
    TlsTarget,
    WebTarget,
)

#: The port on the PACS's own loopback where the declared AE ``WARDSHIP`` listens.
PROBE_PORT = 11112
_PASSWORD = "WARDSHIP_WEB_PASSWORD"  # noqa: S105 - the name of a variable
_KEY = "WARDSHIP_DICOM_KEY"


@dataclass(frozen=True)
class TunnelVerifier:
    """``rollout.ports.Verifier``. ``secret`` resolves a reference at the moment it is needed.

    ``path``: where a file that the declaration names is.
    """

    program: HostProgram
    ssh_config: Path
    secret: Callable[[SecretRef], str]
    path: Callable[[str], Path]
    roles: Path

    def expected(self, host: HostChange, moment: Moment) -> tuple[str, ...]:
        """The checks of the host's suites and of its role that this moment asks for."""
        return suites.expected_checks(host.suites, moment, role_checks=self._role_checks(host))

    def check(
        self,
        change_set: ChangeSet,
        host: HostChange,
        moment: Moment,
        *,
        baseline: CheckReport | None,
        census_before: str | None,
    ) -> CheckReport:
        """One run of the checks through a tunnel of its own."""
        local = [endpoint.port for endpoint in (host.dicom, host.web) if endpoint]
        remote = [PROBE_PORT] if host.dicom else []
        with tempfile.TemporaryDirectory(prefix="wardship-checks-") as directory:
            workdir = Path(directory)
            census = workdir / "census-before.json" if census_before else None
            if census and census_before:
                census.write_text(census_before)
            try:
                with self.program.forward(host.host, local=local, remote=remote) as tunnel:
                    request = self._request(change_set, host, moment, tunnel).model_copy(
                        update={"baseline": baseline, "census_before": census}
                    )
                    return runner.run_checks(request, workdir=workdir, env=self._secrets(host))
            except WardshipError as error:
                return self._nothing_seen(change_set, host, moment, error.what)

    def _request(
        self, change_set: ChangeSet, host: HostChange, moment: Moment, tunnel: Tunnel
    ) -> CheckRequest:
        release = host.to_release if moment == "applied" else host.from_release
        return CheckRequest(
            change_set=change_set.id,
            moment=moment,
            host=host.host,
            ssh_config=self.ssh_config,
            sudo=host.ssh.become,
            release=release,
            root=host.root,
            services=host.services,
            ports=_served(host, moment),
            volumes=tuple(volume.path for volume in host.volumes),
            min_free_mib=host.min_free_mib,
            suites=host.suites,
            role_checks=self._role_checks(host),
            dicom=DicomTarget(
                port=tunnel.local[host.dicom.port],
                ae_title=host.dicom.ae_title,
                receive_port=tunnel.remote[PROBE_PORT],
                tls=self._tls(host),
            )
            if host.dicom
            else None,
            web=WebTarget(
                url=f"http://127.0.0.1:{tunnel.local[host.web.port]}",
                dicomweb=host.web.dicomweb,
                user=host.web.user,
                password_env=_PASSWORD if host.web.password else None,
            )
            if host.web
            else None,
            settings=change_set.verify,
            seed=int.from_bytes(hashlib.sha256(change_set.id.encode()).digest()[:4]),
        )

    def _tls(self, host: HostChange) -> TlsTarget | None:
        tls = host.dicom.tls if host.dicom else None
        if tls is None:
            return None
        own = tls.probe.certificate if tls.probe else None
        return TlsTarget(
            ca=self._text(tls.ca),
            name=tls.name or host.address,
            certificate=self._text(tls.certificate),
            own_certificate=self._text(own) if own else None,
            own_key_env=_KEY if own else None,
        )

    def _text(self, declared: str) -> str:
        try:
            return self.path(declared).read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not PEM"
            raise FleetError(
                f"{declared}: cannot be read ({reason})", hint="wardship fleet check"
            ) from None

    def _secrets(self, host: HostChange) -> dict[str, str]:
        """What the checks need, by the variables that they look in."""
        found = {}
        if host.web and host.web.password:
            found[_PASSWORD] = self.secret(host.web.password)
        probe = host.dicom.tls.probe if host.dicom and host.dicom.tls else None
        if probe and probe.key:
            found[_KEY] = self.secret(probe.key)
        elif probe and probe.key_file:
            found[_KEY] = self._text(probe.key_file)
        return found

    def _role_checks(self, host: HostChange) -> Path | None:
        checks = self.roles / host.role / "checks"
        return checks if checks.is_dir() else None

    def _nothing_seen(
        self, change_set: ChangeSet, host: HostChange, moment: Moment, because: str
    ) -> CheckReport:
        return CheckReport(
            change_set=change_set.id,
            host=host.host,
            moment=moment,
            taken_at=datetime.now(UTC),
            results=tuple(
                CheckResult.unknown(check, because=because) for check in self.expected(host, moment)
            ),
        )


def _served(host: HostChange, moment: Moment) -> tuple[int, ...]:
    """The ports that the product itself has to serve then."""
    not_yet = {"baseline": host.brings_tcp, "applied": (), "restored": host.beside_tcp}
    return tuple(port for port in host.door_tcp if port not in not_yet[moment])
