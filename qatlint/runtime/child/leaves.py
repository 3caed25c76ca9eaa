"""What the modules of a model are: their names, their classes, and which of them compute by themselves."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import torch
from torch import nn

from qatlint.horizon.modules import facts_of
from qatlint.horizon.ops import is_stub
from qatlint.runtime.recording import ModuleFacts
from qatlint.trace import Kind

_LEAF_PACKAGES = (
    *("torch.nn", "torch.ao.nn", "torch.ao.quantization", "torch.jit", "horizon_plugin_pytorch"),
    *("torchvision.ops.deform_conv", "torchvision.ops.roi_align"),  # classes that prepare swaps as a whole
)
_OWN_FIELDS = frozenset(vars(nn.Module()))
"""What every module has for torch's own use."""
_DEEPEST = 20
"""Lists in lists that are searched for modules."""
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def walk(
    module: nn.Module, prefix: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, nn.Module, bool]]:
    """Every (name, module, registered) at and under `module`, in the order of `named_modules`.

    An instance with two names comes twice. Modules in plain lists, tuples and dicts and on the class
    are found too, after the registered ones of the same owner.
    """
    yield prefix, module, True
    if id(module) in above:
        return
    below = (*above, id(module))
    for name, child in module._modules.items():
        if child is not None:
            yield from walk(child, _join(prefix, name), below)
    for name, child in _unregistered(module):
        yield from ((path, found, False) for path, found, _ in walk(child, _join(prefix, name), below))


def _unregistered(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for cls in own_classes(_class(module)):
        yield from ((name, value) for name, value in vars(cls).items() if isinstance(value, nn.Module))
    for name, value in own_attributes(module):
        yield from _inside(name, value)


def own_attributes(module: nn.Module) -> list[tuple[str, Any]]:
    """What a module keeps that torch does not."""
    return [(name, value) for name, value in vars(module).items() if name not in _OWN_FIELDS]


def own_classes(cls: type) -> list[type]:
    """A class and its bases, without those of torch, the plugin and Python itself."""
    return [base for base in cls.__mro__ if base is not object and not _from_library(base)]


def _inside(name: str, value: Any, above: tuple[int, ...] = ()) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(value, nn.Module):
        yield name, value
    elif isinstance(value, (list, tuple, dict)) and id(value) not in above and len(above) < _DEEPEST:
        parts = list(value.items()) if isinstance(value, dict) else enumerate(value)
        for key, element in parts:
            yield from _inside(f"{name}.{key}", element, (*above, id(value)))


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def class_name(cls: type) -> str:
    """`package.module:Class`."""
    return f"{cls.__module__}:{cls.__qualname__}"


def dotted_class(cls: type) -> str:
    """`package.module.Class`."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _class(module: nn.Module) -> type:
    return type(module)


@cache
def _computes_itself(cls: type) -> bool:
    """Whether the code of the class's forward is torch's or the plugin's, and is no container's."""
    for base in cls.__mro__:
        if base is nn.Module or base in _CONTAINERS:
            return False
        if "forward" in vars(base):
            return _from_library(base)
    return False


@cache
def _from_library(cls: type) -> bool:
    module = cls.__module__
    return any(module == package or module.startswith(f"{package}.") for package in _LEAF_PACKAGES)


def computing_class(module: nn.Module) -> type:
    """The class that says what a leaf computes: that of the stub which the user makes a class of."""
    stubs = (base for base in _class(module).__mro__ if _from_library(base) and is_stub(dotted_class(base)))
    return next(stubs, _class(module))


def is_leaf(module: nn.Module) -> bool:
    """Whether it is one op to the toolchain: a class of torch or the plugin that holds no user's module, or
    a stub that the user made a class of."""
    if computing_class(module) is not _class(module):
        return True
    if not _computes_itself(_class(module)) or "forward" in vars(module):
        return False
    return all(_from_library(_class(m)) or _computes_itself(_class(m)) for m in module.modules())


def computing_methods(module: nn.Module) -> tuple[str, ...]:
    """Methods that execute a leaf without its forward: those of a FloatFunctional."""
    cls = type(module)
    if facts_of(dotted_class(cls)).kind is not Kind.FLOAT_FUNCTIONAL:
        return ()
    names = dict.fromkeys(
        name
        for base in cls.__mro__[: cls.__mro__.index(nn.Module)]
        for name, value in vars(base).items()
        if inspect.isfunction(value) and not name.startswith("_")
    )
    return tuple(name for name in names if name not in ("forward", "extra_repr"))


def module_facts(module: nn.Module, path: str, names: tuple[str, ...], leaf: bool) -> ModuleFacts:
    """What the recording keeps of one module instance."""
    cls = _class(module)
    source, line = _definition(cls)
    bases = [
        base
        for base in cls.__mro__[1:]
        if base is not object and not base.__module__.startswith(("torch.nn.", "typing", "abc"))
    ]
    return ModuleFacts(
        path=path,
        names=names,
        class_name=class_name(cls),
        mro=tuple(map(class_name, bases)),
        source=source,
        line=line,
        leaf=leaf,
        parameters=sum(p is not None for p in module._parameters.values()),
        buffers=sum(b is not None for b in module._buffers.values()),
        training=module.training,
        mro_sources=tuple(_definition(base)[0] for base in bases),
    )


@cache
def _definition(cls: type) -> tuple[str, int]:
    """File and line of the class statement."""
    try:
        file = inspect.getsourcefile(cls)
    except (TypeError, OSError):  # made by C, in no file, or in a module that nobody registered
        codes = (getattr(value, "__code__", None) for value in vars(cls).values())
        file = next((code.co_filename for code in codes if code is not None), None)
    return (file, _class_lines(file).get(cls.__qualname__, 0)) if file else ("", 0)


@cache
def _class_lines(file: str) -> dict[str, int]:
    """Qualified class name -> its line. The last definition of a name counts, as in Python."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, int] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                found[prefix + child.name] = child.lineno
                visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                visit(child, f"{prefix}{child.name}.<locals>.")
            else:
                visit(child, prefix)

    visit(tree, "")
    return found


def tensor_names(modules: Iterable[tuple[str, nn.Module, bool]]) -> dict[int, str]:
    """Identity of every parameter and buffer -> its first qualified name; `modules` as `walk` gives them."""
    names: dict[int, str] = {}
    for prefix, module, _ in modules:
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if isinstance(tensor, torch.Tensor):
                names.setdefault(id(tensor), _join(prefix, name))
    return names
