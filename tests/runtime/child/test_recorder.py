"""What the recorder sees of a forward: ops, their producers, executions, scopes and places."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812
from torch.utils.checkpoint import checkpoint  # noqa: E402

from qatlint.runtime.child.blocks import JIT_SCHEME  # noqa: E402
from qatlint.runtime.child.recorder import Recorder  # noqa: E402
from qatlint.runtime.recording import from_json, to_json  # noqa: E402
from tests.runtime.child.models import (  # noqa: E402
    DeQuantStub,
    FloatFunctional,
    Forward,
    QuantStub,
    ops,
    run,
    words,
)

X = torch.arange(24.0).reshape(2, 3, 4) / 8


def test_modules_methods_and_functions_with_their_producers() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = m.quant(x)
        y = m.ff.add(m.lin(y), y)
        return m.dequant(torch.cat([F.relu(y), y * 2], 1))

    model = Forward(
        forward, quant=QuantStub(), lin=nn.Linear(4, 4), ff=FloatFunctional(), dequant=DeQuantStub()
    )
    recording, _ = run(model, X)
    assert words(recording) == [
        "quant <- x",
        "lin <- quant",
        "ff.add <- lin, quant",
        "relu <- ff.add",
        "mul <- ff.add",
        "cat <- relu, mul",
        "dequant <- cat",
        "output <- dequant",
    ]
    kinds = [op.kind for op in recording.ops]
    assert kinds == ["input", "module", "module", "method", *["function"] * 3, "module", "output"]
    targets = [op.target for op in ops(recording, kinds="function")]
    assert targets == ["torch.nn.functional.relu", "torch.Tensor.mul", "torch.cat"]
    assert from_json(to_json(recording)) == recording


def test_the_observer_inside_a_float_functional_is_hidden() -> None:
    recording, _ = run(Forward(lambda m, x: m.ff.mul(x, x), ff=FloatFunctional()), X)
    assert [e.module for e in recording.executions] == ["", "ff"]
    assert [(op.method, op.call) for op in ops(recording)] == [("mul", 0)]


def test_a_float_input_that_is_used_beside_its_stub_stays_float() -> None:
    """torch's stubs give back the very object they were given: both ends must be told apart."""
    recording, _ = run(Forward(lambda m, x: (m.quant(x) + 1, x + 2), quant=QuantStub()), X)
    assert words(recording)[1:3] == ["add <- quant", "add <- x"]


@pytest.mark.parametrize("graded", [True, False])
def test_a_parameter_that_is_used_beside_its_stub_stays_float(graded: bool) -> None:
    model = Forward(lambda m, x: (m.quant(m.table) + x, m.table + x), quant=QuantStub())
    model.table = nn.Parameter(torch.ones(4))
    with torch.set_grad_enabled(graded):
        recording, _ = run(model, X)
    assert [w for w in words(recording) if w.startswith("add")] == ["add <- quant, x", "add <- table, x"]


@pytest.mark.parametrize("method", ["contiguous", "float", "cpu"])
def test_a_function_that_gives_back_its_input_does_not_take_its_place(method: str) -> None:
    recording, _ = run(Forward(lambda m, x: getattr(x, method)() + x), X)
    assert words(recording)[1] == f"add <- {method}, x"


def test_a_dynamic_iteration_like_raft() -> None:
    class Update(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRUCell(4, 4)
            self.flow = nn.Linear(4, 4)

        def forward(self, hidden: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            hidden = self.gru(x, hidden)
            return hidden, self.flow(hidden)

    class Raft(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.update = Update()

        def forward(self, x: Tensor, iterations: int = 12) -> list[Tensor]:
            hidden, flow = torch.zeros_like(x), x
            flows = []
            for _ in range(iterations):
                hidden, delta = self.update(hidden, flow.detach())
                flow = flow + delta
                flows.append(flow)
            return flows

    recording, out = run(Raft(), X[:, 0], iterations=3)
    assert len(out) == 3
    updates = [e for e in recording.executions if e.module == "update"]
    assert len(updates) == 3
    gru = [op for op in ops(recording) if op.module == "update.gru"]
    assert [op.call for op in gru] == [0, 1, 2]
    assert [op.execution for op in gru] == [e.number for e in updates]
    assert [op.owner for op in gru] == ["update"] * 3
    adds = [op for op in ops(recording) if op.target == "torch.Tensor.add"]
    assert [(op.owner, op.execution, op.call) for op in adds] == [("", 0, 0)] * 3
    assert recording.ops[-1].inputs == tuple(op.number for op in adds)


def test_an_early_exit_and_what_tracing_cannot_do() -> None:
    class Exits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            for stage in self.stages:
                x = stage(x)
                if float(x.abs().sum()) > 0:
                    return x
            return x

    model = Exits()
    with pytest.raises(TypeError):
        torch.fx.symbolic_trace(model)
    recording, _ = run(model, X)
    assert [op.module for op in ops(recording, kinds="module")] == ["stages.0"]
    assert words(recording)[-2:] == ["__float__ <- sum", "output <- stages.0"]


def test_a_dict_of_lists_and_an_object_as_output() -> None:
    class Boxes:
        def __init__(self, value: Tensor) -> None:
            self.value = value

    def forward(m: Any, feats: dict[str, list[Tensor]]) -> dict[str, Any]:
        a, b = feats["p"]
        return {"out": [m.lin(a), (b, 3)], "boxes": Boxes(a * 2)}

    model = Forward(forward, lin=nn.Linear(4, 4))
    feats = {"p": [X, X + 1]}
    with Recorder(model) as recorder:
        out = model(feats)
    recording = recorder.recording((feats,), {}, out)
    assert [op.target for op in recording.ops if op.kind == "input"] == ["x.p.0", "x.p.1"]
    assert words(recording)[-1] == "output <- lin, x.p.1, mul"


def test_inputs_are_named_after_the_parameters_of_forward() -> None:
    class Model(nn.Module):
        def forward(self, image: Tensor, *, masks: list[Tensor], scale: float = 1.0) -> Tensor:
            return image * masks[1] * scale

    recording, _ = run(Model(), masks=[X, X + 1], image=X + 2)
    named = {op.target: op for op in recording.ops if op.kind == "input"}
    assert sorted(named) == ["image", "masks.0", "masks.1"]
    (first, _) = ops(recording)
    assert first.inputs == (named["image"].number, named["masks.1"].number)
    assert named["image"].output_facts[0].shape == (2, 3, 4)
    assert named["image"].output_facts[0].dtype == "float32"


def test_in_place_code_moves_the_name_to_the_writer() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = x * 1
        y += x
        y[:, 0] = 0
        z = m.relu(y)
        y.mul_(2)
        return z - y

    recording, _ = run(Forward(forward, relu=nn.ReLU(inplace=True)), X)
    assert words(recording)[1:] == [
        "add_ <- mul, x",
        "__setitem__ <- add_",
        "relu <- __setitem__",
        "mul_ <- relu",
        "sub <- mul_, mul_",
        "output <- sub",
    ]
    assert [op.inplace for op in ops(recording)] == [False, True, True, True, True, False]
    assert ops(recording)[2].output_facts[0].shape == (2, 3, 4)


def test_a_whole_tensor_written_through_a_view_has_the_writer_as_its_producer() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = x * 1
        y.view(-1).add_(1)
        return m.lin(y)

    recording, _ = run(Forward(forward, lin=nn.Linear(4, 4)), X)
    assert words(recording) == ["mul <- x", "view <- mul", "add_ <- view", "lin <- add_", "output <- lin"]
    assert recording.notes == ()


def test_a_part_written_through_a_view_is_said_and_the_whole_stays_with_its_maker() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = x * 1
        y[0].add_(1)
        return m.lin(y)

    recording, _ = run(Forward(forward, lin=nn.Linear(4, 4)), X)
    assert words(recording)[-2] == "lin <- mul"
    (note,) = recording.notes
    line = inspect.getsourcelines(forward)[1] + 2
    assert f"test_recorder.py:{line}" in note


def test_iterating_and_reading_properties() -> None:
    def forward(m: Any, x: Any) -> Any:
        first, second = x
        assert x.shape[0] == x.size(0) == len(x) and x.dim() and not x.requires_grad
        return first.T @ second

    recording, _ = run(Forward(forward), X)
    assert words(recording) == ["unbind <- x", "T <- unbind", "matmul <- T, unbind", "output <- matmul"]


def test_modules_in_plain_lists_on_the_class_and_made_in_forward() -> None:
    class Model(nn.Module):
        act = nn.ReLU()

        def __init__(self) -> None:
            super().__init__()
            self.plain: list[Any] = [nn.Identity(), {"a": nn.Sigmoid()}]

        def forward(self, x: Any) -> Any:
            for _ in range(2):
                x = nn.Tanh()(x)
            return self.act(self.plain[1]["a"](self.plain[0](x)))

    recording, _ = run(Model(), X)
    paths = [op.module for op in ops(recording)]
    assert paths == ["<Tanh 0>", "<Tanh 1>", "plain.0", "plain.1.a", "act"]
    assert [op.call for op in ops(recording)] == [0] * 5
    assert recording.module("plain.1.a").names == ("plain.1.a",)
    text = " ".join(recording.notes)
    assert "`plain.0` is in no registered attribute" in text
    assert "a Tanh is made in forward" in text


def test_checkpoint_no_grad_and_autocast_change_nothing() -> None:
    def forward(m: Any, x: Any, reentrant: bool) -> Any:
        y = checkpoint(m.body, x, use_reentrant=reentrant)
        with torch.no_grad():
            z = m.body(y)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return y + m.head(z)

    body = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model = Forward(forward, body=body, head=nn.Linear(4, 4))
    for reentrant in (True, False):
        recording, out = run(model, X.clone().requires_grad_(), reentrant)
        assert words(recording) == [
            "body.0 <- x",
            "body.1 <- body.0",
            "body.0 <- body.1",
            "body.1 <- body.0",
            "head <- body.1",
            "add <- body.1, head",
            "output <- add",
        ]
        assert recording.notes == ()
        assert [f.dtype for f in ops(recording)[-1].input_facts] == ["float32", "bfloat16"]
        out.sum().backward()
    assert body[0].weight.grad is not None


class Tracer:
    """As the plugin's class is used."""

    @staticmethod
    @contextmanager
    def dynamic_block(module: nn.Module | None, name: str) -> Iterator[None]:
        yield


def test_dynamic_blocks_are_scopes_with_runs_and_calls_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = ModuleType(JIT_SCHEME)
    vars(scheme).update(Tracer=Tracer)
    monkeypatch.setitem(sys.modules, JIT_SCHEME, scheme)
    before = vars(Tracer)["dynamic_block"]

    def step(m: Any, x: Any) -> Any:
        x = x + 1
        for _ in range(2):
            with Tracer.dynamic_block(m, "body"):
                x = m.act(x + 1)
                with Tracer.dynamic_block(m, "inner"):
                    x = x + 2
                x = x + 3
        return x + 4

    model = Forward(lambda m, x: m.sub(m.sub(x)), sub=Forward(step, act=nn.ReLU()))
    recording, _ = run(model, X)
    assert vars(Tracer)["dynamic_block"] is before
    told = [(op.scope, op.scope_run, op.call) for op in ops(recording)]
    entry = [("body", 0, 0), ("body", 0, 0), ("inner", 0, 0), ("body", 0, 0)]
    again = [("body", 1, 1), ("body", 1, 1), ("inner", 1, 1), ("body", 1, 1)]
    assert told[:10] == [(None, 0, 0), *entry, *again, (None, 0, 0)]
    assert [(scope, run) for scope, run, _ in told[10:15]] == [
        (None, 0),
        ("body", 2),
        ("body", 2),
        ("inner", 2),
        ("body", 2),
    ]
    assert {op.call for op in ops(recording, kinds="function") if op.scope is None} == {0, 1}
    acts = [e for e in recording.executions if e.module == "sub.act"]
    assert [(e.scope, e.scope_run) for e in acts] == [("body", n) for n in range(4)]


def test_a_block_without_a_name_is_one_scope_however_the_plugin_spells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheme = ModuleType(JIT_SCHEME)
    vars(scheme).update(Tracer=Tracer, dynamic_block=lambda: Tracer.dynamic_block(None, ""))
    monkeypatch.setitem(sys.modules, JIT_SCHEME, scheme)

    def forward(m: Any, x: Any) -> Any:
        for _ in range(2):
            with scheme.dynamic_block():
                x = x + 1
        return x

    recording, _ = run(Forward(forward), X)
    assert [(op.scope, op.scope_run) for op in ops(recording)] == [("", 0), ("", 1)]
    assert recording.notes == ()


def test_a_block_without_a_name_is_heard_where_a_file_imported_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scheme, file = ModuleType(JIT_SCHEME), ModuleType("file_with_a_block")
    vars(scheme).update(dynamic_block=lambda: nullcontext())
    before = vars(file)["block"] = vars(scheme)["dynamic_block"]
    monkeypatch.setitem(sys.modules, JIT_SCHEME, scheme)
    monkeypatch.setitem(sys.modules, file.__name__, file)

    def forward(m: Any, x: Any) -> Any:
        for _ in range(2):
            with file.block():
                x = x + 1
        return x

    recording, _ = run(Forward(forward), X)
    assert [(op.scope, op.scope_run) for op in ops(recording)] == [("", 0), ("", 1)]
    assert vars(file)["block"] is before


def test_parameters_and_buffers_used_directly_are_constants_with_their_names() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(4))
            self.register_buffer("table", torch.arange(4.0))
            self.literal = torch.ones(4)
            self.table: Tensor

        def forward(self, x: Any) -> Any:
            return x * self.gain + self.table - self.literal + torch.zeros(4)

    model = Forward(lambda m, x: m.scale(x), scale=Scale())
    recording, _ = run(model, X)
    constants = [op.target for op in recording.ops if op.kind == "constant"]
    assert constants == ["scale.gain", "scale.table", ""]
    assert words(recording) == [
        "mul <- x, scale.gain",
        "add <- mul, scale.table",
        "sub <- add, constant",
        "zeros",
        "add <- sub, zeros",
        "output <- add",
    ]


def test_one_instance_under_two_names() -> None:
    act = nn.ReLU()
    recording, _ = run(Forward(lambda m, x: m.second(m.first(x)), first=act, second=act), X)
    assert [(op.module, op.call) for op in ops(recording)] == [("first", 0), ("first", 1)]
    assert recording.module("first").names == ("first", "second")


def test_forward_called_directly_is_an_execution_and_super_is_not() -> None:
    class Base(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act.forward(x)

    class Child(Base):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 1

    recording, _ = run(Forward(lambda m, x: m.child.forward(m.child(x)), child=Child()), X)
    assert [e.module for e in recording.executions] == ["", "child", "child.act", "child", "child.act"]
    assert [(op.module, op.call) for op in ops(recording, kinds="module")] == [
        ("child.act", 0),
        ("child.act", 1),
    ]


def test_an_own_forward_makes_a_layer_of_torch_no_leaf() -> None:
    class Same(nn.Conv1d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(F.pad(x, (1, 1)))

    class Renamed(nn.Conv1d):
        pass

    model = Forward(lambda m, x: m.plain(m.same(x)), same=Same(3, 3, 3), plain=Renamed(3, 3, 1))
    recording, _ = run(model, X)
    assert words(recording)[0] == "pad <- x"
    assert [op.kind for op in ops(recording)] == ["function", "function", "module"]
    assert not recording.module("same").leaf and recording.module("plain").leaf
    base = recording.module("plain")
    assert base.mro == () and base.source == __file__ and base.parameters == 2


def test_a_container_of_torch_with_the_users_modules_inside_is_looked_into() -> None:
    class Layer(nn.TransformerDecoderLayer):
        def forward(self, tgt: Tensor, memory: Tensor, *_: Any, **kwargs: Any) -> Tensor:
            return tgt + memory

    mine = nn.TransformerDecoder(Layer(4, 2), 2)
    recording, _ = run(Forward(lambda m, x: m.mine(x, x), mine=mine), X)
    assert words(recording)[:2] == ["add <- x, x", "add <- add, x"]
    assert [op.owner for op in ops(recording)] == ["mine.layers.0", "mine.layers.1"]
    theirs = nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2), 2).eval()
    recording, _ = run(Forward(lambda m, x: m.theirs(x, x), theirs=theirs), X)
    assert words(recording)[0] == "theirs <- x, x"


def test_a_model_that_is_a_leaf() -> None:
    recording, _ = run(nn.Linear(4, 4), X)
    assert [(op.kind, op.owner) for op in recording.ops] == [("input", ""), ("module", ""), ("output", "")]


def test_places_count_characters_and_stand_in_the_users_code() -> None:
    def helper(x: Tensor) -> Tensor:
        return F.relu(x)

    def forward(m: Any, x: Any) -> Any:
        é = m.seq(x); return helper(é) + é  # fmt: skip  # noqa: E702

    recording, _ = run(Forward(forward, seq=nn.Sequential(nn.Linear(4, 4))), X)
    places = [op.place for op in ops(recording)]
    assert all(p is not None and p.path == __file__ for p in places)
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    numbers = [p.line for p in places if p]
    assert ["m.seq" in lines[n - 1] for n in numbers] == [True, False, True]
    if sys.version_info >= (3, 11):  # before, code objects know no columns
        texts = [lines[p.line - 1][p.column - 1 : p.end_column - 1] for p in places if p]
        assert texts == ["m.seq(x)", "F.relu(x)", "helper(é) + é"]
    assert [p.function.rpartition(".")[2] for p in places if p] == ["forward", "helper", "forward"]


def test_a_model_that_raises_is_left_as_it_was() -> None:
    def forward(m: Any, x: Any) -> Any:
        m.act(x)
        raise RuntimeError("mine")

    model = Forward(forward, act=nn.ReLU(), ff=FloatFunctional())
    before = nn.Module.__call__
    with pytest.raises(RuntimeError, match="mine"), Recorder(model) as recorder:
        model(X)
    assert nn.Module.__call__ is before
    assert all("forward" not in vars(m) and "add" not in vars(m) for m in model.modules())
    assert [step.op.module for step in recorder.steps] == ["", "act"]


def test_a_forward_that_copies_its_modules_runs_the_copies() -> None:
    def forward(m: Any, x: Any) -> Any:
        twin = copy.deepcopy(m.lin)
        nn.init.zeros_(twin.weight)
        return twin(x) + m.lin(x)

    recording, _ = run(Forward(forward, lin=nn.Linear(4, 4)), X)
    assert [op.module for op in ops(recording, kinds="module")] == ["<Linear 0>", "lin"]


def test_code_that_asks_for_the_signature_of_forward_gets_it() -> None:
    def forward(m: Any, x: Any) -> Any:
        names = list(inspect.signature(m.lin.forward).parameters)
        assert names == ["input"] and m.lin.forward.__func__ is nn.Linear.forward
        return m.lin(x)

    run(Forward(forward, lin=nn.Linear(4, 4)), X)


def test_calls_of_a_helper_have_routes_of_their_own_and_turns_of_a_loop_share_one() -> None:
    def helper(x: Any, y: Any) -> Any:
        return torch.add(x, y, alpha=2)

    def forward(m: Any, x: Any) -> Any:
        for _ in range(2):
            x = helper(x, x)
        y = helper(x, x)
        return m.lin(y).relu()

    recording, _ = run(Forward(forward, lin=nn.Linear(4, 4)), X)
    first, again, other, *_ = ops(recording, kinds="function")
    assert first.place == again.place == other.place
    assert first.route == again.route != other.route
    assert first.named == ("alpha",)


def test_what_torch_cannot_intercept_is_said() -> None:
    @torch.jit.script  # type: ignore[untyped-decorator]
    def twice(x: Tensor) -> Tensor:
        return x * 2

    recording, _ = run(Forward(lambda m, x: twice(m.lin(x)) + 1, lin=nn.Linear(4, 4)), X)
    assert "cannot be recorded" in recording.notes[0]


def test_the_watcher_sees_live_tensors_and_is_not_recorded() -> None:
    seen = []

    def watcher(number: int, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        seen.append((number, args[0].shape, float(out.sum() * 2)))

    model = Forward(lambda m, x: m.ff.add(m.act(x), x * 1), act=nn.ReLU(), ff=FloatFunctional())
    with Recorder(model, watcher) as recorder:
        out = model(X)
    recording = recorder.recording((X,), {}, out)
    assert [number for number, *_ in seen] == [op.number for op in ops(recording)]
    assert seen[-1] == (ops(recording)[-1].number, X.shape, float(out.sum() * 2))


def test_the_graph_carries_the_same_facts() -> None:
    def forward(m: Any, x: Any) -> Any:
        a, b = (m.lin(x) * m.lin.weight).split(2, -1)
        return m.ff.cat([a, b], -1)

    model = Forward(forward, lin=nn.Linear(4, 4), ff=FloatFunctional())
    x = torch.ones(4, 4)
    with Recorder(model) as recorder:
        out = model(x)
    recording = recorder.recording((x,), {}, out)
    nodes = list(recorder.graph.nodes)
    assert [n.op for n in nodes] == [
        *("placeholder", "call_module", "get_attr", "call_function", "call_method"),
        *("call_function", "call_function", "get_attr", "call_method", "output"),
    ]
    told = [n.meta for n in nodes if "number" in n.meta]
    assert [m["number"] for m in told] == list(range(len(recording.ops)))
    call = next(n for n in nodes if n.op == "call_module")
    assert call.meta["file"] == __file__ and call.meta["owner"] == "" and call.meta["dtype"] == ["float32"]
    assert torch.equal(torch.fx.GraphModule(model, recorder.graph)(x), out)


@pytest.mark.parametrize(
    ("home", "kinds"),
    [
        ("torchvision.ops.deform_conv", ["module"]),
        ("torchvision.ops.misc", ["function"] * 2),
        ("mine", ["function"] * 2),
    ],
)
def test_a_deformable_convolution_of_torchvision_is_one_op(home: str, kinds: list[str]) -> None:
    class DeformConv2d(nn.Module):
        __module__ = home

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x.abs())

    recording, _ = run(Forward(lambda m, x: m.conv(x), conv=DeformConv2d()), X)
    assert [op.kind for op in ops(recording)] == kinds
