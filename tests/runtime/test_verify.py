"""A proof holds for a right fix, and each of its points fails for a wrong one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from qatlint.cli.knowing import linter
from qatlint.report.proof import render
from qatlint.report.style import Style
from qatlint.runtime.judgement import Forward, joined
from qatlint.runtime.launch import ChildFailed, Limits
from qatlint.runtime.point import Point
from qatlint.runtime.subject import Subject
from qatlint.runtime.target import parse
from qatlint.runtime.verify import Question, Report, outputs_point, verify, weights_point

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch"),
    pytest.mark.usefixtures("forked"),
]

MODEL = """\
import copy
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 1)
        self.conv2 = nn.Conv2d(4, 4, 1)
        self.bn = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.bn(self.conv2(x)))
        return {"out": [self.drop(x), x.sum(1)], "size": x.shape[-1]}


def inputs():
    return torch.randn(2, 4, 3, 3)


def two():
    return [inputs(), inputs()]


def careless():
    return torch.ones(1, 4, 2, 2) * torch.Generator().seed()
"""
SPLIT = MODEL.replace("nn.ReLU()", "nn.ReLU()\n        self.relu_1 = nn.ReLU()").replace(
    "self.relu(self.bn", "self.relu_1(self.bn"
)


def proof(
    folder: Path,
    after: str,
    *,
    before: str = MODEL,
    inputs: str = "m:inputs",
    strict: bool = False,
    unsafe: bool = False,
) -> Report:
    here = str(folder)
    (folder / "m.py").write_text(after)
    old = {str(folder / "m.py"): before.encode()}
    subject = Subject(parse("m.py:Block", here), parse(inputs, here), here)
    question = Question(subject, old, strict=strict, unsafe=unsafe)
    return verify(question, Limits(120), linter({}, ()))


def failing(report: Report) -> dict[str, tuple[str, ...]]:
    return {point.name: point.details for point in report.points if not point.holds}


@pytest.mark.own_child
def test_a_right_fix_is_proved(tmp_path: Path) -> None:
    report = proof(tmp_path, SPLIT, inputs="m:two", strict=True)
    assert failing(report) == {}
    assert report.samples == 2
    assert report.copies == {}


def test_a_moved_op_is_seen_in_the_outputs(tmp_path: Path) -> None:
    report = proof(
        tmp_path, SPLIT.replace("self.relu_1(self.bn(self.conv2(x)))", "self.bn(self.conv2(x).relu())")
    )
    assert "outputs" in failing(report)
    assert any("['out'][0] differs by up to" in text for text in failing(report)["outputs"])


def test_a_clone_that_is_not_tied_is_seen_in_the_weights(tmp_path: Path) -> None:
    """Its outputs are wrong as well: it keeps the weights that it was made with."""
    after = MODEL.replace("self.relu = ", "self.conv1_1 = copy.deepcopy(self.conv1)\n        self.relu = ")
    report = proof(tmp_path, after.replace("self.relu(self.conv1(x))", "self.relu(self.conv1_1(x))"))
    assert "outputs" in failing(report)
    assert failing(report)["weights"] == (
        "`conv1_1.weight` is new and shares its tensor with no old key",
        "`conv1_1.bias` is new and shares its tensor with no old key",
    )


def test_a_tied_clone_is_proved_with_a_map_but_not_strictly(tmp_path: Path) -> None:
    after = MODEL.replace("self.relu = ", "self.conv1_1 = self.conv1\n        self.relu = ")
    assert dict(proof(tmp_path, after).copies) == {
        "conv1_1.weight": "conv1.weight",
        "conv1_1.bias": "conv1.bias",
    }
    assert "weights" in failing(proof(tmp_path, after, strict=True))


def test_a_renamed_key_is_seen(tmp_path: Path) -> None:
    report = proof(tmp_path, MODEL.replace("self.conv2", "self.conv3"))
    assert "`conv2.weight` is in the old weights and not in the model" in failing(report)["weights"]


def test_a_shape_that_changed_is_seen(tmp_path: Path) -> None:
    after = MODEL.replace("self.conv1 = nn.Conv2d(4, 4, 1)", "self.conv1 = nn.Conv2d(4, 4, 1, groups=2)")
    assert any("size mismatch" in text for text in failing(proof(tmp_path, after))["weights"])


def test_a_split_that_is_taken_back_breaks_calls_and_fusion(tmp_path: Path) -> None:
    failed = failing(proof(tmp_path, MODEL, before=SPLIT))
    assert list(failed) == ["calls", "fusion"]
    line = MODEL.splitlines().index("        x = self.relu(self.bn(self.conv2(x)))") + 1
    assert failed["calls"][0] == f"relu runs 2 times: QAT101 at {tmp_path}/m.py:{line} has a safe fix"
    assert sum(text.startswith("lost: not fused") for text in failed["fusion"]) == 2
    assert "conv2 + bn + relu" in " ".join(failed["fusion"])


def test_what_is_suppressed_is_accepted(tmp_path: Path) -> None:
    after = MODEL.replace(
        "self.bn(self.conv2(x)))", "self.bn(self.conv2(x)))  # qatlint: ignore[QAT101] known"
    )
    assert "calls" not in failing(proof(tmp_path, after))


SHARED_WEIGHTS = MODEL.replace("self.bn(self.conv2(x))", "self.bn(self.conv1(x))").replace(
    "self.relu(self.bn", "torch.sigmoid(self.bn"
)


def test_weights_that_are_shared_count_only_with_unsafe_fixes(tmp_path: Path) -> None:
    kept = proof(tmp_path, SHARED_WEIGHTS, before=SHARED_WEIGHTS)
    assert failing(kept) == {}
    assert any("conv1 runs 2 times" in d and "unsafe fix" in d for p in kept.points for d in p.details)
    assert "calls" in failing(proof(tmp_path, SHARED_WEIGHTS, before=SHARED_WEIGHTS, unsafe=True))


STUBS = """\
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.quant_x = QuantStub()
        self.quant_y = QuantStub()
        self.dequant = DeQuantStub()

    def forward(self, x, y):
        z = self.conv(self.quant_x(x) * self.quant_y(y))
        return self.dequant(z)


def inputs():
    return torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2)
"""


def test_a_stub_that_is_gone_is_seen_in_the_dtypes(tmp_path: Path) -> None:
    assert failing(proof(tmp_path, STUBS, before=STUBS)) == {}
    failed = failing(proof(tmp_path, STUBS.replace("self.quant_y(y)", "y"), before=STUBS))
    assert list(failed) == ["dtypes"]
    assert failed["dtypes"][0].startswith(
        "new: _generated_mul_0[mul] is given a float tensor, from input of the model `y`"
    )


def test_an_op_between_the_convolution_and_the_dequant_is_seen(tmp_path: Path) -> None:
    after = STUBS.replace("self.dequant(z)", "self.dequant(z.reshape(z.shape))")
    failed = failing(proof(tmp_path, after, before=STUBS))
    assert list(failed) == ["dtypes"]
    assert "another op stands between" in failed["dtypes"][0]


def test_inputs_that_nothing_seeds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text("from m import careless\n")
    with pytest.raises(ChildFailed, match="the newer version: the inputs of the two versions differ"):
        proof(tmp_path, SPLIT, inputs="careless:careless")


BATCH = """

class Batch(list):
    pass


def more():
    return [Batch([torch.randn(1, 4, 2, 2)])]
"""


def test_inputs_that_only_the_newer_version_has_are_given_to_both(tmp_path: Path) -> None:
    """They stand in the model's own file, and are of a class that both versions have."""
    taking = MODEL.replace("x = self.relu(self.conv1(x))", "x = self.relu(self.conv1(*x))") + BATCH
    older = taking.replace("def more", "def others")
    report = proof(tmp_path, f"{taking}# changed", before=older, inputs="m:more")
    assert "outputs" not in failing(report)
    assert report.notes[0].startswith("both versions were given what `m:more` makes")


ANSWER = {
    "outputs": {"eval": [], "train": []},
    "gradients": [],
    "rounded": [],
    "state": [],
    "held": [],
    "graded": True,
}
LOADING = {"error": "", "missing": [], "unexpected": [], "copies": {}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"outputs": {"eval": ["x"], "train": []}},
        {"outputs": {"eval": [], "train": ["x"]}},
        {"gradients": ["x"]},
        {"state": ["x"]},
        {"held": [["a", "x"]]},
    ],
)
def test_any_difference_breaks_the_first_point(wrong: dict[str, object]) -> None:
    assert outputs_point(ANSWER, ["eval", "train"]).holds
    assert not outputs_point({**ANSWER, **wrong}, ["eval", "train"]).holds


@pytest.mark.parametrize("wrong", [{"error": "x"}, {"missing": ["x"]}, {"unexpected": ["x"]}])
def test_any_key_without_a_place_breaks_the_second(wrong: dict[str, object]) -> None:
    assert weights_point(LOADING, True).holds
    assert not weights_point({**LOADING, **wrong}, False).holds


DYNAMIC = """\
import time
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU()
        self.act = nn.ReLU()

    def forward(self, x, again):
        x = self.relu(self.conv(x))
        if self.training:
            x = self.act(self.act(x))
        return self.relu(x + 1) if again else x


def inputs():
    x = torch.ones(1, 4, 2, 2)
    return [(x, False), (x, True), (x, False)]
"""


def test_what_only_one_sample_or_one_mode_executes_is_judged(tmp_path: Path) -> None:
    report = proof(tmp_path, DYNAMIC, before=DYNAMIC)
    (calls,) = [point for point in report.points if point.name == "calls"]
    assert not calls.holds
    assert calls.summary.startswith("sample 2 in eval mode: 1 module ran more than once before, 1 now")
    file = tmp_path / "m.py"
    assert calls.details == (
        f"relu runs 2 times: QAT101 at {file}:17 has a safe fix",
        f"in training: act runs 2 times: QAT101 at {file}:16 has a safe fix",
    )


def forwards(*numbers: int, mode: str = "eval") -> list[Forward]:
    return [Forward(mode, number) for number in numbers]


def test_points_of_samples_are_one_when_they_say_the_same() -> None:
    fine, bad = Point("calls", "t", True, "fine", ("a",)), Point("calls", "t", False, "bad", ("b", "a"))
    assert joined([([fine], forwards(1, 3)), ([fine], forwards(2))]) == [fine]
    assert joined([([fine], forwards(1, 3)), ([bad], forwards(2))]) == [
        Point("calls", "t", False, "sample 2: bad", ("b", "a"))
    ]
    assert joined([([bad], forwards(3)), ([bad], forwards(1))]) == [bad]
    apart = joined([([bad], forwards(3)), ([fine], forwards(2)), ([bad], forwards(1))])
    assert apart[0].summary == "samples 1, 3: bad"


def test_what_is_so_in_training_only_says_so() -> None:
    fine, bad = Point("calls", "t", True, "fine", ("a",)), Point("calls", "t", False, "bad", ("b", "a"))
    both = [([fine], forwards(1, 2)), ([bad], forwards(1, 2, mode="train"))]
    assert joined(both) == [Point("calls", "t", False, "train mode: bad", ("in training: b", "a"))]
    both = [([fine], [*forwards(1, 2), *forwards(1, mode="train")]), ([bad], forwards(2, mode="train"))]
    assert joined(both)[0].summary == "sample 2 in train mode: bad"
    longer = fine._replace(summary="longer", details=("a", "c"))
    both = [([longer], forwards(1, mode="train")), ([fine], forwards(1))]
    assert joined(both) == [Point("calls", "t", True, "eval mode: fine", ("a", "in training: c"))]


def test_a_model_that_does_not_repeat_itself_is_called_so(tmp_path: Path) -> None:
    careless = DYNAMIC.replace("self.relu(x + 1) if again else x", "x + time.time_ns() % 997")
    report = proof(tmp_path, careless, before=careless)
    assert "does not repeat its own results" in report.points[0].summary
    changed = MODEL.replace("self.conv2(x)))", "self.conv2(x))) * 2")
    assert "repeat" not in proof(tmp_path, changed).points[0].summary


ROUGH = """\
import atexit, json, multiprocessing, os, signal, sys, threading, time
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU()
        self.last = None

    def forward(self, x):
        threading.Thread(target=time.sleep, args=(300,)).start()
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(300,)).start()
        atexit.register(time.sleep, 300)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.write(1, b"\\xff" * 1000)
        print("y" * 1_000_000)
        os.chdir("/")
        json.dumps = None
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_deterministic_debug_mode("error")
        torch.set_num_threads(1)
        torch.manual_seed(3)
        torch.set_grad_enabled(False)
        self.last = self.relu(self.conv(x))
        if not self.training:
            sys.path.clear()
            for name in [name for name in sys.modules if name.startswith("qatlint")]:
                del sys.modules[name]
        yield self.last
        if os.fork() == 0:
            time.sleep(300)
        yield self.last + torch.rand(1, device="cpu")


def inputs():
    return torch.ones(1, 4, 2, 2)
"""


def test_a_model_that_changes_everything_around_it_is_compared_all_the_same(tmp_path: Path) -> None:
    report = proof(tmp_path, ROUGH.replace("yield self.last\n", "yield self.last + 1\n", 1), before=ROUGH)
    assert list(failing(report)) == ["outputs"]
    assert {detail[:4] for detail in report.points[0].details} == {"eval", "trai"}
    assert "not repeat" not in report.points[0].summary


def test_what_could_not_be_recorded_is_said(tmp_path: Path) -> None:
    text = MODEL.replace("x = self.relu(self.conv1(x))", "x = self.relu(nn.Identity()(self.conv1(x)))")
    report = proof(tmp_path, text, before=text)
    assert [note for note in report.notes if "is made in forward" in note]
    assert f"\nnote: {report.notes[0]}\n" in render(report, "a", "b", Style(colour=False, width=500))


def test_what_is_not_compared_is_not_claimed() -> None:
    assert "train" not in outputs_point({**ANSWER, "outputs": {"eval": []}}, ["eval"]).summary
    assert "gradients" in outputs_point(ANSWER, ["eval"]).summary
    assert "gradients" not in outputs_point({**ANSWER, "graded": False}, ["eval"]).summary


def test_what_the_model_keeps_and_does_not_repeat_is_no_result() -> None:
    kept = {**ANSWER, "held": [["clock", "1 became 2"], ["last", "x"]]}
    point = outputs_point(kept, ["eval"], {**ANSWER, "held": [["clock", "1 became 3"]]})
    assert not point.holds
    assert "repeat" not in point.summary
    assert point.details[0] == "kept in the model, `last`, x"
    assert point.details[1].startswith("not compared: `clock`")
    assert outputs_point({**ANSWER, "held": [["clock", "x"]]}, ["eval"], kept).holds


PARAMETER = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.register_buffer("running_mean", torch.zeros(4, 1, 1), persistent=False)

    def get_extra_state(self):
        return {"version": 1}

    def set_extra_state(self, state):
        pass

    def load_state_dict(self, state, strict=True):
        super().load_state_dict(state, strict)

    def forward(self, x):
        return x * self.scale - self.running_mean


def inputs():
    return torch.randn(2, 4, 3, 3)
"""


def test_a_model_is_what_it_is_whatever_its_state_dict_holds(tmp_path: Path) -> None:
    report = proof(tmp_path, PARAMETER + "# changed\n", before=PARAMETER)
    assert report.holds, failing(report)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "self.scale = nn.Parameter(torch.ones(4, 1, 1))",
            "self.register_buffer('scale', torch.ones(4, 1, 1))",
            "no parameter any more",
        ),
        ("return x *", "x += 1; return (x - 1) *", "the input [0][0] differs"),
        ('"version": 1', '"version": 2', "_extra_state: ['version'] 1 became 2"),
    ],
)
def test_what_only_the_caller_or_the_optimizer_sees_is_seen(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    report = proof(tmp_path, PARAMETER.replace(old, new), before=PARAMETER)
    assert any(said in text for text in failing(report)["outputs"])
