"""Generated models that can be read by qatlint and executed with `counted_nn`.

The grammar is what the interpreter must understand exactly: flags of the constructor, loops over known
ranges and lists, list positions by counter, helpers, aliases, early exits. A program may raise (an index
out of range) under some flags: such a run says nothing and is left out.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from hypothesis import strategies as st

from tests.static import counted_nn

FLAGS = ("f0", "f1")
KEYS = ('"a"', '"b"')
_IMPORTS = ("from torch import nn", "from horizon_plugin_pytorch.fx.jit_scheme import Tracer")
HEADER = "\n".join(("from copy import deepcopy", "", *_IMPORTS, "", ""))
_LEAVES = ("nn.ReLU()", "nn.Sigmoid()", "nn.Conv2d(8, 8, 1)", "nn.Dropout()")


@dataclass
class Names:
    """What the constructor made so far."""

    modules: list[str] = field(default_factory=list)
    lists: dict[str, int] = field(default_factory=dict)
    numbered: dict[str, int] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    stages: dict[str, int] = field(default_factory=dict)
    dicts: list[str] = field(default_factory=list)
    fresh: Iterator[int] = field(default_factory=itertools.count)

    def new(self, prefix: str) -> str:
        return f"{prefix}{next(self.fresh)}"


class Writer:
    """Draws a program, line by line."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.names = Names()
        self.before: list[str] = []
        self.helpers: list[str] = []
        self.helper_names: list[str] = []
        self.long = False
        """Whether a loop of many turns is open: it is read once for all turns, early exits or not."""
        self.recursive = False
        """Whether forward calls itself: once, or the number of executions would explode."""

    def pick(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    # -- construction ----------------------------------------------------------------------

    def init(self) -> list[str]:
        lines = []
        for _ in range(self.number(1, 3)):
            lines += self.leaf()
        for _ in range(self.number(0, 4)):
            shape = self.pick(
                "leaf", "alias", "listed", "made", "appended", "same", "sequential", "numbered", "choice",
                "child", "branch", "copied", "nested", "by_key",
            )  # fmt: skip
            lines += getattr(self, shape)()
        return lines

    def leaf(self) -> list[str]:
        name = self.names.new("m")
        self.names.modules.append(name)
        return [f"self.{name} = {self.pick(*_LEAVES)}"]

    def alias(self) -> list[str]:
        known = self.pick(*self.names.modules)
        name = self.names.new("m")
        self.names.modules.append(name)
        return [f"self.{name} = self.{known}"]

    def entries(self) -> list[str]:
        count = self.number(2, 4)
        return [
            self.pick(*_LEAVES) if self.pick(True, True, False) else f"self.{self.pick(*self.names.modules)}"
            for _ in range(count)
        ]

    def listed(self) -> list[str]:
        name = self.names.new("l")
        entries = self.entries()
        self.names.lists[name] = len(entries)
        return [f"self.{name} = nn.ModuleList([", *(f"    {e}," for e in entries), "])"]

    def made(self) -> list[str]:
        name, count = self.names.new("l"), self.pick(2, 3, 4, 14)
        self.names.lists[name] = count
        return [f"self.{name} = nn.ModuleList([{self.pick(*_LEAVES)} for _ in range({count})])"]

    def appended(self) -> list[str]:
        name, count = self.names.new("l"), self.pick(2, 3)
        self.names.lists[name] = count
        return [
            f"self.{name} = nn.ModuleList()",
            f"for i in range({count}):",
            f"    self.{name}.append({self.pick(*_LEAVES)})",
        ]

    def same(self) -> list[str]:
        name, count = self.names.new("l"), self.pick(2, 3)
        self.names.lists[name] = count
        known = f"self.{self.pick(*self.names.modules)}"
        what = self.pick(f"[{known}] * {count}", f"[{known} for _ in range({count})]")
        return [f"self.{name} = nn.ModuleList({what})"]

    def copied(self) -> list[str]:
        # Only of modules made in one place: a copy is told apart by the line that makes it.
        name = self.names.new("m")
        self.names.modules.append(name)
        return [f"self.{name} = deepcopy(self.m0)"]

    def sequential(self) -> list[str]:
        name = self.names.new("s")
        entries = self.entries()
        self.names.modules.append(name)
        if self.pick(True, False):
            return [f"self.{name} = nn.Sequential(", *(f"    {e}," for e in entries), ")"]
        return [
            "layers = []",
            *(f"layers.append({e})" for e in entries),
            f"self.{name} = nn.Sequential(*layers)",
        ]

    def numbered(self) -> list[str]:
        name, count = self.names.new("b"), self.pick(2, 3)
        self.names.numbered[name] = count
        leaf = self.pick(*_LEAVES)
        made = self.pick(
            f'setattr(self, f"{name}_{{i}}", {leaf})',
            f'self.add_module("{name}_%d" % i, {leaf})',
        )
        return [f"for i in range({count}):", f"    {made}"]

    def choice(self) -> list[str]:
        name = self.names.new("m")
        self.names.modules.append(name)
        return [f"self.{name} = nn.ReLU() if {self.pick(*FLAGS)} else nn.Sigmoid()"]

    def nested(self) -> list[str]:
        name, count = self.names.new("g"), self.pick(2, 3)
        self.names.stages[name] = count
        inner = f"nn.ModuleList([{self.pick(*_LEAVES)} for _ in range({self.pick(2, 3)})])"
        return [f"self.{name} = nn.ModuleList([{inner} for _ in range({count})])"]

    def by_key(self) -> list[str]:
        name = self.names.new("d")
        self.names.dicts.append(name)
        return [
            f"self.{name} = nn.ModuleDict({{",
            f'    "a": {self.pick(*_LEAVES)},',
            f'    "b": {self.pick(*_LEAVES)},',
            "})",
        ]

    def branch(self) -> list[str]:
        name = self.names.new("m")
        self.names.modules.append(name)
        flag = self.pick(*FLAGS)
        return [
            f"if {flag}:", f"    self.{name} = nn.ReLU()", "else:", f"    self.{name} = nn.Conv2d(8, 8, 1)",
        ]  # fmt: skip

    def child(self) -> list[str]:
        name = self.names.new("Child")
        body = self.pick("self.act(x)", "self.own(self.act(x))", "self.act(self.act(x))")
        self.before += [
            f"class {name}(nn.Module):",
            "    def __init__(self, act):",
            "        super().__init__()",
            "        self.own = nn.ReLU()",
            "        self.act = act",
            "",
            "    def forward(self, x):",
            f"        return {body}",
            "",
            "",
        ]
        attribute = name.lower()
        self.names.children.append(attribute)
        self.names.modules.append(attribute)
        return [f"self.{attribute} = {name}(self.{self.pick(*self.names.modules[:-1])})"]

    # -- execution -------------------------------------------------------------------------

    def module(self) -> str:
        if self.names.lists and self.pick(True, False, False):
            name = self.pick(*self.names.lists)
            # Of a list too long to be read turn by turn, a loop over a part may reach only the first few.
            last = self.names.lists[name] - 1
            return f"self.{name}[{self.number(0, last if last < 12 else 0)}]"
        return f"self.{self.pick(*self.names.modules)}"

    def test(self) -> str:
        flags = (*(f"self.{f}" for f in FLAGS), "self.training", "flag")
        one = self.pick(*flags)
        return str(
            self.pick(
                one, one, f"not {one}", f"{one} and {self.pick(*flags)}", f"{one} or not {self.pick(*flags)}"
            )
        )

    def block(self, depth: int, index: str = "", low: int = 1) -> list[str]:
        lines = []
        for _ in range(self.number(low, 2)):
            lines += self.statement(depth, index)
        return lines

    def statement(self, depth: int, index: str) -> list[str]:
        shapes = ["call", "call", "nested", "alias_call", "conditional"]
        if depth:
            shapes += ["if_", "if_", "range_", "over", "over_two", "counter", "comprehension", "helper",
                       "given", "local", "while_", "try_", "dynamic", "carried"]  # fmt: skip
            if self.names.numbered:
                shapes.append("by_name")
            if self.names.stages:
                shapes += ["stages", "stage"]
            if self.names.dicts:
                shapes += ["key", "items"]
            if self.names.lists:
                shapes += ["length", "two_by_number", "divided", "moved"]
            if depth > 1 and not index and not self.recursive:
                shapes.append("again")
            if depth < 2 and not self.long:
                shapes.append("early")
            if not index and depth > 1:
                shapes += ["range_", "range_", "range_", "helper"]
            if index and self.pick(True, False):
                shapes = ["at_index", "position", "position"]
        shape = self.pick(*shapes)
        if shape in ("at_index", "position"):
            return list(getattr(self, f"do_{shape}")(depth, index))
        return list(getattr(self, f"do_{shape}")(depth))

    def do_call(self, depth: int) -> list[str]:
        return [f"x = {self.module()}(x)"]

    def do_nested(self, depth: int) -> list[str]:
        return [f"x = {self.module()}({self.module()}(x))"]

    def do_alias_call(self, depth: int) -> list[str]:
        return [f"act = {self.module()}", "x = act(x)"]

    def do_conditional(self, depth: int) -> list[str]:
        return [f"x = {self.module()}(x) if {self.test()} else {self.module()}(x)"]

    def do_if_(self, depth: int) -> list[str]:
        lines = [f"if {self.test()}:", *indented(self.block(depth - 1))]
        if self.pick(True, False):
            lines += ["else:", *indented(self.block(depth - 1))]
        return lines

    def do_early(self, depth: int) -> list[str]:
        return [f"if {self.test()}:", f"    return {self.module()}(x)"]

    def do_range_(self, depth: int) -> list[str]:
        index = f"i{depth}"
        count = self.pick("1", "2", "3", "14", "1, 3", "2, -1, -1")
        return [f"for {index} in range({count}):", *indented(self.turn(depth, index, count == "14"))]

    def turn(self, depth: int, index: str, long: bool, low: int = 1) -> list[str]:
        """The body of a loop with a counter."""
        before, self.long = self.long, self.long or long
        body = self.block(depth - 1, index, low)
        self.long = before
        return body

    def do_at_index(self, depth: int, index: str) -> list[str]:
        if not self.names.lists:
            return self.do_call(depth)
        offset = self.pick("", "", " + 1", " - 1")
        return [f"x = self.{self.pick(*self.names.lists)}[{index}{offset}](x)"]

    def do_position(self, depth: int, index: str) -> list[str]:
        tests = ["== 0", "== 1"]
        if not self.long:
            tests += ["> 0", "< 1", "!= 1", ">= 2", "<= 1"]
        test = f"{index} {self.pick(*tests)}"
        if self.pick(True, False):
            # Within a long loop, turns that only some tests of the counter skip are not counted one by one.
            return [f"if {test}:", f"    {self.pick('break', 'continue') if not self.long else 'pass'}"]
        return [f"if {test}:", *indented(self.block(depth - 1))]

    def do_over(self, depth: int) -> list[str]:
        if not self.names.lists:
            return self.do_call(depth)
        name = self.pick(*self.names.lists)
        held = f"self.{name}"
        index = f"j{depth}"
        cut = self.pick("", "", "[1:]", "[:-1]", "[:2]")
        shape = self.pick("plain", "enumerate", "start", "reversed")
        if shape == "plain":
            return [f"for act in {held}{cut}:", "    x = act(x)"]
        if shape == "reversed":
            return [f"for act in reversed({held}):", "    x = act(x)"]
        start = ", start=1" if shape == "start" else ""
        head = f"for {index}, act in enumerate({held}{cut}{start}):"
        body = self.turn(depth, index, self.is_long(name), 0)
        return [head, "    x = act(x)", *indented(body)]

    def is_long(self, name: str) -> bool:
        """Whether a loop over this list is read once for all turns."""
        return self.names.lists[name] > 12

    def two_lists(self) -> tuple[str, str]:
        """Two lists that are read in the same way: where a loop over a part of a list ends, is not known."""
        first = self.pick(*self.names.lists)
        second = self.pick(*(n for n in self.names.lists if self.is_long(n) == self.is_long(first)))
        return f"self.{first}", f"self.{second}"

    def do_over_two(self, depth: int) -> list[str]:
        if not self.names.lists:
            return self.do_call(depth)
        first, second = self.two_lists()
        return [f"for one, other in zip({first}, {second}):", "    x = other(one(x))"]

    def do_counter(self, depth: int) -> list[str]:
        if not self.names.lists:
            return self.do_call(depth)
        first, second = self.two_lists()
        return ["k = 0", f"for act in {first}:", f"    x = {second}[k](act(x))", "    k += 1"]

    def do_comprehension(self, depth: int) -> list[str]:
        if self.names.lists and self.pick(True, False):
            return [f"ys = [act(x) for act in self.{self.pick(*self.names.lists)}]"]
        return [f"ys = [{self.module()}(y) for y in (x, x, x)]"]

    def do_helper(self, depth: int) -> list[str]:
        if self.helper_names and self.pick(True, False):
            name = self.pick(*self.helper_names)
        else:
            name = self.names.new("helper")
            body = self.block(depth - 1)
            self.helpers += [
                f"    def {name}(self, x, flag=False):",
                *indented(indented(body)),
                "        return x",
                "",
            ]
            self.helper_names.append(name)
        return [f"x = self.{name}(x)"]

    def do_given(self, depth: int) -> list[str]:
        return [f"x = self.given({self.module()}, x)"]

    def do_local(self, depth: int) -> list[str]:
        calls = self.pick(1, 2)
        return ["def step(y):", f"    return {self.module()}(y)", *(["x = step(x)"] * calls)]

    def do_while_(self, depth: int) -> list[str]:
        # How often a `while` goes round is not counted: it is taken to be more than once.
        count = self.number(2, 3)
        return ["n = 0", f"while n < {count}:", "    n += 1", *indented(self.do_call(depth))]

    def do_try_(self, depth: int) -> list[str]:
        return ["try:", *indented(self.block(0)), "finally:", *indented(self.do_call(depth))]

    def do_dynamic(self, depth: int) -> list[str]:
        name = self.pick('"a"', '"b"')
        return [f"with Tracer.dynamic_block(self, {name}):", *indented(self.block(depth - 1))]

    def do_again(self, depth: int) -> list[str]:
        self.recursive = True
        return ["if not flag:", f"    x = {self.pick('self', 'self.forward')}(x, True)"]

    def do_divided(self, depth: int) -> list[str]:
        count = self.pick("6", "14")
        by = self.pick("// 2", "// 5", "// 7", "% 2", "% 3")
        return [f"for i in range({count}):", f"    x = self.{self.pick(*self.names.lists)}[i {by}](x)"]

    def do_moved(self, depth: int) -> list[str]:
        outer, inner = self.pick(("1", "14"), ("2", "2"), ("14", "1"))
        name = self.pick(*self.names.lists)
        return ["k = 0", f"for _ in range({outer}):", f"    for _ in range({inner}):",
                f"        x = self.{name}[k](x)", "        k += 1"]  # fmt: skip

    def do_carried(self, depth: int) -> list[str]:
        before, after, test = self.pick(
            ("None", "x", "is None"),
            ("None", "x", "is not None"),
            ("True", "False", ""),
            ("False", "True", ""),
        )
        head = f"for _ in range({self.pick(3, 14)}):"
        return [
            f"c = {before}",
            head,
            f"    if c {test}:",
            *indented(indented(self.do_call(depth))),
            f"    c = {after}",
        ]

    def do_by_name(self, depth: int) -> list[str]:
        name = self.pick(*self.names.numbered)
        return [
            f"for i in range({self.names.numbered[name]}):",
            f'    x = getattr(self, f"{name}_{{i}}")(x)',
        ]

    def do_stages(self, depth: int) -> list[str]:
        name = self.pick(*self.names.stages)
        if self.pick(True, False):
            return [f"for stage in self.{name}:", "    for act in stage:", "        x = act(x)"]
        body = self.turn(depth, f"i{depth}", False, 0)
        return [f"for i{depth}, stage in enumerate(self.{name}):", "    x = stage[0](x)", *indented(body)]

    def do_stage(self, depth: int) -> list[str]:
        name = self.pick(*self.names.stages)
        number = self.number(0, self.names.stages[name] - 1)
        return [f"for act in self.{name}[{number}]:", "    x = act(x)"]

    def do_key(self, depth: int) -> list[str]:
        return [f"x = self.{self.pick(*self.names.dicts)}[{self.pick(*KEYS)}](x)"]

    def do_items(self, depth: int) -> list[str]:
        name = self.pick(*self.names.dicts)
        head, call = self.pick(
            (f"key, act in self.{name}.items()", "act(x)"),
            (f"act in self.{name}.values()", "act(x)"),
            (f"key in self.{name}", f"self.{name}[key](x)"),
        )
        return [f"for {head}:", f"    x = {call}"]

    def do_length(self, depth: int) -> list[str]:
        index, name = f"i{depth}", self.pick(*self.names.lists)
        body = self.turn(depth, index, self.is_long(name), 0)
        return [
            f"for {index} in range(len(self.{name})):",
            f"    x = self.{name}[{index}](x)",
            *indented(body),
        ]

    def do_two_by_number(self, depth: int) -> list[str]:
        first, second = self.two_lists()
        head = f"for n{depth}, (one, other) in enumerate(zip({first}, {second})):"
        test = "==" if self.is_long(first.removeprefix("self.")) else "!="
        return [head, f"    if n{depth} {test} 0:", "        x = one(x)", "    x = other(x)"]

    def text(self) -> str:
        init = self.init()
        forward = self.block(2, low=2)
        return HEADER + "\n".join(
            [
                *self.before,
                "class Model(nn.Module):",
                f"    def __init__(self, {', '.join(f'{f}=False' for f in FLAGS)}):",
                "        super().__init__()",
                *(f"        self.{f} = {f}" for f in FLAGS),
                *indented(indented(init)),
                "",
                "    def given(self, act, x):",
                "        return act(x)",
                "",
                *self.helpers,
                "    def forward(self, x, flag=False):",
                *indented(indented(forward)),
                "        return x",
                "",
            ]
        )


def indented(lines: list[str]) -> list[str]:
    return [f"    {line}" if line else line for line in lines]


@st.composite
def programs(draw: Any) -> str:
    """The text of a file with the class `Model`."""
    return Writer(draw).text()


Identity = tuple[str, int]
"""(name of the class, line where it is made); children are told apart by their class alone."""


Scopes = dict[Identity, set[str | None]]
"""Names of the dynamic blocks in which modules were executed; None for none."""


def executions(text: str) -> Iterator[tuple[bool, dict[Identity, list[int]], Scopes]]:
    """Run a program under every combination of flags that does not raise: (training, counts of the
    instances by identity, in order of creation, blocks in which they ran)."""
    # The imports are replaced, not removed: lines keep their numbers.
    for line in _IMPORTS:
        text = text.replace(line, "")
    code: CodeType = compile(text, counted_nn.FILE, "exec")
    for values in itertools.product((False, True), repeat=len(FLAGS) + 2):
        *flags, training, flag = values
        space: dict[str, Any] = {"nn": counted_nn.nn, "Tracer": counted_nn.Tracer, "__name__": "generated"}
        exec(code, space)
        try:
            root = space["Model"](*flags)
            root.training = training
            root(0, flag)
        except IndexError:
            continue
        held = held_by(root)
        counts: dict[Identity, list[int]] = {}
        scopes: Scopes = {}
        for module in held:
            key = identity(type(module).__name__, module.line)
            counts.setdefault(key, []).append(module.count)
            scopes.setdefault(key, set()).update(module.scopes)
        yield training, counts, scopes


def held_by(root: Any) -> list[Any]:
    """The modules that the root holds, in order of creation; lists are looked into."""
    found: dict[int, Any] = {}

    def look(value: Any) -> None:
        if isinstance(value, counted_nn.Module) and id(value) not in found:
            found[id(value)] = value
            entries = getattr(value, "entries", ())
            for entry in entries.values() if isinstance(entries, dict) else entries:
                look(entry)

    for value in vars(root).values():
        look(value)
    lists = (counted_nn.ModuleList, counted_nn.ModuleDict)
    return [module for module in found.values() if type(module) not in lists]


def identity(name: str, line: int) -> Identity:
    return (name, 0 if name.startswith("Child") else line)


def total(found: dict[Identity, list[int]]) -> Counter[Identity]:
    """Number of instances by identity."""
    return Counter({key: len(values) for key, values in found.items()})
