"""Programs that run on hosts, each one executable file whose bytes depend on its sources only.

They run isolated (``-I``: no environment, no user site) and write no bytecode (``-B``).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

SHEBANG = b"#!/usr/bin/python3 -IB\n"
#: Our own package.
OURS = Path(__file__).resolve().parent.parent
#: Parts of the libraries that nothing there imports.
LEFT_OUT = frozenset({"apps", "benchmarks", "docs", "test_files", "tests"})
#: pydicom imports its examples, which look for their images beside them as files.
EMPTIED = "pydicom/examples/__init__.py"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold


def write_program(dest: Path, files: Iterable[tuple[str, bytes]], *, compressed: bool) -> str:
    """Write a program of these files to ``dest`` (0755, whole or not at all); its SHA-256."""
    held = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(held, "w", how) as archive:
        for name, content in files:
            _add(archive, name, content)
    program = SHEBANG + held.getvalue()
    aside = dest.with_name(f".{dest.name}.new")
    aside.write_bytes(program)
    aside.chmod(0o755)
    aside.rename(dest)
    return hashlib.sha256(program).hexdigest()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=EPOCH)
    entry.create_system = 3  # Unix, wherever it is built
    entry.external_attr = 0o644 << 16
    entry.compress_type = archive.compression
    archive.writestr(entry, content)


def parts(modules: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Modules of ours by their own name, with the packages that they lie in."""
    packages = {str(one) for module in modules for one in Path(module).parents if str(one) != "."}
    for name in sorted({*modules, *(f"{package}/__init__.py" for package in packages)}):
        yield f"orchestrator/{name}", (OURS / name).read_bytes()
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
