"""From a class that was watched to the ops, regions and blocks of its Trace."""

from __future__ import annotations

import ast
from itertools import takewhile
from typing import NamedTuple

from qatlint.static.bodies import (
    Alike,
    gathers,
    is_elif,
    leaving_word,
    loops_in,
    suspending,
    tests_of,
)
from qatlint.static.callers import handed_lengths
from qatlint.static.looping import becomes_loop
from qatlint.static.machine import NOWHERE, EnteredBlock
from qatlint.static.modulefile import ClassDef, FunctionFound, ModuleFile
from qatlint.static.natures import Cause, Causes, heaviest, united
from qatlint.static.results import POST_PROCESSING
from qatlint.static.seen import RawBlock, RawOp, RawRegion
from qatlint.static.source import Source, nodes
from qatlint.static.spelling import short, spelt_callee
from qatlint.static.watching import Watching
from qatlint.static.written import site_of
from qatlint.trace import Block, Op, Region, Scope, Span, Standing, Varies


class Observed(NamedTuple):
    """What dynamic code there is in one forward."""

    ops: tuple[Op, ...]
    regions: tuple[Region, ...]
    blocks: tuple[Block, ...]


def observe(run: Watching) -> Observed:
    """The ops of the forward of an interpreted class, with the loops, branches and blocks around them."""
    run.watch()
    return _Observer(run).observed()


class _Observer:
    def __init__(self, run: Watching) -> None:
        self._run = run
        self._numbers: dict[int, int] = {}
        """By id of a raw region."""
        self._regions: list[Region] = []
        self._alike = Alike()
        self._spans: dict[int, Span] = {}
        """By id of a node."""
        self._handed: dict[str, Causes | None] = {}
        """Parameter of forward -> what decides about the length of what is handed to it, if that is known."""

    def observed(self) -> Observed:
        run = self._run
        outside = run.needs_truth or POST_PROCESSING.search(run.cls.node.name)
        if outside and not run.entered:
            return Observed((), (), ())
        if not run.entered and not self._is_dynamic():
            return Observed((), (), ())  # places in source take time to find
        around = {id(region) for op in run.ops for region, _ in op.inside}
        around |= {id(region) for block in run.entered for region in block.inside}
        for raw in run.regions.values():
            if id(raw) in around:
                self._numbers[id(raw)] = len(self._numbers)
                self._regions.append(self._region(raw))
        ops = [self._op(n, raw) for n, raw in enumerate(run.ops)]
        blocks = [self._block(raw) for raw in run.entered]
        return Observed(tuple(ops), tuple(self._regions), tuple(blocks))

    def _is_dynamic(self) -> bool:
        """Whether any function runs in a loop or branch that is not fixed."""
        around = {region for op in self._run.ops if not op.is_module for region, _ in op.inside}
        return any(self._cause(region).varies is not Varies.STATIC for region in around)

    def _cause(self, raw: RawRegion) -> Cause:
        """What decides whether, or how often, a region runs."""
        causes = self._run.region_causes(raw)
        if raw.branch == "rest" and leaving_word(raw) == "return":
            # On the chip, shapes are fixed: that a forward has ended before for another one says nothing.
            causes = frozenset(c for c in causes if c.varies is not Varies.SHAPE)
        if raw.branch and raw.branch != "test":
            # A branch on an argument, or on what a call gives, is usually a flag of the deployed model.
            causes = frozenset(c for c in causes if c.varies not in (Varies.UNPROVEN, Varies.GIVEN))
        return heaviest(united(*map(self._from_callers, causes)))

    def _from_callers(self, cause: Cause) -> Causes:
        """The length of an argument, as those who make the class have it."""
        if cause.varies not in (Varies.UNPROVEN, Varies.SHAPE) or not cause.why:
            return frozenset({cause})
        if cause.why not in self._handed:
            self._handed[cause.why] = handed_lengths(self._run.project, self._run.cls, cause.why)
        handed = self._handed[cause.why]
        if handed is None or (handed and cause.varies is Varies.SHAPE):
            return frozenset({cause})  # what makes a tensor says nothing about its shape
        return handed

    def _region(self, raw: RawRegion) -> Region:
        cause = self._cause(raw)
        source = raw.file.source
        statement, header, written = _header(raw, source)
        dynamic = cause.varies is not Varies.STATIC
        around = self._function(raw)
        return Region(
            number=self._numbers[id(raw)],
            span=source.span(raw.behind if raw.behind is not None else raw.node),
            header=header,
            written=written,
            statement=statement,
            varies=cause.varies,
            why=cause.why,
            owner=_owner(raw.cls, raw.file, raw.function),
            function=raw.function,
            receiver=raw.receiver,
            becomes_loop=dynamic
            and around is not None
            and not self._runs_in_tests(raw)
            and becomes_loop(raw.statement, raw.node, around, source.lines),
            method=raw.cls is not None,
            bodied=not (raw.branch == "else" and is_elif(raw.node)),
            suspends=tuple(source.span(s) for s in suspending(raw, source.lines)),
            beside=self._numbers.get(id(raw.beside), -1) if raw.beside is not None else -1,
            way=leaving_word(raw) if raw.branch == "rest" else "",
            nth=self._alike.place(around, raw.node) if dynamic and around is not None else 1,
        )

    def _runs_in_tests(self, raw: RawRegion) -> bool:
        """Whether the tests of a comprehension run ops: a block in its loop is none around these."""
        asked = {id(node) for test in tests_of(raw.node) for node in nodes(test)}
        return any(
            id(node) in asked
            for op in (self._run.ops if asked else ())
            if not op.is_module
            for node in (op.node, *(place.node for place in op.via))
        )

    def _function(self, raw: RawRegion) -> ast.AST | None:
        """The method or function whose text holds a region; the class, outside of its methods."""
        site = site_of(raw.file, getattr(raw.node, "lineno", 0))
        if site.method is not None:
            return site.method
        if site.cls is not None:
            return site.cls.node
        found = self._run.project.resolve(raw.file, raw.function)
        return found.node if isinstance(found, FunctionFound) else None

    def _op(self, number: int, raw: RawOp) -> Op:
        place = raw.place
        return Op(
            number=number,
            name=raw.meaning.name if raw.meaning is not None else "",
            written=raw.written if not raw.is_module else spelt_callee(raw.node),
            span=self._span(place.file, raw.node),
            owner=_owner(place.cls, place.file, place.function),
            function=place.function,
            inputs=tuple(sorted(raw.inputs)),
            operands=raw.operands,
            read=raw.read,
            role=raw.role.value if raw.role is not None else "",
            is_module=raw.is_module,
            inside=tuple(self._standing(region, at) for region, at in raw.inside),
            scope=_scope(raw.scope),
            via=tuple(self._span(p.file, p.node) for p in raw.via if p.node is not NOWHERE),
        )

    def _standing(self, raw: RawRegion, at: ast.stmt | None) -> Standing:
        return Standing(self._numbers[id(raw)], self._span(raw.file, at) if at is not None else None)

    def _span(self, file: ModuleFile, node: ast.AST) -> Span:
        known = self._spans.get(id(node))
        if known is None:
            known = self._spans[id(node)] = file.source.span(node)
        return known

    def _block(self, raw: RawBlock) -> Block:
        scope = _scope(raw.block)
        assert scope is not None
        source = raw.block.file.source
        nest = loops_in(raw.statement)
        alone = takewhile(lambda pair: pair[1], nest)
        return Block(
            scope=scope,
            statement=source.span(raw.statement),
            owner=_owner(raw.cls, raw.block.file, raw.function),
            function=raw.function,
            named=raw.named,
            module=raw.module,
            imported=raw.imported,
            around=tuple(source.span(loop) for loop, _ in nest),
            alone=len(list(alone)),
            inside=tuple(self._numbers[id(r)] for r in raw.inside),
            within=_scope(raw.within),
            foreign=raw.foreign,
            method=raw.cls is not None,
            called=isinstance(raw.block.node, ast.Call),
            items=len(raw.statement.items),
        )


def _header(raw: RawRegion, source: Source) -> tuple[str, Span, str]:
    """(kind of statement, place of its head, the head in one line)."""
    node = raw.node
    span = source.span(node)
    if isinstance(node, (ast.For, ast.AsyncFor)):
        end = source.span(node.iter)
        text = f"for {_bare(node.target)} in {ast.unparse(node.iter)}"
        return raw.branch or "for", _to(span, end), short(text)
    if isinstance(node, ast.IfExp):
        return "either", span, short(f"... if {ast.unparse(node.test)} else ...")
    if raw.branch == "test" and isinstance(node, ast.While):
        return "test", source.span(node.test), short(f"while {ast.unparse(node.test)}")
    if isinstance(node, ast.While):
        return (
            raw.branch or "while",
            _to(span, source.span(node.test)),
            short(f"while {ast.unparse(node.test)}"),
        )
    if isinstance(node, ast.pattern) and raw.subject is not None:
        text = f"match {ast.unparse(raw.subject)}: case {ast.unparse(node)}"
        text += f" if {ast.unparse(raw.only)}" if raw.only is not None else ""
        return raw.branch, span, short(text)
    if isinstance(node, ast.If):
        text = f"if {ast.unparse(node.test)}"
        return raw.branch, _to(span, source.span(node.test)), short(text)
    if isinstance(node, ast.Call) and gathers(node):
        # What it is given may become a list with a name, when a comprehension is fixed.
        return "call", span, f"{ast.unparse(node.func)}(...)"
    kind = "call" if isinstance(node, ast.Call) else "comprehension"
    return kind, span, short(ast.unparse(node))


def _bare(target: ast.expr) -> str:
    """`i, x`, which Python writes `(i, x)`."""
    text = ast.unparse(target)
    return text[1:-1] if isinstance(target, ast.Tuple) and text.startswith("(") else text


def _to(start: Span, end: Span) -> Span:
    return Span(start.path, start.line, start.column, end.end_line, end.end_column)


def _owner(cls: ClassDef | None, file: ModuleFile, function: str) -> str:
    return cls.full_name if cls is not None else f"{file.name}:{function}"


def _scope(block: EnteredBlock | None) -> Scope | None:
    return None if block is None else Scope(block.name, block.file.source.span(block.node))
