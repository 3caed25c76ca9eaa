"""What is said of one row of the report, as plain values.

The toolchain asks to check its rows, it orders nothing: so does the wording here.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple


class Rank(IntEnum):
    """Where to look first."""

    FIRST = 1
    CHECK = 2
    KNOW = 3

    @property
    def label(self) -> str:
        """As it is written for people and programs."""
        return {1: "look first", 2: "check", 3: "good to know"}[self.value]


class Topic(Enum):
    """What a row is about."""

    QINT32 = "qint32-output"
    FLOAT_INPUT = "float-input"
    MIXED = "mixed-dtypes"
    SHARED = "called-several-times"
    UNFUSED = "not-fused"
    NEVER = "never-called"
    LOW_PRECISION = "quantised-output"
    REDUNDANT_STUB = "redundant-quantstub"
    OTHER_DTYPE = "other-dtype"
    WEIGHT = "weight-dtype"
    NO_QCONFIG = "no-qconfig"
    FROZEN = "frozen-scale"
    FIXED = "fixed-scale"
    NO_ACTIVATION = "no-output-quantisation"
    UNUSUAL = "unusual-computation"
    OTHER = "other"


class Judgement(NamedTuple):
    """One row of the report, or what its statistics count without naming a row."""

    topic: Topic
    rank: Rank
    names: tuple[str, ...]
    """Modules as the file writes them; several for a sequence, none where only the statistics know."""
    detail: str
    """What the row says, in few words."""
    reason: str
    """What that means."""
    step: str
    """What to do next."""
    codes: tuple[str, ...] = ()
    """Rules of qatlint that look for the same in source."""
    type: str = ""
    """Bare name of the class, where the file tells it."""
    dtype: str = ""
    """The dtype that it is about, where it is about one."""
    times: int = 1
    """Rows that it stands for."""
    given: tuple[str, ...] = ()
    """Dtypes of what it is given, in order, where it is about these."""

    @property
    def named(self) -> bool:
        """Whether the file names the modules."""
        return bool(self.names)
