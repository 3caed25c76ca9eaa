"""What the recorder keeps of an op besides its plain values."""

from __future__ import annotations

from typing import Any, NamedTuple

from qatlint.runtime.recording import Op


class Ref(NamedTuple):
    """A tensor of the recording: the `position`-th one that op number `op` gave."""

    op: int
    position: int


class Step(NamedTuple):
    """An op with what is needed to run it again: arguments hold a `Ref` for every tensor."""

    op: Op
    callee: Any
    """The function, the module, or the name of the method."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    single: bool
    """It gave one tensor, not a list, tuple or dict of them."""
