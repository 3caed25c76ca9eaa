"""`Tracer.dynamic_block` as a scope that does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


class Tracer:
    @staticmethod
    @contextmanager
    def dynamic_block(module: nn.Module, name: str) -> Iterator[None]:
        if not isinstance(module, nn.Module):
            raise TypeError(f"dynamic_block `{name}` needs the module that runs it")
        yield

    @staticmethod
    def is_tracing() -> bool:
        return False
