"""What a model keeps in itself: attributes of its modules, buffers, values on its classes.

A forward may give back nothing and leave its results there. Only what a forward changes is a result; all else
that a model holds is how it is made, which its outputs show. Nothing of the model's is run to look.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import islice
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

from torch import Tensor, nn

from qatlint.runtime.child import leaves
from qatlint.runtime.child.pieces import Opaque, Pieces, difference, kept, pieces_at_rest, plain, same

_MOST = 20_000
"""Values of one attribute that are looked at."""
_CODE = (FunctionType, BuiltinFunctionType, ModuleType, type, property, classmethod, staticmethod)


class Absent(NamedTuple):
    """Stands for what is not held."""

    def __repr__(self) -> str:
        return "nothing"


class Held:
    """Watches one model from now on. `only` are the paths that the older version has `differentiated`."""

    def __init__(self, model: nn.Module, only: Container[str] | None = None) -> None:
        self._model = model
        self._only = only
        self.differentiated: set[str] = set()
        """Where tensors were held that can be differentiated."""
        self.notes: list[str] = []
        """What is not compared, in words."""
        self.first = {path: kept(piece) for path, piece in self._now()}
        """What it held in the beginning."""
        self._last = dict(self.first)

    def changes(self) -> dict[str, Any]:
        """What is held otherwise than at the last look."""
        now = dict(self._now())
        changed = {
            path: kept(piece)
            for path, piece in now.items()
            if path not in self._last or not same(piece, self._last[path])
        }
        changed.update((path, Absent()) for path in self._last if path not in now)
        self._last.update(changed)
        for path in [path for path, piece in changed.items() if isinstance(piece, Absent)]:
            del self._last[path]
        return changed

    def computed(self) -> list[tuple[str, Tensor]]:
        """The tensors themselves that are held now and can be differentiated, each once; as far as the older
        version holds them too, where this is the newer one."""
        found: dict[int, tuple[str, Tensor]] = {}
        for path, piece in self._now():
            if isinstance(piece, Tensor) and piece.grad_fn is not None:
                if self._only is None or path in self._only:
                    found.setdefault(id(piece), (path, piece))
                    self.differentiated.add(path)
        return list(found.values())

    def _now(self) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, value in _attributes(self._model):
            # Modules may share one object of settings, which may be large.
            if value is not None and not isinstance(value, Tensor) and plain(value) is None:
                if id(value) in seen:
                    continue
                seen.add(id(value))
            found: Pieces = list(islice(pieces_at_rest(value), _MOST + 1))
            if len(found) > _MOST:
                note = f"`{path}` holds more than {_MOST} values: what forward changes there is not compared"
                self.notes += [note] if note not in self.notes else []
                continue
            yield from ((path + step, piece) for step, piece in found if not isinstance(piece, Opaque))


def _attributes(model: nn.Module) -> Iterator[tuple[str, Any]]:
    modules: set[int] = set()
    classes: dict[type, None] = {}
    for path, module, _ in leaves.walk(model):
        if id(module) not in modules:
            modules.add(id(module))
            prefix = f"{path}." if path else ""
            yield from ((prefix + name, value) for name, value in module._buffers.items())
            yield from ((prefix + name, value) for name, value in leaves.own_attributes(module))
            classes.update(dict.fromkeys(leaves.own_classes(type(module))))
    for cls in classes:
        for name, value in vars(cls).items():
            if not name.startswith("__") and not isinstance(value, _CODE):
                yield f"class {cls.__qualname__}.{name}", value


Kept = tuple[dict[str, Any], list[dict[str, Any]]]
"""What was held in the beginning, and the changes that each run made."""


def differences(before: Kept, after: Kept) -> list[dict[str, str]]:
    """For each run, what one of the versions changed and is not the same now: path -> in words.

    What only the newer version holds is its own business: nobody could have read it in the older one.
    """
    old, new = dict(before[0]), dict(after[0])
    found = []
    for changed, also in zip(before[1], after[1], strict=True):
        old.update(changed)
        new.update(also)
        pairs = [(p, old[p], new.get(p, Absent())) for p in dict.fromkeys((*changed, *also)) if p in old]
        found.append({path: difference(a, b) for path, a, b in pairs if not same(a, b)})
    return found
