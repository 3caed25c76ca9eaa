"""A Trace for a person: the modules of a class as a tree, with times, conditions and source lines."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from qatlint.condition import TRUE, Atom, Condition
from qatlint.crossing import ASSUMED, crossing
from qatlint.report.style import Style
from qatlint.trace import Call, Module, On, Trace
from qatlint.usage import bounds, usage
from qatlint.words import class_words, times_sign

_SHARED = {On.ALWAYS: " shared", On.SOME_PATH: " shared on some path", On.TRAINING: " shared in training"}
_PLACES = 12
"""Calls listed per module; more are counted."""


def render(traces: Sequence[Trace], style: Style) -> str:
    """One tree per trace, with colour where `style` says so."""
    console = Console(
        width=style.width,
        force_terminal=style.colour,
        no_color=not style.colour,
        color_system="standard" if style.colour else None,
        highlight=False,
        emoji=False,
        markup=False,
    )
    with console.capture() as capture:
        for trace in traces:
            console.print(_tree(trace))
    return capture.get().rstrip("\n")


def _tree(trace: Trace) -> Tree:
    module, _, name = trace.owner.partition(":")
    head = Text(name, style="bold")
    head.append(f"  {module}  {posixpath.basename(trace.span.path)}:{trace.span.line}", style="dim")
    tree = Tree(head, guide_style="dim")
    if not trace.has_forward:
        tree.add(Text("no forward of its own was found: methods that begin with `forward` stand in"))
    if not trace.complete:
        tree.add(Text("not everything could be followed: counts are what was seen", style="yellow"))
    for note in trace.notes:
        tree.add(Text(note, style="yellow"))
    if any(flow.assumed for flow in trace.flows):
        tree.add(Text(f"no model that runs it is known: {ASSUMED}", style="dim"))
    executed = [m for m in trace.modules if trace.calls_of(m)]
    for entry in executed:
        _add_module(tree, trace, entry)
    idle = [m for m in trace.modules if not trace.calls_of(m) and m.names and not _inside(m, executed)]
    if idle:
        branch = tree.add(Text("not executed by forward", style="dim"))
        for entry in idle:
            line = Text(entry.path)
            line.append(f"  {class_words(entry)}", style="dim")
            if entry.used:
                line.append(f"  {entry.used}", style="dim")
            branch.add(line)
    return tree


def _inside(module: Module, executed: Sequence[Module]) -> bool:
    """Whether it is a part of, or a container around, something that runs."""
    return any(
        module.path.startswith(f"{other.path}.") or other.path.startswith(f"{module.path}.")
        for other in executed
    )


def _add_module(tree: Tree, trace: Trace, module: Module) -> None:
    used = usage(trace, module)
    line = Text(module.path, style="bold")
    line.append(f"  {class_words(module)}", style="not bold cyan")
    line.append(
        f"  {times_sign(bounds(used, module))}", style="not bold red" if used.shared else "not bold green"
    )
    if used.shared:
        line.append(
            " shared" if used.by_turns else _SHARED[used.on],
            style="not bold red",
        )
    elif used.on is not On.ALWAYS:
        line.append(" on some path", style="not bold dim")
    others = [n.path for n in module.names[1:]]
    if others:
        line.append(f"  also {', '.join(others)}", style="not bold yellow")
    branch = tree.add(line)
    calls = trace.calls_of(module)
    for call in calls[:_PLACES]:
        branch.add(_call(call, trace))
    if len(calls) > _PLACES:
        branch.add(Text(f"... and {len(calls) - _PLACES} more", style="dim"))


def _call(call: Call, trace: Trace) -> Text:
    line = Text(f"{posixpath.basename(call.span.path)}:{call.span.line}")
    line.append(f"  in {call.function}", style="dim")
    if call.method != "forward":
        line.append(f"  .{call.method}")
    for loop in call.loops:
        over = f" over {loop.over}" if loop.over else ""
        given = f" ({loop.given})" if loop.given else ""
        line.append(f"  loop{over} {times_sign(loop.times)}{given}", style="magenta")
    if call.scope is not None:
        line.append(f"  in block {call.scope.name}".rstrip(), style="blue")
    if call.when != TRUE:
        line.append(f"  if {_words(call.when, trace.atoms)}", style="dim")
    if call.implied:
        line.append("  by its container", style="dim")
    if call.other_element:
        line.append("  another element", style="dim")
    crosses = crossing(trace, call)
    if crosses is not None:
        line.append(f"  {crosses}", style="cyan")
    return line


def _words(condition: Condition, atoms: Mapping[int, Atom]) -> str:
    """A condition as source text: `self.flag and not (x is None)`."""
    terms = []
    for term in sorted(condition, key=lambda t: sorted(t, key=abs)):
        words = []
        for literal in sorted(term, key=abs):
            atom = atoms.get(abs(literal))
            text = atom.text if atom is not None and atom.text else "..."
            words.append(text if literal > 0 else f"not ({text})")
        terms.append(" and ".join(words))
    return " or ".join(terms)
