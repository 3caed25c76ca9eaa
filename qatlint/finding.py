"""What a rule says: a Finding with its place, its reason, and (where one exists) its fix.

Values only. Everything that leaves qatlint (text, JSON, an editor) is made from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple

from qatlint.trace import On, Span, Times

TRACER = "horizon_plugin_pytorch.fx.jit_scheme.Tracer"
"""Where the plugin has its `Tracer`."""


class Severity(IntEnum):
    """How much a finding matters on the chip. Ordered, so thresholds compare."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def label(self) -> str:
        return self.name.lower()


class Safety(Enum):
    """`SAFE` keeps float results, comments and checkpoint keys; anything less is `UNSAFE`."""

    SAFE = "safe"
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that explains the finding: another call, the loop, the definition."""

    span: Span
    message: str


class LoopSite(NamedTuple):
    """The loop a call runs in, as far as a codemod needs it."""

    span: Span
    """The whole `for` statement, or the comprehension expression."""
    known: bool
    """Whether the number of turns is fixed when the model is built."""
    why: str
    """In words: where the number of turns comes from."""


class CallSite(NamedTuple):
    """One call of a module in the source, and which instance it should get.

    `slot` numbers the instances: sites of one slot never run in the same forward (they stand in
    exclusive branches), so they may go on sharing. Slot 0 keeps the existing name. Inside
    `loops` (outermost first) every turn needs an instance of its own.
    """

    callee: Span
    """The expression that is called, without its arguments: `self.relu` in `self.relu(x)`.
    For a method of a FloatFunctional, the receiver: `self.ff` in `self.ff.add(a, b)`."""
    slot: int
    loops: tuple[LoopSite, ...] = ()


class CloneModule(NamedTuple):
    """Intent: give every call of `self.<attribute>` its own instance.

    `tied` asks for copies that share parameters and buffers with the first instance; otherwise
    the constructor expression is written again.
    """

    path: str
    owner: str
    """Qualified name of the class inside its file, e.g. `Decoder` or `Outer.Inner`."""
    attribute: str
    definition: Span
    """The expression that makes the instance: `nn.ReLU()` in `self.relu = nn.ReLU()`."""
    sites: tuple[CallSite, ...]
    tied: bool


class CloneInherited(NamedTuple):
    """Intent: give every call of `self.<attribute>`, which a base class made, its own instance.

    The copies are made in the class's own `__init__`, after the base's. `taken` are attribute names
    that the bases use. No site stands in a loop.
    """

    path: str
    owner: str
    attribute: str
    sites: tuple[CallSite, ...]
    tied: bool
    taken: frozenset[str] = frozenset()


class SeparateInstances(NamedTuple):
    """Intent: where one instance is used under several names, write one constructor call each.

    `uses` are the expressions that refer to the instance again (`self.act` in
    `self.b = self.act`, `act` in `nn.Sequential(a, act, b, act)`, the whole `[act] * 3`, the
    element `act` of `[act for _ in range(3)]`); the first use keeps the original.
    """

    path: str
    owner: str
    definition: Span
    uses: tuple[Span, ...]
    tied: bool


class BlockSite(NamedTuple):
    """Statements of one loop or branch that go into a dynamic block."""

    home: Span
    """The whole loop or `if`."""
    branch: str
    """`else` for that side of an `if`, `rest` for what follows it; anything else for its first body."""
    statements: tuple[Span, ...]
    """Statements of that body which must be in it; what stands between them comes along."""
    apart: tuple[Span, ...] = ()
    """Statements of that body which must stay outside: they hold blocks of their own."""
    leaving: tuple[Span, ...] = ()
    """Statements by which the body may be left: nothing that follows one goes into its block."""


class WrapInBlock(NamedTuple):
    """Intent: put statements into `with Tracer.dynamic_block(self, "name"):`."""

    path: str
    owner: str
    receiver: str
    """How the method calls its instance."""
    sites: tuple[BlockSite, ...]
    tracer: str = TRACER
    """What to import where the file has no name for it."""
    prefix: str = ""
    """What the names of blocks begin with, where a base of the same name may have some in another file."""


class LoopWithBlock(NamedTuple):
    """Intent: write a comprehension, or a call of `map` or `multi_apply`, as a loop in front of its statement
    whose turns are entries of a dynamic block."""

    path: str
    owner: str
    receiver: str
    comprehension: Span
    tracer: str = TRACER
    prefix: str = ""
    """As in `WrapInBlock`."""


class ImportTracer(NamedTuple):
    """Intent: import `Tracer` (or the function `dynamic_block`), which a class uses without an import."""

    path: str
    owner: str
    statement: Span
    """A `with` statement that enters such a block."""
    tracer: str = TRACER


class MoveBlock(NamedTuple):
    """Intent: put a `with` that is around nothing but a loop into the loop."""

    path: str
    owner: str
    statement: Span
    """The whole `with` statement."""
    into: Span
    """The loop: the first thing in the `with`, or in a loop that is, with nothing beside it."""


class RenameBlock(NamedTuple):
    """Intent: give a dynamic block a name that no other has."""

    path: str
    owner: str
    call: Span
    """What the `with` statement calls to enter it."""


class MoveDequant(NamedTuple):
    """Intent: apply a DeQuantStub to what ops begin with, instead of what they give.

    `call` is the whole call, `self.dequant(self.head(x).sigmoid())`, and becomes its argument; each of
    `operands` (`self.head(x)`) is put into a call of the stub. The first keeps the stub, further ones get
    one of their own. `others` are calls of it, or of other stubs, that take parts of the same: they become
    their arguments as well, and a stub that nothing else uses is not made any more.
    """

    path: str
    owner: str
    call: Span
    operands: tuple[Span, ...]
    others: tuple[Span, ...] = ()


class RemoveStub(NamedTuple):
    """Intent: write the argument of a QuantStub's call instead of the call, and make no stub any more where
    nothing else uses it."""

    path: str
    owner: str
    call: Span


class AddQuantStub(NamedTuple):
    """Intent: make a QuantStub in the constructor, and let a tensor pass it at one place."""

    path: str
    owner: str
    target: Span
    """The expression that gets quantised; the parameter, where it is one as a whole."""
    hint: str
    """What the tensor is called, where the expression has no name of its own."""
    parameter: str = ""
    """The name of that parameter ("" for an expression): it is quantised where its method begins."""
    begins: bool = False
    """Whether what follows comes into the region by it: that may have findings of its own then."""
    others: tuple[Span, ...] = ()
    """Places of the same attribute, which are in loops or several: a local variable in front of all of them
    holds what the stub gives."""
    taken: tuple[str, ...] = ()
    """Names of modules that the class holds, also those of a base in another file."""


Intent = (
    CloneModule
    | CloneInherited
    | SeparateInstances
    | WrapInBlock
    | LoopWithBlock
    | ImportTracer
    | MoveBlock
    | RenameBlock
    | MoveDequant
    | RemoveStub
    | AddQuantStub
)


@dataclass(frozen=True, slots=True)
class Fix:
    """A rewrite that removes the finding. `reason` says why it is not safe ("" when it is)."""

    title: str
    safety: Safety
    reason: str
    intent: Intent


class Replacement(NamedTuple):
    """A stretch of source that a fix replaces by `text`; the stretch may be empty."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, at one place.

    `owner` is `package.module:Class` of the class whose body holds the place, `subject` the
    attribute path as that class sees it. `times` is how often the subject runs in one forward.
    `no_fix` says why there is no fix, in one sentence ("" where there is one).
    """

    code: str
    name: str
    severity: Severity
    message: str
    span: Span
    owner: str = ""
    subject: str = ""
    times: Times | None = None
    on: On = On.ALWAYS
    related: tuple[Related, ...] = ()
    fix: Fix | None = None
    no_fix: str = ""

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        return (self.span.path, self.span.line, self.span.column, self.code, self.subject)
