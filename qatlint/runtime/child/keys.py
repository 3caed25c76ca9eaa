"""Loading an older state dict: which keys are new, and which old ones they are tied to."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn


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


def load_into(model: nn.Module, state: dict[str, Any]) -> Loading:
    """Load `state` into `model`, as far as its keys go."""
    try:
        outcome = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        return Loading(str(error), [], [], {})
    own = model.state_dict(keep_vars=True)
    # A `load_state_dict` of the user's may give nothing back.
    absent = sorted(own.keys() - state.keys()) if outcome is None else outcome.missing_keys
    foreign = sorted(state.keys() - own.keys()) if outcome is None else outcome.unexpected_keys
    first: dict[int, str] = {}
    for key in state:
        if isinstance(own.get(key), Tensor):
            first.setdefault(id(own[key]), key)
    missing: list[str] = []
    copies: dict[str, str] = {}
    for key in absent:
        tied = first.get(id(own[key])) if isinstance(own.get(key), Tensor) else None
        if tied is None:
            missing.append(key)
        else:
            copies[key] = tied
    return Loading("", missing, [key for key in foreign if key not in own], copies)
