"""Writes a report of the second generation into the current folder: shared leaves, and a convolution before a
shared ReLU as a sequence that is not fused."""

import copy
import itertools
from collections import Counter
from enum import Enum
from pathlib import Path

import torch

from .. import march


class PrepareMethod(Enum):
    JIT_STRIP = "jit-strip"


def prepare(
    model, example_inputs=None, qconfig_setter=None, method=PrepareMethod.JIT_STRIP, example_kw_inputs=None
):
    if march.chosen is None:
        raise RuntimeError("you must set march before invoking prepare_qat")
    if example_inputs is None and not isinstance(example_kw_inputs, dict):
        raise ValueError("example inputs are needed")
    assert method is PrepareMethod.JIT_STRIP
    assert not model.training
    if getattr(model, "refuses", False):
        raise NotImplementedError("function where is not implemented for QTensor.")
    model = copy.deepcopy(model)
    order = []
    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: order.append(name))
    with torch.no_grad():
        model(*example_inputs, **(example_kw_inputs or {}))
    counts, lines = Counter(order), []
    for first, second in itertools.pairwise(order):
        if "conv" in first and "relu" in second and counts[second] > 1:
            lines += ["name   type", "-----  -----"]
            lines += [f"{first}  <class 'plugin.qat.Conv2d'>", f"{second}  <class 'plugin.qat.ReLU'>", ""]
    lines = (
        ["Fusable modules are listed below:", *lines]
        if lines
        else ["All fusable modules are fused in model!"]
    )
    lines += ["Each module called times:", "name   called times", "-----  -----"]
    lines += [f"{name}  {times}" for name, times in counts.items()]
    if not getattr(model, "silent", False):
        Path("model_check_result.txt").write_text("\n".join(lines))
    return model
