"""Shows change sets as they go: one line for each thing that happened, as the journal has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from orchestrator.cli.console import console
from orchestrator.rollout.model import Entry, Event, Record, State
from orchestrator.rollout.phases import ENDS

#: What each state does, in the words of the person who waits for it.
DOING = {
    State.STAGING: "staging the release beside the old one",
    State.PREFLIGHT: "asking every gate again",
    State.BASELINE: "checking what works now",
    State.QUIESCING: "door shut, stopping the product",
    State.SNAPSHOTTING: "taking the snapshot",
    State.APPLYING: "switching to the new release",
    State.VERIFYING: "checking the new release",
    State.COMMITTING: "deciding to commit",
    State.OPENING: "opening the door",
    State.REVERSING: "ordering the committed change back",
    State.REVERTING: "deciding to restore",
    State.RESTORING: "putting everything back",
    State.CONFIRMING: "checking what was put back",
    State.REOPENING: "opening the door again",
}


class Progress:
    """Prints what is new in the records. On a terminal a moving line tells what is under way."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._status = console.moving()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing moves while a person is asked."""
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()

    def show(self, records: Sequence[Record]) -> None:
        """Print every journal entry that was not printed yet."""
        for record in records:
            last = self._seen.get(record.change_set.id, 0)
            for entry in record.entries:
                if entry.seq > last:
                    self._line(record, entry)
                    self._seen[record.change_set.id] = entry.seq
        under_way = [
            f"{record.change_set.facility}: {DOING[record.state]}"
            for record in records
            if record.state not in ENDS
        ]
        self._status.update(" · ".join(under_way) or "done")

    def _line(self, record: Record, entry: Entry) -> None:
        facility = record.change_set.facility
        if entry.event is None:
            if not console.is_terminal:
                console.say(f"{facility}: {DOING.get(entry.state, entry.state)}")
            return
        took = f" ({entry.seconds:.1f} s)" if entry.seconds is not None else ""
        if entry.event is Event.DONE:
            told = f": {entry.because}" if entry.because else ""
            console.say(f"{facility}: {entry.state} done{took}{told}")
        else:
            console.say(f"{facility}: {entry.state} {entry.event}{took}: {entry.because}")
