"""How a call ends other than well: refused (nothing was done) or failed (not as it had to be)."""

from __future__ import annotations


class RefusedError(Exception):
    """Nothing was done, and this is why. ``kind`` is one of docs/host-program.md's words."""

    def __init__(self, kind: str, because: str) -> None:
        super().__init__(kind, because)
        self.kind = kind
        self.because = because

    def __str__(self) -> str:
        return f"{self.kind}: {self.because}"


class FailedError(Exception):
    """A step did not do what it had to, or could not prove that it did."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because
