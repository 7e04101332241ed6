"""The way from a release to another, as the catalog has it."""

from __future__ import annotations

import pytest

from orchestrator.fleet.catalog import Artifact, Product, Release
from orchestrator.fleet.route import route

#: Each release and those from which a change to it was tried.
TRIED = {
    "1.0": (),
    "1.9": ("1.0",),
    "1.10": ("1.0",),
    "2.0": ("1.9", "1.10"),
    "2.1": ("2.0",),
    "3.0": ("2.1", "2.0"),
    "9.0": (),
}


def product(*irreversible: str) -> Product:
    def release(name: str, origins: tuple[str, ...]) -> Release:
        artifact = Artifact(file=f"x-{name}.tar.gz", sha256="a" * 64, size=1)
        return Release(artifact=artifact, upgrades_from=origins, irreversible=name in irreversible)

    releases = {name: release(name, origins) for name, origins in TRIED.items()}
    return Product(role="small", releases=releases)


@pytest.mark.parametrize(
    ("here", "to", "way"),
    [
        ("1.9", "2.0", ()),
        ("1.0", "2.0", ("1.10",)),
        ("1.0", "3.0", ("1.10", "2.0")),
        ("1.9", "2.1", ("2.0",)),
        ("2.0", "3.0", ()),
        ("1.0", "9.0", None),
        ("3.0", "2.0", None),
        ("0.9", "2.0", None),
        ("", "2.0", None),
    ],
)
def test_the_way_has_the_fewest_hops_and_then_the_newest_releases(
    here: str, to: str, way: tuple[str, ...] | None
) -> None:
    assert route(product(), here, to) == way


def test_what_can_be_put_back_goes_before_what_is_newer() -> None:
    assert route(product("1.10"), "1.0", "2.0") == ("1.9",)
    assert route(product("1.9", "1.10"), "1.0", "2.0") == ("1.10",)
    assert route(product("2.0"), "1.9", "2.0") == ()
