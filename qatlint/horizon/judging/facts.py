"""What the judges ask about rows: kinds of modules, what is known of names, sizes of scales."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from qatlint.horizon.modules import facts_of
from qatlint.horizon.report.values import Layer, ModelCheck
from qatlint.trace import Kind

FLOAT, HALF = "torch.float32", "torch.float16"
FLOATS = frozenset([FLOAT, HALF, "torch.bfloat16", "torch.float64"])
_GENERATED = re.compile(r"(?:^|[._])_?generated_([a-z0-9_]+?)_(\d+)(?=\.|$)")
_FUSED = re.compile(r"^(Conv|ConvTranspose|DeformConv|Linear)(BN)?(Add)?(ReLU6?)?(\dd)?$")
_STEPS = {"qint8": 128, "qint16": 32768}
HALF_CHIPS = ("nash-p", "nash-h")
"""Chips that compute in float16."""
NO_HALF = "it is given or gives float16, in which this chip does not compute"
NO_HALF_STEP = "see whether the model was prepared for another chip, or its qconfig sets float16"


class Settings(NamedTuple):
    """What the user says about the model."""

    march: str = ""
    """The chip, "" when nobody says it."""
    expect: str = ""
    """The dtype that was set for activations, `qint16` for instance."""


NOTHING_SAID = Settings()


class InSource(NamedTuple):
    """What source tells of modules, by their names in the file."""

    kinds: Mapping[str, Kind] = MappingProxyType({})
    constants: Mapping[str, str] = MappingProxyType({})
    """QuantStubs all calls of which are given what is made of one constant -> that constant, as written."""


NOT_READ = InSource()


def bare(dotted: str) -> str:
    """`Conv2d` of `horizon_plugin_pytorch.nn.qat.conv2d.Conv2d`."""
    return dotted.rpartition(".")[2]


def kind_of(dotted: str) -> Kind:
    """What a class of the report is: the fused ones count as their root."""
    name = bare(dotted)
    if name == "LinearAdd" or _FUSED.match(name):
        return Kind.GEMM
    return facts_of(dotted).kind


def is_stub(layer_type: str) -> bool:
    """Whether a class is a QuantStub or a DeQuantStub."""
    return kind_of(layer_type) in (Kind.QUANT_STUB, Kind.DEQUANT_STUB)


class Generated(NamedTuple):
    """A module that prepare made of a call of a function."""

    owner: str
    """Path of the module whose forward calls it."""
    op: str
    number: int
    inner: str
    """The part of it that is meant, "" for all of it."""


def generated_of(name: str) -> Generated | None:
    """What a name such as `a._generated_add_4` says; None for other names."""
    found = _GENERATED.search(name)
    if found is None:
        return None
    owner = name[: found.start()]
    return Generated(owner, found[1], int(found[2]), name[found.end() :].lstrip("."))


def modules_around(name: str) -> Iterator[str]:
    """The modules that a module is in, by its name, the innermost first."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def kinds(check: ModelCheck) -> dict[str, Kind]:
    """Kinds of the modules whose class the file tells, by name."""
    found: dict[str, Kind] = {}
    for layer in check.layers:
        found[layer.name] = kind_of(layer.type)
    for sequence in check.sequences:
        for member in sequence:
            found.setdefault(member.name, kind_of(member.type))
    return found


def kind_by_name(name: str, known: Mapping[str, Kind]) -> Kind:
    """What a module is: by its class where that is known, else by what prepare makes of functions and of
    composed modules."""
    kind = known.get(name, Kind.UNKNOWN)
    if kind is not Kind.UNKNOWN:
        return kind
    if generated_of(name) is not None:
        return Kind.FLOAT_FUNCTIONAL
    # `div.reciprocal`: a part of a module that is itself one operation to the user.
    above, _, _ = name.rpartition(".")
    if known.get(above, Kind.UNKNOWN) not in (Kind.UNKNOWN, Kind.PROJECT, Kind.CONTAINER):
        return known[above]
    return Kind.UNKNOWN


def reach(scale: float, dtype: str) -> str:
    """The numbers that a fixed scale holds, in words."""
    if dtype in _STEPS:
        return f"{dtype} then holds {-scale * _STEPS[dtype]:.4g} to {scale * (_STEPS[dtype] - 1):.4g}"
    both = (f"{-scale * steps:.4g} to {scale * (steps - 1):.4g} as {name}" for name, steps in _STEPS.items())
    return f"it holds {' or '.join(both)}"


def halves(check: ModelCheck, settings: Settings) -> bool:
    """Whether the chip computes in float16, as the settings or the dtypes of the file tell."""
    if settings.march:
        return settings.march.startswith(HALF_CHIPS)
    return any(
        dtype == HALF and number
        for table in (check.inputs, check.outputs)
        for row in table
        for dtype, number in row.dtypes
    ) or any(HALF in (*layer.inputs, *layer.outputs) for layer in check.layers)


def words_of(layer: Layer) -> str:
    """What a layer is given and gives."""
    given, out = ", ".join(layer.inputs) or "nothing", ", ".join(layer.outputs) or "nothing"
    return f"in {given}, out {out}"
