"""Which classes may have dynamic code with ops in it: a cheap look at the syntax.

Watching a forward costs as much as counting its modules. Most classes have no loop and no branch that
anything but the constructor decides, and this is plain to see in nearly all of them.
"""

from __future__ import annotations

from qatlint.static.branching import BRANCHING, Branching
from qatlint.static.leads import BUILTINS, CALLED, Leads
from qatlint.static.modulefile import ClassDef, FunctionFound, ModuleFile
from qatlint.static.natured import is_hidden
from qatlint.static.project import Project

_DEEP = 3
"""Functions of functions that are looked at."""


def may_be_dynamic(project: Project, cls: ClassDef) -> bool:
    """Whether the methods of a class that forward leads to hold a loop or a branch that may be dynamic, with
    something in it that may be an op; or a dynamic block."""
    try:
        return _may_be_dynamic(project, cls)
    except RecursionError:
        return False  # nested too deeply to be looked through: such a forward is not followed either


def _may_be_dynamic(project: Project, cls: ClassDef) -> bool:
    leads = Leads(project, cls)
    if any(_is_prospect(project, cls, name, leads) for name in leads.texts):
        return True
    if any(name != "__init__" for name in leads.texts):
        # What it overrides may run in a loop that a base has written.
        if any(_is_prospect(project, entry, name) for entry, name in leads.inherited):
            return True
    if any(_is_dynamic(project, file, name) for file, name in leads.functions()):
        return True
    return any(_is_dynamic_object(project, made, called) for made, called in leads.objects())


def _is_dynamic_object(project: Project, cls: ClassDef, called: frozenset[str], depth: int = 0) -> bool:
    """The same of an object of a class of the project, by the methods of it that are called."""
    key = ("object", called)
    known: bool | None = cls.states.get(key)
    if known is None:
        cls.states[key] = False  # until it is known: its methods may make another one
        leads = Leads(project, cls, called)
        known = (
            any(_is_prospect(project, cls, name, leads) for name in leads.texts)
            or any(_is_prospect(project, entry, name) for entry, name in leads.inherited)
            or any(_is_dynamic(project, file, name) for file, name in leads.functions())
        )
        if not known and depth < _DEEP:
            known = any(_is_dynamic_object(project, *inner, depth + 1) for inner in leads.objects())
        cls.states[key] = known
    return known


def _is_prospect(project: Project, cls: ClassDef, name: str, leads: Leads | None = None) -> bool:
    """The same of one method that stands in a class; `leads` is that of the class, where it is there."""
    key = ("prospect", name)
    known: bool | None = cls.states.get(key)
    if known is None:
        method = cls.methods[name]
        text = cls.text_of(method)
        known = "dynamic_block" in text or (
            any(word in text for word in BRANCHING)
            and not is_hidden(method)
            and Branching(project, leads or Leads(project, cls), method, cls.file).is_prospect()
        )
        cls.states[key] = known
    return known


def _is_dynamic(project: Project, file: ModuleFile, name: str, depth: int = 0) -> bool:
    """The same of a plain function of the project, by its name in a file, and of those that it calls."""
    key = (file.path, name)
    known = project.dynamic_functions.get(key)
    if known is None:
        project.dynamic_functions[key] = False  # until it is known: it may call itself
        found = project.resolve(file, name)
        known = False
        if isinstance(found, FunctionFound) and not is_hidden(found.node):
            home, node = found.file, found.node
            text = "\n".join(home.source.lines[node.lineno - 1 : node.end_lineno])
            branches = any(word in text for word in BRANCHING)
            known = branches and Branching(project, None, node, home).is_prospect()
            if not known and depth < _DEEP:
                calls = {name for name in CALLED.findall(text) if name not in BUILTINS}
                known = any(_is_dynamic(project, home, called, depth + 1) for called in sorted(calls))
        project.dynamic_functions[key] = known
    return known
