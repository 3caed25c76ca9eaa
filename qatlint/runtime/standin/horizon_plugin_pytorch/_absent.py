"""What is not here: names that raise when they are used, and clear words for those that nobody listed."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_WHOSE = "horizon_plugin_pytorch is not installed, and qatlint's stand-in for it"


class Absent:
    """Something of the toolchain that can be imported and named, and raises `RuntimeError` when used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<stand-in for {self._name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{_WHOSE} cannot do `{self._name}`: it only lets a model run in float")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}")


def missing(module: str) -> Callable[[str], Any]:
    """A `__getattr__` for a module of the stand-in. In a package, its modules are found by it as well."""

    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if hasattr(sys.modules[module], "__path__"):
            with contextlib.suppress(ModuleNotFoundError):
                return importlib.import_module(f"{module}.{name}")
        raise ImportError(f"{_WHOSE} has no `{module}.{name}`", name=module)

    return get


class Finder:
    """Comes last among the finders: says of a module that nobody found that this is the stand-in."""

    def __init__(self, package: str) -> None:
        self._inside = f"{package}."

    @classmethod
    def install(cls, package: str) -> None:
        """Put one at the end of `sys.meta_path`, once."""
        if not any(isinstance(finder, cls) for finder in sys.meta_path):
            sys.meta_path.append(cls(package))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(self._inside):
            raise ModuleNotFoundError(f"{_WHOSE} has no module `{fullname}`", name=fullname)
        return None
