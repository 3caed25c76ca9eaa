"""What the settings say of a project as a whole: where its modules lie, its models, the chip they go to."""

from __future__ import annotations

from typing import NamedTuple

MARCHES = ("nash-e", "nash-m", "nash-p", "nash-b", "nash-h", "bayes")
"""The families of chips, by the names that the plugin's `set_march` takes."""

TOOLCHAINS = ("early", "current")
"""Generations of the toolchain: `early` writes its graph into `model_check_result.txt` and leaves constants
as they are, `current` writes `fx_graph.txt` and quantises float constants by itself (horizon_facts A5, F)."""


class EntryPoint(NamedTuple):
    """A class that the settings call a model."""

    path: str
    """Absolute path of the file that defines the class."""
    qualname: str


class Aim(NamedTuple):
    """What all files of a run have in common besides their texts. Findings depend on all of it."""

    source_roots: tuple[str, ...] = ()
    """Folders in which absolute imports are looked for, besides the folders above the files."""
    entry_points: tuple[EntryPoint, ...] = ()
    march: str = ""
    """The family of chips (one of `MARCHES`), "" when nothing is known of it."""
    tracer: str = ""
    """Where the plugin's `Tracer` is imported from, as a dotted name; "" when it is not said."""
    toolchain: str = ""
    """The generation of the toolchain (one of `TOOLCHAINS`), "" when it is not said."""
    has_report: bool = False
    """Whether the toolchain has reported on it: then it has to do with the plugin, whatever files import."""


NOTHING = Aim()
"""Without any settings."""
