"""From a model that was followed to the Flow of its Trace."""

from __future__ import annotations

import ast

from qatlint.condition import OF_MANY, TRAINING, TRUE, Atom, atoms_of, is_name
from qatlint.horizon.ops import Boundary, Result
from qatlint.static.families import loops_of
from qatlint.static.held import Begin, Held
from qatlint.static.machine import NOWHERE, Place, RawAtom, deps_of
from qatlint.static.met import RawHanded, RawQuant, RawReturn
from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.order import RawRan
from qatlint.static.quantised import Quantised
from qatlint.static.stub_callee import is_picked, why_bound
from qatlint.static.values import Const, Instance, LoopFrame, Seq, Value
from qatlint.static.written import Method, standing_apart, standing_in_comprehensions
from qatlint.trace import Around, Flow, Handed, Origin, Quant, QuantOp, QuantState, Ran, Returned, Span, Stub

_LENGTH = 60
_DEPTH = 8
"""How deep the names of modules are looked for."""


def flow_of(run: Quantised) -> Flow:
    """What was seen, as plain values."""
    return _Writer(run).flow()


class _Writer:
    def __init__(self, run: Quantised) -> None:
        self._run = run
        self._spans: dict[int, Span] = {}
        self._paths: dict[int, str] = {}
        self._apart: dict[int, tuple[frozenset[int], frozenset[int]]] = {}
        """By method: the nodes in it that stand apart, and those of them in comprehensions only."""

    def flow(self) -> Flow:
        run = self._run
        assert run.root is not None
        self._name(run.root, "", 0)
        ops = tuple(self._op(raw) for raw in run.met)
        returns = [self._returned(raw) for raw in run.returned_values if raw.owner is None]
        inner = [self._returned(raw) for raw in run.returned_values if raw.owner is not None]
        whens = [*(op.when for op in ops), *(raw.when for raw in run.returned_values)]
        return Flow(
            root=run.cls.full_name,
            assumed=run.assumed,
            ops=ops,
            ran=frozenset(run.ran),
            unfollowed=frozenset(run.unfollowed),
            returns=tuple(returns),
            inner_returns=tuple(inner),
            complete=not run.incomplete and not run.notes,
            kept=frozenset(map(self._origin, run.kept)),
            atoms={n: self._atom(n) for n in sorted(atoms_of(whens))},
            order=tuple(map(_ran, run.order.runs)),
            handed=tuple(map(self._handed, run.handed.values())),
        )

    def _returned(self, raw: RawReturn) -> Returned:
        owner = raw.owner if raw.owner is not None else self._run.root
        assert owner is not None
        return Returned(
            self._state(raw.held),
            raw.when,
            self._span(raw.file, raw.node),
            owner.cls.full_name if owner.cls is not None else "",
            self._paths.get(owner.number, "?"),
        )

    def _atom(self, number: int) -> Atom:
        if is_name(number):
            return Atom(number, "")
        raw = self._run.atoms[number]
        if number == TRAINING:
            return Atom(number, "self.training")
        text = ast.unparse(raw.node) if isinstance(raw.node, ast.expr) else ""
        return Atom(number, text, raw.group, raw.config, _varies(raw), self._run.modes.get(number, ""))

    def _name(self, value: Value, path: str, depth: int) -> None:
        """Give every module below a value its first path."""
        if depth > _DEPTH or not isinstance(value, Instance) or value.number in self._paths:
            return
        self._paths[value.number] = path
        for name, item in value.attrs.items():
            for one in _options(item.value):
                self._name(one, _join(path, self._readable(name)), depth + 1)
        if value.children is not None:  # these names go before numbers, also in a Sequential
            for key, item in value.children.entries.items():
                for one in _options(item.value):
                    self._name(one, _join(path, str(key)), depth + 1)
            for _, item in value.children.rest:
                for one in _options(item.value):
                    self._name(one, _join(path, "*"), depth + 1)
        if value.items is not None:
            self._name_entries(value, value.items, path, depth)

    def _readable(self, name: str) -> str:
        """The name of an attribute for people: `head_*`, where it is made from names of a list."""
        if not name.startswith("<"):
            return name
        made = next((m for key, m in self._run.spelt_names.items() if name == f"<{key}>"), None)
        return f"{made.head}*{made.tail}" if made is not None else "*"

    def _name_entries(self, holder: Instance, entries: Seq, path: str, depth: int) -> None:
        label = ""
        for position, item in enumerate(entries.items):
            # Behind an entry that stands for many, or may be missing, nobody knows the numbers.
            is_one = item.times is None and not loops_of(item.value) - holder.loops
            label = str(position) if is_one and label != "*" else "*"
            for one in _options(item.value):
                self._name(one, _join(path, label), depth + 1)
            if item.when != TRUE:
                label = "*"

    def _op(self, raw: RawQuant) -> QuantOp:
        place, target = raw.place, raw.target
        owner = place.owner
        apart, comprehended = self._stands_apart(place)
        via = [p for p in raw.via if p.node is not NOWHERE]
        return QuantOp(
            number=raw.number,
            name=raw.meaning.name if raw.meaning is not None else "",
            written=raw.written if target is None else f"{_callee(raw.node)}{raw.entry}",
            span=self._span(place.file, raw.node),
            owner=_owner(place),
            function=place.function,
            runner=owner.cls.full_name if owner is not None and owner.cls is not None else "",
            path=self._paths.get(owner.number, "?") if owner is not None else "",
            module=self._paths.get(target.number, "") if target is not None else "",
            class_name=_class_name(target),
            operands=tuple(map(self._state, raw.given)),
            positions=tuple(
                self._span(place.file, expr) if expr is not None else None for expr in raw.places
            ),
            result=self._state(raw.result._replace(made=frozenset({raw.number}))),
            users=tuple(raw.users),
            returned=raw.returned,
            kept=raw.kept,
            entry=raw.entry,
            with_number=raw.with_number,
            refilled=raw.refilled,
            when=raw.when,
            loops=tuple(self._span(loop.file, loop.over) for loop in _around(place, raw.loops)),
            via=tuple(self._span(p.file, p.node) for p in via),
            via_owners=tuple(_owner(p) for p in via),
            stub=self._stub(raw),
            inner=apart,
            comprehended=comprehended,
        )

    def _handed(self, raw: RawHanded) -> Handed:
        place = raw.place
        owner = place.owner
        apart, comprehended = self._stands_apart(place)
        via = [p for p in raw.via if p.node is not NOWHERE]
        return Handed(
            argument=self._span(place.file, raw.argument),
            state=self._state(raw.held),
            call=self._span(place.file, place.node),
            owner=_owner(place),
            function=place.function,
            runner=owner.cls.full_name if owner is not None and owner.cls is not None else "",
            path=self._paths.get(owner.number, "?") if owner is not None else "",
            when=raw.when,
            loops=tuple(self._span(loop.file, loop.over) for loop in _around(place, raw.loops)),
            via=tuple(self._span(p.file, p.node) for p in via),
            via_owners=tuple(_owner(p) for p in via),
            inner=apart,
            comprehended=comprehended,
        )

    def _stands_apart(self, place: Place) -> tuple[bool, bool]:
        """(whether it stands apart from its method, whether that is for a comprehension only)."""
        method = self._method_around(place)
        if method is None:
            return True, False
        if id(method) not in self._apart:
            self._apart[id(method)] = standing_apart(method), standing_in_comprehensions(method)
        apart, comprehended = self._apart[id(method)]
        return id(place.node) in apart, id(place.node) in comprehended

    def _method_around(self, place: Place) -> Method | None:
        """The method of its class that holds a place."""
        line = getattr(place.node, "lineno", 0)
        methods = place.cls.methods.values() if place.cls is not None else ()
        return next((m for m in methods if m.lineno <= line <= (m.end_lineno or 0)), None)

    def _state(self, held: Held) -> QuantState:
        if self._holds_numbers(held):
            held = held._replace(quant=Quant.FLOAT)
        if held.quant is Quant.FLOAT and any(b.which in self._run.indices for b in held.begins):
            return QuantState(Quant.UNKNOWN, (), tuple(sorted(held.made)))
        origins = sorted((self._origin(b) for b in held.begins), key=lambda o: (o.span, o.name))
        return QuantState(held.quant, tuple(dict.fromkeys(origins)), tuple(sorted(held.made)), held.turned)

    def _holds_numbers(self, held: Held) -> bool:
        """Whether it is a mask that turned out to be added to numbers somewhere."""
        if held.quant is not Quant.PLAIN or held.asked or not held.begins:
            return False
        if any(_asks(self._run.met[number]) for number in held.made):
            return False
        return all(b.which in self._run.quantities for b in held.begins)

    def _origin(self, begin: Begin) -> Origin:
        return Origin(
            begin.comes,
            begin.name,
            self._span(begin.file, begin.node),
            begin.cls.full_name if begin.cls is not None else "",
            begin.runner.full_name if begin.runner is not None else "",
            begin.scalar,
        )

    def _stub(self, raw: RawQuant) -> Stub | None:
        target, meaning = raw.target, raw.meaning
        if target is None or meaning is None or meaning.boundary is Boundary.NONE:
            return None
        # A class of the project may hand on other arguments than it takes.
        args = target.args if target.cls is None else None
        positional = [item.value for item in args.positional] if args is not None else []
        named = args.keywords.get("scale") if args is not None else None
        number_first = bool(positional) and not _is_none(positional[0])
        return Stub(
            quantizes=meaning.boundary is Boundary.QUANT,
            class_name=target.dotted,
            definition=self._span(target.file, target.node),
            scale=number_first or (named is not None and not _is_none(named)),
            number_first=number_first,
            bound=why_bound(raw.node, self._method_around(raw.place)),
            picked=is_picked(raw.node),
        )

    def _span(self, file: ModuleFile, node: ast.AST) -> Span:
        known = self._spans.get(id(node))
        if known is None:
            known = self._spans[id(node)] = file.source.span(node)
        return known


def _varies(atom: RawAtom) -> frozenset[int] | None:
    if atom.of is None or not atom.config:
        return None
    turning = frozenset().union(*map(deps_of, atom.of))
    return turning | {OF_MANY} if any(map(loops_of, atom.of)) else turning


def _asks(raw: RawQuant) -> bool:
    """Whether an op only tells something of what it is given."""
    return raw.meaning is not None and raw.meaning.result is Result.PLAIN


def _ran(raw: RawRan) -> Ran:
    around = [_around_run(loop, turn) for loop, turn in zip(raw.loops, raw.turns, strict=True)]
    loops = tuple(loop for loop in around if loop is not None)
    outside = sum(loop is not None for loop in around[: raw.outside])
    return Ran(raw.op, raw.entry, loops, outside, raw.when, raw.again, raw.inside, raw.loose)


def _around_run(loop: LoopFrame, turn: int) -> Around | None:
    if loop.turns:
        return Around(loop.number, loop.turns, True, turn) if loop.given else None
    least, most = loop.times
    return Around(loop.number, least if least == most and not loop.leaves else 0, bool(loop.given))


def _options(value: Value) -> list[Value]:
    options = getattr(value, "options", None)
    return [option for _, option in options] if options is not None else [value]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None


def _owner(place: Place) -> str:
    cls: ClassDef | None = place.cls
    return cls.full_name if cls is not None else f"{place.file.name}:{place.function}"


def _class_name(target: Instance | None) -> str:
    if target is None:
        return ""
    return target.cls.full_name if target.cls is not None else target.dotted


def _around(place: Place, loops: tuple[LoopFrame, ...]) -> list[LoopFrame]:
    """The loops in whose text an op or a call stands."""
    line = getattr(place.node, "lineno", 0)
    return [
        loop
        for loop in loops
        if loop.file is place.file
        and getattr(loop.node, "lineno", 0) <= line <= getattr(loop.node, "end_lineno", 0)
    ]


def _callee(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    text = " ".join(ast.unparse(node.func).split())
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 3]}..."
