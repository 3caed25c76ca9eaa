"""The loop: apply, look again, take back what did not help. The check function is a fake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import libcst as cst
import pytest

from qatlint.codemods import fixer, locate, mentions, purity, scope
from qatlint.codemods.apply import apply_all
from qatlint.codemods.fixer import fix
from qatlint.finding import AddQuantStub, CloneModule, Finding, Fix, Intent, Safety, Severity
from qatlint.loader import Loader
from qatlint.trace import Span
from tests.codemods.cases import model
from tests.codemods.intents import PATH, clone, separate

Rule = Callable[[str], list[Finding]]
TWICE = "return self.act(self.act(x))"
BEFORE = model("self.act = nn.ReLU()", TWICE)


class Texts:
    """A loader over a dict."""

    def __init__(self, **files: str) -> None:
        self.files = {f"{name}.py": text.encode() for name, text in files.items()}

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise OSError(path)
        return self.files[path]

    def exists(self, path: str) -> bool:
        return path in self.files


def finding(
    code: str = "QAT101",
    subject: str = "act",
    intent: Intent | None = None,
    safety: Safety = Safety.SAFE,
    owner: str = "model:Model",
) -> Finding:
    made = Fix("split", safety, "", intent) if intent is not None else None
    place = Span(intent.path if intent else PATH, 1, 1, 1, 2)
    return Finding(code, "name", Severity.WARNING, "message", place, owner, subject, fix=made)


def twice(text: str, attribute: str = "act", **options: Safety) -> list[Finding]:
    """A finding while `self.<attribute>(` is called more than once."""
    if text.count(f"self.{attribute}(") < 2:
        return []
    return [finding(subject=attribute, intent=clone(text, attribute), **options)]  # type: ignore[arg-type]


def checker(rule: Rule) -> fixer.CheckFn:
    return lambda loader: rule(loader.read(PATH).decode())


def run(source: str, rule: Rule, *, unsafe: bool = False) -> fixer.FixResult:
    return fix([PATH], Texts(model=source), checker(rule), unsafe=unsafe)


def test_a_fix_is_applied_and_nothing_is_left() -> None:
    result = run(BEFORE, twice)
    assert result.texts[PATH].decode().count("nn.ReLU()") == 2
    assert (result.applied, result.findings, result.problems) == (1, [], ())


def test_the_second_run_changes_nothing() -> None:
    once = run(BEFORE, twice).texts[PATH].decode()
    again = run(once, twice)
    assert (dict(again.texts), again.applied) == ({}, 0)


def test_unsafe_fixes_wait_to_be_asked_for() -> None:
    def rule(text: str) -> list[Finding]:
        return twice(text, safety=Safety.UNSAFE)

    left = run(BEFORE, rule)
    assert not left.texts
    assert left.findings[0].fix is not None
    assert run(BEFORE, rule, unsafe=True).applied == 1


def test_fixes_of_one_class_come_in_one_or_more_passes() -> None:
    source = model(
        "self.n = n\nself.act = nn.ReLU()\nself.out = nn.ReLU()",
        "for v in (x, x):\n    x = self.act(self.out(v))\nreturn self.act(self.out(x))",
    )
    result = run(source, lambda text: twice(text, "act") + twice(text, "out"))
    assert result.applied == 2
    assert result.findings == []
    compile(result.texts[PATH], PATH, "exec")


def test_two_files() -> None:
    paths = ["a.py", "b.py", "c.py"]

    def check(loader: Loader) -> list[Finding]:
        found = []
        for path in paths:
            for one in twice(loader.read(path).decode()):
                assert one.fix is not None
                intent = one.fix.intent
                assert isinstance(intent, CloneModule)
                moved = intent._replace(
                    path=path,
                    definition=intent.definition._replace(path=path),
                )
                found.append(replace(one, owner=f"{path}:Model", fix=replace(one.fix, intent=moved)))
        return found

    result = fix(paths, Texts(a=BEFORE, b="x = 1\n", c=BEFORE), check, unsafe=False)
    assert set(result.texts) == {"a.py", "c.py"}
    assert result.applied == 2


def test_a_refusal_becomes_the_reason() -> None:
    source = model("self.act = nn.LeakyReLU(next(cfg))", TWICE)
    result = run(source, twice)
    (left,) = result.findings
    assert not result.texts
    assert left.fix is None
    assert left.no_fix.startswith("`act` cannot be made a second time")


def test_a_fix_that_does_not_help_is_taken_back() -> None:
    result = run(BEFORE, lambda text: [finding(intent=clone(text, "act"))])
    assert not result.texts
    assert result.applied == 0
    assert result.findings[0].no_fix == "the fix was tried and taken back: the finding would stay"
    assert result.problems == (
        "model.py: the fix of QAT101 for `act` was taken back: the finding would stay",
    )


def test_a_fix_that_causes_another_finding_is_taken_back() -> None:
    def rule(text: str) -> list[Finding]:
        return twice(text) or [finding("QAT103", "act_1")]

    result = run(BEFORE, rule)
    assert not result.texts
    assert "it would cause QAT103 name for `act_1`" in result.problems[0]


def test_a_bad_fix_does_not_take_the_good_one_with_it() -> None:
    source = model(
        "self.act = nn.ReLU()\nself.out = nn.ReLU()", "return self.act(self.act(self.out(self.out(x))))"
    )

    def rule(text: str) -> list[Finding]:
        unused = [finding("QAT103", "out_1")] if "self.out_1" in text else []
        return twice(text, "act") + twice(text, "out") + unused

    result = run(source, rule)
    assert "self.act_1" in result.texts[PATH].decode()
    assert "self.out_1" not in result.texts[PATH].decode()
    assert result.applied == 1
    assert [f.subject for f in result.findings] == ["out"]


MANY = [f"act{k}" for k in range(16)]


@pytest.mark.parametrize("bad", [["act0"], ["act13"], ["act5", "act15"]])
def test_one_bad_fix_among_many_is_found_by_halves(bad: list[str]) -> None:
    source = model(
        "\n".join(f"self.{name} = nn.ReLU()" for name in MANY),
        "\n".join(f"x = self.{name}(self.{name}(x))" for name in MANY) + "\nreturn x",
    )
    looks = 0

    def rule(text: str) -> list[Finding]:
        nonlocal looks
        looks += 1
        harm = [finding("QAT103", name) for name in bad if f"self.{name}_1" in text]
        return [f for name in MANY for f in twice(text, name)] + harm

    result = run(source, rule)
    assert (result.applied, [f.subject for f in result.findings]) == (len(MANY) - len(bad), bad)
    assert [p.partition(" was taken")[0] for p in result.problems] == [
        f"model.py: the fix of QAT101 for `{name}`" for name in bad
    ]
    assert looks <= 3 + len(bad) * 2 * 4  # halving 16 takes 4 steps


@pytest.mark.parametrize("helps", [True, False])
def test_two_files_with_one_class_each_of_the_same_name(helps: bool) -> None:
    files = {"a.py": BEFORE, "b.py": BEFORE}

    def check(loader: Loader) -> list[Finding]:
        found = []
        for path in files:
            text = loader.read(path).decode() if helps else BEFORE
            for one in twice(text):
                assert one.fix is not None and isinstance(one.fix.intent, CloneModule)
                intent = one.fix.intent._replace(
                    path=path, definition=one.fix.intent.definition._replace(path=path)
                )
                place = one.span._replace(path=path)
                found.append(replace(one, span=place, fix=replace(one.fix, intent=intent)))
        return found

    result = fix(list(files), Texts(a=BEFORE, b=BEFORE), check, unsafe=False)
    assert (result.applied, len(result.findings)) == ((2, 0) if helps else (0, 2))


def test_the_work_grows_with_the_file_and_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = 0
    real = locate.children

    def children(node: cst.CSTNode) -> list[cst.CSTNode]:
        nonlocal nodes
        nodes += 1
        return real(node)

    for module in (locate, mentions, scope, purity):
        monkeypatch.setattr(module, "children", children)
    frame, body = BEFORE.partition("class Model")[::2]

    def visited(classes: int) -> int:
        nonlocal nodes
        nodes = 0
        text = frame + "\n\n".join(f"class Model{k}" + body for k in range(classes))
        intents = [clone(text, "act", cls=f"Model{k}") for k in range(classes)]
        assert set(apply_all(text.encode(), intents).outcome) == {None}
        return nodes

    few, many = visited(8), visited(32)
    assert many < 4.2 * few


def test_what_separation_leaves_may_have_another_name() -> None:
    source = model("self.a = nn.ReLU()\nself.b = self.a", "return self.a(self.b(self.b(x)))")

    def rule(text: str) -> list[Finding]:
        if "self.b = self.a" in text:
            intent = separate(text, "nn.ReLU()", (("nn.ReLU()", 0), ("self.a", 1)))
            return [finding("QAT102", "a", intent), finding("QAT101", "a")]
        return twice(text, "b")

    result = run(source, rule)
    assert "self.b = nn.ReLU()\n        self.b_1 = nn.ReLU()" in result.texts[PATH].decode()
    assert (result.applied, result.findings) == (2, [])


@pytest.mark.parametrize(
    ("begins", "code", "applied"), [(True, "QAT302", 1), (True, "QAT101", 0), (False, "QAT302", 0)]
)
def test_what_a_stub_brings_into_the_region_may_have_findings(begins: bool, code: str, applied: int) -> None:
    source = model("self.act = nn.ReLU()", "return self.act(x)")
    line = source[: source.index("self.act(x)")].count("\n") + 1
    target = Span(PATH, line, 25, line, 26)

    def rule(text: str) -> list[Finding]:
        if "quant_x" in text:
            return [finding(code, "hidden")]
        return [finding("QAT301", "x", AddQuantStub(PATH, "Model", target, "x", begins=begins))]

    assert run(source, rule).applied == applied


@pytest.mark.parametrize(
    ("before", "after", "applied"),
    [
        (["act (2)"], ["act_1"], 1),  # that of the second call, which has an instance of its own now
        (["act (2)"], ["act", "act_1"], 0),  # one more than before
        (["act (2)"], ["other"], 0),  # another module's
    ],
)
def test_what_a_clone_is_told_of_was_told_of_the_second_call(
    before: list[str], after: list[str], applied: int
) -> None:
    def rule(text: str) -> list[Finding]:
        mine = twice(text)
        return mine + [finding("QAT401", subject) for subject in (before if mine else after)]

    result = run(BEFORE, rule)
    assert result.applied == applied
    assert ("taken back" in "".join(result.problems)) == (not applied)


def test_a_file_that_is_not_to_be_fixed() -> None:
    result = fix(["other.py"], Texts(other="", model=BEFORE), lambda loader: twice(BEFORE), unsafe=False)
    assert not result.texts
    assert result.findings[0].no_fix == "model.py is not among the files to fix"


def test_a_file_that_cannot_be_rewritten() -> None:
    result = run(BEFORE.replace("\nclass", "\n\fclass"), twice)
    assert result.problems == ("model.py: the file has white space that libcst does not keep",)
    assert result.findings[0].no_fix == "the file has white space that libcst does not keep"


def test_a_file_that_cannot_be_read() -> None:
    result = fix([PATH], Texts(), lambda loader: twice(BEFORE), unsafe=False)
    assert result.problems == ("model.py: the file cannot be read",)


def test_a_file_that_does_not_settle_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixer, "MAX_PASSES", 3)
    looks = 0

    def rule(text: str) -> list[Finding]:
        """Another finding, with another fix, each time."""
        nonlocal looks
        looks += 1
        intent = separate(text, "nn.ReLU()", (("nn.ReLU()", 0), ("self.a", -1)))
        return [finding("QAT102", f"act{looks}", intent)]

    source = model("self.a = nn.ReLU()" + "\nself.b = self.a" * 9, "return x")
    result = run(source, rule)
    assert not result.texts
    assert result.applied == 0
    assert result.problems == ("model.py: the fixes did not settle after 3 passes, so none is kept",)


def test_other_findings_are_passed_on() -> None:
    other = finding("QAT103", "unused")
    result = run(BEFORE, lambda text: [*twice(text), other])
    assert result.findings == [other]
