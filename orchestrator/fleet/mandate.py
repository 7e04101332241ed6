"""The mandate: which release must run where, by when."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.fleet.catalog import ReleaseName


def _written_as_a_day(value: object) -> object:
    if isinstance(value, str | date):
        return value
    raise ValueError("expected a day such as 2026-12-31")


Day = Annotated[date, BeforeValidator(_written_as_a_day)]


class Order(BaseModel):
    """One product's release for some facilities, or for all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    product: str
    release: ReleaseName
    facilities: Literal["all"] | tuple[str, ...] = "all"
    by: Day | None = None


class Mandate(BaseModel):
    """``mandate.yml``. A facility may be named by one order a product. Orders may be none."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    mandate: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,80}$")]
    orders: tuple[Order, ...]

    def release_for(self, facility: str, product: str) -> str | None:
        """The release ordered for a product at a facility; None where no order speaks of it."""
        for order in self.orders:
            named = order.facilities == "all" or facility in order.facilities
            if order.product == product and named:
                return order.release
        return None
