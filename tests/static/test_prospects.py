"""Which classes are looked through for dynamic code: the cheap look must miss nothing, and spare most."""

from __future__ import annotations

import pytest

from qatlint.static.prospects import may_be_dynamic
from tests.static.dynamic import HELPERS, INIT
from tests.static.sources import HEAD, model, project_of


def looked_through(forward: str, init: str = INIT, before: str = HELPERS, methods: str = "") -> bool:
    project = project_of({"m.py": HEAD + model(init, forward, before, "", methods)})
    return may_be_dynamic(project, project.file("m.py").classes[-1])


@pytest.mark.parametrize(
    ("forward", "found"),
    [
        ("h, w = x.shape[-2:]\nif h % 2:\n    w = (w + 1) * h\nreturn x.view(h, w)", False),
        ("n = x.size(0)\nwhile n > 3:\n    n = n / 2\n    half = n - 1\nreturn x", False),
        ("import math\nif x.shape[0] > 3:\n    y = math.sqrt(x.shape[1])\nreturn x", False),
        ("h = x.shape[0]\nif h > 3:\n    h += 1\nelif h > 2:\n    h *= 2\nreturn x[:h]", False),
        ("h = x.shape[0]\nif h > 3:\n    h = h * x\nreturn h", True),
        ("h = x.shape[0]\nfor _ in x:\n    y = h * 2\n    h = x\nreturn y", True),
        (
            "y = x\nif x.shape[0] > 3:\n    if y.shape[1]:\n        y = x.shape[1]\n    y = y * 2\nreturn y",
            True,
        ),
        ("h = x.shape[0]\nif h > 3:\n    h += x\nreturn h", True),
        ("for n in x.shape:\n    y = n * 2\nreturn x", False),
        ("for n in x.unbind(0):\n    y = n * 2\nreturn y", True),
        ("n = x.shape[0]\nfor n in x:\n    y = n * 2\nreturn y", True),
        ("try:\n    y = 1\nfinally:\n    if x.max() > 1:\n        x = x * 2\nreturn x", True),
    ],
)
def test_arithmetic_on_numbers_is_no_op(forward: str, found: bool) -> None:
    assert looked_through(forward) is found


def test_many_elifs_are_one_level() -> None:
    tests = "".join(f"elif x.shape[0] == {n}:\n    pass\n" for n in range(300))
    head = "for f in x:\n    if x is None:\n        pass\n"
    branches = "".join(f"    {line}\n" for line in tests.splitlines())
    assert not looked_through(f"{head}{branches}return x")
    assert looked_through(f"{head}{branches}    else:\n        x = x * f\nreturn x")


@pytest.mark.parametrize(
    ("decorator", "found"), [("@fx_wrap()", False), ("@torch.fx.wrap", False), ("@torch.no_grad()", True)]
)
def test_a_hidden_body_is_nobodys_business(decorator: str, found: bool) -> None:
    function = f"{decorator}\ndef refine(x):\n    for y in x:\n        x = x * y\n    return x\n"
    assert looked_through("return refine(x)", before=HELPERS + function) is found


@pytest.mark.parametrize(
    ("flag", "found"),
    [
        ("FAST = True", False),
        ("try:\n    import apex\n    FAST = True\nexcept ImportError:\n    FAST = False", False),
        ("FAST = True\ndef change():\n    global FAST\n    FAST = False", True),
    ],
)
def test_names_of_the_file_are_what_they_are(flag: str, found: bool) -> None:
    forward = "if FAST:\n    x = x * 2\nreturn x"
    assert looked_through(forward, before=f"{flag}\n") is found
    inner = "def scaled(FAST):\n    if FAST:\n        return x * 2\n    return x\nreturn scaled(x)"
    assert looked_through(inner, before=f"{flag}\n"), "an argument of the same name is another thing"


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ("self.cache = {}", False),
        ("self.cache: dict = dict()  # by device", False),
        ("self.register_buffer('cache', torch.zeros(3))", True),
        ("self.cache = {}\nself.cache = torch.zeros(3)", True),
    ],
)
def test_an_entry_of_a_dictionary_is_no_part_of_a_tensor(made: str, found: bool) -> None:
    forward = "if x.shape[0] > 3:\n    self.cache[x.shape[0]] = x\nreturn x"
    assert looked_through(forward, init=made) is found


BUILDER = """
class Builder:
    def __init__(self, n):
        self.n = n
        self.kept = []

    def __call__(self, xs):
        return [x * self.n for x in xs]

    def build(self, xs):
        return [x * self.n for x in xs]
"""


@pytest.mark.parametrize(
    ("init", "forward", "found"),
    [
        ("builder = Builder(3)\nself.sizes = builder([1, 2])\nself.kept = builder.kept", "return x", False),
        ("builder = Builder(3)\nself.sizes = builder.build([1, 2])", "return x", False),
        ("builder = Builder(3)\nself.build = builder.build", "return self.build(x)", True),
        ("builder = Builder(3)\nself.builder = builder", "return self.builder(x)", True),
        ("self.builder = Builder(3)", "return self.builder(x)", True),
        ("builder = Builder(3)\nself.sizes = builder([1])", "return Builder(2)(x)", True),
        ("self.parts = [Builder(3)]", "return self.parts[0](x)", True),
    ],
)
def test_what_only_builds_is_no_part_of_forward(init: str, forward: str, found: bool) -> None:
    assert looked_through(forward, init=init, before=BUILDER) is found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("f'refine{y}'", True),
        ("'ref' + str(y)", True),
        ("'refine%d' % y", True),
        ("f'{y}'", True),
        ("y", True),
        ("f'norm{y}'", False),
        ("'norm' + str(y)", False),
        ("'norm%d' % y", False),
        ("'norm' if y else 'refine1'", True),
        ("f'norm{y}' if y else 'refine1'", True),
    ],
)
def test_a_method_whose_name_is_put_together(asked: str, found: bool) -> None:
    refine = "def refine1(self, x):\n    while x.max() > 1:\n        x = x / 2 + 1\n    return x\n"
    assert looked_through(f"return getattr(self, {asked})(x)", methods=refine) is found
