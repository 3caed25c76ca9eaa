"""How often leaves run, and which edge is responsible."""

from __future__ import annotations

from qatlint.runtime.counts import Count, compare, counts
from qatlint.trace import Kind
from tests.runtime.forward import Forward


def by_path(f: Forward) -> dict[str, Count]:
    return {count.path: count for count in counts(f.flow)}


def edges(count: Count) -> list[tuple[str, str, int]]:
    return [(e.owner, e.child, e.times) for e in count.edges]


def test_every_leaf_with_those_that_never_run() -> None:
    f = Forward()
    x = f.input()
    for _ in range(2):
        x = f.module("ReLU", "relu", f.module("Conv2d", f"conv{x}", x))
    f.never_run("Sigmoid", "spare")
    with f.run("block"):
        pass
    assert {path: count.times for path, count in by_path(f).items()} == {
        "conv0": 1,
        "relu": 2,
        "conv2": 1,
        "spare": 0,
    }


def test_the_edge_is_the_owner_that_runs_it_twice() -> None:
    f = Forward()
    x = f.input()
    with f.run("blocks.0"):
        for line in (7, 9):
            x = f.module("ReLU", "relu", x, line=line)
    relu = by_path(f)["blocks.0.relu"]
    (edge,) = relu.edges
    assert (edge.owner, edge.owner_class, edge.child, edge.times) == ("blocks.0", "m:Block", relu.path, 2)
    assert [place.line for place in edge.places] == [7, 9]


def test_a_module_inside_one_that_is_shared() -> None:
    f = Forward()
    x = f.input()
    for line in (3, 4, 3):
        with f.run("head", "m:Head", line=line), f.run("tower"):
            x = f.module("Conv2d", "conv", x)
    (edge,) = by_path(f)["head.tower.conv"].edges
    assert (edge.owner, edge.child, edge.times) == ("", "head", 3)
    assert [place.line for place in edge.places] == [3, 4]


def test_eight_is_two_times_four() -> None:
    """The first user document: an operator of a position embedding that runs twice, for four layers."""
    f = Forward()
    x = f.input()
    with f.run("decoder", "m:Decoder"):
        for _ in range(4):
            with f.run("embed", "m:Embed"):
                for _ in range(2):
                    x = f.method("mul", "mul", x, x)
    assert by_path(f)["decoder.embed.mul"].times == 8
    assert edges(by_path(f)["decoder.embed.mul"]) == [
        ("decoder.embed", "decoder.embed.mul", 2),
        ("decoder", "decoder.embed", 4),
    ]


def test_an_instance_that_two_owners_hold() -> None:
    f = Forward()
    x = f.input()
    for name in ("left", "right"):
        with f.run(name):
            x = f.module("ReLU", "/act", x)
    assert edges(by_path(f)["act"]) == [("", "act", 2)]


def test_generated_modules_run_again_with_their_owner() -> None:
    f = Forward()
    x = f.quant(f.input())
    for _ in range(3):
        with f.run("block"):
            x = f.function("add", x, x)
    add = by_path(f)["block._generated_add_0"]
    assert (add.times, add.generated, edges(add)) == (3, True, [("", "block", 3)])
    assert add.shared


def test_what_may_run_several_times() -> None:
    f = Forward()
    x = f.quant(f.input())
    for _ in range(2):
        f.dequant(f.module("Identity", "identity", f.module("Conv2d", "conv", x)))
    found = by_path(f)
    assert {path: count.shared for path, count in found.items()} == {
        "quant": False,
        "conv": True,
        "identity": False,
        "dequant": False,
    }
    assert found["conv"].kind is Kind.GEMM


def test_versions_side_by_side() -> None:
    def model(*names: str) -> list[Count]:
        f = Forward()
        x = f.input()
        for name in names:
            x = f.module("ReLU", name, x)
        return list(counts(f.flow))

    changed = compare(model("relu", "relu", "act", "act"), model("relu", "relu_1", "act", "act"))
    assert [(p.before and p.before.times, p.after and p.after.times) for p in changed.better] == [(2, 1)]
    assert [p.after and p.after.path for p in changed.left] == ["act"]
    assert [p.after and p.after.path for p in changed.fine] == ["relu_1"]
    changed = compare(model("relu", "act"), model("relu", "relu"))
    assert [p.after and p.after.path for p in changed.worse] == ["relu"]


def test_a_new_instance_stands_beside_the_one_it_was_split_from() -> None:
    def model(*names: str, turns: int = 3) -> list[Count]:
        f = Forward()
        x = f.input()
        for _ in range(turns):
            with f.run("update"):
                for name in names:
                    x = f.module("Sigmoid", name, x)
        return list(counts(f.flow))

    changed = compare(model("act", "act"), model("act", "act_1"))
    pairs = [
        (p.before.path, p.before.times, p.after.path, p.after.times)
        for p in changed.better
        if p.before and p.after
    ]
    assert pairs == [("update.act", 6, "update.act", 3), ("update.act", 6, "update.act_1", 3)]
    assert (changed.worse, changed.left) == ((), ())
    changed = compare(model("act", turns=1), model("act", "act_1"))
    assert [p.after and p.after.path for p in changed.worse] == ["update.act", "update.act_1"]


def test_an_instance_with_two_names_becomes_two() -> None:
    shared = Count("a", "torch.nn.ReLU", 4, names=("a", "b"))
    split = [Count("a", "torch.nn.ReLU", 2, names=("a",)), Count("b", "torch.nn.ReLU", 2, names=("b",))]
    changed = compare([shared], split)
    assert [(p.before is shared, p.after and p.after.path) for p in changed.better] == [
        (True, "a"),
        (True, "b"),
    ]


def test_a_child_that_runs_again_is_named_rather_than_the_module_it_shares() -> None:
    f = Forward()
    x = f.input()
    for name in ("left", "left", "right"):
        with f.run(name):
            x = f.module("ReLU", "/act", x)
    assert edges(by_path(f)["act"]) == [("", "left", 2)]


def test_an_edge_has_the_most_executions_of_one_forward_of_its_owner() -> None:
    f = Forward()
    x = f.input()
    for turns in (2, 3, 2):
        with f.run("block"):
            for _ in range(turns):
                x = f.module("ReLU", "act", x)
    assert edges(by_path(f)["block.act"]) == [("block", "block.act", 3), ("", "block", 3)]
