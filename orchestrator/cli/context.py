"""What the global options say, and the fleet that they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from orchestrator.fleet.load import load
from orchestrator.fleet.model import Fleet

if TYPE_CHECKING:
    from orchestrator.wiring.controller import Controller


@dataclass(frozen=True)
class Context:
    """Given to every command by ``app``."""

    directory: Path

    def controller(self) -> Controller:
        """Who changes hospitals. Imported here: its engine takes long to import.

        Raises:
            FleetError: with every problem of the declaration.
        """
        from orchestrator.wiring.controller import Controller

        return Controller(self.fleet())

    def fleet(self) -> Fleet:
        """The declaration.

        Raises:
            FleetError: with every problem of it.
        """
        return load(self.directory)


def of(context: typer.Context) -> Context:
    """The global options of this run."""
    found = context.find_object(Context)
    assert found is not None
    return found
