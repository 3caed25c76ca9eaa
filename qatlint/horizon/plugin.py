"""The plugin's own `prepare`, as it is asked for: what is relied upon, and what is made of its answer.

It needs the plugin, which is in no public registry and which we have never had: everything here is from
documents (horizon_facts A1, A2, A5), and is tested with a stand-in that behaves as they say. This is the side
that imports neither the plugin nor the user's code; `runtime/child/plugin.py` is the other one, in a process
of its own with a scratch folder of its own, since torch and the user's code may be imported nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from qatlint.horizon.report import ModelCheck, read

PLUGIN = "horizon_plugin_pytorch"
"""Its package."""
REPORTS = "model_check_result*.txt"
"""What prepare writes into the current folder, with a time in its name in some versions [V]."""
GRAPHS = "fx_graph*.txt"
"""What newer versions write beside it."""
JOB = "prepare"
"""What the child process is asked for. It is told the chip, sets it before anything else, and answers with
the `version` of the plugin and the text of its `report`."""


class Prepared(NamedTuple):
    """What came of one prepare."""

    version: str
    """Of the plugin."""
    report: ModelCheck | None
    """None when it wrote no report, which happens although prepare succeeds [V]."""


def prepared(ask: Callable[[str], Mapping[str, Any]]) -> Prepared:
    """Run prepare and read its report as any other. `ask` starts the child process with a job and gives its
    answer; what it raises is handed on."""
    answer = ask(JOB)
    text = answer["report"]
    return Prepared(answer["version"], None if text is None else read(text))
