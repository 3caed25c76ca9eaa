"""What an operation makes of the quant states of its operands: the executed rule (`runtime.flow`) where
dtypes are not known, so that "unknown" is an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from qatlint.horizon.ops import Boundary, Meaning, Result
from qatlint.static.held import NOT_KNOWN, PLAIN, QUANTIZED, Begin, Held, first
from qatlint.static.values import Args, Choice, Const, External, Seq, Symbol, Value
from qatlint.trace import Comes, Quant

_LATER_ARE_PLACES = frozenset(
    "gather index_select take take_along_dim masked_select masked_fill index_fill index_copy getitem select "
    "narrow repeat expand view reshape roll flip topk sort roi_align".split()
)
"""Operations of which only the first operand is a quantity: the others are masks, indices and sizes."""
_SECOND_IS_PLACE = frozenset("scatter scatter_add scatter_reduce masked_scatter index_put".split())
_FIRST_IS_MASK = frozenset(("where",))
_LOOKS_UP = frozenset("Embedding EmbeddingBag functional.embedding functional.embedding_bag".split())
STAYS_WHOLE = frozenset(
    "add sub mul floor_divide remainder fmod pow cat stack sum cumsum where maximum minimum square prod "
    "meshgrid cumprod bitwise_and bitwise_or floor ceil setitem scatter scatter_add".split()
)
"""Operations that make whole numbers of whole numbers."""
_FLOATS = frozenset("float double half bfloat16".split())
_INTEGERS = frozenset("randint randint_like randperm tril_indices triu_indices".split())
_BY_ARGUMENTS = frozenset("arange range tensor as_tensor scalar_tensor full from_numpy".split())
_BY_SIZES = frozenset("ones zeros full empty rand randn".split())
_ROWS = frozenset("arange range linspace logspace".split())
_CONVERTS = frozenset("tensor as_tensor from_numpy".split())
_CASTS = frozenset("to type".split())
_FLOATING = re.compile(r"(^|\.)(float\d*|half|double|bfloat16|FloatTensor|HalfTensor)$")
_WHOLE = re.compile(r"(^|\.)(u?int\d+|long|int|short|uint8|bool|(Long|Int|Bool|Byte)Tensor)$")
NOT_A_QUANTITY = re.compile(
    r"(^|_)(mask|masks|index|indexes|indices|idx|idxs|inds?|ids?|labels?|targets?|gt|valid|flags?|shapes?|"
    r"sizes?|metas?|num\w*|lengths?|lens|pos_ids|tokens?|classes|step|steps|timestamps?|time)(_|$)",
    re.IGNORECASE,
)
"""Names of arguments that are masks, indices, sizes or answers, as far as anybody can tell."""
TRUTHS = re.compile(r"(^|_)(masks?|valid|flags?)(_|$)", re.IGNORECASE)
"""Those of masks: tensors of truths, which may become numbers."""
_MASK = re.compile(r"(^|[^a-z])masks?([^a-z]|$)", re.IGNORECASE)
_ADDED = frozenset("add sub baddbmm addmm".split())
BITS = frozenset("invert bitwise_not bitwise_and bitwise_or bitwise_xor".split())
"""Operations on truths and whole numbers: no tensor of floating numbers takes them."""
COMPARING = frozenset("eq ne lt le gt ge isclose".split())


def is_added_mask(meaning: Meaning | None, held: Held, operands: Sequence[Held]) -> bool:
    """Whether an input that is called a mask holds quantities: it is added to numbers (`scores + mask`),
    which makes no sense of truths."""
    if meaning is None or meaning.name not in _ADDED or held.quant is not Quant.PLAIN or held.asked:
        return False
    masks = bool(held.begins) and all(b.comes is Comes.INPUT and _MASK.search(b.name) for b in held.begins)
    return masks and any(h.quant in (Quant.QUANTIZED, Quant.FLOAT) or h.turned for h in operands)


def quantities(meaning: Meaning | None, operands: Sequence[Held]) -> list[bool]:
    """For each operand, whether it is a quantity to the operation, or only says which ones."""
    name = meaning.name if meaning is not None else ""
    if name in _LATER_ARE_PLACES:
        return [n == 0 for n in range(len(operands))]
    if name in _SECOND_IS_PLACE:
        return [n != 1 for n in range(len(operands))]
    if name == "setitem":
        return [n in (0, len(operands) - 1) for n in range(len(operands))]
    if name in _FIRST_IS_MASK:
        return [n != 0 for n in range(len(operands))]
    return [name not in _LOOKS_UP for _ in operands]


class Made(NamedTuple):
    """An operation that is about to be judged."""

    meaning: Meaning | None
    operands: Sequence[Held]
    """Its tensors, in order."""
    args: Args | None
    """All arguments, for a call."""
    fraction: bool
    """Whether it is given a number that is no whole one: `x + 0.5`."""


def result_of(op: Made, begin: Callable[[Comes], Begin]) -> Held:
    """What an operation gives. `begin` makes the beginning of a float tensor that it makes itself."""
    meaning = op.meaning
    if meaning is None:
        return NOT_KNOWN
    if meaning.boundary is Boundary.QUANT:
        return QUANTIZED
    if meaning.boundary is Boundary.DEQUANT:
        return Held(Quant.FLOAT, frozenset({begin(Comes.DEQUANTIZED)}))
    if meaning.group == "creation":
        kind = _made(meaning, op.args)
        quant = Quant.FLOAT if kind == "float" else Quant.PLAIN if kind == "whole" else Quant.UNKNOWN
        return Held(quant, frozenset({begin(Comes.CONSTANT)}))
    if meaning.result is Result.FLOAT:
        return Held(Quant.FLOAT, frozenset({begin(Comes.CONSTANT)}))
    counting = [h for h, is_one in zip(op.operands, quantities(meaning, op.operands), strict=True) if is_one]
    if meaning.result is Result.PLAIN:
        # Once it is a number again, it is one of what was asked, as long as that is float.
        states = {h.quant for h in op.operands}
        if not states <= {Quant.PLAIN, Quant.FLOAT}:
            return PLAIN
        begins = first(frozenset().union(*(h.begins for h in op.operands)))
        # What bits are taken of is a mask itself, whatever it is called.
        is_asked = Quant.FLOAT in states and meaning.name not in BITS
        asked = is_asked or any(h.asked for h in op.operands)
        return Held(Quant.PLAIN, begins, asked=asked)
    if meaning.name in _CASTS:
        return _cast(counting[:1], op.args, begin)
    if meaning.name in _FLOATS:
        return _floats(counting[:1], begin)
    if meaning.group == "made_alike" and op.args is not None and "dtype" in op.args.keywords:
        kind = _dtype(op.args.keywords["dtype"])
        return Held(Quant.PLAIN) if kind == "whole" else NOT_KNOWN
    if meaning.group == "made_alike" and counting and counting[0].quant is Quant.FLOAT:
        return Held(Quant.FLOAT, frozenset({begin(Comes.CONSTANT)}))  # nothing but its shape is taken
    if meaning.result is Result.PASSES and counting:
        real = [h for h in counting if h.quant is not Quant.PLAIN]
        return (real or counting)[0]._replace(made=frozenset())
    if any(h.quant is Quant.QUANTIZED for h in counting):
        return QUANTIZED
    if any(h.quant is Quant.UNKNOWN for h in counting):
        real = [h for h in counting if h.quant is not Quant.PLAIN]
        if not all(h.turned or h.quant is Quant.FLOAT for h in real):
            return NOT_KNOWN
        # Float in the first turn, as all of them are.
        return Held(Quant.UNKNOWN, first(frozenset().union(*(h.begins for h in real))), turned=True)
    floats = [h for h in counting if h.quant is Quant.FLOAT]
    if floats:
        return Held(Quant.FLOAT, first(frozenset().union(*(h.begins for h in floats))))
    if not counting:
        if meaning.name in _LOOKS_UP:
            return Held(Quant.FLOAT, frozenset({begin(Comes.CONSTANT)}))
        return NOT_KNOWN  # of a list that nobody knows the entries of
    return _of_whole_numbers(op, counting, begin)


def _of_whole_numbers(op: Made, counting: Sequence[Held], begin: Callable[[Comes], Begin]) -> Held:
    """Arithmetic on masks and indices: whole numbers, or not."""
    assert op.meaning is not None
    whole = Held(Quant.PLAIN, first(frozenset().union(*(h.begins for h in counting))))
    whole = whole._replace(asked=any(h.asked for h in counting))
    dtype = op.args.keywords.get("dtype") if op.args is not None else None
    is_float = dtype is not None and _dtype(dtype) == "float"
    if is_float or op.fraction or op.meaning.name not in STAYS_WHOLE:
        return Held(Quant.FLOAT, _cast_begins(whole, begin))
    return whole


def _floats(given: Sequence[Held], begin: Callable[[Comes], Begin]) -> Held:
    """`x.float()`."""
    if not given or given[0].quant is Quant.PLAIN:
        return Held(Quant.FLOAT, _cast_begins(given[0], begin) if given else frozenset({begin(Comes.CAST)}))
    held = given[0]._replace(made=frozenset())
    is_constant = bool(held.begins) and all(b.comes is Comes.CONSTANT for b in held.begins)
    if held.quant is Quant.UNKNOWN and is_constant and not held.turned:
        return held._replace(quant=Quant.FLOAT)  # whatever numbers it was made of
    return held


def _cast_begins(given: Held, begin: Callable[[Comes], Begin]) -> frozenset[Begin]:
    """The beginnings of a mask or an index that is made a number: what was asked for it, constants; an input
    that is a mask begins to be a quantity here."""
    begins = frozenset(b for b in given.begins if given.asked or b.comes is not Comes.INPUT)
    return begins or frozenset({begin(Comes.CAST)})


def _cast(given: Sequence[Held], args: Args | None, begin: Callable[[Comes], Begin]) -> Held:
    """`x.to(...)`."""
    if not given:
        return NOT_KNOWN
    kinds = {_dtype(value) for value in _values(args)}
    if "whole" in kinds:
        return Held(Quant.PLAIN, given[0].begins)
    if "float" in kinds:
        return _floats(given, begin)
    if given[0].quant is Quant.PLAIN and "unknown" in kinds:
        return NOT_KNOWN
    return given[0]._replace(made=frozenset())


def _dtype(value: Value) -> str:
    """`float`, `whole`, "" for what is no dtype, `unknown`."""
    if isinstance(value, External):
        if _FLOATING.search(value.dotted):
            return "float"
        return "whole" if _WHOLE.search(value.dotted) else ""
    if isinstance(value, Symbol):
        return "" if value.text.endswith("device") else "unknown"
    return "unknown" if isinstance(value, Choice) else ""


def is_scalar(meaning: Meaning, args: Args | None) -> bool:
    """Whether a function makes a tensor of one number: `torch.tensor(0.5)`, `torch.ones(1, 1)`."""
    if args is None or not args.positional:
        return False
    first = args.positional[0].value
    if meaning.name in ("tensor", "as_tensor", "scalar_tensor") or (
        meaning.name.endswith("Tensor") and isinstance(first, Seq)
    ):
        while isinstance(first, Seq) and _has_one_entry(first):
            first = first.items[0].value
        return isinstance(first, Const) or (isinstance(first, Symbol) and first.origin == "config")
    if meaning.name not in _BY_SIZES:
        return False
    sizes = [first] if meaning.name == "full" else [item.value for item in args.positional]
    if len(sizes) == 1 and isinstance(sizes[0], Seq) and not sizes[0].open:
        sizes = [item.value for item in sizes[0].items]
    return all(isinstance(size, Const) and size.value == 1 for size in sizes)


KEEPS_ROWS = frozenset("add sub mul truediv neg abs exp log sqrt sigmoid clone detach float to".split())
"""Operations that make a row of a row of numbers."""


MAKES_MANY = frozenset("stack cat hstack vstack repeat tile expand repeat_interleave".split())
"""Operations that make many numbers of one."""


def is_vector(meaning: Meaning, args: Args | None) -> bool:
    """Whether a function makes a row of numbers: `torch.tensor([0.5, 1.5])`, `torch.linspace(0, 1, 8)`."""
    if meaning.name in _ROWS:
        return True
    if args is None or not args.positional:
        return False
    first = args.positional[0].value
    if meaning.name in _CONVERTS:
        return isinstance(first, Seq) and all(isinstance(item.value, Const) for item in first.items)
    if meaning.name not in _BY_SIZES:
        return False
    if isinstance(first, Seq):
        return _has_one_entry(first)
    return isinstance(first, Const) and (len(args.positional) == 1 or meaning.name == "full")


def _has_one_entry(values: Seq) -> bool:
    return not values.open and len(values.items) == 1 and values.items[0].times is None


def _made(meaning: Meaning, args: Args | None) -> str:
    """What a function that makes a tensor of nothing gives."""
    if meaning.name in _CONVERTS and args is not None and any(map(_is_computed, _values(args)[:1])):
        return "unknown"  # of what forward was given, not of a literal
    dtype = args.keywords.get("dtype") if args is not None else None
    if dtype is not None:
        known = _dtype(dtype)
        # `dtype=x.dtype`: that of a tensor that is computed with.
        is_like = isinstance(dtype, Symbol) and dtype.text.endswith("dtype")
        return known if known in ("float", "whole") else "float" if is_like else "unknown"
    if meaning.name in _INTEGERS:
        return "whole"
    if meaning.name not in _BY_ARGUMENTS:
        return "float"
    numbers = list(_numbers(_values(args)))
    if meaning.name == "full":
        numbers = list(_numbers([i.value for i in args.positional[1:2]])) if args is not None else []
    if any(type(n) is float for n in numbers):
        return "float"
    if numbers and all(type(n) in (int, bool) for n in numbers):
        return "whole"
    return "whole" if meaning.name == "arange" else "unknown"


def _is_computed(value: Value) -> bool:
    if isinstance(value, Seq):
        return any(_is_computed(item.value) for item in value.items)
    return isinstance(value, Symbol) and value.origin != "config"


def _numbers(values: Sequence[Value]) -> list[object]:
    """The numbers in the arguments, None for what is not known."""
    found: list[object] = []
    for value in values:
        if isinstance(value, Const):
            found.append(value.value)
        elif isinstance(value, Seq):
            found += _numbers([item.value for item in value.items])
        else:
            found.append(None)
    return found


def _values(args: Args | None) -> list[Value]:
    if args is None:
        return []
    return [item.value for item in args.positional] + list(args.keywords.values())
