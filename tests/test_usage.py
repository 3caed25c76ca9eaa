"""How often something runs over all consistent paths, on traces made by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatlint.condition import TRAINING, TRUE, Atom, Condition, both, holds, literal
from qatlint.trace import Call, Kind, Module, On, Span, Times, Trace, Usage
from qatlint.usage import ATOM_LIMIT, Counted, count, usage

A, B, C = literal(2), literal(3), literal(4)
NOT_A, NOT_B = literal(2, False), literal(3, False)
TRAIN, EVAL = literal(TRAINING), literal(TRAINING, False)
ONE = Times(1, 1)


def counted(when: Condition, times: Times = ONE) -> Counted:
    return Counted(when, times, times.most is None or times.most > 1)


def used(*whens: Condition, exists: Condition = TRUE, facts: tuple[Condition, ...] = ()) -> Usage:
    return count([counted(w) for w in whens], exists, facts, {})


@pytest.mark.parametrize(
    ("whens", "expected"),
    [
        ((), Usage(Times(0, 0), On.SOME_PATH, False)),
        ((TRUE,), Usage(Times(1, 1), On.ALWAYS, False)),
        ((A,), Usage(Times(0, 1), On.SOME_PATH, False)),
        ((TRUE, TRUE), Usage(Times(2, 2), On.ALWAYS, True)),
        ((TRUE, A), Usage(Times(1, 2), On.SOME_PATH, True)),
        ((A, NOT_A), Usage(Times(1, 1), On.SOME_PATH, False)),
        ((A, A), Usage(Times(0, 2), On.SOME_PATH, True)),
        ((A, A, NOT_A, NOT_A), Usage(Times(2, 2), On.ALWAYS, True)),
        ((A, B), Usage(Times(0, 2), On.SOME_PATH, True)),
        ((TRUE, TRAIN), Usage(Times(1, 2), On.TRAINING, True)),
        ((TRUE, EVAL), Usage(Times(1, 2), On.SOME_PATH, True)),
        ((TRAIN, EVAL), Usage(Times(1, 1), On.SOME_PATH, False)),
        ((TRAIN, both(TRAIN, A), EVAL), Usage(Times(1, 2), On.TRAINING, True)),
    ],
)
def test_calls_add_up_over_consistent_paths(whens: tuple[Condition, ...], expected: Usage) -> None:
    assert used(*whens) == expected


def test_a_module_that_exists_on_one_path_is_judged_there() -> None:
    assert used(A, A, exists=A) == Usage(Times(2, 2), On.ALWAYS, True)
    assert used(A, exists=A) == Usage(Times(1, 1), On.ALWAYS, False)
    assert used(A, NOT_A, NOT_A, exists=A) == Usage(Times(1, 1), On.SOME_PATH, False)


def test_facts_rule_out_paths() -> None:
    assert used(TRUE, A, facts=(NOT_A,)) == Usage(Times(1, 1), On.SOME_PATH, False)
    assert used(TRUE, A, facts=(A,)) == Usage(Times(2, 2), On.ALWAYS, True)
    # A fact about something else says nothing here.
    assert used(TRUE, A, facts=(C,)) == Usage(Times(1, 2), On.SOME_PATH, True)


def test_atoms_of_one_group_exclude_each_other() -> None:
    atoms = {2: Atom(2, "mode == 'a'", group="mode"), 3: Atom(3, "mode == 'b'", group="mode")}
    calls = [counted(A), counted(B)]
    assert not count(calls, TRUE, (), atoms).shared
    assert count(calls, TRUE, (), {2: Atom(2, "a"), 3: Atom(3, "b")}).shared


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (Times(6, 6), Usage(Times(6, 6), On.ALWAYS, True)),
        (Times(0, None), Usage(Times(0, None), On.SOME_PATH, True, by_turns=True)),
        (Times(1, 6), Usage(Times(1, 6), On.SOME_PATH, True, by_turns=True)),
        (Times(2, None), Usage(Times(2, None), On.ALWAYS, True)),
        (Times(0, 1), Usage(Times(0, 1), On.ALWAYS, False)),
        (Times(0, 0), Usage(Times(0, 0), On.ALWAYS, False)),
    ],
)
def test_loops_multiply(times: Times, expected: Usage) -> None:
    assert count([counted(TRUE, times)], TRUE, (), {}) == expected


def test_more_tests_than_can_be_tried_give_bounds() -> None:
    whens = [literal(atom) for atom in range(2, 2 + ATOM_LIMIT + 4)]
    result = used(*whens)
    assert result == Usage(Times(0, len(whens)), On.SOME_PATH, True)


def test_training_is_tried_however_many_tests_there_are() -> None:
    whens = [both(literal(atom), TRAIN) for atom in range(2, 2 + ATOM_LIMIT + 4)]
    assert used(*whens, TRUE).on is On.TRAINING


terms = st.frozensets(st.sampled_from((2, -2, 3, -3, 1, -1)), max_size=2).filter(
    lambda t: not any(-x in t for x in t)
)
conditions = st.frozensets(terms, min_size=1, max_size=2)


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(st.lists(conditions, max_size=4), conditions)
def test_the_count_is_that_of_all_assignments(whens: list[Condition], exists: Condition) -> None:
    totals: dict[frozenset[int], int] = {}
    for signs in itertools.product((1, -1), repeat=3):
        assignment = frozenset(s * a for s, a in zip(signs, (1, 2, 3), strict=True))
        if holds(exists, assignment):
            totals[assignment] = sum(holds(w, assignment) for w in whens)
    result = used(*whens, exists=exists)
    low, high = min(totals.values()), max(totals.values())
    assert result.times.most is not None
    if result.shared:
        assert (result.times.least, result.times.most) == (low, high)
        outside = max((n for a, n in totals.items() if TRAINING not in a), default=0)
        expected = On.TRAINING if outside < 2 else On.ALWAYS if low > 1 else On.SOME_PATH
        assert result.on is expected
    else:
        assert result.times.least <= low and high <= max(result.times.most, 0)
        assert high < 2


PLACE = Span("m.py", 1, 1, 1, 2)


def module(**changes: object) -> Module:
    values: dict[str, object] = {
        "key": 1,
        "path": "act",
        "kind": Kind.ACTIVATION,
        "class_name": "torch.nn.ReLU",
        "parameters": False,
        "buffers": False,
        "definition": PLACE,
        "definition_owner": "m:Model",
        **changes,
    }
    return Module(**values)  # type: ignore[arg-type]


def call(key: int = 1, **changes: object) -> Call:
    values: dict[str, object] = {
        "module": key,
        "span": PLACE,
        "callee": PLACE,
        "owner": "m:Model",
        "function": "forward",
        "times": ONE,
        **changes,
    }
    return Call(**values)  # type: ignore[arg-type]


def test_only_calls_of_the_module_on_the_same_element_count() -> None:
    calls = (call(), call(2), call(other_element=True), call())
    trace = Trace("m:Model", PLACE, (), (module(), module(key=2)), calls)
    assert usage(trace, trace.modules[0]).times == Times(2, 2)
    assert usage(trace, trace.modules[1]).times == Times(1, 1)


@pytest.mark.parametrize(
    ("times", "text"),
    [(Times(2, 2), "2"), (Times(0, 2), "0-2"), (Times(3, None), "3+"), (Times(0, None), "many")],
)
def test_times_in_words(times: Times, text: str) -> None:
    assert str(times) == text
