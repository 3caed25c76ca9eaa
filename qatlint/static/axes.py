"""How long the axes of tensors are: what decides about each, as far as it is written how they were made.

Loops over a tensor, over its first axis by number, and over the pieces that it is cut into are spellings of
one thing, so all of them ask here.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from qatlint.static.left_behind import LeftBehind
from qatlint.static.modulefile import ClassDef
from qatlint.static.natures import BY_SHAPE, FIXED, UNPROVEN, Cause, Causes, Nature, What, of_a_kind, united
from qatlint.static.project import Project
from qatlint.static.values import Args, Const, External, Seq, Symbol, Value
from qatlint.trace import Varies

CUTS = frozenset("split split_with_sizes chunk tensor_split unbind".split())
"""Functions that give several tensors, cut out of one along an axis."""
_OF_SIZES = frozenset("zeros ones empty rand randn new_zeros new_ones new_empty".split())
"""Functions that make a tensor of the sizes that they are given, as numbers or as one list."""
_OF_ONE_LIST = frozenset("full new_full".split())
_ROWS = frozenset("arange range linspace logspace randperm".split())
"""Functions that make a row of numbers; how many, their arguments say together."""
_CONVOLUTION = re.compile(r"torch\.nn\.(?:modules\.\w+\.)?Conv(?:Transpose)?([123])d")
_SAME = frozenset(
    "contiguous clone detach to float half double bfloat16 int long bool cuda cpu type type_as sigmoid relu "
    "tanh softmax log_softmax exp log sqrt abs neg gelu silu clamp dropout zeros_like ones_like empty_like "
    "full_like rand_like randn_like".split()
)
"""Functions that leave the axes of their first argument."""


class Axes(NamedTuple):
    """What decides about the first axes of a tensor."""

    sizes: tuple[Causes | None, ...]
    """One for each; None where nothing is known but what is known of the tensor."""
    whole: bool
    """Whether these are all of its axes."""

    def place(self, axis: int) -> int | None:
        """Which of `sizes` is meant by an axis, which may be counted from the end."""
        if axis < 0:
            axis = len(self.sizes) + axis if self.whole else -1
        return axis if 0 <= axis < len(self.sizes) else None


class Sized(LeftBehind):
    """`length_causes` of tensors, and of the lists of tensors that functions cut out of one."""

    def __init__(self, project: Project, cls: ClassDef, opened: frozenset[int] = frozenset()) -> None:
        super().__init__(project, cls, opened)
        self.axes: dict[Hashable, Axes] = {}
        """By key of a tensor."""
        self.pieces: dict[Hashable, tuple[Nature, Axes | None]] = {}
        """Key of a list of tensors that were cut out of one -> what each of them is."""
        self.named_inputs: dict[Hashable, str] = {}
        """Key of an argument of forward -> its name."""
        self.last_sizes: dict[Hashable, Value] = {}
        """Key of `x.shape[-1]` -> x."""
        self.shapes: dict[Hashable, Value] = {}
        """Key of a shape -> the tensor that has it."""

    def tensor_length(self, value: Symbol) -> Causes:
        return self.axis_causes(value)

    def axis_causes(self, value: Value, axis: int | None = 0) -> Causes:
        """What the number of entries along an axis of a tensor depends on; None for one that nobody knows."""
        known = self.axes_of(value)
        place = known.place(axis) if known is not None and axis is not None else None
        causes = known.sizes[place] if known is not None and place is not None else None
        if causes is not None:
            return causes
        nature = self.nature(value)
        sizes = nature.sizes
        if axis == 0 and sizes == BY_SHAPE and isinstance(value, Symbol) and value.key in self.named_inputs:
            # A table of sizes or indices has an entry for each level or layer, as far as anybody knows. Of
            # the rest, those who hand it in may know.
            varies = Varies.UNPROVEN if nature.plain else Varies.SHAPE
            return frozenset({Cause(varies, self.named_inputs[value.key])})
        # Coordinates or channels stand last: which kind of input it is, rather than how much of it there is.
        return of_a_kind(sizes) if axis == -1 else sizes

    def count_causes(self, value: Value) -> Causes:
        if isinstance(value, Symbol) and value.key in self.last_sizes:
            return self.axis_causes(self.last_sizes[value.key], -1)
        return super().count_causes(value)

    def axes_of(self, value: Value) -> Axes | None:
        """What is known of the axes of a tensor."""
        return self.axes.get(value.key) if isinstance(value, Symbol) else None

    def note_size(self, result: Symbol, tensor: Value, axis: int) -> None:
        """A number has been found to be the length of an axis."""
        causes = self.axis_causes(tensor, axis)
        if axis == -1 and causes:
            self.last_sizes[result.key] = tensor
            causes = self.nature(tensor).sizes
        self.natures[result.key] = Nature(What.NUMBER, causes)

    def note_axes(
        self, result: Value, name: str, values: Sequence[Value], keywords: Mapping[str, Value]
    ) -> None:
        """A function has given `result`, called with these, a method with its object in front."""
        if not isinstance(result, Symbol):
            return
        if name in CUTS and values:
            self._note_pieces(result, name, values, keywords)
            return
        axes, made = self._axes_made(name, values, keywords)
        if axes is not None:
            self.axes[result.key] = axes
        nature = self.natures.get(result.key)
        if made and nature is not None and nature.constant:
            self.natures[result.key] = nature._replace(causes=united(*made))

    def note_channels(self, result: Symbol, kind: str) -> None:
        """A module of torch has given `result`: a convolution has the channels that it was made with."""
        found = _CONVOLUTION.fullmatch(kind)
        if found is not None:
            self.axes[result.key] = Axes((None, FIXED, *[None] * int(found[1])), True)

    def note_count(self, result: Symbol, values: Sequence[Value]) -> None:
        """`result` gives as many values as the lengths and numbers that it was made of say."""
        counts = [
            self.number_causes(v) if self.nature(v).what is What.NUMBER else self.length_causes(v)
            for v in values
        ]
        self.natures[result.key] = Nature(What.UNKNOWN, united(*counts))
        if not any(counts):
            self.given_length.add(result.key)

    def note_columns(self, result: Symbol, args: Args) -> None:
        """`a, b = zip(*rows)`: each column is as long as there are rows."""
        starred = [item.value for item in args.positional if -1 in item.loops]
        known = Seq([item for item in args.positional if -1 not in item.loops])
        causes = united(self.length_causes(known), *map(self.length_causes, starred))
        if args.open and not starred:
            causes = united(causes, UNPROVEN)
        self.natures[result.key] = Nature(What.MANY, UNPROVEN)
        self.pieces[result.key] = (Nature(What.MANY, causes), None)

    # -- what is cut into pieces -------------------------------------------------------------------

    def _note_pieces(
        self, result: Symbol, name: str, values: Sequence[Value], keywords: Mapping[str, Value]
    ) -> None:
        whole, *rest = values
        self._is_a_tensor(whole)
        axis = _axis(rest[-1:] if len(rest) == (1 if name == "unbind" else 2) else [], keywords)
        how = next((v for k, v in keywords.items() if k not in ("dim", "axis", "input")), None)
        if name != "unbind" and rest:
            how = rest[0]
        causes = self._piece_causes(name, whole, axis, how)
        made = self.natures.get(result.key, self.nature(whole))
        self.natures[result.key] = made._replace(what=What.MANY, causes=causes, producers=frozenset())
        if not causes:
            self.given_length.add(result.key)
        kept = self.axes_of(whole)
        place = kept.place(axis) if kept is not None and axis is not None else None
        inner: Axes | None = None
        if kept is not None and place is not None:
            before, after = kept.sizes[:place], kept.sizes[place + 1 :]
            inner = Axes((*before, *after) if name == "unbind" else (*before, None, *after), kept.whole)
        self.pieces[result.key] = (
            self.nature(whole)._replace(what=What.TENSOR, producers=frozenset()),
            inner,
        )

    def _piece_causes(self, name: str, whole: Value, axis: int | None, how: Value | None) -> Causes:
        """What the number of pieces depends on."""
        if name == "unbind":
            return self.axis_causes(whole, axis)
        if how is None:
            return UNPROVEN
        if isinstance(how, Seq):
            return self.length_causes(how)
        nature = self.nature(how)
        if name == "split_with_sizes" or nature.what in (What.MANY, What.SHAPE):
            return self.length_causes(how)
        if nature.what is What.NUMBER or isinstance(how, Const):
            causes = self.count_causes(how)
            return causes if name != "split" else united(causes, self.axis_causes(whole, axis))
        if isinstance(how, Symbol) and how.origin == "config":
            if name != "split" or isinstance(how.hint, (list, tuple)):
                return FIXED
            # Pieces of such a size, or a list of sizes.
            causes = self.axis_causes(whole, axis)
            return causes if not causes or type(how.hint) is int else UNPROVEN
        return nature.content or UNPROVEN

    # -- what has axes -----------------------------------------------------------------------------

    def _axes_made(
        self, name: str, values: Sequence[Value], keywords: Mapping[str, Value]
    ) -> tuple[Axes | None, list[Causes]]:
        """(the axes of what a function gives, what decides about them where it makes a new tensor)."""
        if name in _ROWS and values:
            length = united(
                *(self.count_causes(v) for v in (*values, *_of(keywords, "start end steps step")))
            )
            return Axes((length,), True), [length]
        if name in _OF_SIZES or name in _OF_ONE_LIST:
            sizes = list(values[1:] if name.startswith("new_") else values)
            sizes = sizes[:1] if name in _OF_ONE_LIST else sizes
            return self._axes_sized(sizes or _of(keywords, "size"))
        if not values:
            return None, []
        first, rest = values[0], list(values[1:])
        axes = self.axes_of(first)
        if name == "stack":
            axis = _axis(rest[:1], keywords)
            if axis not in (0, 1):
                return None, []
            return Axes((None,) * axis + (self.length_causes(first),), False), []
        if name in ("view", "reshape"):
            made, _ = self._axes_sized(rest or _of(keywords, "shape"))
            return made, []
        if name == "expand":
            made, _ = self._axes_sized(rest)
            return made, []
        if axes is None:
            return None, []
        if name in _SAME:
            return axes, list(filter(None, axes.sizes)) if name.endswith("_like") else []
        return self._axes_moved(name, axes, rest, keywords), []

    def _axes_sized(self, sizes: Sequence[Value]) -> tuple[Axes | None, list[Causes]]:
        """Of a tensor of these sizes, given as numbers or as one list; -1 stands for what is left."""
        if len(sizes) == 1 and isinstance(sizes[0], Seq):
            if sizes[0].open or any(item.times is not None or -1 in item.loops for item in sizes[0].items):
                return None, []
            sizes = [item.value for item in sizes[0].items]
        elif len(sizes) == 1 and self.nature(sizes[0]).what is What.SHAPE:
            return None, [self.nature(sizes[0]).causes]
        if not sizes or any(isinstance(size, External) for size in sizes):
            return None, []
        causes: list[Causes | None] = []
        for size in sizes:
            left = isinstance(size, Const) and type(size.value) is int and size.value < 0
            known = isinstance(size, (Const, Symbol)) and self.nature(size).what is not What.MAYBE
            causes.append(None if left or not known else self.count_causes(size))
        return Axes(tuple(causes), True), [c for c in causes if c]

    def _axes_moved(
        self, name: str, axes: Axes, rest: Sequence[Value], keywords: Mapping[str, Value]
    ) -> Axes | None:
        """Axes in another order, or with others between them."""
        if len(rest) == 1 and isinstance(rest[0], Seq):
            rest = [item.value for item in rest[0].items]
        numbers = [v.value for v in rest if isinstance(v, Const) and type(v.value) is int]
        if len(numbers) != len(rest):
            return None
        places = [axes.place(n) for n in numbers]
        sizes = list(axes.sizes)
        if (
            name == "permute"
            and axes.whole
            and sorted(p for p in places if p is not None) == [*range(len(sizes))]
        ):
            return Axes(tuple(sizes[p] for p in places if p is not None), True)
        if name in ("transpose", "swapaxes", "swapdims") and len(places) == 2 and None not in places:
            one, other = (p for p in places if p is not None)
            sizes[one], sizes[other] = sizes[other], sizes[one]
            return Axes(tuple(sizes), axes.whole)
        if name == "unsqueeze" and len(numbers) == 1 and 0 <= numbers[0] <= len(sizes):
            return Axes((*sizes[: numbers[0]], FIXED, *sizes[numbers[0] :]), axes.whole)
        if name == "flatten" and numbers and 0 < numbers[0] < len(sizes):
            return Axes(tuple(sizes[: numbers[0]]), False)
        return None


def _axis(values: Sequence[Value], keywords: Mapping[str, Value]) -> int | None:
    """Which axis is meant: 0 where none is given, None where nobody knows which."""
    for value in (*values, *_of(keywords, "dim axis")):
        return value.value if isinstance(value, Const) and type(value.value) is int else None
    return 0


def _of(keywords: Mapping[str, Value], names: str) -> list[Value]:
    return [keywords[name] for name in names.split() if name in keywords]
