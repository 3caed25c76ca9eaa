"""The Trace: what happens when a model runs. Values only, standard library only.

A producer (source, an executed model, a report of the toolchain) fills one Trace per owner class;
rules ask it questions. Lines and columns are 1-based, columns count characters. Named tuples, since a
dataclass takes three times as long to create, at every start of the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from qatlint.condition import FALSE, TRUE, Atom, Condition


class Span(NamedTuple):
    """A stretch of source. `end_column` is the column after the last character."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


class Times(NamedTuple):
    """How often something runs in one forward of its owner; `most` is None when unbounded."""

    least: int
    most: int | None

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.least}+" if self.least else "many"
        return str(self.most) if self.least == self.most else f"{self.least}-{self.most}"


class On(Enum):
    """When a statement about a forward holds."""

    ALWAYS = "always"
    SOME_PATH = "some-path"
    TRAINING = "training"


class Kind(Enum):
    """What a module is to the toolchain. The table of classes is `qatlint.horizon.modules`."""

    QUANT_STUB = "QuantStub"
    DEQUANT_STUB = "DeQuantStub"
    FLOAT_FUNCTIONAL = "FloatFunctional"
    LUT_ACTIVATION = "activation computed by a table"
    RELU = "activation that fuses"
    ACTIVATION = "activation"
    SOFTMAX = "softmax"
    GEMM = "convolution or linear layer"
    BATCH_NORM = "batch normalisation"
    NORM = "normalisation"
    EMBEDDING = "embedding"
    RECURRENT = "recurrent layer"
    ATTENTION = "attention"
    DROPOUT = "dropout"
    IDENTITY = "identity"
    POOLING = "pooling"
    RESHAPE = "layout only"
    LOSS = "loss"
    OTHER = "module without parameters"
    CONTAINER = "container"
    PROJECT = "module of the project"
    UNKNOWN = "module of unknown class"


class Name(NamedTuple):
    """One way to reach a module from its owner.

    `path` is the attribute path, list positions as `*`; `repeated` says how many positions of a
    container hold this same instance under this one path (1 for a plain attribute, None: unknown
    but more than one).
    """

    path: str
    span: Span
    """The expression that puts the module there."""
    repeated: int | None = 1
    owner: str = ""
    """`package.module:Class` whose body holds `span`."""
    when: Condition = TRUE
    """The condition under which it has this name."""
    registered: bool = True
    """False in a plain list or dict, which `named_modules` does not see."""


class Loop(NamedTuple):
    """A loop that was entered. `times` is its number of turns."""

    span: Span
    header: Span
    """`for x in xs` without the body."""
    times: Times
    known: bool
    """Whether the number of turns is fixed when the model is built."""
    over: str
    """What it runs over, as written: `range(6)`, `self.layers`."""
    statement: str = "for"
    """`for`, `while`, `comprehension`, or `call` (`map`, `multi_apply`)."""
    given: str = ""
    """The default of a parameter that its number of turns was taken from: `num_layers=6`."""
    countable: bool = True
    """Whether the constructor can write down the number of turns."""


class Chosen(NamedTuple):
    """Turns of a loop in which the element equals a constant: `if name == "ffn"`."""

    over: str
    constants: tuple[str, ...]
    """As written; one of them must come up."""


class Scope(NamedTuple):
    """A `Tracer.dynamic_block` that was entered."""

    name: str
    """"" for an unnamed block; `*` stands for a part that changes from turn to turn or is not known."""
    span: Span
    """The item of the `with` statement."""


class Call(NamedTuple):
    """One place where a module is executed.

    `times` multiplies the turns of the loops that repeat the *same* instance; a loop that picks
    another instance at each turn does not count. `when` is the condition under which it runs.
    """

    module: int
    span: Span
    callee: Span
    owner: str
    """`package.module:Class` of the class whose body holds the call ("" for a plain function)."""
    function: str
    """Name of the function that holds the call."""
    times: Times
    when: Condition = TRUE
    loops: tuple[Loop, ...] = ()
    """The loops that repeat it, outermost first."""
    method: str = "forward"
    via: tuple[Span, ...] = ()
    """Calls through which it was reached (helpers, children), outermost first."""
    repeats: bool = True
    """Its loops go round more than once on every path, as far as anybody knows."""
    some_turns: bool = False
    """A test lets it run in some turns of its loops only."""
    chosen: Chosen | None = None
    """Which turns these are, where what the loop runs over chooses them and nobody knows it."""
    inside: Span | None = None
    """The execution itself, when `span` is the call in the owner's body that led to it."""
    own: bool = False
    """Run by the child that made it, in that child's own forward."""
    implied: bool = False
    """Run by a container that was called, not by name."""
    alias: str = ""
    """The local name it is called by, where that may mean other things too ("" otherwise)."""
    other_element: bool = False
    """Runs another element of the family than the one that runs most often."""
    scope: Scope | None = None
    """The innermost dynamic block around it that the owner's forward entered; None: the forward itself."""


class Varies(Enum):
    """Why nobody can say, when the model is built, whether or how often a loop or branch runs."""

    DATA = "data"
    """Values of tensors decide."""
    SHAPE = "shape"
    """The shape or the length of an input does."""
    RANDOM = "random"
    STATE = "state"
    """An attribute that forward changes does."""
    UNPROVEN = "unproven"
    """Nothing says that it is always the same: an argument, the result of a call."""
    GIVEN = "given"
    """As many as a module of the model gives: fixed, unless that module gives another number each time."""
    STATIC = "static"
    """The constructor decides."""


class Region(NamedTuple):
    """A loop, or one side of a branch, in the forward of the owner or in what it calls."""

    number: int
    span: Span
    """The whole statement, or the expression of a comprehension or a call; for a `rest`, the statement before
    it."""
    header: Span
    """`for x in xs`, `if x.any()`, without the body."""
    written: str
    """The header in one line of source."""
    statement: str
    """`for`, `while`, `if`, `else`, `case`, `comprehension`, `call` (`map`, `multi_apply`), `either` (both
    sides of a conditional expression), `rest` (what follows a statement by which the body may be left),
    `test` (that of a `while`), `unbroken` (the `else` of a loop)."""
    varies: Varies
    why: str
    """What decides, as written (`self.memory`, `num_cameras`); "" where there is no name for it."""
    owner: str
    """`package.module:Class` whose body holds it, `package.module:function` for a plain function."""
    function: str
    receiver: str
    """How the code there calls the owner: `self`; "" where it has no name for it."""
    becomes_loop: bool = False
    """For a region without statements: whether a loop in front of its statement could do the same."""
    method: bool = True
    """False in a plain function, also where that is handed the owner."""
    bodied: bool = True
    """False for an `else` that is an `elif`: it has no statements of its own."""
    suspends: tuple[Span, ...] = ()
    """Statements of its body with a `yield` or an `await`."""
    beside: int = -1
    """For a `rest`: the region whose body it is a part of; -1 where there is none."""
    way: str = ""
    """For a `rest`: `return`, `break` or `continue`."""
    nth: int = 1
    """Which one it is, in the order of the text, of those in its function that are written so."""

    @property
    def loops(self) -> bool:
        """Whether it is a loop."""
        return self.statement not in ("if", "else", "case", "either", "rest", "unbroken")


class Standing(NamedTuple):
    """An op stands in a region."""

    region: int
    statement: Span | None
    """The statement of the region's body that runs the op, itself or through calls."""


class Op(NamedTuple):
    """An operation on tensors that the owner's own forward runs: a function, an operator, or a module.

    What stands in the forward of a child is the child's. `inputs` are the numbers of the ops whose results
    it takes, as far as they are known.
    """

    number: int
    name: str
    """As `qatlint.horizon.ops` names it; "" for a module that the table does not have."""
    written: str
    """`+`, `torch.cat`, `.softmax()`, `self.proj[...]`."""
    span: Span
    owner: str
    """As that of a region."""
    function: str
    inputs: tuple[int, ...] = ()
    operands: int = 1
    """How many tensors it takes."""
    read: bool = False
    """Whether something takes its result that is no op: `x[0]`, `x.view(...)`, `x > 0`."""
    role: str = ""
    """Its place in a fusable sequence: `root` (a convolution, or one with its norm), `bn`, `add`, `relu`."""
    is_module: bool = False
    inside: tuple[Standing, ...] = ()
    """The regions around it, outermost first."""
    scope: Scope | None = None
    """The innermost dynamic block around it."""
    via: tuple[Span, ...] = ()
    """Calls through which it was reached, outermost first."""


class Block(NamedTuple):
    """A `Tracer.dynamic_block` that the owner's forward enters."""

    scope: Scope
    statement: Span
    """The whole `with` statement."""
    owner: str
    function: str
    named: str
    """How its name is written: `literal`, `constant` (an expression that always gives the same name), `built`
    (of something that may change), or `` for no name."""
    module: bool
    """False where its first argument is certainly not a module."""
    imported: bool
    """False where nothing gives `Tracer` a meaning."""
    around: tuple[Span, ...]
    """A loop that is the first thing in it; then the loop that is the first thing in that, and so on."""
    alone: int
    """How many of these loops are all there is in what is around them."""
    inside: tuple[int, ...] = ()
    """The regions around it, outermost first."""
    within: Scope | None = None
    """The block around it."""
    foreign: bool = False
    """Whether its first argument is a module, but certainly not the one whose forward this is."""
    method: bool = True
    """False in a plain function."""
    called: bool = True
    """Whether the call that makes it stands in the `with`."""
    items: int = 1
    """How many things the `with` enters."""


class Module(NamedTuple):
    """One module instance (or one family of them: `layers.*`) that an owner holds."""

    key: int
    path: str
    """The subject: first attribute path from the owner, list positions as `*`."""
    kind: Kind
    class_name: str
    """Dotted name of the class; "" when unknown."""
    parameters: bool | None
    """Whether it holds parameters; None when nobody can tell."""
    buffers: bool | None
    definition: Span
    """The expression that makes the instance."""
    definition_owner: str
    names: tuple[Name, ...] = ()
    when: Condition = TRUE
    """The condition under which it exists."""
    origin: str = "attribute"
    """`attribute`, `class-level`, `module-level`, `default-argument` or `parameter` (handed in)."""
    certain: bool = True
    """False when it may turn out to be a plain function (an injected callable)."""
    family: bool = False
    """One entry stands for several instances (`layers.*`)."""
    switching: bool = False
    """Each call of it runs another part of it, by a counter of its own."""
    used: str = ""
    """How it is used without being executed, in words ("" when it is not)."""
    handed: str = ""
    """Code that is not read, to which forward hands it: it may run it as well ("" where there is none)."""
    made_at: Span | None = None
    """The constructor call, where that is another place than `definition`."""
    replaced: str = ""
    """Which subclass replaces it, in words ("" when none does)."""
    modified: str = ""
    """How it is changed after it was made, in words ("" when it is not)."""
    keeps_state: str = ""
    """Why two instances would not do what one does, in words ("" when they would)."""
    made_anew: str = ""
    """Why making it a second time gives something else than a copy, in words ("" when it does not)."""
    uncopied: str = ""
    """Why it cannot be copied, in words ("" when it can)."""
    read_by: str = ""
    """A subclass that uses it by its name ("" when none does)."""
    written_elsewhere: str = ""
    """Where code outside the class assigns an attribute of this name, in words. This and the next two are
    looked for only where a copy would be like the original: no weights, no state, nothing by chance."""
    compared: str = ""
    """Where it is asked whether it is the same object as another, in words ("" nowhere)."""
    scripted: str = ""
    """Where its owner is handed to TorchScript, in words ("" nowhere)."""
    listed: str = ""
    """Where the children of its owner are listed from outside, in words ("" nowhere)."""
    scattered: str = ""
    """Where it is made and named, when those are different methods, in words ("" when they are not)."""
    internals: tuple[Kind, ...] = ()
    """Kinds of the modules inside, for a module of the project."""


class Quant(Enum):
    """What a tensor is to the toolchain."""

    QUANTIZED = "quantized"
    FLOAT = "float"
    PLAIN = "plain"
    """Booleans, integers, indices, shapes: not quantised, and they need not be."""
    UNKNOWN = "unknown"
    """Nobody can tell, or it is one thing on one path and another on the next."""


class Comes(Enum):
    """Where a float tensor begins."""

    INPUT = "input"
    """A parameter of the forward of a root, or an element of one."""
    CONSTANT = "constant"
    """A parameter, a buffer, an embedding, a literal, a tensor that forward makes."""
    DEQUANTIZED = "dequantized"
    """Behind a DeQuantStub."""
    CAST = "cast"
    """A mask or an index made a number."""


class Origin(NamedTuple):
    """The beginning of a float tensor."""

    comes: Comes
    name: str
    """The parameter (`x`, `batch["img"]`), the attribute (`self.anchors`), the function as written."""
    span: Span
    """The parameter, or the expression that makes it."""
    owner: str
    """`package.module:Class` whose body holds the span; "" for a plain function."""
    runner: str = ""
    """Class of the module that runs it, or holds it: the class itself, where `owner` is a base of it."""
    scalar: bool = False
    """A tensor of one number, as far as the source tells: it needs no stub."""


class QuantState(NamedTuple):
    """What is known of one tensor."""

    quant: Quant
    origins: tuple[Origin, ...] = ()
    """Of a float tensor: all beginnings of it."""
    made_by: tuple[int, ...] = ()
    """Numbers of the ops that may have made it."""
    turned: bool = False
    """Whether it is float in the first turn of a loop, where it begins so, and quantised in the others."""


class Stub(NamedTuple):
    """What a QuantStub or DeQuantStub was made with."""

    quantizes: bool
    class_name: str
    """Dotted name of the class."""
    definition: Span
    """The call of its constructor."""
    scale: bool
    """Whether it is given a fixed scale, by name or as its first argument."""
    number_first: bool
    """Whether its first positional argument is not None: a qconfig for torch's, a scale for the plugin's."""
    bound: str = ""
    """Why a fix cannot take away its call, or write it at another place; "" where it can."""
    picked: bool = False
    """Whether the call picks it out of several, by a name or a position that is computed."""


class QuantOp(NamedTuple):
    """An operation on tensors as it runs on one path of owners: a function, an operator or a leaf module.

    One place in source that several modules run gives one of these for each of them; turns of a loop are one.
    """

    number: int
    """Its position in `Flow.ops`: in order of execution."""
    name: str
    """As `qatlint.horizon.ops` names it; "" for what the table does not have (a function or a module that
    could not be followed): it takes its operands, and nobody knows what it gives."""
    written: str
    """`+`, `torch.cat`, `.softmax()`, `self.proj[...]`."""
    span: Span
    """The whole expression."""
    owner: str
    """`package.module:Class` whose body holds the span, `package.module:function` for a plain function."""
    function: str
    runner: str
    """`package.module:Class` of the module whose forward runs it: `owner`, or one that inherits from it."""
    path: str
    """That module as the root reaches it: `backbone.layers.*`, "" for the root itself."""
    module: str = ""
    """Where the op is a module: its path from the root; "" where it is not held by any attribute."""
    class_name: str = ""
    """Where the op is a module: its class."""
    operands: tuple[QuantState, ...] = ()
    """The tensors it takes, in order, without numbers and shapes."""
    positions: tuple[Span | None, ...] = ()
    """Where each operand is written; None where it is not an expression of its own (an element of a list)."""
    result: QuantState = QuantState(Quant.UNKNOWN)
    users: tuple[int, ...] = ()
    """The ops that take its result."""
    returned: bool = False
    """Whether the root gives its result back."""
    kept: Condition = FALSE
    """When its result is stored in an attribute, or becomes a part of what nobody follows: it may have more
    users then."""
    entry: str = ""
    """Where a container is called: which entry of it this is, `[2]`. The span is that of the call."""
    with_number: bool = False
    """Whether an operand is a number: `x + 1`."""
    refilled: bool = False
    """Whether a turn of a loop puts the result into a list or dict from which a later turn may take it."""
    when: Condition = TRUE
    """The condition under which it runs (atoms are those of the Flow)."""
    loops: tuple[Span, ...] = ()
    """Heads of the loops around it in the function that holds it, outermost first."""
    via: tuple[Span, ...] = ()
    """The calls that lead to it from the root's forward, outermost first."""
    via_owners: tuple[str, ...] = ()
    """The classes whose bodies hold these calls, in the same order."""
    stub: Stub | None = None
    """For a QuantStub or DeQuantStub."""
    inner: bool = False
    """Whether it stands where a method has no `self` at hand, or in what may run several times in one run of
    the method: a function inside of it, a comprehension, a static method."""
    comprehended: bool = False
    """Whether that is for a comprehension only: what stands in front of the statement is at hand."""


class Returned(NamedTuple):
    """A tensor that a return statement of a forward gives back."""

    state: QuantState
    when: Condition
    span: Span
    """The return statement."""
    runner: str = ""
    """`package.module:Class` of the module whose forward it is."""
    path: str = ""
    """That module as the root reaches it."""


class Handed(NamedTuple):
    """A float tensor that a call gives to the forward of a child, or to another function."""

    argument: Span
    """Where it is written."""
    state: QuantState
    call: Span
    owner: str
    """As that of a QuantOp, of the call; so are the others."""
    function: str
    runner: str
    path: str
    when: Condition
    loops: tuple[Span, ...]
    via: tuple[Span, ...]
    via_owners: tuple[str, ...]
    inner: bool
    comprehended: bool = False


class Around(NamedTuple):
    """A loop around an op, but for those that were followed turn by turn, over what is known."""

    number: int
    """The same for all that runs in it."""
    times: int
    """Its turns; 0 where nobody knows them."""
    given: bool = False
    """Whether they come from a default, which the model may have been built without."""
    turn: int = -1
    """Which turn it was, where those of a default were followed one by one."""


class Loose(Enum):
    """Why nobody knows what an op runs before or behind."""

    NO = ""
    GENERATED = "generated"
    """A generator ran before it, whose turns run in those of another loop."""
    DECORATED = "decorated"
    """A decorator ran before it, which computes something and was not followed."""
    UNFOLLOWED = "unfollowed"
    """A method of something that source does not tell ran before it, and may compute something."""
    OVERRIDDEN = "overridden"
    """A method ran before it of which a class that inherits has another."""
    REPLACED = "replaced"
    """A method ran before it, or runs it, in whose place other code puts what was not followed."""
    EXCHANGED = "exchanged"
    """Other code puts a module of another class in the place of the one whose forward runs it."""


class Ran(NamedTuple):
    """An op as it ran once: in each turn of a loop that was followed turn by turn, and once for a loop that
    was not."""

    op: int
    """Its position in `Flow.ops`."""
    entry: int
    """Which run of the forward of its module that was."""
    loops: tuple[Around, ...]
    """Outermost first, from the forward of the root on."""
    outside: int
    """How many of them are around the forward of its module, or around the dynamic block that it ran in."""
    when: Condition
    """The condition under which it ran."""
    again: bool = False
    """Whether its dynamic block ran before in that forward: it gets the modules of then."""
    inside: bool | None = True
    """Whether it is computed between a QuantStub and a DeQuantStub; None where source does not tell."""
    loose: Loose = Loose.NO
    """Whether its place among those of its forward is not known."""


class Flow(NamedTuple):
    """What one forward of a model does with quantised and with float tensors, followed through its children.

    A class that is no root and that no root reaches is followed alone, with inputs taken for quantised.
    """

    root: str
    """`package.module:Class` of the class that was followed."""
    assumed: bool
    """Whether the inputs are only taken for quantised (see above): what is said of inputs is not known."""
    ops: tuple[QuantOp, ...]
    ran: frozenset[str] = frozenset()
    """The classes whose forward was followed."""
    unfollowed: frozenset[str] = frozenset()
    """The classes of the modules that code may run which was not followed: loss, post-processing."""
    returns: tuple[Returned, ...] = ()
    """Of the root's forward."""
    inner_returns: tuple[Returned, ...] = ()
    """Of the forwards of its children."""
    complete: bool = True
    """False where a work limit cut it short: users may be missing."""
    kept: frozenset[Origin] = frozenset()
    """The float tensors that are kept in the model, or handed to code that nobody follows, as they began."""
    atoms: Mapping[int, Atom] = MappingProxyType({})
    order: tuple[Ran, ...] = ()
    """What ran, in its order."""
    handed: tuple[Handed, ...] = ()
    """The float tensors that are handed over."""
    runs_unseen: bool = False
    """Whether code that is not followed may run the class that is asked of, directly or in what it runs."""


class Usage(NamedTuple):
    """How often one module runs in one forward."""

    times: Times
    on: On
    shared: bool
    by_turns: bool = False
    """Every path runs it again and again, but in loops that may turn once only."""


class Trace(NamedTuple):
    """What one forward of one class does.

    `complete` is False when something could not be followed (an unknown base class, a work limit),
    so that "never executed" cannot be concluded.
    """

    owner: str
    """`package.module:Class`."""
    span: Span
    bases: tuple[str, ...]
    modules: tuple[Module, ...]
    calls: tuple[Call, ...]
    has_forward: bool = True
    has_room: bool = True
    """Whether its constructor has a line that runs the base's, after which something can be added."""
    has_stub_room: bool = True
    """Whether there is a place where its constructor can make a stub."""
    complete: bool = True
    atoms: Mapping[int, Atom] = MappingProxyType({})
    """The undecided tests that conditions are made of."""
    facts: tuple[Condition, ...] = ()
    """Conditions that hold on every path that does not raise."""
    notes: tuple[str, ...] = ()
    """What could not be followed, in words."""
    ops: tuple[Op, ...] = ()
    """In order of execution; only for a class that may have dynamic code (see `static.prospects`)."""
    regions: tuple[Region, ...] = ()
    """Those with something in them, by number: `regions[n].number == n`."""
    blocks: tuple[Block, ...] = ()
    tracer: str = ""
    """Where the settings say that `Tracer` is imported from; "" where they do not."""
    has_plugin: bool = False
    """Whether a file of the project imports the plugin; told only where there is dynamic code."""
    march: str = ""
    """The chip of the settings, "" where none is said."""
    toolchain: str = ""
    """The generation of the toolchain in the settings, `early` or `current`; "" where none is said."""
    flows: tuple[Flow, ...] = ()
    """The models this class runs in, and what each op of them does with quantised tensors: one for each root
    that reaches it, or itself. Its own ops are those whose `runner` is `owner`. Empty in a project that has
    nothing to do with the plugin."""

    def calls_of(self, module: Module) -> tuple[Call, ...]:
        key = module.key
        return tuple([c for c in self.calls if c.module == key])
