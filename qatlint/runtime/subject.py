"""What every job that runs a model is told of it."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from qatlint.runtime.target import Target


class Subject(NamedTuple):
    """A model and its inputs, and where they are run."""

    target: Target
    inputs: Target
    folder: str = ""
    """Where the code runs; the current folder by default."""
    roots: tuple[str, ...] = ()
    """More folders for the import path."""
    seed: int = 0

    @property
    def folders(self) -> tuple[str, ...]:
        """Where modules of the project are looked for."""
        return (self.folder or os.getcwd(), *self.roots)

    @property
    def request(self) -> dict[str, Any]:
        """The part of a child's request that all jobs have in common."""
        return {
            "target": self.target,
            "inputs": self.inputs,
            "roots": self.roots,
            "seed": self.seed,
        }
