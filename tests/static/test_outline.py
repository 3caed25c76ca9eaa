"""The outline of a text: the same definitions, at the same places, as parsing all of it."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qatlint.static.modulefile import ClassDef, ExpressionFound, FunctionFound, ModuleFile
from qatlint.static.outline import outline_of
from qatlint.static.source import Source
from tests.static import programs
from tests.static.sources import Memory, findings_in, project_of


def _described(file: ModuleFile, names: set[str]) -> dict[str, str]:
    """What names are bound to, with every position."""
    result = {}
    for name in names:
        found = file.binding(name)
        if isinstance(found, (ClassDef, FunctionFound, ExpressionFound)):
            node = ast.dump(found.node, include_attributes=True)
            result[name] = f"{type(found).__name__} {node}"
        else:
            result[name] = repr(found)
    return result


def _files(text: str) -> tuple[ModuleFile, ModuleFile] | None:
    """A file parsed whole, and by its outline; None when it has none."""
    outline = outline_of(text)
    if outline is None:
        return None
    whole = ModuleFile(Source("m.py", text.encode()), "m", "", False)
    return whole, ModuleFile(Source("m.py", text.encode(), whole=False), "m", "", False, outline)


def assert_same(text: str) -> None:
    """The outline of `text`, if it has one that holds together, gives what the whole text gives."""
    try:
        files = _files(text)
    except SyntaxError:
        ast.parse(text)  # Only the outline was torn: the file would be parsed whole.
        return
    if files is None:
        return
    whole, part = files
    names = {*whole._bound, *part._bound}
    assert _described(part, names) == _described(whole, names)
    assert part.stars == whole.stars
    described = [(c.qualname, ast.dump(c.node, include_attributes=True)) for c in whole.classes]
    part.complete()
    assert [(c.qualname, ast.dump(c.node, include_attributes=True)) for c in part.classes] == described
    untouched = _files(text)
    assert untouched is not None
    untouched[1].complete()
    assert [c.qualname for c in untouched[1].classes] == [c.qualname for c in whole.classes]
    assert _described(untouched[1], names) == _described(whole, names)


TRICKY = [
    "",
    "def f(): pass",
    "class A: pass\n",
    '"""\nclass A:\n    pass\n"""\nclass B:\n    x = 1\n',
    "s = '''\ndef f():\n    pass\n'''\ndef g():\n    return 1\n",
    'x = \'"""\'\ndef f():\n    pass\ny = \'"""\'\n',
    '# """\ndef f():\n    pass\n# """\n',
    'def f():\n    """a \\""" b\nclass A: pass\n"""\n    return 1\n',
    'def f():\n    r"""\\"""\nclass A: pass\n"""\n',
    "def f():\n    '''it's'''\n\n\nclass A:\n    '''\"\"\"'''\n",
    'a = """x"""; b = """\nclass A: pass\n"""\ndef f(): pass\n',
    "x = (\n1,\n2)\ndef f():\n    return x\n",
    "x = foo(\na = dict(\n    b=1,\n    c=1,\n    d=1,\n))\ndef f(): pass\n",
    "x = (a\n@b)\ndef f(): pass\n",
    "x = 1 + \\\ny\ndef f(): pass\n",
    "x = 'a\\\nclass A: pass'\ndef f(): pass\n",
    "# ends with a backslash \\\nclass A: pass\n",
    "@a\n@b(\n    1,\n)\n# why\ndef f():\n    pass\n\n\n@c\nclass A:\n    pass\n",
    "@(\n    a\n)\nclass A:\n    pass\n\n\nclass B(A):\n    pass\n",
    "@overload\ndef f(a): ...\n@overload\ndef f(b): ...\ndef f(c):\n    return c\n@typing.overload\ndef f(d): ...\n",
    "class A:\n    x = 1\n\n\nclass A:\n    x = 2\n\n\nA = 3\n",
    "def f(): return 1\nfrom m import f\nimport g\ndef g(): return 2\n",
    "try:\n    from a import B\nexcept ImportError:\n    class B:\n        pass\nelse:\n    def C(): pass\n",
    "if x:\n    def f(): pass\nelse:\n    class f: pass\nwith y:\n    Z = 1\n",
    "def f():\n    class Inner:\n        pass\n    return Inner\nasync def g():\n    class Other: pass\n",
    "class A: x = 1; y = 2\ndef f(): pass; pass\n",
    "NAMES = {\n    'a': 1,\n    'b': 2,\n    'c': (\n        3,\n    ),\n}\n# behind\n\nOTHER: dict[str, int] = dict(\n    a=1,\n    b=2,\n    c=3,\n)\nz = 1\n",
    "a = b = [\n    1,\n    2,\n    3,\n]\nc = [\n    1,\n    2,\n    3,\n].d = e = 5\n",
    "x = {\n    'k': '''\nnot a statement\n''',\n    'l': 1,\n}\n",
    "é = '量化'\nclass Ünï:\n    s = '🙂'; t = 1\n",
    "class A:\r\n    x = 1\r\n",
    "\x0cclass A:\n    x = 1\n",
    "from a import *\nimport b.c\nimport d.e as f\n__all__ = [\n    'x',\n    'y',\n    'z',\n]\n",
]


@pytest.mark.parametrize("text", TRICKY)
def test_an_outline_is_what_parsing_gives(text: str) -> None:
    ast.parse(text)
    assert_same(text)


_LINES = st.lists(
    st.sampled_from(
        (
            "class A:|    x = 1|    def m(self): return 1|def f(a):|    return a|async def g():|    pass|@d|@d(|)|"
            "x = [|    1,|]|})|y = {|'''|    '''|\"\"\"|    s = '''a|    \"\"\"b\"\"\"|# '''|z = 'a' # \"\"\"|"
            "if x:|else:|try:|except E:|from m import a|import b as f|A = 2|1 +\\|w = 3|    class B:|        y = 2|"
        ).split("|")
    ),
    max_size=14,
)


@given(_LINES)
def test_lines_in_any_order(lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    try:
        ast.parse(text)
    except SyntaxError:
        outline_of(text)  # It says something or nothing, and does not fail.
        return
    assert_same(text)


@given(st.lists(st.sampled_from(TRICKY), max_size=4))
def test_texts_one_after_the_other(texts: list[str]) -> None:
    assert_same("\n".join(texts))


@given(programs.programs())
def test_generated_models(text: str) -> None:
    assert_same(text)


def test_only_what_is_asked_for_is_parsed() -> None:
    text = "class A:\n    x = 1\n\n\ndef f():\n    return 2\n\n\nclass B(A):\n    y = 2\n"
    files = _files(text)
    assert files is not None
    part = files[1]
    assert (part.classes, part.lines_parsed) == ([], 0)
    found = part.binding("B")
    assert isinstance(found, ClassDef) and found.node.lineno == 9
    assert part.classes == [found] and part.lines_parsed == 2
    assert part.binding("B") is found and part.class_at(9) is found and part.class_at(5) is None
    part.complete()
    assert [c.name for c in part.classes] == ["A", "B"] and part.binding("B") is found


def test_an_error_in_one_function_hides_no_other_definition() -> None:
    texts = {
        "base.py": "from torch import nn\n\ndef broken(:\n    pass\n\n\nclass Base(nn.Module):\n    pass\n",
        "m.py": "from base import Base, broken\n\nclass M(Base):\n    def __init__(self):\n"
        "        super().__init__()\n        self.a = broken()\n",
    }
    project = project_of(texts)
    (cls,) = project.file("m.py").classes
    assert project.is_module(cls)
    bound = project.resolve(cls.file, "broken")
    assert bound == "base.broken"
    assert [(f.code, f.span.path) for f in findings_in(texts)] == [("QAT000", "base.py")]


def test_a_torn_file_is_nothing_to_those_who_import_from_it() -> None:
    project = project_of({"base.py": "x = (\nclass A:\n    pass\n", "m.py": "from base import A\n"})
    file = project.file("m.py")
    assert project.module("base", file) is None
    assert project.module("base", file) is None  # also the second time


def test_a_file_is_the_same_for_all_who_ask() -> None:
    texts = {
        "a.py": "from b import B\nclass A(B):\n    pass\n",
        "b.py": "from torch import nn\nclass B(nn.Module):\n    pass\n",
    }
    project = project_of(texts)
    (a,) = project.file("a.py").classes
    base = project.mro(a)[1]
    (b,) = project.file("b.py").classes
    assert base is b
    assert project.subclasses(b) == [a]


def test_after_forgetting_files_are_read_again() -> None:
    texts = {"a.py": "from b import B\nclass A(B):\n    pass\n", "b.py": "class B:\n    x = 1\n"}
    project = project_of(texts)
    first = project.file("a.py")
    (before,) = first.classes
    project.mro(before)
    assert project.lines_parsed() == 3 + 2
    project.forget()
    assert project.lines_parsed() == 0 and first.classes == [] and before.methods == {}
    (after,) = project.file("a.py").classes
    assert after is not before
    assert [getattr(c, "name", "") for c in project.mro(after)] == ["A", "B"]


def test_a_file_that_is_expected_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"a.py": "from b import f\n", "b.py": "def f():\n    pass\n"}
    parsed: list[str] = []
    original = Source.parse

    def parse(self: Source) -> None:
        parsed.append(self.path)
        original(self)

    monkeypatch.setattr(Source, "parse", parse)
    project = project_of(texts)
    project.expect(texts)
    file = project.file("a.py")
    assert isinstance(project.resolve(file, "f"), FunctionFound)
    project.file("b.py")
    assert parsed == ["a.py", "b.py"]


def test_star_imports_are_followed_only_where_the_name_is(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "p/__init__.py": "from .a import *\nfrom .b import *\nfrom .c import *\n",
        "p/a.py": "class A:\n    pass\n",
        "p/b.py": "class B:\n    pass\n",
        "p/c/__init__.py": "from .d import *\n",
        "p/c/d.py": "class D:\n    pass\n",
        "m.py": "from p import A, B, D, E\n",
    }
    project = project_of(texts)
    file = project.file("m.py")
    for name, path in (("A", "p/a.py"), ("B", "p/b.py"), ("D", "p/c/d.py")):
        found = project.resolve(file, name)
        assert isinstance(found, ClassDef) and found.file.path == path
    assert project.resolve(file, "E") == "p.E"
    project.forget()
    reads: list[str] = []

    def read(self: Memory, path: str) -> bytes:
        reads.append(path)
        return self.texts[path]

    monkeypatch.setattr(Memory, "read", read)
    assert project.resolve(project.file("m.py"), "E") == "p.E"
    assert sorted(reads) == ["m.py", "p/__init__.py", "p/c/__init__.py"]
