"""Which classes are models: by the settings, by what scripts prepare, by their stubs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from qatlint.aim import Aim, EntryPoint
from qatlint.engine import open_project
from qatlint.static.entry import NoEntryPoint, find
from qatlint.static.project import Project
from qatlint.static.roots import Root, Why, root_of, uses_plugin
from tests.static.sources import Memory, clean

NET = """
    from torch import nn

    class Net(nn.Module):
        def forward(self, x):
            return x

    class Other(nn.Module):
        def forward(self, x):
            return x
"""
PREPARE = "from horizon_plugin_pytorch.quantization import prepare\n"


def project_of(texts: Mapping[str, str], *points: EntryPoint) -> Project:
    memory = Memory({path: clean(text) for path, text in texts.items()})
    return open_project(sorted(texts), memory, Aim((), points))


def root(project: Project, path: str, name: str) -> Root | None:
    (cls,) = [c for c in project.file(path).classes if c.qualname == name]
    return root_of(project, cls)


def prepared_by(script: str, **others: str) -> set[str]:
    """The classes of net.py that a script with the import of `prepare` makes roots."""
    texts = {"net.py": NET, "tool.py": PREPARE + clean(script), **{f"{n}.py": t for n, t in others.items()}}
    project = project_of(texts)
    found = {c.name: root_of(project, c) for c in project.file("net.py").classes}
    assert all(r is None or r.why is Why.PREPARED for r in found.values())
    return {name for name, r in found.items() if r is not None}


@pytest.mark.parametrize(
    "script",
    [
        "from net import Net\nprepare(Net(), inputs)",
        "from net import Net\nmodel = Net()\nqat = prepare(model, example_inputs=inputs)",
        "import net\nmodel = net.Net().to('cuda').eval()\nprepare(model=model)",
        "from net import Net\ndef main():\n    model = Net(3)\n    model.eval()\n    return prepare(model, 1)",
        "def main():\n    from net import Net as N\n    model = N()\n    return prepare(model, 1)",
        "import copy\nfrom net import Net\nm = Net()\nprepare(copy.deepcopy(m), 1)",
        "from net import Net\ndef to_qat(model: Net):\n    return prepare(model, 1)",
        "from net import Net\ndef to_qat(model: 'Net'):\n    return prepare(model, 1)",
        "from net import Net\ndef to_qat(model, x):\n    return prepare(model, x)\n\nto_qat(Net(), 1)",
        "from net import Net\ndef to_qat(x, model):\n    return prepare(model, x)\n\nto_qat(1, model=Net())",
        "from net import Net\ndef build():\n    return Net()\n\nprepare(build(), 1)",
        "from net import Net\nprepare((model := Net()), 1)",
        "from net import Net\nclass Task:\n    def __init__(self):\n        self.model = Net()\n"
        "    def qat(self):\n        self.model = prepare(self.model, 1)",
        "from net import Net\nclass Task:\n    def __init__(self):\n        self.qat(Net())\n"
        "    def qat(self, model):\n        return prepare(model, 1)",
        "from horizon_plugin_pytorch.quantization import prepare_qat_fx, fuse_fx\nfrom net import Net\n"
        "prepare_qat_fx(fuse_fx(Net()), {})",
        "import horizon_plugin_pytorch as horizon\nfrom net import Net\n"
        "horizon.quantization.prepare_qat(Net(), inplace=True)",
    ],
)
def test_what_is_given_to_prepare_is_a_root(script: str) -> None:
    assert prepared_by(script) == {"Net"}


@pytest.mark.parametrize(
    ("decorator", "result", "is_root"),
    [
        ("classmethod", "cls(settings)", True),
        ("classmethod", "settings", False),
        ("staticmethod", "Net()", False),
    ],
)
def test_a_class_may_make_its_own_instances(decorator: str, result: str, is_root: bool) -> None:
    net = clean(f"""
        from torch import nn

        class Net(nn.Module):
            @{decorator}
            def of(cls, settings):
                return {result}
    """)
    project = project_of(
        {"net.py": net, "tool.py": f"{PREPARE}from net import Net\nprepare(Net.of({{}}), 1)"}
    )
    assert (root(project, "net.py", "Net") is not None) is is_root


def test_the_model_is_followed_into_other_files() -> None:
    build = "from net import Net, Other\ndef build(kind):\n    if kind:\n        return Net()\n    return Other()\n"
    assert prepared_by("from builder import build\nprepare(build(1), 1)", builder=build) == {"Net", "Other"}


@pytest.mark.parametrize(
    "script",
    [
        "from net import Net\nNet()",
        "from net import Net\nprepare(unknown, Net())",
        "from net import Net\nmodel = Net()\nprepare(model.backbone, 1)",
        "from net import Net\ndef prepare(m):\n    return m\n\ndef f():\n    other.prepare(Net())",
        "from mine import prepare_data\nfrom net import Net\nprepare_data(Net())",
        "from net import Net\ndef f(model):\n    return prepare(model, 1)",
        "prepare()",
        "from net import Net\ndef a(m):\n    return a(m)\n\nprepare(a(1), 1)",
        "def f(m):\n    return prepare(m, 1)\n\ndef g(m):\n    return f(m)\n\ndef h(m):\n    return g(h(m))",
    ],
)
def test_what_is_not_certainly_given_to_the_plugin_s_prepare_is_none(script: str) -> None:
    assert prepared_by(script) == set()


def test_a_prepare_of_somebody_else_is_none() -> None:
    script = (
        "from accelerate import prepare\nfrom net import Net\nimport horizon_plugin_pytorch\nprepare(Net())"
    )
    project = project_of({"net.py": NET, "tool.py": script})
    assert uses_plugin(project, "net.py")
    assert root(project, "net.py", "Net") is None


def test_a_script_that_cannot_be_parsed_says_nothing() -> None:
    assert prepared_by("from net import Net\nprepare(Net(), 1)\nclass (") == set()


def test_deep_code_is_read() -> None:
    assert prepared_by("from net import Net\nx = " + "+".join("1" * 3000) + "\nprepare(Net(), 1)") <= {"Net"}


def test_the_place_of_the_call_is_told() -> None:
    project = project_of({"net.py": NET, "tool.py": PREPARE + "from net import Net\n\nprepare(Net(), 1)\n"})
    assert root(project, "net.py", "Net") == Root(Why.PREPARED, ("tool.py", 4), False, False)


STUBS = """
    from torch import nn
    from torch.quantization import DeQuantStub
    from horizon_plugin_pytorch.quantization import QuantStub
    import horizon_plugin_pytorch.quantization as hq

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub(scale=1 / 128)
            self.embed = Embed()
            self.dequant = DeQuantStub()

    class Embed(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = hq.QuantStub()

    class Head(Model):
        pass

    class Plain(nn.Module):
        '''It has no QuantStub.'''
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Model", Root(Why.STUBS, ("net.py", 9), True, True)),
        ("Head", Root(Why.STUBS, ("net.py", 9), True, True)),
        ("Embed", Root(Why.STUBS, ("net.py", 16), True, False, "Model")),
        ("Plain", None),
    ],
)
def test_a_class_with_stubs_of_its_own_may_be_a_root(name: str, expected: Root | None) -> None:
    assert root(project_of({"net.py": STUBS}), "net.py", name) == expected


def test_stubs_of_torch_alone_are_another_toolchain_s() -> None:
    project = project_of({"net.py": STUBS.replace("horizon_plugin_pytorch", "torch")})
    assert not uses_plugin(project, "net.py")
    assert root(project, "net.py", "Model") is None


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("import horizon_plugin_pytorch", True),
        ("def f():\n    from horizon_plugin_pytorch.nn import Div", True),
        ("try:\n    import horizon_plugin_pytorch as h\nexcept ImportError:\n    h = None", True),
        ("# import horizon_plugin_pytorch", False),
        ("'import horizon_plugin_pytorch'", False),
        ("import horizon_plugin_pytorch2", False),
        ("x = 'horizon_plugin_pytorch'", False),
    ],
)
def test_a_project_uses_the_plugin_where_a_linted_file_imports_it(text: str, used: bool) -> None:
    assert uses_plugin(project_of({"net.py": NET, "other.py": text}), "net.py") is used


def test_the_question_reads_nothing_where_the_file_itself_answers_it() -> None:
    project = project_of({"net.py": STUBS, "other.py": NET})
    reads: list[str] = []
    real = project.loader.read
    project.loader.read = lambda path: reads.append(path) or real(path)  # type: ignore[method-assign,func-returns-value]
    assert uses_plugin(project, "net.py") and uses_plugin(project, "other.py")
    assert reads == ["net.py"]


def test_a_changed_text_is_asked_again() -> None:
    project = project_of({"net.py": NET, "tool.py": "x = 1"})
    assert root(project, "net.py", "Net") is None
    assert isinstance(project.loader, Memory)
    project.loader.texts["tool.py"] = (PREPARE + "from net import Net\nprepare(Net(), 1)").encode()
    project.renew(["tool.py"], [])
    assert root(project, "net.py", "Net") == Root(Why.PREPARED, ("tool.py", 3), False, False)


# --- entry points ---------------------------------------------------------------------------------------

TREE = {
    "/here/pkg/__init__.py": "from pkg.net import Net",
    "/here/pkg/net.py": NET + "\n    class Data:\n        pass\n",
    "/here/src/deep/model.py": "from torch import nn\nclass A(nn.Module):\n    class B(nn.Module): ...\n",
    "/here/broken.py": "class (",
}


def entry(written: str) -> list[EntryPoint]:
    return list(find(written, Memory({p: clean(t) for p, t in TREE.items()}), "/here", ("/here/src",)))


@pytest.mark.parametrize(
    ("written", "path", "name"),
    [
        ("pkg.net:Net", "pkg/net.py", "Net"),
        ("pkg:Net", "pkg/net.py", "Net"),
        ("deep.model:A", "src/deep/model.py", "A"),
        ("deep.model:A.B", "src/deep/model.py", "A.B"),
        ("src.deep.model:A", "src/deep/model.py", "A"),
    ],
)
def test_an_entry_point_is_found_where_it_is_defined(written: str, path: str, name: str) -> None:
    path = f"/here/{path}"
    point = EntryPoint(path, name)
    assert entry(written) == [point]
    project = project_of(TREE, point)
    assert uses_plugin(project, path)
    assert root(project, path, name) == Root(Why.ENTRY_POINT, None, False, False)
    assert root(project, "/here/pkg/net.py", "Other") is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("pkg.nets:Net", "`pkg.nets:Net`: there is no module `pkg.nets` in /here, /here/src"),
        ("pkg.net:Nett", "`pkg.net:Nett`: /here/pkg/net.py has no class `Nett`; did you mean `Net`?"),
        ("deep.model:X", "`deep.model:X`: /here/src/deep/model.py has no class `X`; classes there: A, A.B"),
        ("pkg.net:Data", "`pkg.net:Data`: `Data` is no torch module"),
    ],
)
def test_an_entry_point_that_is_no_model_is_said(written: str, message: str) -> None:
    with pytest.raises(NoEntryPoint) as error:
        entry(written)
    assert str(error.value) == message


def test_of_a_broken_file_linting_speaks() -> None:
    assert entry("broken:Net") == []
