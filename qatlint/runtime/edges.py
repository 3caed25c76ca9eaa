"""How often the instances of one class ran each child, counted on an executed model."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from qatlint.runtime.recording import ModuleFacts, Recording

_POSITION = re.compile(r"(?<=\.)\d+(?![^.])")

OUTSIDE = "^outside"
"""Path of a module that is run by an owner which does not hold it."""


class Edge(NamedTuple):
    """An owner class and a child that it runs itself."""

    owner: str
    """`package.module:Class`."""
    child: str
    """Attribute path from the owner, list positions as `*`."""
    child_class: str
    """Its bare name."""


def edges(recording: Recording) -> dict[Edge, int]:
    """Every edge with the most executions of one instance in one forward of an owner."""
    modules = {facts.path: facts for facts in recording.modules}
    runs = Counter((e.parent, e.module) for e in recording.executions if e.parent >= 0)
    most: dict[Edge, int] = {}
    for (parent, path), times in runs.items():
        owner, child = modules[recording.executions[parent].module], modules[path]
        name = relative_path(owner, child)
        bare = re.split("[:.]", child.class_name)[-1]
        edge = Edge(owner.class_name, OUTSIDE if name is None else pattern(name), bare)
        most[edge] = max(most.get(edge, 0), times)
    return most


def relative_path(owner: ModuleFacts, module: ModuleFacts) -> str | None:
    """The first path from an owner to a module that it holds, "" for itself; None when it does not."""
    return next(iter(relative_paths(owner, module)), None)


def relative_paths(owner: ModuleFacts, module: ModuleFacts) -> list[str]:
    """All paths from an owner to a module that it holds, in the order of names."""
    found: dict[str, None] = {}
    for name in module.names:
        for above in owner.names:
            if name == above:
                found[""] = None
            elif not above or name.startswith(f"{above}."):
                found[name[len(above) + 1 :] if above else name] = None
    return list(found)


def pattern(path: str) -> str:
    """The path with list positions as `*`, unless it begins with one."""
    return _POSITION.sub("*", path)
