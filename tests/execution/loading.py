"""Imports fixtures, in the processes that execute them. Needs neither torch nor qatlint."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any


def load(entry: Path) -> Any:
    """Import the entry file. One inside a package is imported through the package, freshly; a stored output
    (`run.fixed.py`) among the files of the original."""
    package = entry.parent
    if (package / "__init__.py").exists():
        for name in [n for n in sys.modules if n.partition(".")[0] == package.name]:
            del sys.modules[name]
        sys.path.insert(0, str(package.parent))
        importlib.invalidate_caches()
        try:
            if "." not in entry.stem:
                return importlib.import_module(f"{package.name}.{entry.stem}")
            importlib.import_module(package.name)
            return _executed(f"{package.name}.{entry.stem.replace('.', '_')}", entry)
        finally:
            sys.path.remove(str(package.parent))
    return _executed("fixture_" + "".join(c if c.isalnum() else "_" for c in str(entry)), entry)


def _executed(name: str, entry: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, entry)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
