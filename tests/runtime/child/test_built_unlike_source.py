"""Reports of executed models that other code has changed: no row may lead to another line for sure."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, NamedTuple

import pytest

torch = pytest.importorskip("torch")

from qatlint import engine  # noqa: E402
from qatlint.aim import Aim, EntryPoint  # noqa: E402
from qatlint.files import DiskLoader  # noqa: E402
from qatlint.horizon.report import read, write  # noqa: E402
from qatlint.horizon.report.cells import name_of  # noqa: E402
from qatlint.resolve.choosing import best  # noqa: E402
from qatlint.runtime.child.recorder import Recorder  # noqa: E402
from qatlint.runtime.flow import Flow  # noqa: E402
from qatlint.runtime.model_check import model_check  # noqa: E402
from qatlint.runtime.recording import from_json, to_json  # noqa: E402

HEAD = """\
import functools, types
import torch
from torch import nn
from torch.ao.quantization import DeQuantStub, QuantStub
"""
BEGIN = """\
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.c, self.d = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.p = nn.Parameter(torch.zeros(1, 4, 1, 1))
        self.g = nn.Parameter(torch.zeros(1, 4, 1, 1))
"""


class Row(NamedTuple):
    """A row of the report of a model that ran."""

    label: str
    truth: str
    """The comment on the line that ran it."""
    lines: str
    """Those on the lines that it leads to."""
    why: str


def rows(folder: Path, text: str, **files: str) -> list[Row]:
    """Run `build()` of a module, beside other files, and look its report up in the source."""
    for name, other in files.items():
        (folder / f"{name}.py").write_text(dedent(other), encoding="utf-8")
    path = folder / "m.py"
    path.write_text(HEAD + text, encoding="utf-8")
    flow = executed(folder, path)
    calls = [(name_of(flow.labels[op.number]), op.place) for op in flow.ops if flow.units[op.number]]
    truth = {(name, call): place.line for (name, _, call), place in calls if place is not None}
    check = read(write(model_check(flow)))
    sources = [str(path), *(str(folder / f"{name}.py") for name in files)]
    point = EntryPoint(str(path), "Net")
    own, others = engine.flows_with(point, sources, DiskLoader(), Aim((), ()))
    names = best(own, check, others)
    assert names is not None
    written = path.read_text(encoding="utf-8").splitlines()

    def mark(line: int) -> str:
        return written[line - 1].rpartition("# ")[2] if "# " in written[line - 1] else str(line)

    found = []
    for layer in check.layers:
        ops, why = names.ops_of(layer.label, is_call=True)
        lines = sorted({op.span.line for op in ops})
        found.append(Row(layer.label, mark(truth[layer.name, layer.call]), " ".join(map(mark, lines)), why))
    return found


def executed(folder: Path, path: Path) -> Flow:
    """What the model of a file does, that its `build` makes."""
    sys.path.insert(0, str(folder))
    before = set(sys.modules)
    try:
        spec = importlib.util.spec_from_file_location(f"built_{folder.name}", path)
        assert spec is not None and spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        model, x = module.build().eval(), torch.randn(2, 4, 4, 4)
        with torch.no_grad(), Recorder(model) as recorder:
            out = model(x)
        return Flow(from_json(to_json(recorder.recording((x,), {}, out))))
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if name.startswith("built_") or name in ("conf", "helpers"):
                del sys.modules[name]


def check_none_is_sure_and_wrong(found: list[Row]) -> None:
    for row in found:
        assert row.truth in row.lines.split(), row
        assert bool(row.why) is (" " in row.lines), row


def model(init: str, body: str, build: str, given: str = "") -> str:
    """A model with a constructor that ends so, with these methods, and how it is built."""
    return (
        f"class Net(nn.Module):\n    def __init__(self{given}):\n{BEGIN}"
        + indent(dedent(init), "        ")
        + indent(dedent(body), "    ")
        + dedent(build)
    )


RUN = """
def forward(self, x):
    x = self.run(self.quant(x))
    return self.dequant(x * 3)  # end
def run(self, x):
    return self.d(self.c(x)) + x  # run
def run_deploy(self, x):
    return self.d(self.c(x)) + self.p  # deploy
"""
FORWARD = """
def forward(self, x):
    return self.dequant(self.d(self.c(self.quant(x))) + x)  # run
def forward_fuse(self, x):
    return self.dequant(self.d(self.c(self.quant(x))) + self.p)  # deploy
"""


@pytest.mark.parametrize(
    ("init", "body", "build", "given"),
    [
        ("if deploy:\n    self.forward = self.forward_fuse\n", FORWARD, "Net(True)", ", deploy=False"),
        ("", FORWARD, "m.forward = m.forward_fuse", ""),
        ("", FORWARD, "Net.forward = Net.forward_fuse", ""),
        ("", FORWARD, "m.forward = types.MethodType(Net.forward_fuse, m)", ""),
        ("", FORWARD, "m.forward = functools.partial(Net.forward_fuse, m)", ""),
        ("", RUN, "m.run = m.run_deploy", ""),
        ("", RUN, "Net.run = Net.run_deploy", ""),
        ("", RUN, "setattr(m, 'run', m.run_deploy)", ""),
        ("", RUN, "object.__setattr__(m, 'run', m.run_deploy)", ""),
        ("", RUN, "m.run = types.MethodType(Net.run_deploy, m)", ""),
        ("", RUN, "m.run = Net.run_deploy.__get__(m)", ""),
        ("", RUN, "m.__dict__['run'] = m.run_deploy", ""),
        ("", RUN, "vars(m).update(run=m.run_deploy)", ""),
        ("", RUN, "m.run = getattr(m, 'run_deploy')", ""),
    ],
)
def test_a_method_that_is_replaced(init: str, body: str, build: str, given: str, tmp_path: Path) -> None:
    built = "m = Net(True)" if build == "Net(True)" else f"m = Net()\n    {build}"
    if build.startswith("Net."):
        built = f"{build}\n    m = Net()"
    text = model(init, body, f"\ndef build():\n    {built}\n    return m\n", given)
    found = rows(tmp_path, text)
    check_none_is_sure_and_wrong(found)
    (add,) = [row for row in found if row.label == "_generated_add_0"]
    assert (add.truth, add.lines) == ("deploy", "run deploy")
    assert add.why == "a branch decides which of 2 lines it is"


FUSED = """
def fused(self, x):
    return self.dequant(self.d(self.c(self.quant(x))) + self.p)  # deploy
"""


@pytest.mark.parametrize(
    ("init", "body", "build"),
    [
        ("if deploy:\n    self.forward = types.MethodType(fused, self)\n", FORWARD, "m = Net(True)"),
        ("if deploy:\n    self.__dict__['forward'] = self.forward_fuse\n", FORWARD, "m = Net(True)"),
        ("if deploy:\n    setattr(self, 'forward', self.forward_fuse)\n", FORWARD, "m = Net(True)"),
        ("self.run = {False: self.run, True: self.run_deploy}[deploy]\n", RUN, "m = Net(True)"),
        ("", RUN, "m = Net()\n    m.run, m.other = m.run_deploy, 1"),
        ("", RUN, "m = Sub()"),
    ],
)
def test_a_method_that_a_constructor_sets(init: str, body: str, build: str, tmp_path: Path) -> None:
    sub = """
class Sub(Net):
    def __init__(self):
        super().__init__()
        self.run = self.run_deploy
"""
    built = f"{FUSED}{sub}\ndef build():\n    {build}\n    return m\n"
    found = rows(tmp_path, model(init, body, built, ", deploy=False"))
    check_none_is_sure_and_wrong(found)
    (add,) = [row for row in found if row.label == "_generated_add_0"]
    assert (add.truth, add.lines) == ("deploy", "run deploy")


def test_what_the_report_has_proves_which_method_ran(tmp_path: Path) -> None:
    body = """
    def forward(self, x):
        return self.dequant(self.run(self.quant(x)))
    def run(self, x):
        return self.c(x) + x  # run
    def run_deploy(self, x):
        return self.d(x) + self.p  # deploy
    """
    text = model("", body, "\ndef build():\n    m = Net()\n    m.run = m.run_deploy\n    return m\n")
    found = {row.label: row for row in rows(tmp_path, text)}
    assert (found["_generated_add_0"].lines, found["_generated_add_0"].why) == ("deploy", "")


OTHERS = """
class Other(nn.Module):
    def forward(self, x):
        return x
    def forward_fuse(self, x):
        return x
"""


@pytest.mark.parametrize(
    ("build", "lines", "why"),
    [
        # Of something else, or not by anything that the class has.
        ("for k in m.modules():\n        if isinstance(k, Other): k.run = k.run_deploy", "run", ""),
        ("for k in m.modules():\n        if type(k) is Other: k.run = k.run_deploy", "run", ""),
        ("if type(m) is not Net: m.run = m.run_slowly", "run", ""),
        # Wrappers that compute nothing.
        ("m.run = functools.partial(m.run)", "run", ""),
        ("before = m.run\n    m.run = before", "run", ""),
        (
            "before = m.run\n    def wrapped(x):\n        return before(x)\n    m.run = wrapped",
            "run",
            "",
        ),
        # What nobody follows.
        (
            "for n in ('run',):\n        setattr(m, n, getattr(m, n + '_deploy'))",
            "run",
            "other code puts something else",
        ),
        ("m.run = (lambda run: lambda x: run(x) + x)(m.run)", "run", "other code puts something else"),
        (
            "before = m.run\n    def wrapped(x):\n        return before(x * 2)\n    m.run = wrapped",
            "run",
            "other code puts something else",
        ),
    ],
)
def test_what_is_no_replacement_or_cannot_be_followed(
    build: str, lines: str, why: str, tmp_path: Path
) -> None:
    build = f"{OTHERS}\ndef build():\n    m = Net()\n    {build}\n    return m\n"
    found = {row.label: row for row in rows(tmp_path, model("", RUN, build))}
    assert found["_generated_add_0"].lines == lines
    assert found["_generated_add_0"].why.startswith(why)
    assert bool(found["_generated_add_0"].why) is bool(why)


def test_the_forward_of_a_child_by_a_function_of_the_file(tmp_path: Path) -> None:
    text = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(4, 4, 1)
    def forward(self, x):
        return self.c(x) + x  # run

def fused(self, x):
    return self.c(x * 2) + x  # deploy

def of_others(self, x):
    return self.nothing(x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.blocks = nn.ModuleList(Block() for _ in range(2))
    def forward(self, x):
        x = self.quant(x)
        for block in self.blocks:
            x = block(x)
        return self.dequant(x + 1)  # end

def build():
    m = Net()
    for block in m.blocks:
        if hasattr(block, "nothing"):
            block.forward = types.MethodType(of_others, block)
        block.forward = types.MethodType(fused, block)
    return m
"""
    found = rows(tmp_path, text)
    check_none_is_sure_and_wrong(found)
    lines = {row.label.partition("[")[0]: row.lines for row in found}
    assert lines["blocks.0._generated_mul_0"] == "deploy"
    assert lines["blocks.1._generated_add_0"] == "run deploy"
    assert lines["_generated_add_0"] == "end"


LOOPS = """
def forward(self, x):
    x = self.c(self.quant(x))
    for _ in range({enc}):
        x = x + self.p  # enc
    for _ in range({dec}):
        x = x + self.g  # dec
    return self.dequant(x)
"""


def loops(enc: str, dec: str) -> str:
    return LOOPS.format(enc=enc, dec=dec)


def lines_of_adds(found: list[Row]) -> list[str]:
    return [row.lines for row in found if "_generated_add" in row.label]


@pytest.mark.parametrize(
    ("given", "settings", "build"),
    [
        (", cfg=None", "self.f = {**dict(enc=2, dec=2), **(cfg or {})}", "Net(dict(enc=3, dec=1))"),
        (", cfg=None", "self.f = dict(enc=2, dec=2)\nself.f.update(cfg or {})", "Net(dict(enc=3, dec=1))"),
        (", **kw", "self.f = dict(enc=2, dec=2)\nself.f.update(kw)", "Net(enc=3, dec=1)"),
        (", **kw", "self.f = dict(enc=2, dec=2)\nself.f.update(**kw)", "Net(enc=3, dec=1)"),
        (", **kw", "self.f = dict(dict(enc=2, dec=2), **kw)", "Net(enc=3, dec=1)"),
        (", **kw", "self.f = {'enc': 2, 'dec': 2, **kw}", "Net(enc=3, dec=1)"),
        (
            ", cfg=None",
            "self.f = dict(enc=2, dec=2)\nfor k, v in (cfg or {}).items():\n    self.f[k] = v",
            "Net(dict(enc=3, dec=1))",
        ),
        (
            ", large=False",
            "self.f = dict(enc=2, dec=2)\nself.f.update(dict(enc=3, dec=1) if large else dict(enc=2))",
            "Net(True)",
        ),
    ],
)
def test_settings_that_are_merged(given: str, settings: str, build: str, tmp_path: Path) -> None:
    body = loops("self.f['enc']", "self.f['dec']")
    found = rows(tmp_path, model(f"{settings}\n", body, f"\ndef build():\n    return {build}\n", given))
    check_none_is_sure_and_wrong(found)
    assert "enc dec" in lines_of_adds(found)


@pytest.mark.parametrize(
    "settings",
    [
        "self.f = {**(cfg or {}), 'enc': 2, 'dec': 2}",
        "self.f = dict(cfg or {})\nself.f.update(enc=2, dec=2)",
        "self.f = {'enc': 1, **dict(enc=2, dec=2)}",
    ],
)
def test_settings_that_are_set_last_are_known(settings: str, tmp_path: Path) -> None:
    body = loops("self.f['enc']", "self.f['dec']")
    build = "\ndef build():\n    return Net(dict(enc=3, dec=1))\n"
    found = rows(tmp_path, model(f"{settings}\n", body, build, ", cfg=None"))
    assert lines_of_adds(found) == ["enc", "enc", "dec", "dec"]


CONF = """
ENC, DEC = 2, 2
E = 2
D = 2
CFG = dict(enc=2, dec=2)
class C:
    enc = 2
    dec = 2
"""


@pytest.mark.parametrize(
    ("used", "build"),
    [
        (("conf.E", "conf.D"), "conf.E = 3\n    conf.D = 1"),
        (("conf.E", "conf.D"), "setattr(conf, 'E', 3)\n    setattr(conf, 'D', 1)"),
        (("conf.E", "conf.D"), "vars(conf).update(E=3, D=1)"),
        (("conf.C.enc", "conf.C.dec"), "conf.C.enc = 3\n    conf.C.dec = 1"),
        (("conf.CFG['enc']", "conf.CFG['dec']"), "conf.CFG.update(enc=3, dec=1)"),
        (("conf.CFG['enc']", "conf.CFG['dec']"), "conf.CFG['enc'] = 3\n    conf.CFG['dec'] = 1"),
        (("E", "D"), "globals().update(E=3, D=1)"),
        (("E", "D"), "globals()['E'] = 3\n    globals()['D'] = 1"),
        (("CFG['enc']", "CFG['dec']"), "helpers.smaller()"),
    ],
)
def test_constants_that_other_code_sets(used: tuple[str, str], build: str, tmp_path: Path) -> None:
    text = "import conf, helpers\nfrom conf import CFG\nE = 2\nD = 2\n" + model(
        "", loops(*used), f"\ndef build():\n    {build}\n    return Net()\n"
    )
    helpers = "from conf import CFG\ndef smaller():\n    CFG.update(enc=3, dec=1)\n"
    if "helpers" not in build:
        helpers = ""
    found = rows(tmp_path, text, conf=CONF, helpers=helpers)
    check_none_is_sure_and_wrong(found)
    assert "enc dec" in lines_of_adds(found)


@pytest.mark.parametrize(
    "build",
    [
        "Net.enc = 3\n    Net.dec = 1",
        "setattr(Net, 'enc', 3)\n    setattr(Net, 'dec', 1)",
        "Net.F['enc'] = 3",
    ],
)
def test_class_attributes_that_are_set_before_the_model_is_made(build: str, tmp_path: Path) -> None:
    init = (
        "self.a, self.b = self.enc + 0 * self.F['enc'], self.dec\n"
        if "F" not in build
        else "self.a, self.b = self.F['enc'], self.F['dec']\n"
    )
    text = model(init, loops("self.a", "self.b"), f"\ndef build():\n    {build}\n    return Net()\n")
    text = text.replace(
        "    def __init__", "    enc = 2\n    dec = 2\n    F = dict(enc=2, dec=2)\n    def __init__", 1
    )
    found = rows(tmp_path, text)
    check_none_is_sure_and_wrong(found)
    assert "enc dec" in lines_of_adds(found)


def test_constants_that_nothing_sets_are_known(tmp_path: Path) -> None:
    text = model("", loops("conf.E", "conf.C.dec"), "\ndef build():\n    return Net()\n")
    found = rows(tmp_path, f"import conf\n{text}", conf=CONF)
    assert lines_of_adds(found) == ["enc", "enc", "dec", "dec"]


FLAG = """
def forward(self, x):
    x = self.d(self.c(self.quant(x)))
    if self.flag:
        x = x + self.p  # deploy
    else:
        x = x + x  # run
    return self.dequant(x * 3)
"""
AUX = FLAG.replace("self.flag", "hasattr(self, 'aux')")
AUX_OR_NONE = FLAG.replace("self.flag", "getattr(self, 'aux', None) is not None")
FILLED = "for k, v in (cfg or {}).items():\n    setattr(self, k, v)\n"


@pytest.mark.parametrize(
    ("init", "body", "build"),
    [
        (f"self.flag = False\n{FILLED}", FLAG, "m = Net({'flag': True})"),
        ("self.flag = False\nself.__dict__.update(cfg or {})\n", FLAG, "m = Net({'flag': True})"),
        ("self.flag = False\nvars(self).update(**(cfg or {}))\n", FLAG, "m = Net({'flag': True})"),
        (FILLED, AUX, "m = Net({'aux': True})"),
        ("self.flag = False\n", FLAG, "m = Net()\n    m.__setattr__('flag', True)"),
        ("self.flag = False\n", FLAG, "m = Net()\n    object.__setattr__(m, 'flag', True)"),
        ("self.flag = False\n", FLAG, "m = Net()\n    m.configure(flag=True)"),
        ("self.aux = 1\n", AUX.replace("if has", "if not has"), "m = Net()\n    del m.aux"),
        ("self.aux = 1\n", AUX.replace("if has", "if not has"), "m = Net()\n    delattr(m, 'aux')"),
        ("self.aux = 1\n", AUX.replace("if has", "if not has"), "m = Net()\n    m.__delattr__('aux')"),
        ("self.aux = 1\n", AUX.replace("if has", "if not has"), "m = Net()\n    del m.__dict__['aux']"),
        ("self.aux = 1\n", AUX_OR_NONE.replace("is not", "is"), "m = Net()\n    del m.aux"),
        (
            "self.aux = nn.ReLU()\n",
            AUX.replace("if has", "if not has"),
            "m = Net()\n    m._modules.pop('aux')",
        ),
        ("", AUX, "m = Net()\n    m.add_module('aux', nn.Identity())"),
        ("", AUX, "m = Net()\n    m.register_module(name='aux', module=nn.Identity())"),
        ("", AUX, "m = Net()\n    m.register_buffer('aux', torch.zeros(1))"),
        ("", AUX, "m = Net()\n    m._modules['aux'] = nn.Identity()"),
    ],
)
def test_attributes_that_are_set_or_deleted_by_name(init: str, body: str, build: str, tmp_path: Path) -> None:
    methods = "def configure(self, **given):\n    for k, v in given.items():\n        setattr(self, k, v)\n"
    text = model(init, f"{body}{methods}", f"\ndef build():\n    {build}\n    return m\n", ", cfg=None")
    found = rows(tmp_path, text)
    check_none_is_sure_and_wrong(found)
    (add,) = [row for row in found if row.label == "_generated_add_0"]
    assert (add.truth, add.lines) == ("deploy", "deploy run")


@pytest.mark.parametrize(
    "init",
    [
        f"{FILLED}self.flag = True\n",  # set last
        "for k in ('a', 'b'):\n    setattr(self, k, cfg)\nself.flag = True\n",
        "self.flag = True\nself.aux = 1\ndel self.aux\n",  # a constructor is followed
    ],
)
def test_what_a_constructor_is_known_to_set_decides(init: str, tmp_path: Path) -> None:
    text = model(init, FLAG, "\ndef build():\n    return Net()\n", ", cfg=None")
    (add,) = [row for row in rows(tmp_path, text) if row.label == "_generated_add_0"]
    assert (add.lines, add.why) == ("deploy", "")
