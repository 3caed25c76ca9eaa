"""Executed Traces: the same shape as those of source, counted over forwards; and the two side by side."""

from __future__ import annotations

import pytest

from qatlint.engine import judge
from qatlint.registry import all_rules
from qatlint.report.style import Style
from qatlint.report.trace_tree import render
from qatlint.runtime.compare import Disagreement, Line, compare
from qatlint.runtime.edges import OUTSIDE, Edge, edges
from qatlint.runtime.executed import traces
from qatlint.runtime.recording import Recording
from qatlint.trace import Kind, Times, Trace
from qatlint.usage import usage
from tests.runtime.builder import LEAF, SEQUENTIAL, module, recording
from tests.static.sources import model, trace_of

NET = "model:Model"
BLOCK = "model:Block"


def told(trace: Trace) -> dict[str, str]:
    """Path -> times, with `shared` where it is."""
    used = {m.path: usage(trace, m) for m in trace.modules}
    return {path: f"{u.times}{' shared' if u.shared else ''}" for path, u in used.items()}


def test_modules_belong_to_the_nearest_owner_that_holds_them() -> None:
    modules = [module("", NET), module("block", BLOCK), module("block.act"), module("act"), module("rest")]
    ran = recording(
        modules, [("block", 0, 10), ("block.act", 1, 4), ("act", 1, 5), ("act", 0, 11), ("block.act", 0, 12)]
    )
    net, block = traces([ran])
    assert (net.owner, block.owner) == (NET, BLOCK)
    assert told(net) == {"block": "1", "act": "2 shared", "rest": "0", "block.act": "1"}
    assert told(block) == {"act": "1"}
    act = next(m for m in net.modules if m.path == "act")
    first, second = net.calls_of(act)
    assert (first.span.line, first.inside and first.inside.line) == (10, 5)
    assert (second.span.line, second.inside, second.owner, second.function) == (11, None, NET, "forward")
    assert act.kind is Kind.RELU and act.parameters is False


def test_elements_of_a_list_are_one_module_and_containers_are_looked_through() -> None:
    modules = [
        module("", NET),
        module("layers.0", BLOCK),
        module("layers.0.body", SEQUENTIAL),
        module("layers.0.body.0"),
        module("layers.0.body.1"),
        module("layers.1", BLOCK),
        module("layers.1.body", SEQUENTIAL),
        module("layers.1.body.0"),
        module("layers.1.body.1"),
    ]
    ran = recording(
        modules,
        [
            *[
                ("layers.0", 0, 10),
                ("layers.0.body", 1, 4),
                ("layers.0.body.0", 2, 4),
                ("layers.0.body.1", 2, 4),
            ],
            *[("layers.1", 0, 10), ("layers.1.body", 5, 4), ("layers.1.body.0", 6, 4)],
        ],
    )
    net, block = traces([ran])
    assert told(net) == {"layers.*": "1"}
    assert next(m for m in net.modules).internals == (Kind.RELU,)
    assert told(block) == {"body": "1", "body.*": "0-1"}
    assert [c.implied for c in block.calls] == [False, True]
    assert all(owner.class_name != SEQUENTIAL for owner in (modules[1],)) and len(traces([ran])) == 2


def run_lines(*lines: int) -> Recording:
    return recording([module("", NET), module("act")], [("act", 0, line) for line in lines])


@pytest.mark.parametrize(
    ("forwards", "expected"),
    [
        ([(10,)], "1"),
        ([(10, 10, 10)], "3 shared"),
        ([(10,), (10, 10)], "1-2 shared"),
        ([(10,), (11,)], "1"),  # two places, never both
        ([(10,), (11, 11), (12,)], "1-2 shared"),
        ([(10,), ()], "0-1"),
        ([(10, 11), (10,)], "1-2 shared"),
    ],
)
def test_counts_are_the_least_and_the_most_of_all_forwards(
    forwards: list[tuple[int, ...]], expected: str
) -> None:
    (trace,) = traces([run_lines(*lines) for lines in forwards])
    assert told(trace) == {"act": expected}


def test_two_names_are_names_of_one_module() -> None:
    modules = [module("", NET), module("act", LEAF, "again"), module("list.0", LEAF, "list.1")]
    (trace,) = traces([recording(modules, [("act", 0, 10)])])
    assert [[(n.path, n.repeated) for n in m.names] for m in trace.modules] == [
        [("act", 1), ("again", 1)],
        [("list.*", 2)],
    ]


def test_a_rule_judges_an_executed_trace_and_a_person_can_read_it() -> None:
    (trace,) = traces([run_lines(10, 11)])
    findings = list(judge(trace, all_rules()))
    assert [(f.code, f.subject) for f in findings] == [("QAT101", "act")]
    assert findings[0].span.line in (10, 11)
    lines = render([trace], Style(width=100, colour=False)).split("\n")
    assert lines[1:] == [
        "└── act  ReLU  ×2 shared",
        "    ├── m.py:10  in forward",
        "    └── m.py:11  in forward",
    ]


def test_edges_are_counted_per_owner_and_child() -> None:
    modules = [module("", NET), module("blocks.0", BLOCK), module("blocks.1", BLOCK), module("act")]
    ran = recording(
        modules, [("blocks.0", 0, 1), ("act", 1, 2), ("act", 1, 2), ("blocks.1", 0, 1), ("act", 4, 2)]
    )
    assert edges(ran) == {Edge(NET, "blocks.*", "Block"): 1, Edge(BLOCK, OUTSIDE, "ReLU"): 2}


def test_source_and_execution_side_by_side() -> None:
    source = trace_of(
        model(
            "self.act = nn.ReLU()\nself.two = nn.ReLU()\nself.some = nn.ReLU()\nself.gone = nn.ReLU()",
            "x = self.act(x)\nx = self.two(self.two(x))\nx = self.gone(x)\n"
            "if flag:\n    x = self.some(x)\nreturn x",
        )
    )
    modules = [module("", source.owner), *(module(name) for name in ("act", "two", "some", "more"))]
    ran = recording(modules, [("act", 0, 10), ("act", 0, 10), ("two", 0, 11), ("more", 0, 12)])
    assert compare([source], traces([ran])) == [
        Line(source.owner, "act", Times(1, 1), Times(2, 2), Disagreement.MORE),
        Line(source.owner, "two", Times(2, 2), Times(1, 1), Disagreement.FEWER),
        Line(source.owner, "some", Times(0, 1), Times(0, 0), None),
        Line(source.owner, "more", None, Times(1, 1), Disagreement.UNKNOWN),
        Line(source.owner, "gone", Times(1, 1), None, Disagreement.ABSENT),
    ]


def test_what_a_container_of_unknown_contents_runs_runs_as_often_as_it() -> None:
    """As in every ResNet, whose blocks are made in a loop."""
    source = trace_of(
        model(
            "blocks = []\nfor i in range(n):\n    blocks.append(make(i))\n"
            "self.layer = nn.Sequential(*blocks)\nself.rest = nn.ModuleList(blocks)",
            "return self.layer(x)",
        )
    )
    modules = [module("", source.owner), module("layer", SEQUENTIAL), module("layer.0"), module("layer.1")]
    modules += [module("rest", SEQUENTIAL), module("rest.0")]
    runs = [("layer", 0, 10), ("layer.0", 1, 10), ("layer.1", 1, 10)]
    lines = compare([source], traces([recording(modules, [*runs, ("rest.0", 0, 11)])]))
    assert not [line.path for line in lines if line.disagreement]
    in_source = {line.path: line.source for line in lines}
    assert in_source["layer.*"] == in_source["rest.*"] == Times(1, 1)  # the list holds the same blocks


def test_names_that_are_made_of_a_number_are_one_path_on_both_sides() -> None:
    """As after the fix of a module that a loop runs: `cls` and `cls_1`, `cls_2`."""
    source = trace_of(
        model(
            "self.cls = nn.ReLU()\nself.other = nn.ReLU()\n"
            'for i in range(1, n):\n    setattr(self, f"cls_{i}", nn.ReLU())',
            'for i in range(n):\n    x = (self.cls if i == 0 else getattr(self, f"cls_{i}"))(x)\nreturn x',
        )
    )
    modules = [module("", source.owner), *(module(name) for name in ("cls", "cls_1", "cls_2", "cls_2x.y"))]
    ran = recording(modules, [(name, 0, 10) for name in ("cls", "cls_1", "cls_2", "cls_2x.y")])
    lines = compare([source], traces([ran]))
    assert [(line.path, line.executed) for line in lines] == [
        ("cls", Times(1, 1)),
        ("cls_*", Times(1, 1)),
        ("cls_2x.y", Times(1, 1)),
        ("other", None),
    ]
    assert [line.path for line in lines if line.disagreement] == ["cls_2x.y"]


def test_a_class_whose_forward_source_does_not_have_is_not_compared() -> None:
    source = trace_of(model("self.act = nn.ReLU()", "return self.act(x)"))._replace(has_forward=False)
    ran = recording([module("", source.owner), module("act")], [("act", 0, 10)])
    assert compare([source], traces([ran])) == []


def test_a_class_is_found_by_its_place_when_its_module_has_another_name() -> None:
    source = trace_of(model("self.act = nn.ReLU()", "return self.act(x)"))
    facts = module("", "loaded_by_path:Model")._replace(source=source.span.path, line=source.span.line)
    ran = recording([facts, module("act")], [("act", 0, 10)])
    assert [line.disagreement for line in compare([source], traces([ran]))] == [None]
    elsewhere = recording([facts._replace(line=source.span.line + 1), module("act")], [("act", 0, 10)])
    assert compare([source], traces([elsewhere])) == []
