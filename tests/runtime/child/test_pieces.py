"""Results are compared bit for bit, whatever they are made of."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from qatlint.runtime.child.pieces import Opaque, difference, pieces, same  # noqa: E402

Pair = namedtuple("Pair", "left right")


@dataclass
class Instances:
    boxes: Any
    labels: Any


def test_nested_results_come_apart_with_their_paths() -> None:
    x = torch.ones(2)
    value = OrderedDict(a=[x, (x, None)], b=Pair(x, 3), c=Instances(x, {"k": x}))
    assert [path for path, _ in pieces(value)] == [
        "",
        "['a']",
        "['a'][0]",
        "['a'][1]",
        "['a'][1][0]",
        "['a'][1][1]",
        "['b']",
        "['b'].left",
        "['b'].right",
        "['c']",
        "['c'].boxes",
        "['c'].labels",
        "['c'].labels['k']",
    ]


def test_an_empty_result_is_a_piece_too() -> None:
    assert pieces([]) != pieces({})


class Named(dict[str, Any]):
    """torch takes containers apart by their exact class: this is no dict to it."""


class Many(list[Any]):
    pass


@dataclass
class Slotted:
    __slots__ = ("boxes",)
    boxes: Any


@dataclass
class Child:
    boxes: Any
    parent: Any = field(default=None, repr=False)


def with_parent(boxes: Any) -> Child:
    child = Child(boxes)
    child.parent = Child([child])
    return child


def closure(number: int) -> Any:
    return lambda: number


def equal(a: Any, b: Any) -> bool:
    old, new = pieces(a), pieces(b)
    return [p for p, _ in old] == [p for p, _ in new] and all(
        same(x, y) for (_, x), (_, y) in zip(old, new, strict=True)
    )


@pytest.mark.parametrize(
    "make",
    [
        Slotted,
        Child,
        with_parent,
        lambda x: Named(k=x),
        lambda x: Named(k=Many([Slotted(x)])),
        lambda x: Many([x]),
        lambda x: (part for part in [x]),
        lambda x: map(torch.clone, [x]),
        lambda x: {"k": [Named(k=(x,))]},
    ],
)
def test_a_tensor_is_seen_in_whatever_holds_it(make: Any) -> None:
    x = torch.ones(2)
    assert equal(make(x), make(x.clone()))
    assert not equal(make(x), make(x + 1))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({1, 2}, {1, 3}),
        (frozenset("ab"), frozenset("ac")),
        (range(3), range(4)),
        (torch.float32, torch.float64),
        (torch.Size([1]), torch.Size([2])),
        (torch.device("cpu"), torch.device("meta")),
        (Instances, Slotted),
        (torch.relu, torch.sigmoid),
        (partial(int, base=2), partial(int, base=3)),
        (1 + 2j, 1 - 2j),
        (Many(), Named()),
    ],
)
def test_other_values_are_compared_too(a: Any, b: Any) -> None:
    assert not equal(a, b)
    assert equal(a, a) or any(isinstance(piece, Opaque) for _, piece in pieces(a))


@pytest.mark.parametrize("value", [object(), closure(1), torch.Generator()])
def test_what_cannot_be_compared_equals_nothing(value: Any) -> None:
    ((_, piece),) = pieces(value)
    assert not same(piece, piece)
    assert "nothing can be compared" in difference(piece, piece)


def test_arrays_of_other_types_with_the_same_bytes_differ() -> None:
    numpy = pytest.importorskip("numpy")
    assert equal(numpy.zeros(2, "f4"), numpy.zeros(2, "f4"))
    assert not equal(numpy.zeros(2, "f4"), numpy.zeros(2, "i4"))
    assert not equal(numpy.zeros((2, 1), "f4"), numpy.zeros(2, "f4"))


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        ([1.0], [3.0], "differs by up to 2 where it reaches 1"),
        ([0.0], [-0.0], "differs in the sign of zeros"),
        ([float("nan"), 1], [1, 1], "has NaN in 0 of 2 values, and had it in 1"),
        ([float("nan"), 1], [1, float("nan")], "has NaN in 1 of 2 values, and had it in 1 others"),
        ([float("inf"), 1], [float("inf"), 2], "differs by up to 1 where it reaches"),
        ([float("inf")], [1], "differs by up to inf"),
        ([1], [True], "int64 became bool"),
    ],
)
def test_a_difference_is_said_in_numbers(a: Any, b: Any, says: str) -> None:
    def tensor(values: list[Any]) -> Any:
        return torch.tensor(values, dtype=torch.float32 if isinstance(values[0], float) else None)

    b = [float(x) for x in b] if isinstance(a[0], float) else b
    assert says in difference(tensor(a), tensor(b))


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (torch.tensor([1.0]), torch.tensor([1.0]), True),
        (torch.tensor([1.0]), torch.tensor([1.0 + 2e-7]), False),
        (torch.tensor([float("nan"), 1.0]), torch.tensor([float("nan"), 1.0]), True),
        (torch.tensor([float("nan"), 1.0]), torch.tensor([1.0, float("nan")]), False),
        (torch.tensor([0.0]), torch.tensor([-0.0]), False),
        (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64), False),
        (torch.tensor([1.0]), torch.tensor([[1.0]]), False),
        (torch.tensor([1, 2]), torch.tensor([1, 2]), True),
        (torch.tensor([True]), torch.tensor([False]), False),
        (torch.tensor([1 + 2j]), torch.tensor([1 + 2j]), True),
        (torch.tensor([1 + 2j]), torch.tensor([1 - 2j]), False),
        (torch.tensor([]), torch.tensor([]), True),
        (torch.tensor(3.0), torch.tensor(3.0), True),
        (torch.arange(6).reshape(2, 3).t(), torch.arange(6).reshape(2, 3).t().contiguous(), True),
        (torch.eye(2).to_sparse(), torch.eye(2).to_sparse(), True),
        (torch.eye(2).to_sparse(), (2 * torch.eye(2)).to_sparse(), False),
        (1, 1, True),
        (1, 1.0, False),
        (float("nan"), float("nan"), True),
        ("a", "b", False),
        (torch.tensor([1.0]), None, False),
    ],
)
def test_equal_means_every_bit(a: Any, b: Any, equal: bool) -> None:
    assert same(a, b) is equal
    assert same(b, a) is equal
    if not equal:
        assert difference(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [((1,), [1]), ({0: 1}, [1]), (Pair(1, 2), (1, 2)), (OrderedDict(a=1), {"a": 1}), ([(1,)], [[1]])],
)
def test_another_container_is_a_difference(a: Any, b: Any) -> None:
    assert pieces(a) != pieces(b)


NESTED = torch.nested.nested_tensor([torch.ones(2), torch.ones(1)])


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (NESTED, NESTED.clone(), True),
        (NESTED, NESTED + 1, False),
        (NESTED, torch.ones(2), False),
        (torch.ones(2).to(torch.float8_e4m3fn), torch.ones(2).to(torch.float8_e4m3fn), True),
        (torch.ones(2).to(torch.float8_e4m3fn), torch.zeros(2).to(torch.float8_e4m3fn), False),
        (torch.tensor([float("nan")]).to_sparse(), torch.tensor([float("nan")]).to_sparse(), True),
        (torch.empty(2, device="meta"), torch.empty(2, device="meta"), True),
        (torch.empty(2, device="meta"), torch.empty(2), False),
    ],
)
def test_tensors_of_every_kind_compare(a: Any, b: Any, equal: bool) -> None:
    assert same(a, b) is equal
    assert equal or difference(a, b)
