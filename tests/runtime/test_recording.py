"""A recording survives its journey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qatlint.runtime.recording import (
    Execution,
    ModuleFacts,
    Op,
    Place,
    Recording,
    TensorFacts,
    from_json,
    to_json,
)

texts = st.text(max_size=8)
numbers = st.integers(0, 1 << 40)
places = st.builds(Place, texts, numbers, numbers, numbers, numbers, texts)
tensors = st.lists(st.builds(TensorFacts, st.lists(numbers, max_size=3).map(tuple), texts), max_size=3).map(
    tuple
)
ops = st.builds(
    Op,
    numbers,
    texts,
    texts,
    texts,
    module=texts,
    method=texts,
    call=numbers,
    place=st.none() | places,
    inputs=st.lists(numbers, max_size=3).map(tuple),
    input_facts=tensors,
    output_facts=tensors,
    execution=numbers,
    scope=st.none() | texts,
    scope_run=numbers,
    inplace=st.booleans(),
    route=numbers,
    named=st.lists(texts, max_size=3).map(tuple),
)
executions = st.builds(
    Execution,
    numbers,
    texts,
    texts,
    numbers,
    st.none() | places,
    scope=st.none() | texts,
    scope_run=numbers,
    method=texts,
)
names = st.lists(texts, max_size=3).map(tuple)
modules = st.builds(
    ModuleFacts, texts, names, texts, names, texts, numbers, st.booleans(), numbers, numbers, st.booleans()
)


@given(
    st.builds(
        Recording,
        st.lists(ops, max_size=3).map(tuple),
        st.lists(executions, max_size=3).map(tuple),
        st.lists(modules, max_size=3).map(tuple),
        names,
    )
)
def test_json_gives_the_same_recording_back(recording: Recording) -> None:
    assert from_json(to_json(recording)) == recording


@pytest.mark.parametrize("text", ["{}", "[]", "[1, 2]", "not json", "[[[1]], [], [], []]"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(text)


def test_a_module_is_found_by_its_first_name() -> None:
    facts = ModuleFacts("a", ("a", "b"), "m:A", (), "", 0, True, 0, 0, False)
    recording = Recording((), (), (facts,))
    assert recording.module("a") is facts
    with pytest.raises(KeyError):
        recording.module("b")
