"""What an operation means to the toolchain, whichever way it is spelled. The table is `ops.toml`.

`torch.add`, `F.relu`, `x.add_(y)`, `x + y`, `nn.ReLU`, a FloatFunctional's method and a module of the
plugin lead to one `Meaning` each. What `qatlint.horizon.modules` says of classes (kind, parameters,
buffers) is another question, and is asked there; a test keeps the two tables in step. The table is read
when it is first asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from qatlint.horizon.modules import facts_of
from qatlint.trace import Kind


class Result(Enum):
    """What an operation gives when it is given quantised tensors."""

    QUANTIZED = "quantized"
    """A tensor with a scale of its own."""
    PASSES = "passes"
    """A tensor with the scale of the input."""
    PLAIN = "plain"
    """No quantities: booleans, indices, shapes, Python numbers."""
    FLOAT = "float"
    REFUSED = "refused"
    """It raises."""


class Gemm(Enum):
    """Whether it is a GEMM operation, whose result keeps its precision directly before a DeQuantStub."""

    YES = "yes"
    NO = "no"
    VERSION = "version"
    """The sources disagree: it depends on the version of the toolchain."""
    UNLISTED = "unlisted"
    """It computes products, and is none of the list: nothing keeps its precision, and it is no work for the
    CPU either."""


class Role(Enum):
    """Its place in a fusable sequence; sequences keep this order."""

    ROOT = "root"
    BATCH_NORM = "bn"
    ADD = "add"
    RELU = "relu"


class Boundary(Enum):
    """Whether it begins or ends the quantised region."""

    NONE = ""
    QUANT = "quant"
    DEQUANT = "dequant"


class Confidence(Enum):
    """How the facts are known."""

    READ = "read"
    DEDUCED = "deduced"
    OPEN = "open"
    """A guess: no rule may state it as a fact."""


class Meaning(NamedTuple):
    """One operation."""

    name: str
    functions: tuple[str, ...]
    """Names of functions, Tensor methods and operators, without outer underscores; conversions such as
    `__float__` keep theirs."""
    methods: tuple[str, ...]
    """Methods of a FloatFunctional."""
    classes: tuple[str, ...]
    """Names of classes of torch and the plugin."""
    result: Result
    source: str
    """Tag of the source; `source_text` says it in words."""
    confidence: Confidence
    becomes: str = ""
    """What prepare puts in the place of the function, "" when it stays a function on quantised tensors."""
    gemm: Gemm = Gemm.NO
    fuses: Role | None = None
    dims: frozenset[str] = frozenset()
    """`1d`, `2d`, `3d`: a batch norm fuses with a root that shares one."""
    layer: bool = False
    """It computes products with weights, its own or those that it is given."""
    layout: bool = False
    """It moves numbers and changes none."""
    several: bool = False
    """It gives several tensors, or may: no one stub can take its result."""
    boundary: Boundary = Boundary.NONE
    group: str = ""
    """The group of the table it stands in; `creation` makes tensors of nothing."""

    @property
    def replaced(self) -> bool:
        """Whether prepare makes a module of a call of the function."""
        return bool(self.becomes) and self.becomes != "a leaf"


class Remark(NamedTuple):
    """What else is known of an operation."""

    text: str
    chips: frozenset[str]
    """The families of chips it is true of; empty for all."""
    source: str
    confidence: Confidence
    result: Result | None = None
    """What the operation gives there, where that differs."""

    def holds_on(self, march: str) -> bool:
        """Whether it is true of a chip; of an unknown one ("") only what is true of all."""
        return not self.chips or march in self.chips


class Chip(NamedTuple):
    """A family of chips."""

    march: str
    """As `set_march` takes it."""
    boards: str
    types: str
    """Of activations."""
    output: str
    """What a GEMM operation directly before a DeQuantStub leaves as."""
    otherwise: str
    """What any other leaves as."""
    source: str
    confidence: Confidence


_FUNCTION_HOMES = frozenset(
    "torch torch.functional torch.nn.functional torch.Tensor torch.linalg torch.special torch.ops.aten "
    "torch.ops.torchvision torchvision.ops operator _operator "
    "horizon_plugin_pytorch.nn.functional".split()
)
_CLASS_HOMES = ("torch.", "horizon_plugin_pytorch.", "torchvision.ops.")
_OPERATORS = frozenset(
    "add sub mul matmul div truediv floordiv mod pow and or xor lshift rshift concat".split()
)
"""Operators that Python also has in place (`iadd`) and reflected (`radd`)."""


def op_name(dotted: str) -> str:
    """The name that prepare compares functions by: `add` for `torch.add`, `add_`, `__iadd__`, `__radd__`.

    It is the function's own name without outer underscores (horizon_facts A3).
    """
    home, _, name = dotted.rpartition(".")
    bare = name.strip("_")
    special = name.startswith("__") or home in ("operator", "_operator")
    if special and bare[:1] in ("i", "r") and bare[1:] in _OPERATORS:
        return bare[1:]
    return bare


def writes_first(dotted: str) -> bool:
    """Whether a function or method writes its result into the first tensor it is given: `add_`, `__iadd__`,
    `operator.iadd`."""
    home, _, name = dotted.rpartition(".")
    if name.startswith("__") or home in ("operator", "_operator"):
        bare = name.strip("_")
        return bare in ("setitem", "delitem") or (bare[:1] == "i" and bare[1:] in _OPERATORS)
    return name.endswith("_")


def of_function(dotted: str) -> Meaning | None:
    """The operation that a function, Tensor method or operator computes; None when the table has none."""
    home, _, name = dotted.rpartition(".")
    if home not in _FUNCTION_HOMES:
        return None
    # `float(x)` is `__float__`, which is not the same as `x.float()`.
    functions = _table().functions
    return functions.get(name) or functions.get(op_name(dotted))


def of_method(dotted_class: str, method: str) -> Meaning | None:
    """The operation of a method of a FloatFunctional; None when there is none."""
    if facts_of(dotted_class).kind is not Kind.FLOAT_FUNCTIONAL:
        return None
    return _table().methods.get(method)


def of_class(dotted: str) -> Meaning | None:
    """The operation that a module of this class computes; None for the user's and unknown classes.

    prepare goes by the exact type, so a subclass is not what its base is (deduced).
    """
    if not dotted.startswith(_CLASS_HOMES):
        return None
    return _table().classes.get(dotted.rpartition(".")[2])


def is_stub(dotted: str) -> bool:
    """Whether a class is the QuantStub or DeQuantStub of torch or the plugin."""
    found = of_class(dotted)
    return found is not None and found.boundary is not Boundary.NONE


def meanings() -> tuple[Meaning, ...]:
    """All operations, in the order of the table."""
    return _table().meanings


def remarks_of(meaning: Meaning) -> tuple[Remark, ...]:
    """What else is known of an operation, for all chips."""
    return _table().remarks.get(meaning.name, ())


def result_on(meaning: Meaning, march: str) -> Result:
    """What an operation gives on a chip, "" for any."""
    found = [r.result for r in remarks_of(meaning) if r.result is not None and march in r.chips]
    return found[0] if found else meaning.result


def chips() -> Mapping[str, Chip]:
    """All families of chips, by name."""
    return _table().chips


def meaning_of(name: str) -> Meaning | None:
    """The operation of this name; None when the table has none."""
    return _table().names.get(name)


def becomes_of(name: str) -> str:
    """What prepare puts in the place of the operation of this name; "" when nothing."""
    found = meaning_of(name)
    return found.becomes if found is not None else ""


def source_text(tag: str) -> str:
    """A source in words. Raises KeyError for a tag that the table does not have."""
    return _table().sources[tag]


class _Table(NamedTuple):
    meanings: tuple[Meaning, ...]
    names: Mapping[str, Meaning]
    functions: Mapping[str, Meaning]
    methods: Mapping[str, Meaning]
    classes: Mapping[str, Meaning]
    sources: Mapping[str, str]
    remarks: Mapping[str, tuple[Remark, ...]]
    chips: Mapping[str, Chip]


@cache
def _table() -> _Table:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    path = Path(__file__).with_name("ops.toml")
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    all_of_them = tuple(_meanings(raw["groups"]))
    return _Table(
        all_of_them,
        {m.name: m for m in all_of_them},
        _index((name, m) for m in all_of_them for name in m.functions),
        _index((name, m) for m in all_of_them for name in m.methods),
        _index((name, m) for m in all_of_them for name in m.classes),
        raw["sources"],
        _remarks(raw["remarks"], {m.name for m in all_of_them}, raw["chips"]),
        {name: _chip(name, facts) for name, facts in raw["chips"].items()},
    )


def _meanings(groups: Mapping[str, dict[str, Any]]) -> Iterator[Meaning]:
    lists = ("ops", "each", "each_class", "prefix")
    for title, group in groups.items():
        shared = {key: value for key, value in group.items() if key not in lists}
        shared["group"] = title
        for name, own in group.get("ops", {}).items():
            yield _meaning(name, {"functions": name, **shared, **own})
        for names in group.get("each", "").split():
            name = group.get("prefix", "") + names.partition("/")[0]
            yield _meaning(name, {**shared, "functions": names.replace("/", " ")})
        for name in group.get("each_class", "").split():
            yield _meaning(name, {**shared, "functions": "", "classes": name})


def _remarks(
    written: Sequence[Mapping[str, str]], names: Collection[str], marches: Collection[str]
) -> Mapping[str, tuple[Remark, ...]]:
    found: dict[str, tuple[Remark, ...]] = {}
    for entry in written:
        on = frozenset(entry.get("chips", "").split())
        unknown = [*(on - frozenset(marches)), *(n for n in entry["ops"].split() if n not in names)]
        if unknown:
            raise ValueError(f"ops.toml: a remark on `{unknown[0]}`, which is not in the table")
        result = Result(entry["result"]) if "result" in entry else None
        remark = Remark(entry["text"], on, entry["source"], Confidence(entry["confidence"]), result)
        for name in entry["ops"].split():
            found[name] = (*found.get(name, ()), remark)
    return found


def _chip(name: str, facts: Mapping[str, str]) -> Chip:
    confidence = Confidence(facts["confidence"])
    return Chip(
        march=name,
        boards=facts["boards"],
        types=facts["types"],
        output=facts["output"],
        otherwise=facts["otherwise"],
        source=facts["source"],
        confidence=confidence,
    )


def _meaning(name: str, facts: dict[str, Any]) -> Meaning:
    return Meaning(
        name=name,
        functions=tuple(facts.pop("functions").split()),
        methods=tuple(facts.pop("methods", "").split()),
        classes=tuple(facts.pop("classes", "").split()),
        result=Result(facts.pop("result")),
        gemm=Gemm(facts.pop("gemm", "no")),
        fuses=Role(facts.pop("fuses")) if "fuses" in facts else None,
        dims=frozenset(facts.pop("dims", "").split()),
        boundary=Boundary(facts.pop("boundary", "")),
        confidence=Confidence(facts.pop("confidence")),
        **facts,
    )


def _index(pairs: Iterator[tuple[str, Meaning]]) -> Mapping[str, Meaning]:
    table: dict[str, Meaning] = {}
    for name, meaning in pairs:
        if name in table:
            raise ValueError(f"ops.toml: `{name}` is both `{table[name].name}` and `{meaning.name}`")
        table[name] = meaning
    return table
