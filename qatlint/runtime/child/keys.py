"""The state dict of one version, as the other is given it: its keys, and what of it can be handed over.

Models change what torch makes of it: hooks add and rename keys, `state_dict` puts it into another dict,
`get_extra_state` adds values of any kind.
"""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from qatlint.runtime.child.pieces import kept, plain


class Loading(NamedTuple):
    """What came of loading a state dict into another version of the model."""

    error: str
    """Why it could not be loaded at all, "" when it could."""
    missing: list[str]
    """Keys the model has and the state dict lacks, tied to none that was loaded."""
    unexpected: list[str]
    """Keys the state dict has and the model lacks."""
    copies: dict[str, str]
    """New key -> the old key whose tensor it shares."""


class Packed(NamedTuple):
    """A value of a class of the user's, on its way to the other version, which may lack the class."""

    pickled: bytes


def state_of(model: nn.Module) -> dict[str, Any]:
    """A copy of the state dict, with what modules add to it that is no tensor."""
    found: dict[str, Any] = _mapped(model.state_dict(), _copied)
    return found


def packed(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What of a state dict can be written to a file, and why the other keys cannot."""
    left: dict[str, str] = {}
    found = copy.copy(state)  # with what torch notes beside the keys
    for key, value in state.items():
        try:
            found[key] = _mapped(value, _packed)
        except Exception as error:
            del found[key]
            left[key] = f"{type(error).__name__}: {error}"
    return found, left


def load_into(model: nn.Module, state: dict[str, Any], left: Container[str] = ()) -> Loading:
    """Load `state`, as `packed` gave it, into `model`, as far as its keys go. `left` are keys that could
    not be handed over."""
    try:
        outcome = model.load_state_dict(_mapped(state, _unpacked), strict=False)
    except Exception as error:  # of torch, of the model's hooks, of classes that are no more
        said = str(error) if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
        return Loading(said, [], [], {})
    saved = _with_its_tensors(model)
    there, given = dict.fromkeys(_names(saved)), dict.fromkeys(_names(state))
    own = dict(tensors_of(saved))
    # Where hooks rename keys, torch speaks of the names that the modules have.
    own |= dict(model.named_buffers(remove_duplicate=False))
    own |= dict(model.named_parameters(remove_duplicate=False))
    # A `load_state_dict` of the user's may give nothing back.
    absent = getattr(outcome, "missing_keys", None)
    absent = sorted(there.keys() - given.keys()) if absent is None else absent
    foreign = getattr(outcome, "unexpected_keys", None)
    foreign = sorted(given.keys() - there.keys()) if foreign is None else foreign
    first: dict[int, str] = {}
    for key in given:
        if key in own and key not in foreign:
            first.setdefault(id(own[key]), key)
    ties = {key: first.get(id(own[key])) if key in own else None for key in absent}
    return Loading(
        "",
        [key for key, tied in ties.items() if tied is None and key not in left],
        [key for key in foreign if key not in saved and key not in there],
        {key: tied for key, tied in ties.items() if tied is not None},
    )


def tensors_of(state: Mapping[str, Any], above: tuple[int, ...] = ()) -> Iterator[tuple[str, Tensor]]:
    """(key, tensor) of a state dict, those in dicts in it too."""
    below = (*above, id(state))
    for key, value in state.items():
        if isinstance(value, Tensor):
            yield key, value
        elif isinstance(value, Mapping) and id(value) not in below:
            yield from tensors_of(value, below)


def saved_tensors(model: nn.Module) -> set[int]:
    """Identities of the tensors that the state dict holds."""
    return {id(tensor) for _, tensor in tensors_of(_with_its_tensors(model))}


def _with_its_tensors(model: nn.Module) -> dict[str, Any]:
    try:
        return model.state_dict(keep_vars=True)
    except TypeError:  # one of the user's, without arguments
        return model.state_dict()


def _names(state: Mapping[str, Any], above: tuple[int, ...] = ()) -> Iterator[str]:
    """Keys that hold something; not those of dicts of weights."""
    below = (*above, id(state))
    for key, value in state.items():
        if isinstance(value, Mapping) and any(True for _ in tensors_of(value)):
            yield from () if id(value) in below else _names(value, below)
        else:
            yield key


def _mapped(value: Any, leaf: Callable[[Any], Any], made: dict[int, Any] | None = None) -> Any:
    """The same dicts, lists and tuples with `leaf(value)` for all else. A dict may hold itself."""
    made = {} if made is None else made
    if type(value) in (dict, OrderedDict):
        if id(value) not in made:
            made[id(value)] = found = copy.copy(value)
            found.update((key, _mapped(part, leaf, made)) for key, part in value.items())
        return made[id(value)]
    if type(value) in (list, tuple):
        return type(value)(_mapped(part, leaf, made) for part in value)
    return leaf(value)


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return kept(value)
    try:
        return copy.deepcopy(value)
    except Exception:  # of whatever the user's class holds
        return value


def _packed(value: Any) -> Any:
    known = value is None or isinstance(value, Tensor) or plain(value) is value
    return value if known else Packed(pickle.dumps(value))


def _unpacked(value: Any) -> Any:
    return pickle.loads(value.pickled) if isinstance(value, Packed) else value
