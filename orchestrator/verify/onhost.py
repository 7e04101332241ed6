"""The host as the checks see it: a shell by testinfra over the shared ssh connection, and the host
program's questions. Changes nothing there, but for ``forget``, which removes the probe's own study.
"""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import testinfra

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown

PROGRAM = "/usr/local/lib/wardship/wardship-host"
REFUSED = 3
#: Enough to tell a slow line from the time that it takes to ask.
LINE_BYTES = 256_000
#: Paths that fit one command line (Linux takes 128 KiB in one argument).
AT_ONCE = 500


class HostRefused(Unknown):
    """The host program refused: ``kind`` is its word for why."""

    def __init__(self, kind: str, because: str) -> None:
        super().__init__(f"the host program refuses: {because}")
        self.kind = kind


class OnHost:
    """One host. ``shell`` is testinfra's host object, with all of its modules."""

    def __init__(self, request: CheckRequest, *, shell: Any = None) -> None:
        self._request = request
        self._lost = ""
        self.shell = shell or testinfra.get_host(
            f"ssh://{request.host}",
            ssh_config=str(request.ssh_config),
            # Use the shared connection where there is one, but never leave a new one behind.
            ssh_extra_args="-o ControlMaster=no",
            sudo=request.sudo,
        )

    def run(self, *words: str) -> str:
        """Standard output of a command.

        Raises:
            Unknown: it failed, or ssh did.
        """
        code, out, err = self._run(shlex.join(words))
        if code:
            raise Unknown(f"{words[0]} on {self._request.host}: {_last(err) or f'exit {code}'}")
        return out

    def line(self) -> float:
        """What the line from the host carries, in bytes a second, the way to ask included.

        Raises:
            Unknown: it could not be tried.
        """
        began = time.monotonic()
        came = len(self.run("sh", "-c", f"head -c {LINE_BYTES} /dev/zero | tr '\\0' x"))
        if came != LINE_BYTES:
            raise Unknown(f"{came} of {LINE_BYTES} bytes came over the line from the host")
        return came / (time.monotonic() - began)

    def answers(self) -> bool:
        """Whether the host can be reached at this moment."""
        self._lost = ""
        try:
            return self._run("true")[0] == 0
        except Unknown:
            return False

    def program(self, verb: str, **options: str | int) -> dict[str, Any]:
        """What the host program answers.

        Raises:
            HostRefused: it refused.
            Unknown: it failed, or could not be asked.
        """
        words = [PROGRAM, verb, "--change", self._request.change_set]
        for name, value in options.items():
            words += [f"--{name}", str(value)]
        code, out, err = self._run(shlex.join(words))
        try:
            answer = json.loads(out)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unknown(
                f"the host program's {verb} gave no answer: {_last(err) or f'exit {code}'}"
            )
        if code == REFUSED:
            raise HostRefused(str(answer.get("refused")), str(answer.get("because")))
        if code:
            raise Unknown(f"the host program's {verb}: {answer.get('because') or f'exit {code}'}")
        return answer

    def sizes(self, directories: list[str]) -> dict[str, int]:
        """Every file below these directories of the volumes: path in its volume → bytes."""
        found: dict[str, int] = {}
        for volume in self._request.volumes:
            tops = [f"./{directory}" for directory in directories]
            looking = shlex.join(["find", *tops, "-type", "f", "-printf", r"%s %p\n"])
            _, out, _ = self._run(f"cd {shlex.quote(volume)} && {looking} 2>/dev/null")
            for line in out.splitlines():
                size, _, path = line.partition(" ./")
                found[path] = int(size)
        return found

    def md5(self, files: list[str]) -> dict[str, str]:
        """MD5 of files by their path in their volume, without those that cannot be read."""
        found: dict[str, str] = {}
        for volume in self._request.volumes:
            left = [file for file in files if file not in found]
            for begin in range(0, len(left), AT_ONCE):
                hashing = shlex.join(["md5sum", "--", *left[begin : begin + AT_ONCE]])
                _, out, _ = self._run(f"cd {shlex.quote(volume)} && {hashing} 2>/dev/null")
                for line in out.splitlines():
                    digest, _, path = line.partition("  ")
                    found[path] = digest
        return found

    def _run(self, command: str) -> tuple[int, str, str]:
        if self._lost:  # the clinic waits: a host that is gone is not waited for again
            raise Unknown(self._lost)
        try:
            ended = self.shell.run(command)
        except RuntimeError as error:  # testinfra: ssh itself ended with 255
            because = _last(getattr(error.args[0], "stderr", "")) if error.args else ""
            self._lost = f"{self._request.host} cannot be reached: {because}"
            raise Unknown(self._lost) from None
        return int(ended.rc), str(ended.stdout), str(ended.stderr)


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""
