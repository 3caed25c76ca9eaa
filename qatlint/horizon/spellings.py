"""How an operation may be written, for people: `torch.add`, `Tensor.add_`, `+`, `FloatFunctional.add`.

What a spelling means is asked of `ops`; this is the other direction.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from qatlint.horizon.ops import Meaning, meanings, op_name

_OPERATORS = {
    "add": "x + y",
    "sub": "x - y",
    "mul": "x * y",
    "truediv": "x / y",
    "floordiv": "x // y",
    "mod": "x % y",
    "pow": "x ** y",
    "matmul": "x @ y",
    "neg": "-x",
    "abs": "abs(x)",
    "eq": "x == y",
    "ne": "x != y",
    "lt": "x < y",
    "le": "x <= y",
    "gt": "x > y",
    "ge": "x >= y",
    "and": "x & y",
    "or": "x | y",
    "xor": "x ^ y",
    "invert": "~x",
    "getitem": "x[i]",
    "setitem": "x[i] = y",
}
"""Functions that have a sign of their own."""
_IN_PLACE = frozenset("add sub mul truediv floordiv mod pow matmul and or xor".split())
_HOMES = {
    "torch": "torch.{}",
    "F": "F.{}",
    "F_inplace": "F.{}_",
    "linalg": "torch.linalg.{}",
    "special": "torch.special.{}",
    "Tensor": "Tensor.{}",
    "Tensor_inplace": "Tensor.{}_",
}
_OTHER_CLASSES = {
    "QuantStub": ("horizon_plugin_pytorch.quantization.QuantStub", "torch.ao.quantization.QuantStub"),
    "DeQuantStub": ("torch.ao.quantization.DeQuantStub",),
    "DeformConv2d": ("torchvision.ops.DeformConv2d",),
    "RoIAlign": ("torchvision.ops.RoIAlign",),
    "MultiScaleRoIAlign": ("torchvision.ops.MultiScaleRoIAlign",),
}
_VISION = frozenset("nms batched_nms roi_align".split())
_PLUGIN_FUNCTIONS = frozenset("bev_pool_v2 warp".split())
_PLUGIN = "horizon nn.{}"


def spellings(meaning: Meaning) -> tuple[str, ...]:
    """All ways to write an operation: functions, methods, signs, FloatFunctional, modules."""
    return tuple(dict.fromkeys(_all(meaning)))


def named(name: str) -> tuple[Meaning, ...]:
    """The operations that somebody may mean: by the name of an entry, by one of its spellings (`torch.add`,
    `x + y`, `+`, `nn.Conv2d`, `add_`, `iadd`), case and outer underscores left out."""
    key = _key(name)
    return _index().get(key) or _index().get(op_name(f"operator.{key}"), ())


def nearest(name: str) -> str:
    """The known name that is most like `name`; "" when none is near."""
    import difflib

    close = difflib.get_close_matches(_key(name), _index(), n=1, cutoff=0.6)
    return _index()[close[0]][0].name if close else ""


def _all(meaning: Meaning) -> Iterator[str]:
    homes = _homes()
    for name in meaning.functions:
        found = [form.format(name) for home, form in _HOMES.items() if name in homes[home]]
        if name in _OPERATORS:
            found.append(_OPERATORS[name])
            if name in _IN_PLACE:
                found.append(_OPERATORS[name].replace(" y", "= y"))
        if name in _VISION:
            found.append(f"torchvision.ops.{name}")
        if name in _PLUGIN_FUNCTIONS:
            found.append(f"horizon nn.functional.{name}")
        yield from found
    yield from (f"FloatFunctional.{name}" for name in meaning.methods)
    for name in meaning.classes:
        if name in homes["nn"]:
            yield f"nn.{name}"
        else:
            yield from _OTHER_CLASSES.get(name, (_PLUGIN.format(name),))


@cache
def _homes() -> Mapping[str, frozenset[str]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    path = Path(__file__).with_name("spellings.toml")
    lists = tomllib.loads(path.read_text(encoding="utf-8"))
    return {home: frozenset(names.split()) for home, names in lists.items()}


@cache
def _index() -> Mapping[str, tuple[Meaning, ...]]:
    """Operations by what somebody may type."""
    found: dict[str, list[Meaning]] = {}
    for meaning in meanings():
        written = {meaning.name, *meaning.functions, *meaning.methods, *meaning.classes, *spellings(meaning)}
        # `x + y` also as `+`.
        written |= {sign for one in written if " " in one and (sign := one.strip("xy "))}
        for key in map(_key, written):
            entries = found.setdefault(key, [])
            if meaning not in entries:
                entries.append(meaning)
    return {key: tuple(entries) for key, entries in found.items()}


def _key(written: str) -> str:
    """What is compared: the last name without outer underscores, in lower case; a sign without spaces."""
    # As findings write it: `.view()`, `[...]`, `x[...] =`.
    dotted = written.removeprefix("horizon ").strip().removesuffix("()").removeprefix(".")
    dotted = {"[...]": "getitem", "x[...]": "getitem", "x[...] =": "setitem"}.get(dotted, dotted)
    if all(part.isidentifier() for part in dotted.split(".")):
        return op_name(dotted).lower()
    return dotted.replace(" ", "")
