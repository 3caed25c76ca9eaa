"""`dynamic_block` as a scope that does nothing; who records listens to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from torch import nn

from .._absent import missing

__all__ = ["Tracer", "dynamic_block"]


class Tracer:
    """Of the plugin's tracer, what models call."""

    @staticmethod
    @contextmanager
    def dynamic_block(module: nn.Module, name: str) -> Iterator[None]:
        """Raises `TypeError` when it is not given the module that runs it and a name."""
        if not isinstance(module, nn.Module):
            raise TypeError(f"dynamic_block `{name}` needs the module that runs it")
        if not isinstance(name, str):
            raise TypeError(f"the name of a dynamic_block is a string, not {name!r}")
        yield

    @staticmethod
    def is_tracing() -> bool:
        """Whether prepare is running: never."""
        return False


@contextmanager
def _unnamed() -> Iterator[None]:
    yield


def dynamic_block() -> AbstractContextManager[None]:
    """A block without a name."""
    return _unnamed()


__getattr__ = missing(__name__)
