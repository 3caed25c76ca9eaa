"""What a model did in one forward, as plain values: the child process fills them in, everybody else reads.

A `Recording` is the executed graph (the `torch.fx.Graph` of the recorder without torch) together with
every execution of every module. It travels as JSON (`to_json`, `from_json`). Lines and columns are
1-based, columns count characters; a column of 0 is not known (Python 3.10 knows lines only).
"""

from __future__ import annotations

# Not `json.dumps` where it is needed: the user's code may have changed it by then.
from json import dumps, loads
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where the user's code called: the innermost frame that is neither torch's nor ours."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    function: str
    """Qualified name of the function that holds the call, where Python knows it."""
    instruction: int = 0
    """Position of the call in the code of the function, which tells calls on one line apart where columns
    are not known."""


class TensorFacts(NamedTuple):
    """What is kept of a tensor."""

    shape: tuple[int, ...]
    dtype: str
    """As torch spells it, without `torch.`: `float32`, `int64`."""


class Op(NamedTuple):
    """One executed operation: a node of the graph.

    `kind` is `input` (an argument of the model), `constant` (a tensor that nothing recorded made: a
    parameter, a buffer, a literal), `module` (a leaf module), `method` (a method of a FloatFunctional or
    of another module that computes by methods), `function` (torch.*, F.*, Tensor methods, operators) or
    `output`.
    """

    number: int
    """Position in `Recording.ops`, in order of execution."""
    kind: str
    target: str
    """Function: its dotted name (`torch.add`, `torch.nn.functional.relu`, `torch.Tensor.add_`). Operators
    are the method that torch makes of them: `x + y` is `torch.Tensor.add`, `x += y` `torch.Tensor.add_`,
    `1 - x` `torch.Tensor.__rsub__`, `x[0]` `torch.Tensor.__getitem__`; properties are `torch.Tensor.T`.
    Module and method: the dotted class. Constant: qualified name of the parameter or buffer, "" for others.
    Input: name of the argument, with the path inside nested ones (`feats.0`)."""
    owner: str
    """Path of the module whose forward (or scope) runs it, "" for the model itself."""
    module: str = ""
    """Path of the executed leaf module (its first name), "" for functions."""
    method: str = ""
    """Method that was called, where that is not forward."""
    call: int = 0
    """How many times the same module, or the same generated function (owner, scope, op name, position among
    the calls of that name in one run of the scope), had run before in the whole forward."""
    place: Place | None = None
    inputs: tuple[int, ...] = ()
    """Producers of its tensor inputs, in order of the arguments; one entry per tensor."""
    input_facts: tuple[TensorFacts, ...] = ()
    """Of these tensors, in the same order."""
    output_facts: tuple[TensorFacts, ...] = ()
    """Of what it gave back, or, when that is no tensor, of what it wrote to (`x[i] = y`)."""
    execution: int = 0
    """The module execution it belongs to: index into `Recording.executions`."""
    scope: str | None = None
    """Name of the innermost `dynamic_block` around it in that execution ("" for an unnamed one)."""
    scope_run: int = 0
    """Which entry of that block it is, counted over the whole forward per (owner, name)."""
    inplace: bool = False
    """It wrote to one of its inputs."""
    route: int = 0
    """Of a function: which row of calls, from the forward that it belongs to, led to its place. One number
    for one row, so that two calls of a helper differ and two turns of a loop do not."""
    named: tuple[str, ...] = ()
    """Of a function: the arguments that were given by name."""


class Execution(NamedTuple):
    """One run of one module (leaf or not)."""

    number: int
    """Position in `Recording.executions`."""
    module: str
    """Path of the module (first name under the model), "" for the model itself."""
    class_name: str
    """`package.module:Class`."""
    parent: int
    """The execution that it ran in; -1 for the model itself."""
    place: Place | None
    """The call in the user's code; None for the model itself."""
    scope: str | None = None
    scope_run: int = 0
    method: str = ""


class ModuleFacts(NamedTuple):
    """One module instance of the model."""

    path: str
    """Its first name, as `named_modules` gives it."""
    names: tuple[str, ...]
    """All its names."""
    class_name: str
    """`package.module:Class`."""
    mro: tuple[str, ...]
    """Its bases, nearest first, without those of torch.nn and of Python itself."""
    source: str
    """File that defines the class, "" when there is none."""
    line: int
    """Line of the class statement, 0 when unknown."""
    leaf: bool
    """Computes by itself: the recorder does not look into it."""
    parameters: int
    """How many parameters it holds itself."""
    buffers: int
    training: bool
    mro_sources: tuple[str, ...] = ()
    """Files of the classes in `mro`, in the same order."""


class Recording(NamedTuple):
    """One forward of one model."""

    ops: tuple[Op, ...]
    executions: tuple[Execution, ...]
    modules: tuple[ModuleFacts, ...]
    notes: tuple[str, ...] = ()
    """What could not be recorded, in words."""

    def module(self, path: str) -> ModuleFacts:
        """The module with this first name. Raises KeyError."""
        for facts in self.modules:
            if facts.path == path:
                return facts
        raise KeyError(path)


def in_eval_mode(recording: Recording) -> Recording:
    """The recording without the mode that the modules were in."""
    return recording._replace(modules=tuple(m._replace(training=False) for m in recording.modules))


def to_json(recording: Recording) -> str:
    """The recording as one JSON document."""
    return dumps(recording)


def from_json(text: str) -> Recording:
    """What `to_json` wrote. Raises `ValueError` when it is something else."""
    try:
        ops, executions, modules, notes = loads(text)
        return Recording(
            tuple(_op(op) for op in ops),
            tuple(Execution._make(e)._replace(place=_place(e[4])) for e in executions),
            tuple(map(_module, modules)),
            tuple(notes),
        )
    except (TypeError, IndexError, KeyError) as error:
        raise ValueError(f"not a recording: {error}") from None


def _op(raw: list[Any]) -> Op:
    op = Op._make(raw)
    return op._replace(
        place=_place(raw[7]),
        inputs=tuple(op.inputs),
        input_facts=_tensors(raw[9]),
        output_facts=_tensors(raw[10]),
        named=tuple(op.named),
    )


def _module(raw: list[Any]) -> ModuleFacts:
    facts = ModuleFacts._make(raw)
    return facts._replace(
        names=tuple(facts.names), mro=tuple(facts.mro), mro_sources=tuple(facts.mro_sources)
    )


def _place(raw: list[Any] | None) -> Place | None:
    return None if raw is None else Place._make(raw)


def _tensors(raw: list[Any]) -> tuple[TensorFacts, ...]:
    return tuple(TensorFacts(tuple(shape), dtype) for shape, dtype in raw)
