"""Runs the plugin's own `prepare` and gives back the report it writes: the side of `horizon/plugin.py` that
imports the plugin and runs the user's code. Thin, since it cannot be run here.

What is relied upon (horizon_facts A1, A2, A5): `set_march` first; `prepare(model, example_inputs,
example_kw_inputs=..., method=PrepareMethod.JIT_STRIP)` on a model in eval mode; `model_check_result*.txt` in
the current folder, which may be missing although prepare succeeded.
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from qatlint.horizon.plugin import PLUGIN, REPORTS
from qatlint.runtime.child.load import Sample
from qatlint.runtime.child.trouble import stage


def set_march(march: str) -> str:
    """Tell the plugin its chip, and give its version. Raises `Stage`."""
    with stage(f"setting the chip `{march}`"):
        plugin = import_module(PLUGIN)
        import_module(f"{PLUGIN}.march").set_march(march)
    return str(getattr(plugin, "__version__", "unknown"))


def prepare(model: nn.Module, sample: Sample, folder: str) -> str | None:
    """The text of the report of one prepare, which works in `folder`; None when it wrote none.

    Raises `Stage` when prepare does.
    """
    args, kwargs = sample
    module = import_module(f"{PLUGIN}.quantization.prepare")
    before = os.getcwd()
    os.chdir(folder)
    try:
        with stage("preparing the model with the plugin"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            settings: dict[str, Any] = {"method": module.PrepareMethod.JIT_STRIP}
            if kwargs:
                settings["example_kw_inputs"] = kwargs
            module.prepare(model.eval(), args, **settings)
    finally:
        os.chdir(before)
    written = sorted(Path(folder).glob(REPORTS), key=lambda p: p.stat().st_mtime)
    return written[-1].read_text(encoding="utf-8", errors="replace") if written else None
