"""Loops and branches that a forward may run another number of times, and the ops in them."""

from __future__ import annotations

import pytest

from qatlint.trace import Region
from tests.static.dynamic import BODY, HELPERS, INIT, decides, op_of, ops, regions, traced
from tests.static.sources import HEAD, findings_in, model, trace_in, trace_of

BLOCK = "from horizon_plugin_pytorch.fx.jit_scheme import Tracer"


@pytest.mark.parametrize(
    ("head", "varies"),
    [
        ("for i in range(x.shape[0]):", "shape"),
        ("for i in range(x.size(0)):", "shape"),
        ("b, c, h, w = x.shape\nfor i in range(b):", "shape"),
        ("b = x.size()[0]\nfor i in range(0, b, 2):", "shape"),
        ("x = x.flatten(1)\nfor i in range(len(x)):", "shape"),
        ("y = self.conv(x)\nfor i in range(y.shape[0] // 2):", "shape"),
        ("n = int(x.max())\nfor i in range(n):", "data"),
        ("for i in range(x.sum().item()):", "data"),
        ("idx = torch.nonzero(x)\nfor i in range(idx.shape[0]):", "data"),
        ("while x.mean() > 1:", "data"),
        ("while (x > 0).any():", "data"),
        ("if x.max() > 3:", "data"),
        ("if (x == 0).all():", "data"),
        ("if float(torch.norm(x)) < 1:", "data"),
        ("ok = x.abs().max() < 1\nif ok:", "data"),
        ("if random.random() < 0.5:", "random"),
        ("if torch.rand(1).item() < 0.5:", "random"),
        ("for i in range(random.randint(1, 4)):", "random"),
        ("if x.shape[-1] % 2:", "shape"),
        ("if x.shape[0] > 1:", "shape"),
        ("for f in xs:", "unproven"),
        ("for i, f in enumerate(xs):", "unproven"),
        ("for i in range(len(xs)):", "unproven"),
        ("n = len(xs)\nfor i in range(n - 1):", "unproven"),
        ("for a, b in zip(xs, x):", "unproven"),
    ],
)
def test_what_is_dynamic(head: str, varies: str) -> None:
    assert decides(f"{head}\n{BODY}") == varies


@pytest.mark.parametrize(
    "head",
    [
        "for i in range(4):",
        "for i in range(flag):",
        "for i in range(self.n):",
        "for m in self.layers:",
        "for i, m in enumerate(self.layers):",
        "for m, f in zip(self.layers, xs):",
        "for i in range(len(self.layers)):",
        "for i in range(len(self.layers) - 1, 0, -1):",
        "ys = [m(x) for m in self.layers]\nfor y in ys:",
        "ys = [m(x) for m in self.layers]\nfor i in range(len(ys) - 1, 0, -1):",
        "ys = []\nfor m in self.layers:\n    ys.append(m(x))\nfor y in ys:",
        "assert len(xs) == len(self.layers)\nfor f in xs:",
        "assert len(xs) == self.n\nfor i in range(len(xs)):",
        "if self.training:",
        "if self.n > 2:",
        "if self.mode == 'a':",
        "if flag:",
        "if x is not None:",
        "if self.opt is not None:",
        "if isinstance(xs, (list, tuple)):",
        "if hasattr(self, 'conv'):",
        "if x.dim() == 4:",
        "if x.ndim == 4:",
        "if x.shape[-1] == 4:",
        "y = x\nif flag:\n    y = x.flip(0)\nif y.shape[-1] == 4:",
        "y = x if self.opt is None else x.flip(0)\nif y.shape[0] == 0:",
        "if x.dtype == torch.float16:",
        "if 'mask' in xs:",
        "if torch.jit.is_scripting():",
        "if Tracer.is_tracing():",
        "if self.training and x.max() > 1:",
        "for s in x.shape:",
        "for m in self.layers:\n    if self.training:\n        if torch.rand(1) < 0.1:\n            continue",
        "y = x\nif x.shape[0] > 1:\n    y = x.flip(0)\nif y is not None:",
        "if not is_exporting():",
        "for i in range(self.conv.weight.shape[0]):",
    ],
)
def test_what_is_not(head: str) -> None:
    init = f"{INIT}\nself.n = n\nself.mode = mode\nself.opt = opt"
    # The loop at the end makes sure that the class is looked at closely.
    forward = f"{head}\n    x = x * x\nfor i in range(x.shape[0]):\n    x = x * x\nreturn x"
    found = regions(forward, init=init, parameters="n, mode='a', opt=None")
    assert {varies for _, varies, _ in found[:-1]} <= {"static"} and found[-1][1] == "shape"


def test_the_name_of_what_decides() -> None:
    assert regions("for f in xs:\n    x = x + f\nreturn x") == [("for", "unproven", "xs")]
    assert regions("n = flag\nfor i in range(x.size(1)):\n    x = x + 1\nreturn x") == [("for", "shape", "")]


def test_the_loss_of_labels_is_not_deployed() -> None:
    text = model(
        "", "if labels is not None:\n    for i in range(x.shape[0]):\n        x = x * labels[i]\nreturn x"
    )
    assert not trace_of(text.replace("flag=False", "labels=None"), "Model").ops


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("prediction, gt_boxes", []),
        ("prediction, gt", []),
        ("prediction, depth_gt", []),
        ("prediction, gt_boxes=None", ["*"]),
        ("prediction, height", ["*"]),
    ],
)
def test_a_function_that_needs_the_ground_truth_is_an_evaluation(head: str, found: list[str]) -> None:
    text = model("", "return evaluate(x, labels)", HELPERS)
    text += f"\ndef evaluate({head}):\n    for p in prediction.unbind(0):\n        p = p * 2\n    return p\n"
    trace = trace_of(text.replace("flag=False", "labels=3"), "Model")
    assert [op.written for op in trace.ops] == found


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("functools.reduce(lambda a, b: a + b, xs)", ["+"]),
        ("functools.reduce(torch.add, xs)", ["torch.add"]),
        ("functools.reduce(operator.mul, xs[0].shape, 1)", []),
        ("functools.reduce(operator.mul, [t.shape[0] for t in xs], 1)", []),
        ("sum([self.conv(t) for t in xs])", ["sum"]),
        ("sum(self.conv(t) for t in xs)", ["sum"]),
        ("sum(t.shape[0] for t in xs)", []),
        ("sum([m(x) for m in self.layers])", ["sum"]),
        ("sum(xs)", []),
    ],
)
def test_one_op_for_each_of_several(written: str, found: list[str]) -> None:
    text = "import functools\nimport operator\n" + model(
        INIT, f"return {written}, [x * t for t in xs]", HELPERS
    )
    assert [op.written for op in trace_of(text, "Model").ops if not op.is_module] == [*found, "*"]


def test_as_many_additions_as_there_are_modules_are_fixed() -> None:
    text = HEAD + model(INIT, "return sum([m(x) for m in self.layers])")
    assert findings_in({"model.py": text}, "QAT201") == []


def test_the_sum_of_a_list_that_varies_is_a_note_without_a_fix() -> None:
    text = HEAD + model(INIT, "return sum([self.conv(t) for t in xs])")
    (finding,) = findings_in({"model.py": text}, "QAT201")
    assert finding.severity.name == "NOTE" and finding.fix is None and "as a loop" in finding.no_fix


def test_a_sum_of_tensors_is_one() -> None:
    forward = "y = sum([m(x) for m in self.layers])\nfor _ in range(x.shape[0]):\n    y = self.conv(x) + y\nreturn y"
    assert op_of(traced(forward), "+").operands == 2


@pytest.mark.parametrize(
    ("call", "found"), [("operator.mul(x.shape[0], 2)", []), ("operator.mul(x, 2)", [1])]
)
def test_an_operator_as_a_function(call: str, found: list[int]) -> None:
    text = "import operator\n" + model(
        INIT, f"for _ in xs:\n    y = {call}\n    x = x * 2\nreturn x", HELPERS
    )
    assert [op.operands for op in trace_of(text, "Model").ops if op.written == "operator.mul"] == found


@pytest.mark.parametrize("asks", ["isinstance(xs, list)", "flag", "self.mode == 'a'"])
@pytest.mark.parametrize("first", [True, False])
def test_what_is_tested_of_a_value_says_nothing_of_how_it_was_chosen(asks: str, first: bool) -> None:
    chosen = f"n = 3 if {asks} else x.max()\nif n > 2:\n    x = x + 1\n"
    branch = f"if {asks}:\n    x = x * 2\n"
    forward = (branch + chosen if first else chosen + branch) + "return x"
    found = {r.written: r.varies.value for r in traced(forward, f"{INIT}\nself.mode = mode", "mode").regions}
    assert found[f"if {asks}"] == "static" and found["if n > 2"] == "data"


def test_so_it_is_where_many_tests_have_chosen() -> None:
    """The formula gets a name, and each of its parts has been tested by itself."""
    forward = (
        "use = (self.a and not self.b) or (self.c and self.d) or (self.e and self.f) or self.g\n"
        "y = None if use else x\nn = x.max() if use else 3\nif n > 2:\n    x = x + 1\n"
        "if y is not None:\n    x = torch.cat([x, y])\nif not use:\n    x = x * 2\nreturn x"
    )
    init = INIT + "".join(f"\nself.{name} = {name}" for name in "abcdefg")
    found = {r.written: r.varies.value for r in traced(forward, init, ", ".join("abcdefg")).regions}
    assert found["if n > 2"] == "data"
    assert {found["if y is not None"], found["if not use"]} == {"static"}


def test_places_that_begin_as_a_table_are_whole() -> None:
    forward = (
        "places = torch.arange(5)\nif x.max() > 1:\n    places = places.index_select(0, torch.where(x > 0)[0])\n"
        "for i in range(x.shape[0]):\n    x = x * 2\n    best = torch.where(places == i, places, -1)\n"
        "return x, best"
    )
    assert ops(forward) == ["*"]


STATE = "if self.memory is None:\n    x = x * x\nself.memory = x\nreturn x"


def test_state_that_forward_changes() -> None:
    assert regions(STATE, init="self.memory = None") == [("if", "state", "self.memory")]


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("super().forward(x)", ["+"]),
        ("Base.forward(self, x)", ["+"]),
        ("self.head.step(x)", ["*"]),
        ("getattr(self, 'own')(x)", ["-"]),
        ("self.head(x)", []),
        ("self.head.forward(x)", []),
    ],
)
def test_ops_that_nothing_but_a_call_leads_to(call: str, found: list[str]) -> None:
    text = HEAD + (
        "class Base(nn.Module):\n    def forward(self, x):\n        return x + x\n"
        "class Head(nn.Module):\n    def step(self, x):\n        return x * x\n"
        "    def forward(self, x):\n        return self.step(x)\n"
        "class Model(Base):\n    def __init__(self):\n        super().__init__()\n        self.head = Head()\n"
        "    def own(self, x):\n        return x - 1\n"
        f"    def forward(self, x, n: int):\n        for _ in range(n):\n            x = {call}\n        return x\n"
    )
    assert [op.written for op in trace_of(text, "Model").ops if not op.is_module] == found


def test_both_sides_of_a_test_of_state_are_followed() -> None:
    forward = (
        "if self.memory is None:\n    x = x - 1\nelse:\n    x = x + self.memory\nself.memory = x\nreturn x"
    )
    assert ops(forward, init="self.memory = None") == ["-", "+"]


def test_state_that_only_training_or_another_method_changes_is_none() -> None:
    training = "if self.memory is None:\n    x = x * x\nif self.training:\n    self.memory = x\nreturn x"
    assert decides(f"for f in xs:\n    x = x + f\n{training}", init="self.memory = None") == "unproven"
    assert ("if", "state", "self.memory") not in regions(training, init="self.memory = None")
    elsewhere = "def reset(self):\n    self.memory = None"
    forward = f"for f in xs:\n    x = x + f\nif self.memory is None:\n{BODY}"
    assert regions(forward, init="self.memory = None", methods=elsewhere)[1][1] == "static"


LEFT = "for m in self.layers:\n    x = x * 2\n    if x.max() > 1:\n        {}\n    x = m(x) + x\nreturn x"


@pytest.mark.parametrize("leave", ["break", "return x"])
def test_a_loop_that_tensors_let_end_early(leave: str) -> None:
    assert decides(LEFT.format(leave)) == "data"


def test_a_turn_that_tensors_let_end_early() -> None:
    """The loop turns as often as ever: only what follows the `continue` does not."""
    trace = traced(LEFT.format("continue"))
    loop, rest = (next(r for r in trace.regions if r.statement == kind) for kind in ("for", "rest"))
    assert (loop.varies.value, rest.varies.value, rest.way) == ("static", "data", "continue")
    assert rest.beside == loop.number
    inside = {op.written: [s.region for s in op.inside] for op in trace.ops}
    assert inside["*"] == [loop.number] and inside["+"] == [loop.number, rest.number]


def test_loops_behind_a_continue_that_the_constructor_decides_are_fixed() -> None:
    forward = "for m in self.layers:\n    if self.n == 2:\n        continue\n    x = m(x) + x\n"
    after = "for f in xs:\n    x = x + f\nreturn x"
    assert {r[1] for r in regions(forward + after, init=f"{INIT}\nself.n = n", parameters="n=3")} == {
        "static",
        "unproven",
    }


def test_places_in_the_text_go_by_what_is_written_alike() -> None:
    loop = "for f in xs:\n    x = x + f\n"
    trace = traced(f"{loop}for g in xs:\n    x = x + g\n{loop}return x")
    assert [r.nth for r in trace.regions if r.statement == "for"] == [1, 1, 2]


def test_a_loop_that_the_constructor_lets_end_early_is_fixed() -> None:
    forward = (
        "for m in self.layers:\n    if self.n == 2:\n        break\n    x = m(x) + x\n"
        "for f in xs:\n    x = x + f\nreturn x"
    )
    assert decides(forward, init=f"{INIT}\nself.n = 3") == "static"


def test_what_a_loop_carries_decides_too() -> None:
    forward = "go = True\nwhile go:\n    x = x * x\n    go = x.max() < 1\nreturn x"
    assert decides(forward) == "data"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x = x + 1", ["+"]),
        ("x += f", ["+"]),
        ("x = torch.cat([x, f], 1)", ["torch.cat"]),
        ("x = x.softmax(-1)", [".softmax()"]),
        ("x.add_(f)", [".add_()"]),
        ("x = F.relu(x)", ["torch.nn.functional.relu"]),
        ("x = helper(x, f)", ["+", "torch.relu"]),
        ("x = self.own(x)", ["-"]),
        ("x = (lambda a: a * 2)(x)", ["*"]),
        ("def inner(a):\n        return a * 2\n    x = inner(x)", ["*"]),
        ("x = 2 * (x - f) / 3", ["-", "*", "/"]),
        ("x = self.conv(x)", []),
        ("x = x.view(1, -1).permute(1, 0)[None].flatten(1)", []),
        ("n = x.shape[0] * 2 + 1\n    x = x.reshape(n, -1)", []),
        ("b, c, h, w = x.shape\n    x = x.view(b * c, h + 1, w)", []),
        ("i = len(xs) + 3", []),
        ("ys = [f] + [x]", []),
        ("name = 'a' + 'b'", []),
        ("i = torch.argmax(x) + 1", []),
        ("keep = (x > 0) & (f > 0)", []),
        ("x = hidden(x, f)", []),
        ("x = decode_boxes(x, f)", []),
        ("x = self.loss(x)", []),
        ("t = self.scale * 2", []),
        ("t = torch.cat(torch.zeros(2, 3).unbind(1), 0)", []),
        ("t = torch.cat(x.unbind(1), 0)", ["torch.cat"]),
        ("t = sum(f.split(1))", ["sum"]),
        ("t = f.split(1)[0] * 2", ["*"]),
        ("t = key_padding_mask.sum(-1)", []),
        ("if self.training:\n        x = x * 2", []),
        ("x = F.interpolate(x, size=(4, 4))", []),
    ],
)
def test_what_is_an_op_of_the_forward(body: str, expected: list[str]) -> None:
    methods = "def own(self, a):\n    return a - 1\ndef loss(self, a):\n    return a * a"
    init = f"{INIT}\nself.scale = nn.Parameter(torch.ones(3))"
    # The last line keeps the class a prospect.
    forward = f"x = self.conv(x)\nfor f in xs:\n    {body}\nfor g in xs:\n    x = x @ g\nreturn x"
    text = model(init, forward, HELPERS, methods=methods).replace("xs, flag", "xs, key_padding_mask, flag")
    found = [op.written for op in trace_of(text, "Model").ops if not op.is_module and op.inside]
    assert found[:-1] == expected


def test_outside_of_the_quantised_region_nothing_counts() -> None:
    init = f"{INIT}\nself.quant = QuantStub()\nself.dequant = DeQuantStub()"
    before = "from torch.ao.quantization import DeQuantStub, QuantStub"
    forward = "for f in xs:\n    y = f / 255\n    x = self.quant(y)\n    x = x * 2\n    z = self.dequant(x)\n    z = z + 1\nreturn z"
    trace = trace_of(model(init, forward, before), "Model")
    assert [op.written for op in trace.ops if not op.is_module] == ["*"]


def test_an_op_knows_who_made_what_it_takes() -> None:
    trace = traced("for f in xs:\n    y = self.conv(f)\n    z = y + x\n    x = torch.relu(z)\nreturn x")
    conv, add, relu = op_of(trace, "self.conv"), op_of(trace, "+"), op_of(trace, "torch.relu")
    assert (conv.role, add.role, relu.role) == ("root", "add", "relu") and conv.is_module
    assert (conv.number,) == add.inputs and (add.number,) == relu.inputs and add.operands == 2
    assert trace.ops[add.number] is add


def test_comprehensions_and_map_are_loops() -> None:
    assert regions("return [x * f for f in xs]") == [("comprehension", "unproven", "xs")]
    found = regions("return list(map(self.one, xs))", methods="def one(self, f):\n    return f * f")
    assert found == [("call", "unproven", "xs")]


def test_how_a_region_calls_the_owner() -> None:
    methods = "def run(me, x):\n    for i in range(x.shape[0]):\n        x = x * x\n    return x"
    (region,) = traced("return self.run(x)", methods=methods).regions
    assert (region.receiver, region.function) == ("me", "run") and region.owner.endswith(":Model")


def test_a_plain_function_has_no_name_for_the_owner() -> None:
    texts = {
        "lib.py": "def run(x):\n    for i in range(x.shape[0]):\n        x = x * x\n    return x\n",
        "model.py": (
            "from torch import nn\nfrom lib import run\n\nclass Model(nn.Module):\n"
            "    def forward(self, x, n):\n        for i in range(n):\n            x = run(x)\n        return x\n"
        ),
    }
    trace = trace_in(texts, "model.py")
    outer, inner = trace.regions
    assert (outer.receiver, inner.receiver) == ("self", "") and inner.owner == "lib:run"
    (op,) = trace.ops
    assert [s.region for s in op.inside] == [outer.number, inner.number]


def test_watching_changes_nothing_about_modules() -> None:
    static = traced("for m in self.layers:\n    x = m(x) + x\nreturn self.conv(x)")
    dynamic = traced(
        "for m in self.layers:\n    x = m(x) + x\nx = x * len(xs)\nwhile x.max() > 1:\n    x = x / 2\nreturn self.conv(x)"
    )
    assert dynamic.ops
    assert [(c.method, c.times) for c in static.calls] == [(c.method, c.times) for c in dynamic.calls]


def test_regions_are_found_by_number() -> None:
    found: tuple[Region, ...] = traced(
        "for f in xs:\n    if x.max() > 1:\n        x = x + f\nreturn x"
    ).regions
    assert [r.number for r in found] == list(range(len(found)))


@pytest.mark.parametrize(
    ("forward", "varies"),
    [
        ("if x.max() > 1:\n    return x\nx = x * x\nreturn x", "data"),
        ("if flag:\n    if x.max() > 1:\n        return x\n    x = x[0]\nx = x * x\nreturn x", "data"),
        ("if x.max() > 1:\n    x = x[0]\nelse:\n    return x\nx = x * x\nreturn x", "data"),
        ("if random.random() > 0.5:\n    return x\nx = x * x\nreturn x", "random"),
        ("with torch.no_grad():\n    if x.max() > 1:\n        return x\n    x = x * x\nreturn x", "data"),
        ("with torch.no_grad():\n    if x.max() > 1:\n        return x\nx = x * x\nreturn x", "data"),
        ("for f in xs:\n    if f.max() > 1:\n        return x\nx = x * x\nreturn x", "data"),
        ("while flag:\n    if x.max() > 1:\n        return x\nx = x * x\nreturn x", "data"),
        ("try:\n    if x.max() > 1:\n        return x\nfinally:\n    pass\nx = x * x\nreturn x", "data"),
    ],
)
def test_what_follows_an_early_return_runs_or_not(forward: str, varies: str) -> None:
    found = [op for op in traced(forward).ops if op.written == "*"]
    trace = traced(forward)
    assert [trace.regions[s.region].statement for op in found for s in op.inside] == ["rest"]
    assert [trace.regions[s.region].varies.value for op in found for s in op.inside] == [varies]


@pytest.mark.parametrize(
    "forward",
    [
        "if flag:\n    if x.max() > 1:\n        return x\n    else:\n        return x[0]\nx = x * x\nreturn x",
        "if self.training and x.max() > 1:\n    return x\nx = x * x\nreturn x",
        "if x.max() > 1:\n    raise ValueError\nx = x * x\nreturn x",
        "if x is None:\n    return x\nx = x * x\nreturn x",
        "if x.shape[0] == 0:\n    return x\nx = x * x\nreturn x",
        "y = x.max() if flag else x\nx = x * x + y\nreturn x",
        "for i in range(3):\n    if flag:\n        return x\nx = x * x\nreturn x",
    ],
)
def test_what_always_runs(forward: str) -> None:
    trace = traced(f"{forward[: -len('return x')]}for f in xs:\n    x = x + f\nreturn x")
    times = [op for op in trace.ops if op.written == "*"]
    assert all(trace.regions[s.region].varies.value == "static" for op in times for s in op.inside)


@pytest.mark.parametrize(
    ("forward", "varies"),
    [
        ("return x * x if x.max() > 1 else x", ["data"]),
        ("y = x if random.random() > 0.5 else x * x\nreturn y", ["random"]),
        ("return x * x if flag else x", []),
        ("return x * x if x is not None else x", []),
        ("return x.flatten(1) if x.max() > 1 else x", []),
    ],
)
def test_conditional_expressions_are_branches(forward: str, varies: list[str]) -> None:
    assert [v for statement, v, _ in regions(forward) if statement == "either"] == varies


def test_the_test_of_a_loop_runs_once_more_than_its_body() -> None:
    trace = traced("while (x - 1).max() > 1:\n    x = x * x\nreturn x")
    of = {op.written: [trace.regions[s.region].statement for s in op.inside] for op in trace.ops}
    assert of["-"] == ["test"] and of["*"] == ["while"]
    assert {r.varies.value for r in trace.regions} == {"data"}


@pytest.mark.parametrize(
    "forward",
    [
        "if x.shape[0] == 0:\n    x = x * 2\nreturn x",
        "pad = x.shape[0] % 4\nif pad > 0:\n    x = x * 2\nreturn x",
        "if x.numel() != 0:\n    x = x * 2\nreturn x",
        "if x.shape[-2] < self.n or x.shape[-1] < self.n:\n    x = x * 2\nreturn x",
        "m = x * 2\nif x.shape[0] > 3:\n    m = x / 2\nif m.dtype == torch.bool:\n    m = m.sum()\nreturn m",
    ],
)
def test_branches_that_shapes_on_the_chip_decide_for_good(forward: str) -> None:
    found = traced(forward, init="self.n = 7").regions
    assert all(r.varies.value == "static" for r in found if r.written != "if x.shape[0] > 3")


@pytest.mark.parametrize(
    ("head", "varies"),
    [
        ("n = x.shape[0]\nwhile n > 0:\n    n = n - 1", "shape"),
        ("idx = torch.nonzero(x)\nif idx.shape[0] > 0:", "data"),
        ("for i in range(x.shape[0]):\n    x = self.layers[i](x)", "unproven"),
    ],
)
def test_what_stays_dynamic(head: str, varies: str) -> None:
    assert decides(f"{head}\n    x = x * x\nreturn x") == varies


@pytest.mark.parametrize(
    "body",
    [
        "e = x.new_zeros((2, 3), dtype=torch.long)\n    e[i] = xs[i]",
        "e = torch.zeros(3, dtype=torch.int64)\n    e[i] = x[i]",
        "e = x.to(torch.int32) + 1",
        "e = torch.arange(3).type_as(x) + 0.5",
        "e = self.scale.to(x.device) * 2",
    ],
)
def test_what_is_whole_or_constant_is_not_quantised(body: str) -> None:
    forward = f"for i in range(x.shape[0]):\n    {body}\n    x = x @ x\nreturn x"
    assert ops(forward, init="self.scale = nn.Parameter(torch.ones(3))") == ["@"]


@pytest.mark.parametrize(
    ("forward", "silent"),
    [
        ("gt = xs['gt_boxes']\nfor f in gt:\n    x = x * f\nreturn x", True),
        ("x = self.sample(xs)\nreturn x", True),
        ("if self.training:\n    z = self.sample(xs)\nfor f in xs:\n    x = x * 2\nreturn x", False),
        ("boxes = xs['boxes']\nfor f in boxes:\n    x = x * f\nreturn x", False),
    ],
)
def test_what_needs_the_ground_truth_is_training(forward: str, silent: bool) -> None:
    methods = "def sample(self, d):\n    x = d['gt_boxes']\n    for f in x:\n        x = x * f\n    return x"
    assert (not traced(forward, methods=methods).ops) is silent


def test_an_argument_that_is_the_ground_truth() -> None:
    text = model("", "for i in range(x.shape[0]):\n    x = x * gt_boxes[i]\nreturn x")
    assert not trace_of(text.replace("xs, flag=False", "gt_boxes"), "Model").ops
    assert trace_of(text.replace("xs, flag=False", "boxes"), "Model").ops


@pytest.mark.parametrize(
    ("forward", "varies"),
    [
        ("for f in xs:\n    if f.max() > 1:\n        break\nelse:\n    x = x * x\nreturn x", ["data"]),
        ("while flag:\n    if x.max() > 1:\n        break\nelse:\n    x = x * x\nreturn x", ["data"]),
        ("for f in xs:\n    if f.max() > 1:\n        continue\nelse:\n    x = x * x\nreturn x", ["static"]),
    ],
)
def test_the_else_of_a_loop_runs_where_no_turn_has_ended_it(forward: str, varies: list[str]) -> None:
    trace = traced(f"{forward[: -len('return x')]}for f in xs:\n    x = x + f\nreturn x")
    found = [trace.regions[s.region] for op in trace.ops if op.written == "*" for s in op.inside]
    assert [(r.statement, r.varies.value) for r in found] == [("unbroken", v) for v in varies]


def test_what_a_constructor_hands_on_is_fixed() -> None:
    text = (
        "from torch import nn\n\nclass Base(nn.Module):\n    def __init__(self, levels, steps=4):\n"
        "        super().__init__()\n        self.levels = levels\n        self.steps = steps\n\n"
        "class Model(Base):\n    def __init__(self, **options):\n        super().__init__(**options)\n\n"
        "    def forward(self, x, times):\n        for i in range(times):\n            x = x + 1\n"
        "        for i in range(self.levels - 1, self.steps):\n            x = x * 2\n        return x\n"
    )
    assert [r.varies.value for r in trace_of(text, "Model").regions] == ["unproven", "static"]


@pytest.mark.parametrize(
    ("name", "silent"), [("PostProcessPanoptic", True), ("BoxPostProcessor", True), ("PostNet", False)]
)
def test_what_a_detector_does_with_its_results_is_not_quantised(name: str, silent: bool) -> None:
    text = model("", "for f in xs:\n    x = x * f\nreturn x").replace("class Model", f"class {name}")
    assert (not trace_of(text, name).ops) is silent


def test_text_is_no_tensor() -> None:
    forward = "for f in xs:\n    key = '' + f\n    key = key + '.' + f\n    y = 'a' % f\n    key = key + f\nreturn x"
    assert ops(forward) == []


@pytest.mark.parametrize(("given", "found"), [("targets", 0), ("xs", 1)])
def test_answers_that_were_not_given_do_not_come_back(given: str, found: int) -> None:
    loop = "if targets is not None:\n    for t in targets:\n        x = x * t\nreturn x"
    text = model("", f"targets = self.prepare({given})\n{loop}").replace("flag=False", "targets=None")
    text += "\n    def prepare(self, targets=None):\n        return unknown(targets)\n"
    assert len(trace_of(text, "Model").ops) == found


@pytest.mark.parametrize(
    ("loop", "varies"),
    [
        ("n = 0\nfor m in self.layers:\n    n = n + x.shape[0]\n    if n > 5:\n        break", "shape"),
        ("n = 0\nfor m in self.layers:\n    n += int(x.sum())\n    if n > 5:\n        break", "data"),
        ("for i in range(x.shape[0]):\n    if i > 3:\n        break", "shape"),
        ("i = 0\nwhile i < len(x.flatten()):\n    i += 1\n    if i == 3:\n        break", "shape"),
        ("for i, t in enumerate(xs):\n    if i > 3:\n        break", "static"),
        ("for i in range(x.shape[0]):\n    if self.stops:\n        break", "static"),
    ],
)
def test_the_else_of_a_loop_that_counts(loop: str, varies: str) -> None:
    forward = f"{loop}\nelse:\n    x = x * x\nfor f in xs:\n    x = x + f\nreturn x"
    trace = traced(forward, init=f"{INIT}\nself.stops = stops", parameters="stops")
    found = [trace.regions[s.region] for op in trace.ops if op.written == "*" for s in op.inside]
    assert [(r.statement, r.varies.value) for r in found] == [("unbroken", varies)]


def test_a_sum_of_two_convolutions_fuses_with_the_one_beside_it() -> None:
    """The other operand has been made by a convolution in an earlier loop."""
    forward = (
        "a, b = zip(*[(self.conv(t), self.conv(t)) for t in xs])\n"
        "return [self.conv(p) + q for p, q in zip(a, b)]"
    )
    text = HEAD + model(INIT, forward)
    (found,) = findings_in({"model.py": text}, "QAT201")
    assert "then `+` is not fused" in found.message


@pytest.mark.parametrize(
    ("test", "varies"),
    [
        ("xs['score'].max() > 0", "data"),
        ("xs['score'][0].mean() > self.limit", "data"),
        ("xs.scores.sum().item() > 0", "data"),
        ("xs.boxes.scores[:, None].sigmoid().max() > 0.5", "data"),
        ("(xs.scores > 0.5).any()", "data"),
        ("((xs.scores > 0.5) & ~(xs.ids < 0)).any()", "data"),
        ("len(xs.embed[xs.scores > 0.5]) > 0", "data"),
        ("len(x[xs.scores > 0.5]) > 0", "data"),
        ("xs[0].scores.any()", "data"),
        # What a number answers, too, says nothing of tensors.
        ("xs[0]['height'] > 640", "static"),
        ("xs.count == 3", "static"),
        ("xs['mode'] == 'test'", "static"),
        ("xs['limits'].get('max') is not None", "static"),
        ("self.settings.scores.max() > 0", "static"),
        ("self.settings['scores'].any()", "static"),
    ],
)
def test_tests_of_what_was_handed_in(test: str, varies: str) -> None:
    forward = (
        f"if {test}:\n    x = x * x\nwhile x.max() > 1:\n    x = x @ x\n"
        "mask = xs.scores > 0.5\nif mask.any():\n    x = x / 3\nreturn x"
    )
    found = trace_of(
        model(f"{INIT}\nself.settings = settings\nself.limit = 3", forward, HELPERS, "settings"), "Model"
    )
    (op,) = [op for op in found.ops if op.written == "*"]
    assert found.regions[op.inside[-1].region].varies.value == varies
    (kept,) = [op for op in found.ops if op.written == "/"]
    assert found.regions[kept.inside[-1].region].varies.value == "data", "a mask with a name"


@pytest.mark.parametrize(
    ("body", "operands"),
    [
        ("x = self.conv(x) + xs.offset", 2),
        ("x = xs['offset'] + self.conv(x)", 2),
        ("x = torch.add(self.conv(x), xs.offset)", 2),
        ("x = self.conv(x) + self.gain", 1),
        ("x = self.conv(x) + self.gain * math.sqrt(2)", 1),
        ("x = self.conv(x) + len(xs)", 1),
        ("x = torch.add(self.conv(x), self.gain)", 1),
    ],
)
def test_what_is_added_to_a_convolution(body: str, operands: int) -> None:
    """Adding a number fuses with nothing. What was handed in as a part of something is taken for a tensor."""
    forward = f"for i in range(x.shape[0]):\n    {body}\nreturn x"
    found = traced(forward, init=f"{INIT}\nself.gain = gain", parameters="gain")
    assert [op.operands for op in found.ops if not op.is_module] == [operands]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("y = self.conv(x)\nfor i in range(x.shape[0]):\n    y[i] = x[i]", 1),
        ("y = self.conv(x)\nif x.max() > 0:\n    y[:, 0] = 0.0", 1),
        ("y = torch.zeros_like(x)\nif x.max() > 0:\n    y[x > 1] = x[x > 1]", 1),
        # A mask of where a picture ends, and what is no tensor that is quantised.
        ("y = x.new_ones(2, 4)\nfor i in range(x.shape[0]):\n    y[i, : len(xs)] = 0", 0),
        ("y = torch.zeros(3)\nfor i in range(x.shape[0]):\n    y[i] = i", 0),
        ("y = {}\nfor i in range(x.shape[0]):\n    y[i] = x[i]", 0),
        ("y = [None] * 4\nfor i in range(x.shape[0]):\n    y[i] = x[i]", 0),
        ("y = x.argmax(1)\nfor i in range(x.shape[0]):\n    y[i] = 0", 0),
    ],
)
def test_writing_into_a_tensor_is_anop_of(body: str, found: int) -> None:
    """`prepare` replaces `Tensor.__setitem__`, alone in its loop or not."""
    text = HEAD + model(INIT, f"{body}\nreturn y")
    assert len(findings_in({"model.py": text}, "QAT201")) == found


@pytest.mark.parametrize(
    ("given", "write", "varies"),
    [
        ("{}", "self.cache[x.shape[0]] = x", "state"),
        ("dict()", "self.cache[x.shape[0]] = x", "state"),
        # Another value under a name that is there, a list of the same length, and what holds modules.
        ("{'a': 1}", "self.cache['a'] = x", "static"),
        ("[None] * 9", "self.cache[len(xs)] = x", "static"),
        ("{'a': self.conv}", "self.cache[flag] = self.conv", "static"),
    ],
)
def test_a_cache_in_a_dict_of_the_module(given: str, write: str, varies: str) -> None:
    forward = (
        f"if 3 not in self.cache:\n    x = x * x\n    {write}\nwhile x.max() > 1:\n    x = x @ x\nreturn x"
    )
    found = traced(forward, init=f"{INIT}\nself.cache = {given}").regions
    assert {r.varies.value for r in found if r.statement == "if"} == {varies}
