"""Statements put into dynamic blocks: what is written where, and what is refused.

The intents are those of the rule on these very texts.
"""

from __future__ import annotations

import re
import textwrap

import pytest

from qatlint.codemods.apply import Refused, apply, apply_all
from qatlint.finding import BlockSite, Safety, WrapInBlock
from tests.codemods.cases import model
from tests.static.sources import HEAD, clean, findings_in

IMPORT = "from horizon_plugin_pytorch.fx.jit_scheme import Tracer\n"
LOOP = "for i in range(x.shape[0]):\n    x = x * 2\nreturn x"


def fixed(text: str) -> str:
    """The text after the first fix of QAT201."""
    found = findings_in({"model.py": text}, "QAT201")
    fixes = [f.fix for f in found if f.fix is not None]
    assert fixes, [f.no_fix for f in found]
    return apply(text.encode(), fixes[0].intent).decode()


def forward_of(text: str) -> str:
    """The body of forward."""
    return clean(text[text.index("forward(self, x, xs=()):") :].partition("\n")[2])


@pytest.mark.parametrize(
    ("imports", "head"),
    [
        ("", 'Tracer.dynamic_block(self, "model_forward_1")'),
        (IMPORT, 'Tracer.dynamic_block(self, "model_forward_1")'),
        (IMPORT.replace("Tracer", "Tracer as T"), 'T.dynamic_block(self, "model_forward_1")'),
        ("import horizon_plugin_pytorch.fx.jit_scheme as jit\n", "jit.Tracer.dynamic_block(self, "),
        ("from horizon_plugin_pytorch.fx.jit_scheme import dynamic_block\n", "dynamic_block()"),
        ("from horizon_plugin_pytorch.fx.jit_scheme import dynamic_block as block\n", "block()"),
        (f"try:\n    {IMPORT}except ImportError:\n    Tracer = None\n", "Tracer.dynamic_block(self, "),
    ],
)
def test_the_block_is_spelled_as_the_file_does(imports: str, head: str) -> None:
    after = fixed(imports + model("", LOOP))
    assert f"with {head}" in after
    assert after.count("import Tracer") == (1 if not imports or "import Tracer" in imports else 0)


def test_quotes_are_those_of_the_file() -> None:
    text = model("self.a = 'a' + 'b' + 'c'", LOOP).replace('"""', "'''")
    assert "Tracer.dynamic_block(self, 'model_forward_1')" in fixed(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "for i in range(x.shape[0]): x = x * 2; x = x + 1\nreturn x",
            "for i in range(x.shape[0]):\n    with B:\n        x = x * 2; x = x + 1\nreturn x",
        ),
        (
            "for i in range(x.shape[0]):\n    y = x[i]\n    y = y * 2\n    z = y.flatten(0)\n    x = x + z\n"
            "    n = i\nreturn x",
            "for i in range(x.shape[0]):\n    y = x[i]\n    with B:\n        y = y * 2\n        z = y.flatten(0)\n"
            "        x = x + z\n    n = i\nreturn x",
        ),
        (
            "while x.max() > 1:\n    # why\n    x = x / 2  # how\n    # end\nelse:\n    x = x[0]\nreturn x",
            "while x.max() > 1:\n    # why\n    with B:\n        x = x / 2  # how\n    # end\nelse:\n    x = x[0]\nreturn x",
        ),
        (
            "if x.max() > 1:\n    pass\nelse:\n    x = x * 2\nreturn x",
            "if x.max() > 1:\n    pass\nelse:\n    with B:\n        x = x * 2\nreturn x",
        ),
        (
            "if x.max() > 1:\n    return x * 2\nreturn x",
            "if x.max() > 1:\n    with B:\n        return x * 2\nreturn x",
        ),
        (
            "for i in range(x.shape[0]):\n    if x[i].max() > 1:\n        continue\n    x = x * 2\nreturn x",
            "for i in range(x.shape[0]):\n    if x[i].max() > 1:\n        continue\n    with B:\n        x = x * 2\nreturn x",
        ),
        (
            'for i in range(x.shape[0]):\n    t = """\n a\n"""\n    x = x * (\n        2\n    )\nreturn x',
            'for i in range(x.shape[0]):\n    t = """\n a\n"""\n    with B:\n        x = x * (\n            2\n        )\nreturn x',
        ),
        (
            "for i in range(x.shape[0]):\n    try:\n        x = x * 2\n    finally:\n        pass\nreturn x",
            "for i in range(x.shape[0]):\n    with B:\n        try:\n            x = x * 2\n        finally:\n"
            "            pass\nreturn x",
        ),
        (
            "for i in range(x.shape[0]):\n    for j in range(2):\n        x = x * 2\n    x = x + 1\nreturn x",
            "for i in range(x.shape[0]):\n    with B:\n        for j in range(2):\n            x = x * 2\n"
            "        x = x + 1\nreturn x",
        ),
        (
            "for i in range(2):\n    for f in xs:\n        for j in range(3):\n            x = x * f\nreturn x",
            "for i in range(2):\n    for f in xs:\n        with B:\n            for j in range(3):\n"
            "                x = x * f\nreturn x",
        ),
        (
            "for f in xs:\n    y = x * f\n    if self.use:\n        y = y + x\n    x = y\nreturn x",
            "for f in xs:\n    with B:\n        y = x * f\n        if self.use:\n            y = y + x\n    x = y\n"
            "return x",
        ),
        (
            "for f in xs:\n    y = x * f\n    if f is None:\n        continue\n    x = y + x\nreturn x",
            "for f in xs:\n    with B:\n        y = x * f\n        if f is None:\n            continue\n        x = y + x\n"
            "return x",
        ),
        (
            "for f in xs:\n    y = x * f\n    if (y * 2).max() > 1:\n        break\n    x = y + x\nreturn x",
            "for f in xs:\n    with B:\n        y = x * f\n        if (y * 2).max() > 1:\n            break\n    with C:\n"
            "        x = y + x\nreturn x",
        ),
        (
            "for f in xs:\n    y = x * f\n    yield y\n    x = y + x\nreturn x",
            "for f in xs:\n    with B:\n        y = x * f\n    yield y\n    with C:\n        x = y + x\nreturn x",
        ),
    ],
)
def test_what_goes_into_the_block(before: str, after: str) -> None:
    text = forward_of(fixed(model("self.use = use", before)))
    for number, name in ((1, "B"), (2, "C")):
        text = text.replace(f'Tracer.dynamic_block(self, "model_forward_{number}")', name)
    assert text == clean(after) + "\n"


def test_a_block_that_is_there_stays_alone() -> None:
    forward = (
        'for i in range(x.shape[0]):\n    x = x * 2\n    with Tracer.dynamic_block(self, "mine"):\n'
        "        x = x + 1\n    x = x - 1\nreturn x"
    )
    after = fixed(IMPORT + model("", forward))
    assert after.count("dynamic_block(self") == 3 and after.count("        with Tracer") == 3


def test_names_are_unique_in_the_file() -> None:
    after = fixed(model('self.key = "model_forward_1"', LOOP))
    assert 'dynamic_block(self, "model_forward_2")' in after


@pytest.mark.parametrize(
    ("name", "snake"),
    [("BEVFormerV2Head", "bev_former_v2_head"), ("GenericRoIExtractor", "generic_roi_extractor")],
)
def test_names_are_in_snake_case(name: str, snake: str) -> None:
    text = model("", LOOP).replace("class Model", f"class {name}")
    assert f'"{snake}_forward_1"' in fixed(text)


def test_lines_behind_a_backslash_move_with_their_statement() -> None:
    forward = "for i in range(x.shape[0]):\n    x = x * 2 + \\\n        x\nreturn x"
    after = fixed(IMPORT + model("", forward))
    assert "                x = x * 2 + \\\n                    x\n" in after


def test_tabs_stay_tabs_in_a_file_that_has_blanks_elsewhere() -> None:
    text = IMPORT + "def other(a):\n    return a\n\n\n" + model("", LOOP).replace("    ", "\t")
    assert '\t\t\twith Tracer.dynamic_block(self, "model_forward_1"):\n\t\t\t\tx = x * 2\n' in fixed(text)


@pytest.mark.parametrize(
    "text",
    [
        "Tracer = print\n" + model("", LOOP),
        "from torch.fx import Tracer\n" + model("", LOOP),
        model("", f"Tracer = print\n{LOOP}"),
    ],
)
def test_a_tracer_of_another_kind_stays_what_it_is(text: str) -> None:
    after = fixed(text)
    assert IMPORT.replace("Tracer", "Tracer as HorizonTracer") in after
    assert 'with HorizonTracer.dynamic_block(self, "model_forward_1")' in after
    assert not findings_in({"model.py": after}, "QAT201", "QAT202")


def test_numbers_go_by_the_text() -> None:
    """Whatever order the findings are made in, and the blocks of each."""
    forward = (
        "for f in xs:\n    x = x * 2\n    if x.max() > 1:\n        x = x + f\n    else:\n        x = x - f\n"
        "    x = x / 2\n    if x.max() > 2:\n        break\nelse:\n    x = x + 1\nreturn x"
    )
    text = IMPORT + model("", forward)
    intents = [f.fix.intent for f in findings_in({"model.py": text}, "QAT201") if f.fix is not None]
    for order in (intents, intents[::-1]):
        after = apply_all(text.encode(), order).source.decode()
        assert re.findall(r'"model_forward_(\d)"', after) == list("12345")


def test_an_elif_gets_the_block_in_its_own_body() -> None:
    """It stands in the `else` of the test that decides, which has no statements of its own."""
    forward = "if x.max() > 1:\n    pass\nelif len(xs):\n    x = x + 1\nreturn x"
    assert "elif len(xs):\n    with Tracer" in forward_of(fixed(model("", forward)))


def test_the_else_of_an_elif_is_refused() -> None:
    text = model("", "if x.max() > 1:\n    x = x * 2\nelif len(xs):\n    x = x + 1\nreturn x")
    found = findings_in({"model.py": text}, "QAT201")
    (intent,) = {
        f.fix.intent
        for f in found
        if f.fix is not None and f.span.line == found[0].span.line and "else" not in f.subject
    }
    assert isinstance(intent, WrapInBlock)
    home = BlockSite(intent.sites[0].home, "else", intent.sites[0].statements)
    with pytest.raises(Refused, match="`elif`"):
        apply(text.encode(), WrapInBlock("model.py", "Model", "self", (home,)))


def moved(text: str) -> str:
    """The text after the first fix of QAT202."""
    fixes = [f.fix for f in findings_in({"model.py": text}, "QAT202") if f.fix is not None]
    return apply(text.encode(), fixes[0].intent).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '# a\nwith Tracer.dynamic_block(self, "n"):  # b\n    # c\n    for f in xs:  # d\n        x = x + f  # e\nreturn x',
            '# a\n# c\nfor f in xs:  # d\n    with Tracer.dynamic_block(self, "n"):  # b\n        x = x + f  # e\nreturn x',
        ),
        (
            'with Tracer.dynamic_block(self, "n"):\n    while x.max() > 1: x = x / 2  # f\nreturn x',
            'while x.max() > 1:\n    with Tracer.dynamic_block(self, "n"):\n        x = x / 2  # f\nreturn x',
        ),
        (
            'with Tracer.dynamic_block(self, "n"):\n    for f in xs:\n        for g in f:\n            x = x + g\nreturn x',
            'for f in xs:\n    for g in f:\n        with Tracer.dynamic_block(self, "n"):\n            x = x + g\nreturn x',
        ),
        (
            'with Tracer.dynamic_block(self, "n"):\n    for i in range(2):\n        for f in xs:\n            for j in range(3):\n'
            "                x = x + f\n    # end\nreturn x",
            'for i in range(2):\n    for f in xs:\n        with Tracer.dynamic_block(self, "n"):\n            for j in range(3):\n'
            "                x = x + f\n    # end\nreturn x",
        ),
    ],
)
def test_a_block_is_moved_into_its_loop(before: str, after: str) -> None:
    assert forward_of(moved(IMPORT + model("", before))) == clean(after) + "\n"


def test_the_second_block_of_a_name_is_renamed() -> None:
    one = 'for f in xs:\n    with Tracer.dynamic_block(self, "n"):\n        x = x + f\n'
    other = one.replace('self, "n"', "self, name='n'")
    after = forward_of(moved(IMPORT + model("", f"{one}{other}return x")))
    assert after.count('dynamic_block(self, "n")') == 1
    assert "dynamic_block(self, name=" in after and "model_forward_1" in after


@pytest.mark.parametrize(
    ("names", "body"),
    [
        ("", "for f in xs:\n    x = x + f\nx = x * 2"),
        ("", "for f in xs:\n    x = x + f\nelse:\n    x = x * 2"),
        ("", "for f in xs:\n    x = x + f\n    for g in f:\n        x = x + g"),
        ("", "for i in range(2):\n    x = x * 2\n    for f in xs:\n        x = x + f"),
        (", torch.no_grad()", "for f in xs:\n    x = x + f"),
    ],
)
def test_a_block_with_more_than_a_loop_is_not_moved(names: str, body: str) -> None:
    block = f'with Tracer.dynamic_block(self, "n"){names}:\n{textwrap.indent(body, "    ")}\nreturn x'
    (found,) = findings_in({"model.py": IMPORT + model("", block)}, "QAT202")
    assert found.fix is None
    assert ("something else" if names else "more than the loop") in found.no_fix


def test_a_block_around_a_loop_that_is_fixed_stays() -> None:
    forward = (
        'for f in xs:\n    with Tracer.dynamic_block(self, "n"):\n        for i in range(3):\n            x = x + f\n'
        "return x"
    )
    assert not findings_in({"model.py": IMPORT + model("", forward)}, "QAT201", "QAT202")


def test_a_block_is_renamed_wherever_it_is_entered() -> None:
    forward = (
        'for f in xs:\n    with Tracer.dynamic_block(self, "n"):\n        x = x + f\n'
        "for f in xs:\n    with torch.no_grad(), Tracer.dynamic_block(self, NAME):\n        x = x + f\nreturn x"
    )
    after = moved(IMPORT + 'NAME = "n"\n' + model("", forward))
    assert 'with torch.no_grad(), Tracer.dynamic_block(self, "model_forward_1"):' in after


def test_a_block_that_is_made_before_it_is_entered_is_not_renamed() -> None:
    forward = (
        'for f in xs:\n    with Tracer.dynamic_block(self, "n"):\n        x = x + f\n'
        'for f in xs:\n    block = Tracer.dynamic_block(self, "n")\n    with block:\n        x = x * f\nreturn x'
    )
    (found,) = findings_in({"model.py": IMPORT + model("", forward)}, "QAT202")
    assert found.fix is None and "where it is made" in found.no_fix


ONE = "from mmdet.models.utils import multi_apply\n\ndef one(f, k=2):\n    return f * k\n\n"


def looped(text: str) -> str:
    """The text after the comprehension in it became a loop."""
    (fix,) = [f.fix for f in findings_in({"model.py": text}, "QAT201") if f.fix is not None]
    assert fix.safety is Safety.UNSAFE and fix.reason
    return apply(text.encode(), fix.intent).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "ys = [x * f for f in xs]  # all\nreturn ys",
            "ys = []  # all\nfor f in xs:\n    with B:\n        ys.append(x * f)\nreturn ys",
        ),
        (
            "ys = [x * f + i for i, f in enumerate(xs) if f is not None]\nreturn ys",
            "ys = []\nfor i, f in enumerate(xs):\n    if f is not None:\n        with B:\n"
            "            ys.append(x * f + i)\nreturn ys",
        ),
        (
            "if len(xs):\n    ys = [\n        x  # one\n        * f\n        for f in xs\n    ]\n    x = ys[0]\nreturn x",
            "if len(xs):\n    ys = []\n    for f in xs:\n        with B:\n            ys.append(x  # one\n"
            "                * f)\n    x = ys[0]\nreturn x",
        ),
        (
            "return [x * f for f in xs]",
            "outs = []\nfor f in xs:\n    with B:\n        outs.append(x * f)\nreturn outs",
        ),
        (
            "# why\nxs = torch.stack([x * f for f in xs], 1)  # how\nreturn xs",
            "# why\nouts = []\nfor f in xs:\n    with B:\n        outs.append(x * f)\n"
            "xs = torch.stack(outs, 1)  # how\nreturn xs",
        ),
        (
            "outs = [x * g for f in xs for g in f if g is not None]\nreturn outs",
            "outs = []\nfor f in xs:\n    for g in f:\n        if g is not None:\n            with B:\n"
            "                outs.append(x * g)\nreturn outs",
        ),
        (
            "ys = list(map(one, xs))\nreturn ys",
            "ys = []\nfor item in xs:\n    with B:\n        ys.append(one(item))\nreturn ys",
        ),
        (
            "return tuple(map(lambda f, g: x * f + g, xs, xs))",
            "outs = []\nfor f, g in zip(xs, xs):\n    with B:\n        outs.append(x * f + g)\nreturn tuple(outs)",
        ),
        (
            "return {i: x * f for i, f in enumerate(xs)}",
            "outs = {}\nfor i, f in enumerate(xs):\n    with B:\n        outs[i] = x * f\nreturn outs",
        ),
        (
            "return max(sum(\n    x * f for f in xs), x)",
            "outs = []\nfor f in xs:\n    with B:\n        outs.append(x * f)\nreturn max(sum(\n    outs), x)",
        ),
        (
            "item, b = multi_apply(one, xs, k=3)\nreturn item",
            "outs = []\nfor item_2 in xs:\n    with B:\n        outs.append(one(item_2, k=3))\n"
            "item, b = tuple(map(list, zip(*outs)))\nreturn item",
        ),
    ],
)
def test_a_comprehension_becomes_a_loop(before: str, after: str) -> None:
    text = forward_of(looped(IMPORT + ONE + model("", before)))
    assert text.replace('Tracer.dynamic_block(self, "model_forward_1")', "B") == clean(after) + "\n"


@pytest.mark.parametrize(
    "forward",
    [
        "return any(x * f for f in xs)",
        "return next(x * f for f in xs)",
        "return [y for y in [x * f for f in xs]]",
        "return [x * f for f in xs] if flag else x",
        "return flag and [x * f for f in xs]",
        "return map(lambda f: x * f, xs)",
        "return list(map(lambda *f: x * f[0], xs))",
        "return list(map(*(lambda f: x * f, xs)))",
    ],
)
def test_comprehensions_that_stay(forward: str) -> None:
    found = findings_in({"model.py": model("", forward)}, "QAT201")
    assert found and all(f.fix is None and "write it as a loop" in f.no_fix for f in found)


@pytest.mark.parametrize(
    "forward",
    [
        "f = x.flatten(0)\nys = [x * f for f in xs]\nreturn ys, f",
        "for f in xs:\n    ys = [x * f for f in xs]\n    x = f\nreturn ys, x",
        "f = 3\nys = [x * f for f in xs]\nreturn ys, [f for g in xs]",
        "f = 3\nys = [x * f for f in xs]\nreturn ys, lambda: f",
        "if len(xs): ys = [x * f for f in xs]\nreturn ys",
        "ys = [x * f for f in xs]; return ys",
        "last, ys = xs.pop(), [x * f for f in xs]\nreturn ys, last",
        "last, ys = self.q.pop(), [x * f for f in self.q[1:]]\nself.q = xs\nreturn ys, last",
        "ys = [(k := len(xs)), [x * f for f in xs[:k]]]\nreturn ys",
    ],
)
def test_what_keeps_a_comprehension_from_becoming_a_loop(forward: str) -> None:
    (found,) = findings_in({"model.py": model("", forward)}, "QAT201")
    assert found.fix is None and "write it as a loop" in found.no_fix


@pytest.mark.parametrize(
    "other",
    [
        "ys = [x + f for f in xs]",
        "g = lambda f: f\nys = [g]",
        "for f in xs:\n    x = x.view(f)\nys = []",
        "f = 3\nys = []",
    ],
)
def test_variables_of_its_own_do_not(other: str) -> None:
    """Another comprehension has variables of its own, and a loop gives them new values."""
    text = model("", f"zs = [x * f for f in xs]\n{other}\nreturn ys, zs")
    fixes = [f.fix for f in findings_in({"model.py": text}, "QAT201") if f.fix is not None]
    applied = apply_all(text.encode(), [fix.intent for fix in fixes])
    assert fixes and set(applied.outcome) == {None}
    assert not findings_in({"model.py": applied.source.decode()}, "QAT201")


def test_lists_of_one_statement_do_not_share_a_name() -> None:
    text = model("", "return [x * f for f in xs], [x + g for g in xs]")
    fixes = [f.fix for f in findings_in({"model.py": text}, "QAT201") if f.fix is not None]
    after = apply_all(text.encode(), [fix.intent for fix in fixes]).source.decode()
    assert "return outs, outs_2" in after and "outs_2.append(x + g)" in after


def test_a_tracer_from_elsewhere_is_followed() -> None:
    mine = "from net.compat import Tracer as Mine\n"
    forward = 'with Mine.dynamic_block(self, "a"):\n    x = x + 1\n' + LOOP
    after = fixed(mine + model("", forward))
    assert 'with Mine.dynamic_block(self, "model_forward_1")' in after and "jit_scheme" not in after


def test_the_package_of_the_plugin_does_not_spell_its_parts() -> None:
    after = fixed("import horizon_plugin_pytorch as horizon\n" + model("", LOOP))
    assert "with Tracer.dynamic_block(" in after and IMPORT in after


@pytest.mark.parametrize(
    ("tracer", "line", "spelled"),
    [
        ("net.compat.Tracer", "from net.compat import Tracer\n", "Tracer."),
        ("net.compat.GraphTracer", "from net.compat import GraphTracer\n", "GraphTracer."),
    ],
)
def test_the_settings_say_where_tracer_comes_from(tracer: str, line: str, spelled: str) -> None:
    text = model("", LOOP)
    (found,) = findings_in({"model.py": text}, "QAT201", tracer=tracer)
    assert found.fix is not None and found.fix.safety is Safety.SAFE
    after = apply(text.encode(), found.fix.intent).decode()
    assert line in after and f"with {spelled}dynamic_block(self" in after
    assert not findings_in({"model.py": after}, "QAT201", tracer=tracer)


def test_what_is_imported_goes_before_what_the_settings_say() -> None:
    text = IMPORT + model("", LOOP)
    (found,) = findings_in({"model.py": text}, "QAT201", tracer="net.compat.T")
    assert found.fix is not None and "net.compat" not in apply(text.encode(), found.fix.intent).decode()


def test_a_project_without_the_plugin_gets_the_fix_as_unsafe() -> None:
    text = model("", LOOP)
    other = {"other.py": "import horizon_plugin_pytorch\n"}
    (alone,) = findings_in({"model.py": text}, "QAT201")
    (beside,) = findings_in({"model.py": text, **other}, "QAT201")
    assert alone.fix is not None and beside.fix is not None and alone.severity is beside.severity
    assert alone.fix.safety is Safety.UNSAFE and "no file here imports the plugin" in alone.fix.reason
    assert beside.fix.safety is Safety.SAFE and not beside.fix.reason


NOT_IMPORTED = "for f in xs:\n    with {}:\n        x = x + f\nreturn x"


@pytest.mark.parametrize(
    ("block", "tracer", "line"),
    [
        ('Tracer.dynamic_block(self, "a")', "", IMPORT),
        ("dynamic_block()", "", IMPORT.replace("Tracer", "dynamic_block")),
        ('Tracer.dynamic_block(self, "a")', "net.compat.Mine", "from net.compat import Mine as Tracer\n"),
    ],
)
def test_a_missing_import_is_added(block: str, tracer: str, line: str) -> None:
    text = model("", NOT_IMPORTED.format(block))
    (found,) = findings_in({"model.py": text}, "QAT202", tracer=tracer)
    assert found.fix is not None and found.fix.safety is (Safety.SAFE if tracer else Safety.UNSAFE)
    after = apply(text.encode(), found.fix.intent).decode()
    assert after.replace(line, "", 1) == text.replace(line, "") and line in after
    assert not findings_in({"model.py": after}, "QAT202", tracer=tracer)


def test_a_missing_import_under_another_name_is_nobodys_guess() -> None:
    text = "Tracer = None\ndel Tracer\n" + model("", NOT_IMPORTED.format('Tracer.dynamic_block(self, "a")'))
    for found in findings_in({"model.py": text}, "QAT202"):
        assert found.fix is not None
        with pytest.raises(Refused, match="the name `Tracer` means"):
            apply(text.encode(), found.fix.intent)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "if x.max() < 1:\n    return x\n# why\ny = x * 2\nz = y.flatten(1)\nreturn z + 1",
            "if x.max() < 1:\n    return x\n# why\nwith B:\n    y = x * 2\n    z = y.flatten(1)\n    return z + 1",
        ),
        (
            "if x.max() < 1:\n    return x\nn = len(xs)\nx = x * n\nreturn x",
            "if x.max() < 1:\n    return x\nn = len(xs)\nwith B:\n    x = x * n\nreturn x",
        ),
        (
            "if x.max() < 1: return x\nfor i in range(3):\n    x = x * i\nx = x + 1\nreturn x",
            "if x.max() < 1: return x\nwith B:\n    for i in range(3):\n        x = x * i\n    x = x + 1\nreturn x",
        ),
    ],
)
def test_what_follows_a_return(before: str, after: str) -> None:
    text = forward_of(fixed(model("", before)))
    for number in (1, 2):
        text = text.replace(f'Tracer.dynamic_block(self, "model_forward_{number}")', "B")
    assert text == clean(after) + "\n"


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        ("return x * 2 if x.max() > 1 else x", "write it as `if` and `else`"),
        ("while (x - 1).max() > 1:\n    x = x[0]\nreturn x", "compute it before the loop"),
    ],
)
def test_what_has_no_statements(forward: str, reason: str) -> None:
    (found,) = findings_in({"model.py": model("", forward)}, "QAT201")
    assert found.fix is None and reason in found.no_fix


def test_blocks_of_a_base_of_the_same_name_have_other_names() -> None:
    loop = "        for b in range(x.shape[0]):\n            x = x * 0.5\n"
    base = f"class Model(nn.Module):\n    def forward(self, x):\n{loop}        return x\n"
    sub = f"class Model(Base):\n    def forward(self, x):\n{loop}        return super().forward(x)\n"
    texts = {"base.py": HEAD + base, "model.py": f"{HEAD}from base import Model as Base\n{sub}"}
    found = findings_in(texts, "QAT201")
    written = {
        f.owner: apply(texts[f.span.path].encode(), f.fix.intent).decode() for f in found if f.fix is not None
    }
    assert 'dynamic_block(self, "model_forward_1")' in written["base:Model"]
    assert 'dynamic_block(self, "model_model_forward_1")' in written["model:Model"]
