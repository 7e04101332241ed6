"""The catalog: products, their releases, and the artifacts a release is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from orchestrator.fleet.needs import is_range

ReleaseName = Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+~-]{0,39}$", strict=True)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

#: DICOM PS3.5 section 9.1.
Uid = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)+$", max_length=64)]


def _a_range(text: str) -> str:
    if not is_range(text):
        raise ValueError(f"{text!r} is no range of releases, expected one such as >=1.12")
    return text


#: A range of releases, as PEP 440 writes it: ``>=1.12,<2``.
ReleaseRange = Annotated[str, Field(strict=True), AfterValidator(_a_range)]


class Artifact(BaseModel):
    """A file in the depot. ``size`` in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+~-]*$")
    sha256: Sha256
    size: int = Field(gt=0, strict=True)


class Release(BaseModel):
    """A version of a product: what it is made of, and which releases may go to it.

    ``refuses``: UIDs of SOP classes and transfer syntaxes that it does not take (docs/parking.md).
    ``needs``: other products, and which releases of them must run at the same facility.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    artifact: Artifact
    upgrades_from: tuple[ReleaseName, ...] = ()
    irreversible: bool = False
    refuses: tuple[Uid, ...] = ()
    needs: dict[str, ReleaseRange] = Field(default_factory=dict)


class Product(BaseModel):
    """A piece of software and the role that knows how to run it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    releases: dict[ReleaseName, Release] = Field(min_length=1)


class Catalog(BaseModel):
    """``catalog.yml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    products: dict[str, Product] = Field(min_length=1)
