"""``make demo``: the main job on two hospitals, told as it happens.

1. Both run 1.10.1; 1.12.7 is mandated. Hospital B's own settings leave the PostgreSQL plugin out,
   so that its archive looks empty although its service is active and answers: A commits, B is
   restored.
2. B's settings are mended and 1.13.0 is mandated: both commit, A from 1.12.7 and B from 1.10.1.

A modality sends to each hospital all the while. The end is the lab's second opinion: everything
that was acknowledged, and everything from before, compared with what the archives give back.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from orchestrator.errors import LabError, WardshipError
from orchestrator.lab import modality
from orchestrator.lab.demo import PLACES, Demo
from orchestrator.lab.hospital import Lab
from orchestrator.lab.loss import lost_from
from orchestrator.lab.modality import Acknowledged, GapClosed
from orchestrator.lab.model import MODALITY_NAME

STATE = Path("/var/lib/wardship-lab")
Say = Callable[[str], None]


class Story:
    """The demonstration in one lab. Everything is done by the ``wardship`` command itself."""

    def __init__(self, demo: Demo, say: Say) -> None:
        self.demo = demo
        self.fleet = demo.fleet_directory
        self._say = say

    def tell(self) -> bool:
        """All of it; whether every hospital ended as it should and nothing was lost."""
        self._begin()
        with ExitStack() as stack:
            manifests = {host: stack.enter_context(self._modality(host)) for host in PLACES}
            self._say("")
            self._say("Two hospitals run Orthanc 1.10.1; a modality sends to each all the while.")
            self._settings("pacs-b", orthanc_plugins=["dicomweb"])
            self._say("Hospital B's settings leave the PostgreSQL plugin out of the new release.")
            first = self._change("1.12.7", expect=40)
            self._settings("pacs-b")
            self._say("Hospital B's settings are mended; 1.13.0 is mandated for both.")
            second = self._change("1.13.0", expect=0)
            self._wait_for_images(manifests)
        is_as_told = [one["state"] for one in first] == ["committed", "restored"]
        is_as_told &= [one["state"] for one in second] == ["committed", "committed"]
        return self._end([*first, *second], manifests) and is_as_told

    def _begin(self) -> None:
        """Both hospitals as found, whatever an earlier telling left."""
        shutil.rmtree(self.fleet / ".wardship", ignore_errors=True)
        for host in PLACES:
            told = self.demo.lab.home / "hosts" / f"{host}.told"
            if told.exists():
                self._say(f"{host}: going back to how it was found")
                self.demo.reset(host)
            told.touch()
            self._settings(host)

    def _change(self, release: str, *, expect: int) -> list[dict[str, object]]:
        """Mandate, survey and plan, run; gives the ends in order of the facilities."""
        order = {"product": "orthanc", "release": release, "facilities": "all"}
        mandate = {"mandate": f"Every archive runs {release}", "orders": [order]}
        (self.fleet / "mandate.yml").write_text(yaml.safe_dump(mandate, sort_keys=False))
        self._wardship("plan")
        plans = self.fleet / ".wardship" / "plans"
        plan = json.loads(
            max(plans.glob("*.json"), key=lambda one: one.stat().st_mtime).read_text()
        )
        digest = str(plan["digest"])[:12]
        self._wardship("run", digest, expect=expect)
        ended = []
        for change_set in sorted(plan["change_sets"], key=lambda one: str(one["facility"])):
            report = self.fleet / ".wardship" / "reports" / f"{change_set['id']}.json"
            ended.append(_ended(json.loads(report.read_text()), report.with_suffix(".html")))
        return ended

    def _wardship(self, *arguments: str, expect: int = 0) -> None:
        """Run the command as a person would, in the controller's network."""
        command = [sys.executable, "-c", "from orchestrator.cli.app import main; main()"]
        argv = [*self.demo.lab.enter_argv(), *command, "--fleet", str(self.fleet), *arguments]
        self._say("")
        self._say(f"$ wardship {' '.join(arguments)}")
        done = subprocess.run(argv, check=False)
        if done.returncode != expect:
            raise LabError(
                f"wardship {' '.join(arguments)} ended with {done.returncode}, expected {expect}",
                hint=f"look at it: wardship lab exec --name {self.demo.lab.name} -- "
                f"wardship --fleet {self.fleet} status",
            )

    def _settings(self, host: str, **settings: object) -> None:
        """Declare a hospital's own settings."""
        place = PLACES[host]
        file = self.fleet / "facilities" / f"{place.facility}.yml"
        declared = yaml.safe_load(file.read_text())
        declared["hosts"][host]["settings"] = {"orthanc_name": place.title, **settings}
        file.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False))

    @contextmanager
    def _modality(self, host: str) -> Iterator[Path]:
        manifest = self.demo.lab.home / f"acknowledged-{host}.jsonl"
        manifest.unlink(missing_ok=True)
        argv = [
            *self.demo.lab.enter_argv(MODALITY_NAME), sys.executable,
            "-m", "orchestrator.lab.modality",
            *self.demo.modality_argv(host), "--manifest", str(manifest), "--interval", "0.5",
        ]  # fmt: skip
        process = subprocess.Popen(argv)
        try:
            yield manifest
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def _wait_for_images(self, manifests: dict[str, Path]) -> None:
        """One more image each, so that the last gap has its end."""
        before = {host: len(modality.acknowledged(path)) for host, path in manifests.items()}
        deadline = time.monotonic() + 60
        for host, path in manifests.items():
            while len(modality.acknowledged(path)) <= before[host]:
                if time.monotonic() > deadline:
                    raise LabError(f"{host} takes no image any more", hint="see lab status")
                time.sleep(0.2)

    def _end(self, ends: Sequence[dict[str, object]], manifests: dict[str, Path]) -> bool:
        nothing_lost = True
        self._say("")
        self._say("What happened")
        for host, manifest in manifests.items():
            place = PLACES[host]
            lines = modality.read(manifest)
            sent = [line.object for line in lines if isinstance(line, Acknowledged)]
            gaps = [line.seconds for line in lines if isinstance(line, GapClosed)]
            lost = lost_from(self.demo.rest(host), [*self.demo.objects(host), *sent])
            nothing_lost &= not lost
            self._say(f"  {place.title}")
            for one in ends:
                if one["facility"] == place.facility:
                    self._say(
                        f"    {one['what']}: {one['state']}, clinic out {one['outage']:.0f} s"
                    )
                    self._say(f"      report: {one['report']}")
            kept = "nothing was lost" if not lost else f"{len(lost)} LOST"
            self._say(
                f"    {len(self.demo.objects(host))} images from before and {len(sent)} sent "
                f"meanwhile: {kept}; longest gap a modality saw: {max(gaps, default=0):.0f} s"
            )
        return nothing_lost


def _ended(report: dict[str, object], page: Path) -> dict[str, object]:
    hosts = report["hosts"]
    assert isinstance(hosts, list)
    planned = hosts[0]["planned"]
    outages = report["outages"]
    assert isinstance(outages, list)
    end = report["end"]
    assert isinstance(end, dict)
    return {
        "facility": report["facility"],
        "state": end["state"],
        "what": f"{planned['from_release']} → {planned['to_release']}",
        "outage": sum(float(one["seconds"]) for one in outages),
        "report": str(page),
    }


def main() -> int:
    """The process of ``make demo``."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(text, flush=True)  # noqa: T201 - this is the demonstration's own voice

    cache = Path(os.environ.get("WARDSHIP_CACHE") or Path("~/.cache/wardship").expanduser())
    lab = Lab("demo", state=STATE, cache=cache, say=say)
    try:
        demo = Demo(lab, say=say)
        demo.up()
        is_well = Story(demo, say).tell()
    except WardshipError as error:
        say(f"the demonstration stopped: {error.what}")
        say(f"next: {error.hint}")
        return error.exit_code
    say("")
    say(
        f"{'As it should be' if is_well else 'NOT AS IT SHOULD BE'}, in "
        f"{time.monotonic() - began:.0f} s. next: look at a report; the lab stays up for you: "
        "wardship lab status --name demo; remove it with: wardship lab down --name demo"
    )
    return 0 if is_well else 70


if __name__ == "__main__":
    raise SystemExit(main())
