"""Loads a role's modules and host scripts as Python modules, as Ansible and the host would."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOST_LIBRARY = ROOT / "roles/orthanc/module_utils/orthanc_host.py"
DECLARED = ROOT / "roles/orthanc/module_utils/orthanc_declared.py"
MASKS = ROOT / "orchestrator/playbooks/module_utils/wardship_masks.py"
HOST_SCRIPTS = ROOT / "roles/orthanc/templates/host"


def load(path: Path, name: str | None = None) -> Any:
    """The file as a module, under ``name`` among all modules."""
    name = name or f"under_test_{path.stem}"
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    was, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = was
    return module


def role_module(role: str, name: str) -> Any:
    """A module of a role's library; Orthanc's own library is found where Ansible puts it."""
    load(HOST_LIBRARY, "ansible.module_utils.orthanc_host")
    load(MASKS, "ansible.module_utils.wardship_masks")
    load(DECLARED, "ansible.module_utils.orthanc_declared")
    return load(ROOT / "roles" / role / "library" / f"{name}.py")


def shared_module(name: str) -> ModuleType:
    """A module of the playbooks' library."""
    load(MASKS, "ansible.module_utils.wardship_masks")
    module: ModuleType = load(ROOT / "orchestrator/playbooks/library" / f"{name}.py")
    return module
