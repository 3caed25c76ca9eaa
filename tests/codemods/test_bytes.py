"""What a rewrite keeps: encoding, line endings, white space, everything outside of the class."""

from __future__ import annotations

import codecs

import pytest

from qatlint.codemods.apply import Refused, apply, apply_all
from qatlint.codemods.compare import refuse_other_changes, refuse_other_lines
from qatlint.codemods.locate import Tree, own_class
from tests.codemods.cases import model
from tests.codemods.intents import clone

BEFORE = model("self.act = nn.ReLU()", "return self.act(self.act(x))")
AFTER = model("self.act = nn.ReLU()\nself.act_1 = nn.ReLU()", "return self.act_1(self.act(x))")
TIED = model("self.act = nn.PReLU()", "return self.act(self.act(x))")


def fixed(before: bytes, **intent: bool) -> bytes:
    return apply(before, clone(before, "act", **intent))  # type: ignore[arg-type]


def test_windows_line_endings() -> None:
    assert fixed(BEFORE.replace("\n", "\r\n").encode()) == AFTER.replace("\n", "\r\n").encode()


def test_windows_line_endings_of_a_statement_over_several_lines() -> None:
    after = fixed(TIED.replace("\n", "\r\n").encode(), tied=True)
    assert after.count(b"\n") == after.count(b"\r\n")
    assert b"import copy\r\n\r\nimport torch\r\n" in after


def test_mixed_line_endings_stay_where_they_are() -> None:
    before = BEFORE.replace("SIZES = (1, 2, 3)\n", "SIZES = (1, 2, 3)\r\n").encode()
    assert fixed(before) == AFTER.replace("SIZES = (1, 2, 3)\n", "SIZES = (1, 2, 3)\r\n").encode()


def test_byte_order_mark() -> None:
    assert fixed(codecs.BOM_UTF8 + BEFORE.encode()) == codecs.BOM_UTF8 + AFTER.encode()


def test_encoding_of_the_file() -> None:
    comment = "# -*- coding: latin-1 -*-\n# für Ärger\n"
    before = (comment + BEFORE.replace("self.act = nn", "é = 'ü'; self.act = nn")).encode("latin-1")
    after = fixed(before)
    assert after.startswith(comment.encode("latin-1"))
    assert "é = 'ü'; self.act = nn.ReLU()\n        self.act_1 = nn.ReLU()\n".encode("latin-1") in after


def test_columns_count_characters() -> None:
    wide = "x = '数値化', self.act(self.act(x))\nreturn x"
    before = model("self.act = nn.ReLU()", wide)
    assert "x = '数値化', self.act_1(self.act(x))" in fixed(before.encode()).decode()


def test_tabs() -> None:
    after = fixed(BEFORE.replace("    ", "\t").encode())
    assert after == AFTER.replace("    ", "\t").encode()


def test_form_feed_on_a_line_of_its_own() -> None:
    before = BEFORE.replace("\n\nclass", "\n\f\nclass")
    assert fixed(before.encode()) == AFTER.replace("\n\nclass", "\n\f\nclass").encode()


def test_form_feed_that_libcst_drops() -> None:
    with pytest.raises(Refused, match="white space that libcst does not keep"):
        fixed(BEFORE.replace("\nclass", "\n\fclass").encode())


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "  # end"])
def test_end_of_the_file(end: str) -> None:
    assert fixed((BEFORE.rstrip("\n") + end).encode()) == (AFTER.rstrip("\n") + end).encode()


def test_the_last_line_of_the_file_can_be_the_definition() -> None:
    head, _, tail = BEFORE.partition("    def __init__")
    init, _, forward = tail.partition("    def forward")
    before = f"{head}    def forward{forward}\n    def __init__{init.rstrip()}"
    assert fixed(before.encode()).endswith(b"self.act = nn.ReLU()\n        self.act_1 = nn.ReLU()")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"# coding: nonsense\n", "cannot be decoded"),
        (b"\xff\xfe", "cannot be decoded"),
        (b"def (:\n", "cannot be parsed by libcst"),
    ],
)
def test_unreadable(source: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        apply(source, clone(BEFORE, "act"))


@pytest.mark.parametrize(
    ("imports", "after"),
    [
        ("import torch\nfrom torch import nn\n", "import copy\n\nimport torch\nfrom torch import nn\n"),
        (
            "import abc\nimport os\nfrom math import pi\n\nfrom torch import nn\n",
            "import abc\nimport copy\nimport os\nfrom math import pi\n\nfrom torch import nn\n",
        ),
        (
            "from math import pi\n\nfrom torch import nn\n",
            "import copy\nfrom math import pi\n\nfrom torch import nn\n",
        ),
        (
            "from __future__ import annotations\n\nimport os\n",
            "from __future__ import annotations\n\nimport copy\nimport os\n",
        ),
        (
            '"""Doc."""\n\n# third party\nimport torch\n',
            '"""Doc."""\n\nimport copy\n\n# third party\nimport torch\n',
        ),
        ("# license\n\nimport torch\n", "# license\n\nimport copy\n\nimport torch\n"),
        ("import abc\n\nimport torch\n", "import abc\nimport copy\n\nimport torch\n"),
        ("import abc\n\nimport torch\nimport copy\n", "import abc\n\nimport torch\nimport copy\n"),
        ('"""Doc."""\n', '"""Doc."""\n\nimport copy\n'),
        ("", "import copy\n"),
        ("from .nn import nn\n", "import copy\n\nfrom .nn import nn\n"),
    ],
)
def test_import_of_copy(imports: str, after: str) -> None:
    body = TIED[TIED.index("\n\nclass") :]
    before = imports + (body if imports else body.lstrip("\n"))
    assert fixed(before.encode(), tied=True).decode().startswith(after + "\n\nclass")


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from copy import deepcopy\n", "= deepcopy("),
        ("from copy import deepcopy as clone\n", "= clone("),
        ("import copy as c\n", "= c.deepcopy("),
        ("from copy import copy\n", "= deepcopy("),
        ("try:\n    import copy\nexcept ImportError:\n    copy = None\n", "= deepcopy("),
    ],
)
def test_spelling_of_deepcopy(imports: str, call: str) -> None:
    after = fixed((imports + TIED).encode(), tied=True).decode()
    assert f"self.act_1 {call}" in after


def test_a_parameter_called_copy() -> None:
    before = TIED.replace("cfg=None", "copy=None")
    after = fixed(before.encode(), tied=True).decode()
    assert "from copy import deepcopy\n" in after
    assert "self.act_1 = deepcopy(" in after


@pytest.mark.parametrize(
    ("imports", "spelled"),
    [
        ("import torch.nn as tnn\n", "tnn.ModuleList("),
        ("import torch\n", "torch.nn.ModuleList("),
        ("import torch.nn\n", "torch.nn.ModuleList("),
        ("from torch.nn import ModuleList\n", "ModuleList("),
        ("import os\n", "nn.ModuleList("),
    ],
)
def test_spelling_of_module_list(imports: str, spelled: str) -> None:
    before = (
        model(
            "self.layers = M.ModuleList()\nself.act = M.ReLU()",
            "for m in self.layers:\n    x = self.act(x)\nreturn x",
        )
        .replace("import torch\nfrom torch import nn\n", imports)
        .replace("=nn.ReLU", "=1")
        .replace("nn.Module)", "Base)")
    )
    after = fixed(before.encode()).decode()
    assert f"self.act = {spelled}[M.ReLU() for _ in range(len(self.layers))])" in after
    assert ("from torch import nn" in after) == (imports == "import os\n")


def test_several_intents_in_one_file() -> None:
    before = model(
        "self.act = nn.ReLU()\nself.out = nn.ReLU()",
        "for v in (x, x):\n    x = self.act(self.out(v))\nreturn self.out(x)",
    )
    intents = [clone(before, "act"), clone(before, "out"), clone(before, "act", known=False)]
    applied = apply_all(before.encode(), intents)
    assert applied.outcome[0] is None
    assert applied.outcome[1] == "", "both number the same loop: the second one waits"
    assert applied.outcome[2] is not None and "number of turns" in applied.outcome[2]
    again = apply(applied.source, clone(applied.source, "out")).decode()
    assert 'x = getattr(self, f"act_{i}")(getattr(self, f"out_1_{i}")(v))' in again
    assert again.count("enumerate") == 1


def test_changes_outside_of_the_class_are_noticed() -> None:
    text = BEFORE + "\n\nclass Other:\n    x = 1\n\n\ny = 2\n"
    tree = Tree(text)
    cls = own_class(tree, tree.expression(clone(text, "act", cls="Model").definition))
    refuse_other_changes(tree, text.replace("self.act = nn.ReLU()", "self.act = nn.GELU()"), [cls])
    for new in (
        text.replace("y = 2", "y = 3"),
        text.replace("import torch\n", ""),
        text.replace("x = 1", "x = 2"),
    ):
        with pytest.raises(Refused, match="outside of the class"):
            refuse_other_changes(tree, new, [cls])


def test_changed_lines_besides_an_import_are_noticed() -> None:
    refuse_other_lines("a\nb\n", "import copy\n\na\nb\n", {"import copy"})
    for new in ("a\nimport os\nb\n", "a\n", "a\nc\n"):
        with pytest.raises(Refused, match="import could not be added"):
            refuse_other_lines("a\nb\n", new, {"import copy"})
