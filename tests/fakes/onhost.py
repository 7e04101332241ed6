"""A host as the checks see it: files, services and the host program, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.verify.onhost import HostRefused
from orchestrator.verify.outcome import Unknown

Raw = dict[str, Any]


@dataclass
class FakeOnHost:
    """Implements ``verify.onhost.OnHost`` without a host.

    ``files``: path in its volume → (size, MD5). ``outputs``: first words of a command → its output.
    """

    census: Raw = field(default_factory=dict)
    proof: Raw | None = None
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    reachable: bool = True
    line_carries: float = 1e7
    forget: Callable[[str], None] | None = None
    asked: list[str] = field(default_factory=list)
    shell: Any = None

    def run(self, *words: str) -> str:
        command = " ".join(words)
        for beginning, output in self.outputs.items():
            if command.startswith(beginning):
                return output
        raise Unknown(f"{words[0]}: not found")

    def line(self) -> float:
        if not self.reachable:
            raise Unknown("the host cannot be reached")
        return self.line_carries

    def answers(self) -> bool:
        return self.reachable

    def program(self, verb: str, **options: str | int) -> Raw:
        self.asked.append(verb)
        if not self.reachable:
            raise Unknown("the host cannot be reached")
        if verb == "census":
            return self.census
        if verb == "prove":
            if self.proof is None:
                raise HostRefused("order", "there is no snapshot")
            return self.proof
        if verb == "forget" and self.forget is not None:
            self.forget(str(options["study"]))
            return {"forgotten": options["study"]}
        raise Unknown(f"the host program's {verb}: it failed")

    def sizes(self, directories: list[str]) -> dict[str, int]:
        return {
            path: size
            for path, (size, _) in self.files.items()
            if path.partition("/")[0] in directories
        }

    def md5(self, files: list[str]) -> dict[str, str]:
        return {path: self.files[path][1] for path in files if path in self.files}
