"""Classes over several files: imports, packages, re-exports, source roots, subclasses."""

from __future__ import annotations

import pytest

from qatlint.static.modulefile import ClassDef, ModuleFile, Unknown
from tests.static.sources import clean, findings_in, project_of, said, times, trace_in

BASE = """
from torch import nn

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(x)
"""


def derived(imports: str, base: str = "Base") -> str:
    """A file whose class runs what it inherits twice."""
    return (
        f"{clean(imports)}\n\nclass Model({base}):\n    def forward(self, x):\n"
        "        return self.act(super().forward(x))\n"
    )


IMPORTS = {
    "relative": ({"pkg/__init__.py": "", "pkg/base.py": BASE}, "pkg/model.py", "from .base import Base", "Base"),
    "relative module": ({"pkg/__init__.py": "", "pkg/base.py": BASE}, "pkg/model.py", "from . import base", "base.Base"),
    "two levels": (
        {"pkg/__init__.py": "", "pkg/a/__init__.py": "", "pkg/base.py": BASE},
        "pkg/a/model.py",
        "from ..base import Base",
        "Base",
    ),
    "absolute": ({"pkg/__init__.py": "", "pkg/base.py": BASE}, "pkg/model.py", "from pkg.base import Base", "Base"),
    "absolute module": ({"pkg/__init__.py": "", "pkg/base.py": BASE}, "pkg/model.py", "import pkg.base", "pkg.base.Base"),
    "alias": ({"pkg/__init__.py": "", "pkg/base.py": BASE}, "pkg/model.py", "import pkg.base as b", "b.Base"),
    "renamed": ({"pkg/__init__.py": "", "pkg/base.py": BASE}, "pkg/model.py", "from .base import Base as B", "B"),
    "re-export": (
        {"pkg/__init__.py": "from .base import Base", "pkg/base.py": BASE},
        "main.py",
        "from pkg import Base",
        "Base",
    ),
    "star": ({"pkg/__init__.py": "from .base import *", "pkg/base.py": BASE}, "main.py", "from pkg import *", "Base"),
    "star of several": (
        {"pkg/__init__.py": "", "pkg/base.py": BASE, "pkg/empty.py": ""},
        "pkg/model.py",
        "from .base import *\nfrom .empty import *\nfrom .missing import *",
        "Base",
    ),
    "module level alias": ({"base.py": BASE}, "main.py", "import base\nB = base.Base\nC: type = B", "C"),
    "fallback": (
        {"base.py": BASE},
        "main.py",
        "try:\n    from base import Base\nexcept ImportError:\n    from elsewhere import Base",
        "Base",
    ),
    "under a test of the version": ({"base.py": BASE}, "main.py", "if True:\n    from base import Base", "Base"),
    "in a with": ({"base.py": BASE}, "main.py", "with quiet():\n    from base import Base", "Base"),
    "namespace folder": ({"ns/base.py": BASE}, "main.py", "from ns.base import Base", "Base"),
    "namespace folder as a module": ({"ns/base.py": BASE}, "main.py", "from ns import base", "base.Base"),
    "folder above": ({"proj/src/lib/base.py": BASE}, "proj/src/app/run/main.py", "from lib.base import Base", "Base"),
    "generic": ({"base.py": BASE}, "main.py", "from base import Base", "Base[int]"),
    "nested class": (
        {"base.py": "from torch import nn\nclass Outer:\n" + "\n".join("    " + line for line in BASE.split("\n")[2:])},
        "main.py",
        "from base import Outer",
        "Outer.Base",
    ),
    "cycle": (
        {"a.py": "from b import Base", "b.py": "from a import Other\n" + BASE},
        "main.py",
        "from a import Base",
        "Base",
    ),
    "star cycle": (
        {"a.py": "from b import *", "b.py": "from a import *\n" + BASE},
        "main.py",
        "from a import *",
        "Base",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("others", "path", "imports", "base"), IMPORTS.values(), ids=list(IMPORTS))
def test_a_base_class_is_found(others: dict[str, str], path: str, imports: str, base: str) -> None:
    assert times(trace_in({**others, path: derived(imports, base)}, path, "Model"), "act") == (2, 2)


@pytest.mark.parametrize(
    ("others", "imports", "base"),
    [
        ({}, "from missing import Base", "Base"),
        ({}, "from .missing import Base", "Base"),
        ({}, "from ......far import Base", "Base"),
        ({}, "import missing.base", "missing.base.Base"),
        ({"a.py": "from b import Base", "b.py": "from a import Base"}, "from a import Base", "Base"),
        ({"a.py": "from b import *", "b.py": "from a import *"}, "from a import *", "Base"),
        ({"a.py": "class Base("}, "from a import Base", "Base"),
        ({"a.py": b"\xff\xfe\x00"}, "from a import Base", "Base"),
        ({}, "Base = make_base()", "Base"),
        ({}, "Base = Other\nOther = Base", "Base"),
        ({}, "", "Model"),
        ({}, "class A(Model):\n    pass", "A"),
        ({}, "", "bases()[0]"),
        ({}, "", "(lambda: 1)"),
    ],
)
def test_a_base_class_that_is_not_found_is_no_error(
    others: dict[str, str | bytes], imports: str, base: str
) -> None:
    trace = trace_in({**others, "main.py": derived(imports, base)}, "main.py", "Model")
    assert trace.owner == "main:Model"


def test_configured_source_roots_come_first() -> None:
    files = {"vendor/lib/base.py": BASE, "main.py": derived("from lib.base import Base")}
    assert times(trace_in(files, "main.py", "Model", roots=["vendor/"]), "act") == (2, 2)
    assert not trace_in(files, "main.py", "Model").complete


def test_library_names_are_not_looked_for_in_the_project() -> None:
    files = {"torch/__init__.py": "", "torch/nn.py": "class Module: pass", "main.py": derived(BASE)}
    project = project_of(files)
    assert project.module("torch.nn", project.file("main.py")) is None


@pytest.mark.parametrize(
    ("files", "path", "name", "is_package"),
    [
        ({"model.py": ""}, "model.py", "model", False),
        ({"src/model.py": ""}, "src/model.py", "model", False),
        ({"pkg/__init__.py": "", "pkg/model.py": ""}, "pkg/model.py", "pkg.model", False),
        ({"a/b/__init__.py": "", "a/b/m.py": ""}, "a/b/m.py", "b.m", False),
        ({"a/__init__.py": "", "a/b/__init__.py": "", "a/b/m.py": ""}, "a/b/m.py", "a.b.m", False),
        ({"pkg/__init__.py": ""}, "pkg/__init__.py", "pkg", True),
        ({"__init__.py": ""}, "__init__.py", "__init__", True),
        ({"/abs/pkg/__init__.py": "", "/abs/pkg/m.py": ""}, "/abs/pkg/m.py", "pkg.m", False),
        ({"script": ""}, "script", "script", False),
    ],
)
def test_module_names_come_from_the_chain_of_packages(
    files: dict[str, str], path: str, name: str, is_package: bool
) -> None:
    file = project_of(files).file(path)
    assert (file.name, file.is_package) == (name, is_package)


def test_classes_have_qualified_names() -> None:
    text = clean(
        """
        class A:
            class B:
                pass
        def make():
            class C:
                class D:
                    pass
        if True:
            class E:
                pass
        """
    )
    file = project_of({"m.py": text}).file("m.py")
    assert [c.full_name for c in file.classes] == [
        "m:A",
        "m:A.B",
        "m:make.<locals>.C",
        "m:make.<locals>.C.D",
        "m:E",
    ]


def test_what_names_of_a_file_mean() -> None:
    project = project_of(
        {"m.py": "import os.path\nimport torch as t\nfrom torch import nn\nx: int = 1\ndef f(): ...\n"}
    )
    file = project.file("m.py")
    assert project.resolve(file, "t") == "torch"
    assert project.resolve(file, "os") == "os"
    assert project.resolve(file, "nn") == "torch.nn"
    assert project.resolve(file, "nothing") is None
    assert {type(project.resolve(file, n)).__name__ for n in ("x", "f")} == {
        "ExpressionFound",
        "FunctionFound",
    }


def test_an_import_of_a_module_of_the_project_is_that_file() -> None:
    project = project_of(
        {"pkg/__init__.py": "", "pkg/a.py": "", "m.py": "import pkg.a as a\nfrom pkg import a as b\n"}
    )
    file = project.file("m.py")
    for name in ("a", "b"):
        found = project.resolve(file, name)
        assert isinstance(found, ModuleFile) and found.path == "pkg/a.py"


def linear(bases: str) -> list[str]:
    """The linearisation of the class `Z`."""
    project = project_of({"m.py": clean(bases)})
    (cls,) = [c for c in project.file("m.py").classes if c.name == "Z"]
    return [e.name if isinstance(e, ClassDef) else f"?{e.dotted}" for e in project.mro(cls)]


@pytest.mark.parametrize(
    ("bases", "order"),
    [
        ("class A: pass\nclass B(A): pass\nclass C(A): pass\nclass Z(B, C): pass", ["Z", "B", "C", "A"]),
        ("class A(X): pass\nclass B(X): pass\nclass Z(A, B): pass", ["Z", "A", "B", "?X"]),
        ("class Z(Z): pass", ["Z"]),
    ],
)
def test_linearisation(bases: str, order: list[str]) -> None:
    assert linear(bases) == order


@pytest.mark.parametrize(
    ("text", "is_module"),
    [
        ("from torch import nn\nclass Z(nn.Module): pass", True),
        ("import torch\nclass Z(torch.nn.ReLU): pass", True),
        ("from mmengine.model import BaseModule\nclass Z(BaseModule): pass", True),
        ("from lightning import LightningModule as L\nclass Z(L): pass", True),
        ("from other import Thing\nclass Z(Thing): pass", False),
        ("from other import Thing\nclass Z(Thing):\n    def forward(self, x): pass", True),
        (
            "from other import Thing\nfrom torch import nn\nclass Z(Thing):\n    def __init__(self):\n"
            "        self.a = nn.ReLU()",
            True,
        ),
        (
            "from other import Thing\nclass Z(Thing):\n    def __init__(self):\n        self.a = other()",
            False,
        ),
        ("from abc import ABC\nclass Z(ABC):\n    def forward(self, x): pass", False),
        ("class Z:\n    def forward(self, x): pass", False),
        ("from mmcv.cnn import Thing\nclass Z(Thing):\n    def forward(self, x): pass", True),
        ("from torch.utils.data import Dataset\nclass Z(Dataset):\n    def forward(self, x): pass", False),
    ],
)
def test_which_classes_are_modules(text: str, is_module: bool) -> None:
    project = project_of({"m.py": text})
    assert project.is_module(project.file("m.py").classes[-1]) is is_module


def test_subclasses_are_found_in_all_linted_files() -> None:
    project = project_of(
        {
            "a.py": "class A: pass\nclass Z(B): pass",
            "b.py": "from a import A\nclass B(A): pass",
            "c.py": "import b\nclass C(b.B, object): pass",
            "d.py": "class D(A): pass",
            "e.py": "class E(A: broken",
        }
    )
    (cls, _) = project.file("a.py").classes
    assert sorted(c.full_name for c in project.subclasses(cls)) == ["b:B", "c:C"]


def test_writes_from_outside_are_found_in_all_linted_files() -> None:
    project = project_of(
        {
            "a.py": "m.act = 1\nself.act = 2\nm.act == 3\n    m.layers[0].act = 4\n",
            "b.py": "x = 1\n    model.act = nn.ReLU()\n",
        }
    )
    project.linted = [*project.linted, "missing.py"]
    assert sorted(project.outside_writes("act")) == [("a.py", 1), ("a.py", 4), ("b.py", 2)]
    assert list(project.outside_writes("other")) == []


def test_a_subclass_that_replaces_a_module_forbids_the_fix() -> None:
    files = {
        "base.py": BASE.replace("self.act(x)", "self.act(self.act(x))"),
        "sub.py": "from base import Base\nfrom torch import nn\nclass Sub(Base):\n    def __init__(self):\n"
        "        super().__init__()\n        self.act = nn.Sigmoid()\n",
    }
    found = findings_in(files, "QAT101")
    assert said(found) == {("QAT101", "act")}
    (base,) = [f for f in found if f.owner == "base:Base"]
    assert base.fix is None and "`Sub` replaces `act`" in base.no_fix


def test_a_write_from_outside_makes_the_fix_unsafe() -> None:
    files = {
        "base.py": BASE.replace("self.act(x)", "self.act(self.act(x))"),
        "run.py": "model.act = make()\n",
    }
    (found,) = findings_in(files, "QAT101")
    assert found.fix is not None and found.fix.safety.value == "unsafe"
    assert "`run.py` line 1" in found.fix.reason


def test_an_unused_module_that_a_subclass_uses_is_not_reported() -> None:
    base = BASE.replace("self.act(x)", "x").replace("self.act = nn.ReLU()", "self.act = nn.ReLU()")
    user = "from base import Base\nclass Sub(Base):\n    def forward(self, x):\n        return self.act(x)\n"
    assert said(findings_in({"base.py": base}, "QAT103")) == {("QAT103", "act")}
    assert not findings_in({"base.py": base, "sub.py": user}, "QAT103")


def test_a_function_of_another_file_is_entered() -> None:
    files = {
        "ops.py": "def twice(act, x):\n    return act(act(x))\n",
        "main.py": "import ops\nfrom ops import twice\n"
        + clean(BASE).replace("return self.act(x)", "return ops.twice(self.act, twice(self.act, x))"),
    }
    assert times(trace_in(files, "main.py"), "act") == (4, 4)


def test_a_class_of_another_file_is_made() -> None:
    files = {
        "lib/__init__.py": "from .base import Base",
        "lib/base.py": BASE,
        "main.py": """
        import lib
        from torch import nn
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.b = lib.Base()
            def forward(self, x):
                return self.b.act(self.b(x))
        """,
    }
    assert times(trace_in(files, "main.py"), "b.act") == (2, 2)


def test_unknown_bases_are_named() -> None:
    project = project_of({"m.py": "from x.y import Z as Q\nclass Z(Q, metaclass=M): pass"})
    (_, base) = project.mro(project.file("m.py").classes[0])
    assert isinstance(base, Unknown) and base.dotted == "x.y.Z"


def test_a_part_of_an_imported_child_adds_up() -> None:
    blocks = """
    from torch import nn
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
        def forward(self, x):
            return self.conv(x)
    """
    model = """
    from blocks import Block
    from torch import nn
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.b = Block()
        def forward(self, x):
            return self.b.conv(self.b(x))
    """
    assert ("QAT101", "b.conv") in said(findings_in({"blocks.py": blocks, "model.py": model}))
