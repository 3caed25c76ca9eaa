"""Reports of models of which not all is followed: what is computed there counts, and reasons say what is
missing."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.resolve.choosing import best
from tests.resolve.reporting import HEAD, adds, found, report

UNKNOWN_PART = """
class Net(nn.Module):
    def __init__(self, indices=(0, 1)):
        super().__init__()
        self.quant = QuantStub()
        for i in indices:
            self.add_module(f"norm{i}", nn.LayerNorm(4))

    def forward(self, x):
        x = self.quant(x)
        y = getattr(self, f"norm{x.dim()}")(x) + 0.5  # behind
        return y + 1  # end
"""


def test_what_is_computed_of_the_result_of_an_unknown_part_counts(tmp_path: Path) -> None:
    assert found(tmp_path, UNKNOWN_PART, report(adds(2)), adds(2)) == ["behind", "end"]


BY_NAME = """
class Net(nn.Module):
    def __init__(self, mode="sum"):
        super().__init__()
        self.quant, self.mode = QuantStub(), mode

    def _sum(self, x):
        return x + 1  # sum

    def _cat(self, x):
        return x + 2  # cat

    def forward(self, x):
        x = self.quant(x)
        x = {"sum": self._sum, "cat": self._cat}[self.mode](x)
        MORE
        return x + 4  # end
"""


def test_of_names_of_which_one_holds_not_both_do(tmp_path: Path) -> None:
    text = BY_NAME.replace("MORE", "x = x * 2")
    assert found(tmp_path, text, report(adds(2)), adds(2)) == ["sum,cat", "end"]
    path = tmp_path / "m.py"
    own, others = engine.flows_with(EntryPoint(str(path), "Net"), [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, report(adds(3)), others)
    assert names is not None
    assert "source tells of 2: it may be none" in names.ops_of("_generated_add_0")[1]


def test_what_getattr_gives_may_be_a_method_that_computes_there(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    text = BY_NAME.replace("MORE", 'x = getattr(self, f"_{self.mode}")(x)')
    path.write_text(HEAD + text, encoding="utf-8")
    own, others = engine.flows_with(EntryPoint(str(path), "Net"), [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, report(adds(3)), others)
    assert names is not None
    assert "was not followed and may compute, too" in names.ops_of("_generated_add_2")[1]


OBJECTS = """
class Pair:
    def __init__(self, x):
        self.x = x + 0.1  # made

    def __add__(self, other):
        return Pair(self.x * 2 + other.x)  # operator

    def __rsub__(self, other):
        return other + self.x  # reflected


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()

    def forward(self, x):
        x = self.quant(x)
        pair = Pair(x)
        pair = pair + pair
        x = x - pair
        return x + 1  # end
"""


def test_what_objects_compute_that_are_no_modules_runs_in_the_forward_that_uses_them(tmp_path: Path) -> None:
    check = report(adds(5))
    assert found(tmp_path, OBJECTS, check, adds(5)) == ["made", "operator", "made", "reflected", "end"]


ENTRIES_OF_ITS_OWN = """
class Parts(nn.ModuleDict):
    def forward(self, x):
        for name in self:
            x = self[name](x) + x  # part
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.parts = QuantStub(), Parts({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})

    def forward(self, x):
        return self.parts(self.quant(x))
"""


def test_a_class_that_inherits_from_module_dict_holds_what_it_is_given(tmp_path: Path) -> None:
    rows = ["parts.a", "parts.b", *adds(2, "parts.")]
    assert found(tmp_path, ENTRIES_OF_ITS_OWN, report(rows), rows) == ["part"] * 4


def test_reasons_say_what_is_missing(tmp_path: Path) -> None:
    """A call of a forward that was not followed, some of the classes that may be meant, and that a line may
    be none of those that are known."""
    path = tmp_path / "m.py"
    registered = "\n".join(
        f"class Part{n}(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.conv = nn.Conv2d(4, 4, 1)\n\n    def forward(self, x):\n        return self.conv(x)\n"
        for n in range(12)
    )
    path.write_text(
        HEAD
        + registered
        + dedent(
            """
            class Inner(nn.Module):
                def __init__(self, hook):
                    super().__init__()
                    self.hook = hook

                def forward(self, x):
                    return self.hook.run(x) + 1


            class Net(nn.Module):
                def __init__(self, part, hook):
                    super().__init__()
                    self.quant, self.part, self.inner = QuantStub(), part, Inner(hook)

                def forward(self, x):
                    return self.inner(self.part(self.quant(x)))
            """
        ),
        encoding="utf-8",
    )
    point = EntryPoint(str(path), "Net")
    own, others = engine.flows_with(point, [str(path)], DiskLoader(), Aim((), ()))
    rows = ["quant", "part.conv", "inner.hook_made.lin", *adds(2, "inner.")]
    names = best(own, report(rows), others)
    assert names is not None
    where, why = names.ops_of("part.conv")
    assert [op.written for op in where] == ["self.part"]
    assert "12 classes have such a part: m:Part0, m:Part1, m:Part2 and 9 more" in why
    line = path.read_text(encoding="utf-8").splitlines().index("        return self.hook.run(x) + 1") + 1
    why = names.ops_of("inner.other")[1]
    assert f"at line {line} the forward of `inner` calls what was not followed, `self.hook.run`" in why
