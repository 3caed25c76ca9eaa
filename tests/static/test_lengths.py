"""How often loops over tensors, lists and dicts turn: what decides about their length."""

from __future__ import annotations

import pytest

from tests.static.dynamic import HELPERS, INIT, decides, ops, regions, traced
from tests.static.sources import HEAD, findings_in, model, trace_of


def test_a_list_that_forward_fills_has_another_length_each_time() -> None:
    forward = "self.queue.append(x)\nfor f in self.queue:\n    x = x + f\nreturn x"
    assert regions(forward, init="self.queue = []") == [("for", "state", "self.queue")]


def test_a_list_filled_behind_a_continue_is_as_long_as_tensors_say() -> None:
    forward = (
        "ys = []\nfor i in range(self.n):\n    if x.max() > 1:\n        continue\n    ys.append(x[i])\n"
        "for y in ys:\n    x = x + y\nreturn x"
    )
    assert decides(forward, init=f"{INIT}\nself.n = n", parameters="n") == "data"


def test_a_list_filled_in_a_dynamic_loop_is_as_long() -> None:
    forward = (
        "ys = []\nfor i in range(x.shape[0]):\n    ys.append(x[i])\nfor y in ys:\n    x = x + y\nreturn x"
    )
    assert [varies for _, varies, _ in regions(forward)] == ["shape"]


def test_a_list_that_forward_fills_in_a_loop_over_what_it_gave_itself() -> None:
    forward = (
        "if x.shape[0] > 4:\n    ys = []\n    for one in x.split(4):\n        y = self.forward(one, xs)\n"
        "        ys.append(y if isinstance(y, list) else [y])\n"
        "    return [torch.cat(t) for t in zip(*ys)]\nreturn self.act(x)"
    )
    assert "torch.cat" in ops(forward, init="self.act = nn.ReLU()")


def test_what_was_found_by_values_is_as_long_as_they_say() -> None:
    assert decides("for k in x.nonzero()[:3]:\n    x = x * x\nreturn x") == "data"


def test_a_list_of_layers_that_is_made_in_one_of_two_ways() -> None:
    init = (
        "if shared:\n    self.heads = nn.ModuleList([nn.Linear(2, 2)])\nelse:\n"
        "    self.heads = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])"
    )
    forward = "for n in range(x.shape[0]):\n    y = self.heads[n](x[n])\n    x = x + y\nreturn x"
    assert decides(forward, init=init, parameters="shared") == "unproven"


@pytest.mark.parametrize(
    "head",
    [
        "for i in range(x.shape[0]):",
        "for i in range(x.size(0)):",
        "for i in range(x.size(dim=0)):",
        "for i in range(len(x)):",
        "for i in torch.arange(x.shape[0]):",
        "for i in torch.arange(len(x)):",
        "for i in x.new_zeros(x.shape[0]):",
        "for t in x:",
        "for t in list(x):",
        "for t in x[1:]:",
        "for t in reversed(x):",
        "for i, t in enumerate(x):",
        "for t, u in zip(x, x * 2):",
        "for t in x.unbind(0):",
        "for t in x.unbind():",
        "for t in torch.unbind(x, dim=1):",
        "for t in x.split(1):",
        "for t in torch.split(x, 2, dim=1):",
        "b, c, h, w = x.shape\nfor i in range(c):",
        "for t in x.chunk(x.shape[0]):",
        "y = torch.relu(x)\nfor t in y:",
        "y = x.view(3, -1)\nfor t in y.unbind(1):",
        "n = 0\nfor m in self.layers:\n    n = n + x.shape[0]\nfor i in range(n):",
    ],
)
def test_loops_over_a_tensor_are_one_thing(head: str) -> None:
    found = regions(f"{head}\n    y = x @ x\nreturn self.conv(x)")
    assert [varies for statement, varies, _ in found if statement == "for"][-1] == "shape"


@pytest.mark.parametrize(
    "head",
    [
        "for t in x.chunk(2):",
        "for t in torch.chunk(x, 2, dim=1):",
        "for t in x.chunk(self.n):",
        "for t in x.tensor_split(3):",
        "for t in x.split([1, 1, 2]):",
        "for t in x.split(self.sizes):",
        "for t in torch.split_with_sizes(x, self.sizes + [1], dim=1):",
        "parts = list(x.split(self.sizes))\nfor t, u in zip(parts[: self.n], parts[self.n :]):",
        "for t in torch.stack([x, x, x]):",
        "for t in torch.stack([x, x, x], dim=1).unbind(1):",
        "for t in x.view(3, -1):",
        "for t in x.reshape((3, self.n, -1)).unbind(1):",
        "q = x.reshape(x.shape[0], 3, -1).permute(1, 0, 2)\nfor t in q.unbind(0):",
        "q = x.reshape(x.shape[0], 3, -1).transpose(0, 1)\nfor i in range(q.shape[0]):",
        "q = x.view(-1, 3) * 2\nfor i in range(q.size(-1)):",
        "q = x.view(2, 3, -1)\nfor t in q[0]:",
        "for i in torch.arange(4):",
        "for i in torch.zeros(self.n, 2):",
    ],
)
def test_loops_over_an_axis_of_written_length(head: str) -> None:
    forward = f"{head}\n    y = x @ x\nfor i in range(x.shape[0]):\n    y = x @ x\nreturn self.conv(x)"
    init = f"{INIT}\nself.n = n\nself.sizes = [2, n]"
    found = regions(forward, init=init, parameters="n")
    assert [varies for statement, varies, _ in found if statement == "for"] == ["static", "shape"]


@pytest.mark.parametrize(
    ("head", "varies"),
    [
        ("for i in range(int(torch.sum(x > 0.5))):", "data"),
        ("for i in range(int(torch.max(x))):", "data"),
        ("n = torch.count_nonzero(x)\nfor i in range(n):", "data"),
        ("n = torch.strange(x * 1)\nfor i in range(int(n)):", "unproven"),
        ("x = torch.relu(x)\nn = torch.strange(x)\nfor i in range(int(n)):", "data"),
        ("if torch.max(x) > 1:", "data"),
        ("if torch.min(x) > 1:", "data"),
        ("for k in torch.nonzero(x):", "data"),
        ("y = x[x > 0]\nfor i in range(y.shape[0]):", "data"),
        ("keep = (x > 0) & ~(x > 3)\nfor t in x[keep]:", "data"),
        ("keep = torch.isnan(x).any(-1)\ny = x[keep.view(-1)]\nfor t in y:", "data"),
        ("for t in x[mask]:", "data"),
        ("a, b = torch.where(x > 1)\ny = x[a, b]\nfor t in y:", "data"),
        ("for t in x[x.argmax(1)]:", "shape"),
        ("keep = self.bias > 0\nfor t in x[keep]:", "shape"),
        ("for t in [0] * x.shape[0]:", "shape"),
        ("for t in x.split([1] * x.shape[0]):", "shape"),
        ("for t in [0] * self.several:", "static"),
        ("n = 0\nfor i in range(x.shape[0]):\n    n += 1\nfor i in range(n):", "shape"),
        ("n = 0\nfor i in range(x.shape[0]):\n    n += 1\nif n > 3:", "shape"),
        ("for i in range(x.shape[0]):\n    pass\nif i > 3:", "shape"),
        ("n = 0\nfor m in self.layers:\n    n += 1\nif n > 3:", "static"),
        ("n = 0\nfor f in xs:\n    n += 1\nfor i in range(n):", "unproven"),
        ("for t in self.unknown(x):", "given"),
        ("y = self.unknown(x)\nfor i in range(y.shape[0]):", "unproven"),
        ("y = self.unknown(x)\nfor t in torch.unbind(y):", "unproven"),
        ("for i, t in enumerate(x.unbind(0)):\n    t = self.layers[i](t)", "unproven"),
        ("for (h, w), t in zip(shapes, shapes.unbind(0)):", "unproven"),
        ("for i in range(x.shape[-1]):", "unproven"),
        ("n = x.size(-1)\nfor i in torch.arange(n):", "unproven"),
        ("for t in x.unbind(-1):", "unproven"),
        ("for t in torch.split(x, 1, dim=-1):", "unproven"),
        ("while x.shape[-1] % 2:", "shape"),
        ("if x.shape[-1] % 2:", "shape"),
    ],
)
def test_what_decides_about_values_and_lengths(head: str, varies: str) -> None:
    init = f"{INIT}\nself.unknown = unknown\nself.several = several\nself.bias = nn.Parameter(torch.ones(3))"
    # The loop at the end makes sure that the class is looked at closely.
    forward = f"{head}\n    x = x * x\nwhile x.max() > 1:\n    x = x @ x\nreturn x"
    text = model(init, forward, HELPERS, "unknown, several")
    found = trace_of(text.replace("xs, flag", "xs, shapes, mask, flag"), "Model")
    (op, *_) = [op for op in found.ops if op.written == "*" and op.inside]
    assert found.regions[op.inside[-1].region].varies.value == varies


@pytest.mark.parametrize("kind", ["list", "(list, tuple)", "torch.Tensor"])
@pytest.mark.parametrize("norm", ["nn.Conv2d(3, 3, 1)", "norm(3)"])
def test_a_list_on_one_path_and_a_tensor_on_another(kind: str, norm: str) -> None:
    sides = ["x = torch.cat([y.mean(dim=1) for y in ys])", "x = ys.mean(dim=1)"]
    then, other = sides[::-1] if kind == "torch.Tensor" else sides
    forward = (
        "ys = [self.norm(x), self.norm(x * 2)] if self.several else self.norm(x)\n"
        f"if isinstance(ys, {kind}):\n    {then}\nelse:\n    {other}\nfor f in xs:\n    x = x + f\nreturn x"
    )
    init = f"self.several = several\nself.norm = {norm}"
    found = regions(forward, init=init, parameters="several, norm")
    assert [v for statement, v, _ in found if statement == "comprehension"] == ["static"]
    either = "ys = [x, x] if self.several else self.norm(x)\nreturn [y.mean(dim=1) for y in ys]"
    found = regions(either, init=init, parameters="several, norm")
    assert [v for statement, v, _ in found if statement == "comprehension"] != ["static"]


def test_what_a_maker_hands_in_has_a_written_length_or_that_of_its_shape() -> None:
    head = (
        "class Head(nn.Module):\n    def forward(self, levels):\n        for level in levels.unbind(0):\n"
        "            y = level @ level\n        return y\n\n"
    )
    owner = (
        "class Owner(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.head = Head()\n\n"
        "    def forward(self, x):\n        return self.head({})\n"
    )
    for given, varies in (("torch.stack([x, x])", "static"), ("torch.relu(x)", "shape")):
        found = findings_in({"model.py": HEAD + head + owner.format(given)}, "QAT201")
        assert ["shape" in f.message for f in found] == [True] * (varies == "shape")


COLUMNS = "outs = [(self.conv(t), t) for t in {}]\n"


@pytest.mark.parametrize(
    ("head", "varies"),
    [
        (COLUMNS.format("xs") + "a, b = zip(*outs)\nfor p, q in zip(a, b):", "unproven"),
        (COLUMNS.format("xs") + "a, b = map(list, zip(*outs))\nfor p in b:", "unproven"),
        (COLUMNS.format("x.unbind(0)") + "a, b = zip(*outs)\nfor p in a:", "shape"),
        ("a, b = zip(*[self.pair(t) for t in xs])\nfor p in a:", "unproven"),
        ("a, b = zip(*xs)\nfor p in a:", "unproven"),
        ("a, b = zip(*[t.unbind(0) for t in x.unbind(0)])\nfor p in a:", "shape"),
        (COLUMNS.format("self.layers") + "a, b = zip(*outs)\nfor p, q in zip(a, b):", "static"),
        ("a, b = zip(*[m(x).unbind(0) for m in self.layers])\nfor p in a:", "static"),
        ("a, b = zip(*[(x, 1), (x, 2)])\nfor p in a:", "static"),
    ],
)
def test_columns_are_as_long_as_there_are_rows(head: str, varies: str) -> None:
    forward = f"{head}\n    x = x * x\nwhile x.max() > 1:\n    x = x @ x\nreturn x"
    methods = "    def pair(self, t):\n        return self.conv(t), self.conv(t)\n"
    found = traced(forward, methods=methods)
    (op,) = [op for op in found.ops if op.written == "*"]
    assert found.regions[op.inside[-1].region].varies.value == varies


@pytest.mark.parametrize(
    ("head", "rest"),
    [("def forward(self, *xs)", "a, *rest = xs"), ("def forward(self, xs)", "*rest, a = xs")],
)
def test_the_rest_of_what_was_handed_in(head: str, rest: str) -> None:
    text = model(INIT, f"{rest}\nfor r in rest:\n    a = self.conv(r) + a\nreturn a")
    text = HEAD + text.replace("def forward(self, x, xs, flag=False)", head)
    (found,) = findings_in({"model.py": text}, "QAT201")
    assert "(`xs`)" in found.message and "then `+` is not fused" in found.message


def test_the_rest_of_a_list_that_is_known() -> None:
    forward = (
        "a, *rest = [x, x, x]\nfor r in rest:\n    a = a + r\nwhile x.max() > 1:\n    x = x @ x\nreturn a"
    )
    assert next(r.varies.value for r in traced(forward).regions if r.loops) == "static"


@pytest.mark.parametrize(
    ("fill", "varies"),
    [
        ("for i in range(x.shape[0]):\n    made[str(i)] = x[i]", "shape"),
        ("for name in xs:\n    made[name] = x", "unproven"),
        ("for layer in self.layers:\n    made[layer.name] = x", "static"),
        ("for name in ('a', 'b'):\n    made[name] = x", "static"),
        ("made['a'] = x", "static"),
    ],
)
def test_a_dict_is_as_long_as_the_loop_that_fills_it(fill: str, varies: str) -> None:
    forward = f"made = {{}}\n{fill}\nfor name, t in made.items():\n    x = x * t\nwhile x.max() > 1:\n    x = x @ x\nreturn x"
    found = traced(forward)
    (op, *_) = [op for op in found.ops if op.written == "*"]
    assert {found.regions[s.region].varies.value for s in op.inside} == {varies}


@pytest.mark.parametrize(
    ("over", "varies"),
    [("xs[0].fields.keys()", "unproven"), ("xs[x > 0].fields.items()", "unproven"), ("xs[x > 0]", "data")],
)
def test_the_names_in_a_dict_are_not_cut_by_a_mask(over: str, varies: str) -> None:
    assert decides(f"for k in {over}:\n    x = x * x\nreturn x") == varies


@pytest.mark.parametrize(
    ("head", "added"),
    [
        ("for k, f in xs.items():", "f"),
        ("for f in xs.values():", "f"),
        ("for f in xs:", "xs.get('skip')"),
        ("while xs:", "xs.pop()"),
    ],
)
def test_entries_of_a_dict_that_is_handed_in_may_be_tensors(head: str, added: str) -> None:
    """What is added to a convolution is: a sequence."""
    trace = traced(f"y = x\n{head}\n    y = self.conv(x) + {added}\nreturn y")
    assert [op.operands for op in trace.ops if op.written == "+"] == [2]


@pytest.mark.parametrize(
    ("head", "varies"),
    [
        ("for a in self.c(x).unbind(1):", "static"),
        ("y = self.c(x)\nfor a in range(y.shape[1]):", "static"),
        ("y = self.c(x)\nfor a in range(y.shape[-3]):", "static"),
        ("y = self.c(x)\nfor a in range(y.shape[0]):", "shape"),
        ("y = self.c(x)\nfor a in range(y.shape[2]):", "shape"),
        ("for a in self.w.tolist():", "static"),
        ("for a in x.argmax(1).tolist():", "data"),
        ("for a in self.parameters():", "static"),
        ("for a in np.arange(self.n):", "static"),
        ("for a in np.linspace(0, 1, x.shape[0]):", "shape"),
        ("for a, b in itertools.product(range(2), repeat=2):", "static"),
        ("for a, b in itertools.combinations(xs, 2):", "unproven"),
        ("for a, b in itertools.product(range(x.shape[0]), self.layers):", "shape"),
    ],
)
def test_how_many_values_are_given(head: str, varies: str) -> None:
    init = f"{INIT}\nself.n = n\nself.w = nn.Parameter(torch.ones(3))\nself.c = nn.Conv2d(3, 8, 1)"
    # The last loop keeps the class a prospect.
    forward = f"{head}\n    x = x * 2\nfor t in xs:\n    x = x + t\nreturn x"
    text = "import itertools\nimport numpy as np\n" + model(init, forward, HELPERS, "n=3", "")
    (found, _) = trace_of(text, "Model").regions
    assert found.varies.value == varies


@pytest.mark.parametrize(
    "later",
    [
        "for t in xs:\n    outs.append(t)\n    x = x + t",
        "while x.max() > 1:\n    x = x - outs.pop()",
    ],
)
@pytest.mark.parametrize("over", ["outs", "outs[1:]", "enumerate(outs)", "zip(outs, outs[1:])"])
def test_what_is_done_with_a_list_later_decides_nothing_before(over: str, later: str) -> None:
    filled = "outs = []\nfor m in self.layers:\n    outs.append(m(x))\n"
    forward = f"{filled}for a in {over}:\n    x = x * 2\n{later}\nreturn x, outs"
    found = {r.written: r.varies.value for r in traced(forward).regions}
    assert found[f"for a in {over}"] == "static"


def test_a_list_that_grows_around_a_loop_is_as_long_as_that() -> None:
    forward = "outs = [x]\nfor t in xs:\n    for o in outs:\n        x = x + o\n    outs.append(t)\nreturn x"
    assert regions(forward)[1][1] == "unproven"


def test_the_head_of_a_loop_is_quoted_as_it_is_written() -> None:
    (found,) = traced("for i, (a, b) in enumerate(xs):\n    x = x * a\nreturn x").regions
    assert found.written == "for i, (a, b) in enumerate(xs)"


@pytest.mark.parametrize(
    ("body", "varies"),
    [
        ("for m in self.layers:\n        yield m(xs[0])", "static"),
        ("yield xs[0]\n    yield self.conv(xs[1])", "static"),
        ("for t in xs:\n        yield self.conv(t)", "unproven"),
        ("for t in xs:\n        if t.max() > 1:\n            yield t", "data"),
        ("for m in self.layers:\n        if flag:\n            continue\n        yield m(xs[0])", "static"),
        ("for i in range(xs[0].shape[0]):\n        yield xs[0][i] * 2", "shape"),
    ],
)
def test_a_generator_gives_as_much_as_what_is_around_its_yield(body: str, varies: str) -> None:
    method = f"def parts(self, xs, flag=False):\n    {body}"
    forward = "for part in self.parts(xs):\n    x = part * part\nfor t in xs:\n    x = x + t\nreturn x"
    found = {r.written: r.varies.value for r in traced(forward, methods=method).regions}
    assert found["for part in self.parts(xs)"] == varies
