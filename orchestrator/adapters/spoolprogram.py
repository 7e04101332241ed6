"""Build the spool: our package with pydicom, pynetdicom and hl7, as they are installed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from orchestrator.adapters.zipapps import write_program

PACKAGE = "wardship_spool"
MAIN = f"from {PACKAGE}.main import entry\n\nentry()\n"
SOURCES = Path(__file__).resolve().parent.parent / "spool"
LIBRARIES = ("pydicom", "pynetdicom", "hl7")
#: What it shares with others of ours, by path in our package.
SHARED = ("wire/mllp.py",)
#: Parts of the libraries that nothing there imports.
LEFT_OUT = frozenset({"apps", "benchmarks", "docs", "test_files", "tests"})
#: pydicom imports its examples, which look for their images beside them as files.
EMPTIED = "pydicom/examples/__init__.py"


def build_spool_program(dest: Path) -> str:
    """Write the spool to ``dest`` (0755, whole or not at all); its SHA-256 in hex."""
    own = [(f"{PACKAGE}/{one.name}", one.read_bytes()) for one in sorted(SOURCES.glob("*.py"))]
    files = [("__main__.py", MAIN.encode()), *own, *parts(SHARED), *libraries(LIBRARIES)]
    return write_program(dest, files, compressed=True)


def parts(modules: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Modules of ours by their own name, with the packages that they lie in."""
    packages = {str(one) for module in modules for one in Path(module).parents if str(one) != "."}
    for name in sorted({*modules, *(f"{package}/__init__.py" for package in packages)}):
        yield f"orchestrator/{name}", (SOURCES.parent / name).read_bytes()
    yield "orchestrator/__init__.py", b""


def libraries(names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The modules of libraries, as they are installed here."""
    for name in names:
        found = metadata.distribution(name)
        for file in sorted(found.files or (), key=str):
            # Their version is asked of the metadata when they are imported.
            wanted = file.suffix == ".py" and not LEFT_OUT & set(file.parts)
            is_metadata = file.name == "METADATA" and file.parts[0].endswith(".dist-info")
            if (wanted and file.parts[0] == name) or is_metadata:
                content = Path(str(file.locate())).read_bytes()
                yield str(file), b"" if str(file) == EMPTIED else content
