"""`x[i]` and `x[i] = y` for a torch that keeps them from function modes.

Some versions (seen in 2.3) call a function mode for everything but these two on plain tensors, so that what
is read of a slice would seem to come from nowhere. Others tell the mode themselves, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, _pop_mode_temporarily


class _Listening(TorchFunctionMode):
    heard = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.heard = True
        return func(*args, **(kwargs or {}))


def _is_heard() -> bool:
    """Whether this torch tells a mode of indexing."""
    tensor = torch.zeros(1)
    with _Listening() as mode:
        tensor[0]
    return bool(mode.heard)


_HEARD = _is_heard()


@contextmanager
def told(mode: TorchFunctionMode) -> Iterator[None]:
    """While it lasts, `mode` hears of indexing as of any function, where torch does not see to that."""
    if _HEARD:
        yield
        return
    hear: Callable[..., Any] = mode.__torch_function__
    get, put = Tensor.__getitem__, Tensor.__setitem__

    def getitem(tensor: Tensor, index: Any) -> Any:
        if not _is_next(mode):
            return get(tensor, index)
        with _pop_mode_temporarily():
            return hear(get, (), (tensor, index))

    def setitem(tensor: Tensor, index: Any, value: Any) -> None:
        if not _is_next(mode):
            put(tensor, index, value)
            return
        with _pop_mode_temporarily():
            hear(put, (), (tensor, index, value))

    Tensor.__getitem__, Tensor.__setitem__ = getitem, setitem  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        # Both are inherited from the base that is written in C.
        del Tensor.__getitem__, Tensor.__setitem__


def _is_next(mode: TorchFunctionMode) -> bool:
    """Whether torch would ask this mode first: not while it runs, nor where modes are off."""
    depth = torch._C._len_torch_function_stack()
    enabled = torch._C._is_torch_function_enabled()
    return bool(enabled and depth and torch._C._get_function_stack_at(depth - 1) is mode)
