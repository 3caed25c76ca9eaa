"""A stand-in for `torch.nn` that counts: no tensors, only who is executed, and how often."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any


class Module:
    """Counts its calls; `line` is where it was made, in the file that is executed."""

    training = False

    def __init__(self, *args: Any) -> None:
        self.count = 0
        self.scopes: set[str | None] = set()
        self.line = _running_line()

    def __deepcopy__(self, memo: dict[int, Any]) -> Module:
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (Module, list)):
                setattr(twin, name, copy.deepcopy(value, memo))
        twin.line = _running_line()
        twin.scopes = set()
        return twin

    def __call__(self, *args: Any) -> Any:
        self.count += 1
        self.scopes.add(_entered[-1] if _entered else None)
        return self.forward(*args)

    def forward(self, *args: Any) -> Any:
        return args[0]

    def add_module(self, name: str, module: Module) -> None:
        setattr(self, name, module)


_entered: list[str] = []
"""Names of the dynamic blocks that are open."""


class Tracer:
    """The blocks of the plugin, as far as they are entered and left."""

    @staticmethod
    @contextmanager
    def dynamic_block(module: Module, name: str) -> Iterator[None]:
        _entered.append(name)
        try:
            yield
        finally:
            _entered.pop()


FILE = "<generated>"


def _running_line() -> int:
    """The line of the generated program that runs now."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename != FILE:
        assert frame.f_back is not None
        frame = frame.f_back
    return frame.f_lineno


class ModuleList(Module):
    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.entries = list(modules)

    def append(self, module: Module) -> None:
        self.entries.append(module)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.entries)

    def __getitem__(self, index: Any) -> Any:
        found = self.entries[index]
        return ModuleListView(found) if isinstance(index, slice) else found


class ModuleDict(Module):
    def __init__(self, modules: dict[str, Module]) -> None:
        super().__init__()
        self.entries = dict(modules)
        self.items = self.entries.items
        self.values = self.entries.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __getitem__(self, key: str) -> Module:
        return self.entries[key]


class ModuleListView(list[Module]):
    """What a slice of a ModuleList gives."""


class Sequential(ModuleList):
    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, *args: Any) -> Any:
        value = args[0]
        for module in self.entries:
            value = module(value)
        return value


class ReLU(Module):
    pass


class Sigmoid(Module):
    pass


class Conv2d(Module):
    pass


class Dropout(Module):
    pass


nn = SimpleNamespace(
    Module=Module,
    ModuleList=ModuleList,
    ModuleDict=ModuleDict,
    Sequential=Sequential,
    ReLU=ReLU,
    Sigmoid=Sigmoid,
    Conv2d=Conv2d,
    Dropout=Dropout,
)
"""What `from torch import nn` gives the executed program."""
