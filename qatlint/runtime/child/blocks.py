"""Hears of every `dynamic_block` that is entered, with the real plugin and with the stand-in alike."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType
from typing import Any

JIT_SCHEME = "horizon_plugin_pytorch.fx.jit_scheme"
NAME = "dynamic_block"

Heard = Callable[[Any, str], AbstractContextManager[None]]
"""(module, name) -> what to do around the block."""


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """While this runs, `heard` is put around every dynamic_block, also where a file has imported the function
    itself, under whatever name."""
    scheme = sys.modules.get(JIT_SCHEME)
    entering: list[None] = []
    with ExitStack() as stack:
        for holder, name in ((getattr(scheme, "Tracer", None), NAME), *_names(getattr(scheme, NAME, None))):
            if holder is not None and hasattr(holder, name):
                stack.enter_context(_wrapped(holder, name, heard, entering))
        yield


def _names(function: Any) -> list[tuple[Any, str]]:
    """The modules that hold a function, and what they call it."""
    if function is None:
        return []
    holders = [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
    return [(h, name) for h in holders for name, value in list(vars(h).items()) if value is function]


@contextmanager
def _wrapped(holder: Any, place: str, heard: Heard, entering: list[None]) -> Iterator[None]:
    original = getattr(holder, place)  # bound, so that it may be any kind of method
    raw = vars(holder).get(place)

    @functools.wraps(original)
    @contextmanager
    def block(*args: Any, **kwargs: Any) -> Iterator[Any]:
        module = args[0] if args else kwargs.get("module")
        name = args[1] if len(args) > 1 else kwargs.get("name", "")
        with ExitStack() as stack:
            if not entering:  # else one of the plugin's spellings calls the other
                stack.enter_context(heard(module, str(name)))
            entering.append(None)
            try:
                value = stack.enter_context(original(*args, **kwargs))
            finally:
                entering.pop()
            yield value

    setattr(holder, place, staticmethod(block) if isinstance(holder, type) else block)
    try:
        yield
    finally:
        if raw is None:
            delattr(holder, place)
        else:
            setattr(holder, place, raw)
