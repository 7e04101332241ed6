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
from orchestrator.errors import WardshipError
from orchestrator.fleet.model import SecretRef
from orchestrator.plan.model import ChangeSet, HostChange
from orchestrator.verify import runner, suites
from orchestrator.verify.model import (
    CheckReport,
    CheckRequest,
    CheckResult,
    DicomTarget,
    Moment,
    WebTarget,
)

#: The port on the PACS's own loopback where the declared AE ``WARDSHIP`` listens.
PROBE_PORT = 11112
_PASSWORD = "WARDSHIP_WEB_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True)
class TunnelVerifier:
    """``rollout.ports.Verifier``. ``secret`` resolves a reference at the moment it is needed."""

    program: HostProgram
    ssh_config: Path
    secret: Callable[[SecretRef], str]
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
            ports=host.door_tcp,
            volumes=tuple(volume.path for volume in host.volumes),
            min_free_mib=host.min_free_mib,
            suites=host.suites,
            role_checks=self._role_checks(host),
            dicom=DicomTarget(
                port=tunnel.local[host.dicom.port],
                ae_title=host.dicom.ae_title,
                receive_port=tunnel.remote[PROBE_PORT],
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

    def _secrets(self, host: HostChange) -> dict[str, str]:
        if host.web is None or host.web.password is None:
            return {}
        return {_PASSWORD: self.secret(host.web.password)}

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
