"""What sharing can cost: torch's own tool drops a batch norm of this model without a word.

    python examples/one_conv_two_norms.py

needs torch. `prepare_qat_fx` folds a batch norm into the convolution before it. Here one convolution stands
before two: both calls become the same fused module, and the second batch norm is gone.
"""

import copy
import warnings

import torch
from torch import nn
from torch.ao.quantization import disable_fake_quant, disable_observer, get_default_qat_qconfig_mapping
from torch.ao.quantization.quantize_fx import prepare_qat_fx


class Refine(nn.Module):
    """Two steps of one convolution, each with statistics of its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.bn2 = nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.bn1(self.conv(x))
        return self.bn2(self.conv(x))


def build():
    """The model, with statistics as a trained one has them."""
    torch.manual_seed(0)
    model = Refine()
    for norm, mean, variance in ((model.bn1, 0.5, 0.04), (model.bn2, -1.0, 4.0)):
        nn.init.constant_(norm.running_mean, mean)
        nn.init.constant_(norm.running_var, variance)
    return model.eval()


def example_inputs():
    """One image."""
    torch.manual_seed(1)
    return (torch.randn(1, 4, 16, 16),)


def prepared(model):
    """The model as torch prepares it for quantisation-aware training, computing in float."""
    inputs = example_inputs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapping = get_default_qat_qconfig_mapping("x86")
        ready = prepare_qat_fx(copy.deepcopy(model).train(), mapping, inputs).eval()
    return ready.apply(disable_fake_quant).apply(disable_observer)


def main():
    """Prepare the model, and hold what it computes against what it computed before."""
    model = build()
    ready = prepared(model)
    with torch.no_grad():
        before, after = model(*example_inputs()), ready(*example_inputs())
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    left = sum(isinstance(m, nn.BatchNorm2d) for m in ready.modules())
    calls = [str(node.target) for node in ready.graph.nodes if node.op == "call_module"]
    calls = [name for name in calls if "activation_post_process" not in name]
    print(f"batch norms: {norms} before prepare_qat_fx, {left} after")
    print(f"what runs: {', '.join(calls)}")
    print(f"largest output: {before.abs().max():.2f}")
    print(f"largest difference: {(after - before).abs().max():.2f}")


if __name__ == "__main__":
    main()
