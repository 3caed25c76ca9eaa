"""Results are compared bit for bit, whatever they are made of."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from qatlint.runtime.child.pieces import difference, pieces, same  # noqa: E402

Pair = namedtuple("Pair", "left right")


@dataclass
class Instances:
    boxes: Any
    labels: Any


def test_nested_results_come_apart_with_their_paths() -> None:
    x = torch.ones(2)
    value = OrderedDict(a=[x, (x, None)], b=Pair(x, 3), c=Instances(x, {"k": x}))
    assert [path for path, _ in pieces(value)] == [
        "['a'][0]",
        "['a'][1][0]",
        "['a'][1][1]",
        "['b'].left",
        "['b'].right",
        "['c']",
        "['c'].boxes",
        "['c'].labels['k']",
    ]


def test_an_empty_result_is_a_piece_too() -> None:
    assert pieces([]) != pieces({})


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
