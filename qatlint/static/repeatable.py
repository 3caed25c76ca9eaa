"""Whether another instance of a module would be and stay the same as the first."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qatlint.static.assembled_names import may_spell
from qatlint.static.modulefile import ClassDef
from qatlint.static.project import Project
from qatlint.static.reader import Reader
from qatlint.static.scope import Scope, receiver
from qatlint.static.source import nodes
from qatlint.static.values import Choice, Const, Instance, Mapping, Pick, Seq, Symbol, Value
from qatlint.static.written import site_of
from qatlint.trace import Span

CHANGING = frozenset(
    "eval train requires_grad_ register_forward_hook register_forward_pre_hook register_full_backward_hook "
    "register_load_state_dict_post_hook register_state_dict_pre_hook __dict__ __setattr__".split()
)
"""Methods of a module after which a new one would differ from it."""
_NOT_AGAIN = frozenset(
    "next rand randn randint random uniform normal randperm choice shuffle uuid1 uuid4 time time_ns "
    "perf_counter monotonic now today token_hex urandom getrandbits input open rand_like randn_like "
    "randint_like bernoulli multinomial poisson standard_normal random_sample integers permutation "
    "normal_ uniform_ random_ bernoulli_ exponential_ trunc_normal_ kaiming_uniform_ kaiming_normal_ "
    "xavier_uniform_ xavier_normal_ orthogonal_ load fromfile loadtxt read_text read_bytes imread".split()
)
"""Calls that give something else each time, or read what may have changed."""
_SEEDS = frozenset(("manual_seed", "manual_seed_all", "seed", "seed_everything", "set_rng_state"))
_NO_COPY = frozenset(
    "weight_norm open Lock RLock Condition Semaphore Thread Queue SimpleQueue socket connect".split()
)
"""Calls whose results `copy.deepcopy` refuses."""
_CACHES = frozenset(("cache", "lru_cache"))
_KEPT_RESULTS = _CACHES | {"cached_property"}
_SETUP = frozenset(
    "__init__ init_weights _init_weights reset_parameters _reset_parameters extra_repr __repr__ train "
    "eval _apply _load_from_state_dict load_state_dict __setstate__ __getstate__ __setattr__".split()
)
"""Methods that run once for every instance, or change nothing that forward computes with."""
_LISTS = frozenset("modules named_modules children named_children _modules apply".split())
"""What gives the modules in a module."""
_NAMES = ("dir(", "str(", "repr(", "{self", "format(", "% self", "hasattr(", "getattr(", "__dict__")
"""What stands in the text of a method that reads the names of attributes."""
_DEPTH = 3
_MOST = 40


class State(NamedTuple):
    """What makes two instances of a module differ from one, in words; "" what does not."""

    kept: str = ""
    """State that is changed while it is used, which the instances would not share."""
    anew: str = ""
    """Making it again gives something else: a copy holds the same."""
    uncopied: str = ""
    """It holds something that cannot be copied."""


def state_of(
    project: Project, target: Instance | Symbol, called: frozenset[str] = frozenset(), depth: int = 0
) -> State:
    """The state of a project module and of what it holds. `called` are the names of methods that the code
    around it may call on it."""
    if not isinstance(target, Instance) or depth > _DEPTH:
        return State()
    found = State()
    if target.cls is not None:
        found, inside = _state_of_class(project, target.cls, target, called)
        called |= inside
    for child in _held_by(target):
        if all(found):
            break
        inner = state_of(project, child, called, depth + 1)
        found = State(*(mine or theirs for mine, theirs in zip(found, inner, strict=True)))
    return found


def made_anew(project: Project, cls: ClassDef, definition: Span) -> str:
    """Why the expression that makes a module, in a method of `cls`, would not give the like of it again."""
    method = site_of(cls.file, definition.line).method
    if method is None or cls.file.path != definition.path:
        return ""
    classes = [entry for entry in project.mro(cls) if isinstance(entry, ClassDef)]
    for node in _calls_by_line(cls, method).get(definition.line, ()):
        if cls.file.source.span(node) != definition or _is_constructor(node.func):
            continue
        reader = Reader(project, classes, frozenset(), frozenset())
        for scope in reader.follow(node, method, cls):
            why = _differs(scope)
            if why or next(scope.changes(), None) is not None or _CACHES & scope.decorators():
                what = f"`{scope.name}`" if scope.name else "the expression that makes it"
                return f"{what} may give something else the second time"
    return ""


def _calls_by_line(cls: ClassDef, method: ast.AST) -> dict[int, list[ast.Call]]:
    """The calls of a method; kept, since it is asked about every module that is made there."""
    known: dict[int, list[ast.Call]] | None = cls.states.get(method)
    if known is None:
        known = cls.states[method] = {}
        for node in nodes(method):
            if isinstance(node, ast.Call):
                known.setdefault(node.lineno, []).append(node)
    return known


def changing_call(cls: ClassDef, attribute: str) -> tuple[str, str] | None:
    """The call that changes `self.<attribute>` in a method of the class: (`eval`, name of the method)."""
    if cls.changing is None:
        # For all attributes at once: large classes are asked about each of theirs.
        cls.changing = {}
        for name, method in cls.methods.items():
            if not any(word in cls.text_of(method) for word in CHANGING):
                continue
            for node in nodes(method):
                if isinstance(node, ast.Attribute) and node.attr in CHANGING:
                    held = node.value
                    if isinstance(held, ast.Attribute) and isinstance(held.value, ast.Name):
                        cls.changing.setdefault(held.attr, (node.attr, name))
    return cls.changing.get(attribute)


def changed_below(cls: ClassDef, attribute: str) -> str:
    """The method of a class that sets something of `self.<attribute>`, or hooks into it; "" if none."""
    known: dict[str, str] | None = cls.states.get("below")
    if known is None:
        known = cls.states["below"] = {}
        for name, method in cls.methods.items():
            me = receiver(method)
            for node in nodes(method):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                    held = node.value
                    is_set = not isinstance(node.ctx, ast.Load) or node.attr in CHANGING
                    if is_set and isinstance(held.value, ast.Name) and held.value.id in me:
                        known.setdefault(held.attr, name)
    return known.get(attribute, "")


def children_of(target: Instance) -> Iterator[Value]:
    """What an instance holds in attributes and as entries."""

    for item in target.attrs.values():
        yield from held_in(item.value)
    if target.items is not None:
        for item in target.items.items:
            yield from held_in(item.value)
    if target.children is not None:
        for item in [*target.children.entries.values(), *(i for _, i in target.children.rest)]:
            yield from held_in(item.value)


def held_in(value: Value) -> Iterator[Value]:
    """What a value may be, where that is an object or unknown."""
    if isinstance(value, (Choice, Pick)):
        for _, option in value.options:
            yield from held_in(option)
    elif isinstance(value, (Instance, Symbol)):
        yield value


def _is_constructor(callee: ast.expr) -> bool:
    """Whether a called expression looks like a class of torch's: `nn.ReLU`."""
    return (
        isinstance(callee, ast.Attribute) and isinstance(callee.value, ast.Name) and callee.value.id == "nn"
    )


def listed_in_forward(project: Project, classes: Sequence[ClassDef], attribute: str) -> str:
    """How a method that forward leads to meets all modules of the object, or all of its names, or asks for a
    name like `attribute` that it puts together; in words, "" when none does."""
    states = classes[0].states
    known: list[_Met] | None = states.get("met")
    if known is None:
        # For all attributes at once: large classes are asked about each of theirs.
        known = states["met"] = list(_met_in_forward(project, classes))
    return next((how for how, name in known if name is None or may_spell(name, attribute)), "")


_Met = tuple[str, ast.expr | None]
"""How all modules or names are met, and the name that is put together where only some are."""


def _met_in_forward(project: Project, classes: Sequence[ClassDef]) -> Iterator[_Met]:
    starts = ["forward", "__call__", "__iter__", "__len__", "__getitem__"]
    texts = [cls.text_of(method) for cls in classes for method in cls.methods.values()]
    if any(word in text for word in _NAMES for text in texts):
        reader = Reader(project, classes, frozenset(), frozenset())
        for method, scope in reader.read([*starts, *reader.hooks()]):
            for how, asked in scope.meets_names():
                yield f"`{method}` {how}", asked
    if not any(word in text for word in _LISTS for text in texts):
        return
    reached = set(starts)
    waiting = list(reached)
    while waiting:
        # By names alone, which is quick, and finds more than is called.
        name = waiting.pop()
        read = [cls.names_read(name) for cls in classes if name in cls.methods]
        if any(_LISTS & names for names in read) or (name in starts[2:] and read):
            break
        waiting += {n for names in read for n in names if n not in reached}
        reached.update(waiting)
    else:
        return
    reader = Reader(project, classes, frozenset(), frozenset())
    for method, scope in reader.read([*starts, *reader.hooks()]):
        if _LISTS.intersection(scope.mentioned(())):
            yield f"`{method}` lists the modules in it", None
            return


def _held_by(target: Instance) -> Iterator[Instance]:
    """The instances that an instance holds, also in plain lists."""
    yield from (value for value in children_of(target) if isinstance(value, Instance))
    yield from in_plain_containers(target)


def in_plain_containers(target: Instance) -> Iterator[Instance]:
    """The instances in lists and dicts that an instance holds, and in lists in these."""
    waiting = [(item.value, 0) for item in target.attrs.values()]
    for value, depth in waiting:
        if isinstance(value, (Seq, Mapping)) and depth < _DEPTH:
            items = value.items if isinstance(value, Seq) else [*value.entries.values()]
            items = items if isinstance(value, Seq) else [*items, *(item for _, item in value.rest)]
            waiting += [(item.value, depth + 1) for item in items[:_MOST]]
        elif isinstance(value, (Choice, Pick)) and depth < _DEPTH:
            waiting += [(option, depth) for _, option in value.options]
        elif isinstance(value, Instance) and depth:
            yield value


def _state_of_class(
    project: Project, cls: ClassDef, target: Instance, called: frozenset[str]
) -> tuple[State, frozenset[str]]:
    """The state of one object, and the names of the methods that its code calls."""
    modules = frozenset(name for name, item in target.attrs.items() if _is_module(item.value))
    plain = frozenset(name for name, item in target.attrs.items() if _is_plain(item.value))
    key = (modules, plain, called)
    known = cls.states.get(key)
    if known is None:
        classes = [entry for entry in project.mro(cls) if isinstance(entry, ClassDef)]
        reader = Reader(project, classes, modules, plain)
        kept = _kept(reader, called)
        inside = frozenset(reader.calls)
        anew, uncopied = _constructed(Reader(project, classes, modules, plain), cls)
        known = cls.states[key] = State(kept, anew, uncopied), inside
    return known


def _kept(reader: Reader, called: frozenset[str]) -> str:
    for cls, _ in reader.methods.get("get_extra_state", ()):
        return f"`{cls.name}` puts extra state into checkpoints"
    starts = ["forward", "__call__", *reader.hooks(), *sorted(called & reader.methods.keys())]
    if "forward" not in reader.methods:
        starts += reader.methods
    starts = [name for name in starts if name not in _SETUP]
    read: set[str] = set()
    for name, scope in reader.read(starts):
        read.update(scope.mentioned(reader.methods))
        for root in scope.changes():
            if root.outside:
                return f"its forward changes `{root.name}`, which is kept outside of it"
            return f"its forward changes `{root.name}`, which the calls would no longer share"
        if scope.tells_instances_apart():
            return "its forward asks which instance it is"
        if _KEPT_RESULTS & scope.decorators() and _differs(scope):
            return f"`{name}` keeps what it gave first, and other instances would get something else"
    own = {name for name, _ in reader.read(["__init__"])}
    for name in sorted(reader.methods.keys() - own - _SETUP - read):
        for method, scope in reader.read([name]):
            if method not in own:
                for root in scope.changes():
                    if root.name in read and not root.outside:
                        return f"`{method}` changes its `{root.name}`, and would reach one instance only"
    return ""


def _constructed(reader: Reader, cls: ClassDef) -> tuple[str, str]:
    """What the constructor does that another one would not do in the same way, and what cannot be copied."""
    anew = uncopied = ""
    for _, scope in reader.read(["__init__"]):
        if not anew and (_differs(scope) or any(root.outside for root in scope.changes())):
            anew = f"the constructor of `{cls.name}` gives something else each time"
        by_hand = next((r.name for r in scope.changes() if r.name in ("_parameters", "_buffers")), "")
        if by_hand:
            anew = f"the constructor of `{cls.name}` fills `{by_hand}` itself, so the state dict gains keys"
        uncopied = uncopied or scope.keeps(_NO_COPY)
    return anew, uncopied and f"it holds `{uncopied}`, which cannot be copied"


def _differs(scope: Scope) -> bool:
    """Whether running it again gives another object: randomness, iterators, clocks, seeds."""
    for call in scope.calls():
        callee = call.func
        name = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
        if name in _NOT_AGAIN and not scope.is_method(callee):
            return True
        if name in _SEEDS and scope.is_of_library(callee):
            return True
    return False


def _is_module(value: Value) -> bool:
    if isinstance(value, (Choice, Pick)):
        return all(_is_module(option) for _, option in value.options)
    return isinstance(value, Instance) and value.is_module


def _is_plain(value: Value) -> bool:
    if isinstance(value, Seq):
        return bool(value.items) and all(_is_plain(item.value) for item in value.items)
    return isinstance(value, Const)
