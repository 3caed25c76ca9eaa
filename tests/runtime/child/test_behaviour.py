"""Everything that a caller of a model can notice is compared."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch._C import _len_torch_function_stack, _pop_torch_function_stack  # noqa: E402
from torch.overrides import BaseTorchFunctionMode  # noqa: E402

from qatlint.runtime.child.behaviour import observe, record  # noqa: E402
from qatlint.runtime.child.differences import compare  # noqa: E402
from qatlint.runtime.child.held import Held, Kept, differences  # noqa: E402
from qatlint.runtime.child.keys import load_into, packed, state_of  # noqa: E402
from qatlint.runtime.child.load import hand_over  # noqa: E402
from qatlint.runtime.child.pieces import drained  # noqa: E402
from qatlint.runtime.child.trouble import Stage, Trouble, describe, stage  # noqa: E402
from qatlint.runtime.target import Target  # noqa: E402
from tests.runtime.child.models import Forward, words  # noqa: E402

X = torch.arange(8.0).reshape(2, 4)
Function = Callable[[Any, Any], Any]


def model_of(function: Function, **attributes: Any) -> nn.Module:
    torch.manual_seed(0)
    model = Forward(function, lin=nn.Linear(4, 4), bn=nn.BatchNorm1d(4), relu=nn.ReLU())
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def told(before: nn.Module, after: nn.Module, *modes: str) -> dict[str, Any]:
    """What differs, without what does not."""
    asked = list(modes or ("eval", "train"))
    older = observe(before, [((X,), {})], 0, asked, Held(before))
    newer = observe(after, [((X,), {})], 0, asked, Held(after, older.differentiated))
    answer = compare(older, newer)
    answer["outputs"] = {mode: texts for mode, texts in answer["outputs"].items() if texts}
    return {kind: what for kind, what in answer.items() if what and kind != "graded"}


def keep(m: Any, name: str, value: Any) -> None:
    setattr(m, name, value)


def kept(m: Any, name: str, value: Any) -> Any:
    keep(m, name, value)
    return value


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        (lambda m, x: keep(m, "last", m.lin(x)), lambda m, x: keep(m, "last", m.lin(x) + 1), "last"),
        (lambda m, x: m.seen.append(x), lambda m, x: m.seen.append(x * 2), "seen[0]"),
        (lambda m, x: m.named.update(k=(1, x)), lambda m, x: m.named.update(k=(2, x)), "named['k'][0]"),
        (lambda m, x: keep(m.relu, "n", 1), lambda m, x: keep(m.relu, "n", 2), "relu.n"),
        (lambda m, x: keep(m, "last", x), lambda m, x: None, "last"),
        (lambda m, x: m.seen.clear(), lambda m, x: m.seen.append(0), "seen"),
    ],
)
def test_what_a_model_keeps_in_itself_is_a_result(before: Function, after: Function, path: str) -> None:
    def fresh(function: Function) -> nn.Module:
        return model_of(function, seen=[], named={}, last=None)

    assert told(fresh(before), fresh(before)) == {}
    assert told(fresh(before), fresh(after))["held"][0][0] == path


def test_what_is_kept_has_gradients_too() -> None:
    """A loss may be made of it. What earlier forwards left there is theirs."""
    before = model_of(lambda m, x: m.seen.append(m.lin(x)), seen=[])
    after = model_of(lambda m, x: m.seen.append(m.lin(x.detach())), seen=[])
    found = told(before, after)
    assert [text.split(":")[0] for text in found.pop("gradients")] == [
        "the input [0][0], eval with gradients",
        "the input [0][0], train with gradients of the inputs",
    ]
    assert found == {}


def test_a_buffer_that_is_not_saved_and_a_number_on_the_class_are_kept_too() -> None:
    class Counting(nn.Module):
        count = 0

        def __init__(self, step: int) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(()), persistent=False)
            self.step = step

        def forward(self, x: Any) -> Any:
            self.total.add_(self.step)  # type: ignore[operator]
            type(self).count = self.step
            return x

    assert [path for path, _ in told(Counting(1), Counting(2))["held"]] == [
        "total",
        f"class {Counting.__qualname__}.count",
    ]


def test_how_a_model_is_made_and_what_only_the_newer_version_keeps_is_no_result() -> None:
    """So is what cannot be compared, or is there twice because weights are shared."""
    before = model_of(lambda m, x: m.bn(x), settings={"depth": 1}, lock=threading.Lock())
    after = model_of(lambda m, x: m.bn(kept(m, "cache", x)), settings={"depth": 2})
    after.twin = after.bn
    assert told(before, after) == {}


def test_nothing_is_run_to_look_at_what_is_kept() -> None:
    taken: list[Any] = []

    class Lazy(list[int]):
        def __iter__(self) -> Any:
            taken.append(self)
            return super().__iter__()

    class Data:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            taken.append(index)
            raise IndexError

    numbers = (kept(taken, "it", n) for n in range(3))
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    model = model_of(lambda m, x: x, data=Data(), numbers=numbers, loop=loop, deep=deep, many=[0] * 30_000)
    held = Held(model)
    assert held.changes() == {}
    assert taken == []
    assert len(held.notes) == 1
    assert "`many` holds more than" in held.notes[0]


def test_what_is_taken_away_and_comes_back_is_followed() -> None:
    model = model_of(lambda m, x: x, last=1)
    held = Held(model)
    del model.last
    gone = held.changes()
    keep(model, "last", 1)
    back = held.changes()
    assert [str(part) for part in (gone, back)] == ["{'last': nothing}", "{'last': 1}"]
    still: Kept = (held.first, [{}, {}])
    assert differences((held.first, [gone, back]), still) == [{"last": "nothing became 1"}, {}]


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (lambda m, x: m.lin(x.detach()), "gradients"),
        (lambda m, x: m.lin(x) * (1 + int(torch.is_grad_enabled() and not m.training)), "outputs"),
        (lambda m, x: m.lin(x.detach() if m.training else x), "gradients"),
        (lambda m, x: m.lin(x.detach()) if not m.training else m.lin(x), "gradients"),
    ],
)
def test_gradients_of_inputs_and_of_eval_mode_are_compared(after: Function, kind: str) -> None:
    before = model_of(lambda m, x: m.lin(x))
    assert next(iter(told(before, model_of(after)))) == kind


def test_what_cannot_be_differentiated_is_a_note_in_both_and_a_difference_in_one() -> None:
    plain = model_of(lambda m, x: m.lin(x))
    arrays = model_of(lambda m, x: (x.data_ptr() if not x.requires_grad else 1 / 0, m.lin(x))[1])
    assert list(told(arrays, arrays)) == ["notes"]
    assert "not compared: eval with gradients" in told(arrays, arrays)["notes"][0]
    assert "cannot be run any more: ZeroDivisionError" in str(told(plain, arrays)["outputs"])
    assert "; the newer one can" in told(arrays, plain)["notes"][0]


def test_a_backward_that_fails_keeps_no_result_from_being_compared() -> None:
    def writes(m: Any, x: Any) -> Any:
        y = m.lin(x)
        x.add_(1)
        return y

    found = told(model_of(writes), model_of(writes))
    assert [kind for kind in found if kind != "notes"] == []
    assert "not compared: gradients in train, where there were none" in found["notes"][0]
    assert list(told(model_of(writes), model_of(lambda m, x: writes(m, x) + 1))) == ["outputs", "notes"]
    assert "there is none any more" in told(model_of(lambda m, x: m.lin(x)), model_of(writes))["gradients"][0]


def test_a_model_may_write_into_inputs_that_want_gradients() -> None:
    writes = model_of(lambda m, x: m.lin(x.add_(1)))
    assert told(writes, writes) == {}


class Generating(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        for _ in range(2):
            x = self.lin(x)
            yield x


def test_a_generator_is_run_to_its_end_while_it_is_watched() -> None:
    """What its body runs belongs to its own module, and what is done with its values to whom asked for them."""

    def forward(m: Any, x: Any) -> Any:
        return {"all": (part + 1 for part in m.parts(x))}

    model = Forward(forward, parts=Generating())
    for mode in ("eval", "train"):
        recording = record(model, ((X,), {}), 0, mode)
        assert words(recording) == [
            "parts.lin <- x",
            "add <- parts.lin",
            "parts.lin <- parts.lin",
            "add <- parts.lin",
            "output <- add, add",
        ]
        assert [op.owner for op in recording.ops[1:5]] == ["parts", "", "parts", ""]
        assert recording.modules[0].training == (mode == "train")


def test_results_without_end_are_said_to_be_so() -> None:
    def numbers() -> Any:
        while True:
            yield 1

    with pytest.raises(Trouble, match="generator that had not ended"):
        drained([numbers()])
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Trouble, match="holds itself"):
        drained(loop)


def test_a_state_dict_that_holds_itself_loads() -> None:
    class Loop(nn.Linear):
        def state_dict(self, *args: Any, **kwargs: Any) -> Any:
            found = super().state_dict(*args, **kwargs)
            found["me"] = found
            return found

    state, _ = packed(state_of(Loop(2, 2)))
    assert load_into(Loop(2, 2), state) == ("", [], [], {})
    model = Loop(4, 4)
    assert told(model, model) == {}


def test_a_mode_that_is_left_on_is_said_to_be() -> None:
    entered = []

    def forward(m: Any, x: Any) -> Any:
        entered.append(BaseTorchFunctionMode())
        entered[0].__enter__()  # type: ignore[no-untyped-call]
        return x

    depth = _len_torch_function_stack()
    try:
        with pytest.raises(Trouble, match="does not leave it"):
            record(model_of(forward), ((X,), {}), 0)
    finally:
        while _len_torch_function_stack() > depth:
            _pop_torch_function_stack()


class Local:
    def __init__(self, value: Any) -> None:
        self.value = value


def with_state(state: Any) -> nn.Module:
    class Stateful(nn.Linear):
        def get_extra_state(self) -> Any:
            return state

        def set_extra_state(self, given: Any) -> None:
            self.given = given

    return Stateful(2, 2)


def test_state_of_any_kind_is_handed_over() -> None:
    model = with_state({"a": [Local(3), torch.ones(1)]})
    state, left = packed(state_of(model))
    assert left == {}
    torch.save(state, "/dev/null")
    assert load_into(model, state).error == ""
    assert vars(model)["given"]["a"][0].value == 3
    assert state._metadata == model.state_dict()._metadata  # type: ignore[attr-defined]


def test_state_that_cannot_be_handed_over_is_said() -> None:
    model = with_state(threading.Lock())
    state, left = packed(state_of(model))
    assert left == {"_extra_state": "TypeError: cannot pickle '_thread.lock' object"}
    assert load_into(model, state).missing == ["_extra_state"]
    assert load_into(model, state, left).missing == []


def test_a_state_dict_in_another_dict_and_one_without_arguments_load() -> None:
    class Nesting(nn.Linear):
        def state_dict(self) -> Any:  # type: ignore[override]
            return {"model": super().state_dict(keep_vars=True), "epoch": 3}

        def load_state_dict(self, state: Any, strict: bool = True) -> None:  # type: ignore[override]
            super().load_state_dict(state["model"], strict)

    model = Nesting(2, 2)
    assert load_into(model, packed(state_of(model))[0]) == ("", [], [], {})
    more = Nesting(2, 2)
    more.twin = nn.Linear(2, 2)
    more.twin.weight = more.weight
    loading = load_into(more, packed(state_of(model))[0])
    assert (loading.missing, loading.copies) == (["twin.bias"], {"twin.weight": "weight"})


def test_a_buffer_that_is_not_saved_any_more_is_a_key_without_a_place() -> None:
    older, newer = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    newer.register_buffer("running_mean", torch.zeros(2), persistent=False)
    assert load_into(newer, packed(state_of(older))[0]).unexpected == ["running_mean"]


def test_hooks_may_rename_keys_and_may_fail() -> None:
    def renamed(module: nn.Module, state: Any, prefix: str, metadata: Any) -> None:
        for key in list(state):
            state[f"old.{key}"] = state.pop(key)

    model = nn.Linear(2, 2)
    model._register_state_dict_hook(renamed)  # type: ignore[no-untyped-call]
    loading = load_into(model, packed(state_of(model))[0])
    assert (loading.error, loading.missing) == ("", ["weight", "bias"])
    hook = lambda state, *rest: state["no such key"]  # noqa: E731
    model._register_load_state_dict_pre_hook(hook)  # type: ignore[no-untyped-call]
    assert load_into(model, state_of(model)).error == "KeyError: 'no such key'"


def unpicklable() -> Any:
    return (number for number in range(3))


def test_inputs_that_cannot_be_handed_over_are_refused(tmp_path: Path) -> None:
    inputs = Target("", __file__, "", unpicklable.__name__)
    with pytest.raises(Trouble, match="the inputs cannot be handed to the other version"):
        hand_over(inputs, 0, str(tmp_path / "inputs.pt"))


def test_errors_are_told_whatever_they_are() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert describe(Mute())["message"].endswith("Mute: (its text cannot be had: ValueError)")
    assert len(describe(ValueError("z" * 1_000_000))["message"]) < 30_000
    asked = describe(EOFError("EOF when reading a line"))
    assert asked["hint"].startswith("this is a fault of qatlint")
    with pytest.raises(Stage) as caught, stage("running"):
        raise EOFError("EOF when reading a line")
    assert "has no standard input" in describe(caught.value)["hint"]


def test_clocks_are_kept_as_they_are() -> None:
    """That they are no results, the one knows who sees that they never repeat."""
    ticking = lambda m, x: keep(m, "now", time.monotonic_ns())  # noqa: E731
    assert told(model_of(ticking), model_of(ticking))["held"][0][0] == "now"
