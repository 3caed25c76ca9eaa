"""What the reading of `plain.py` goes by: words, names, and the two questions to an expression."""

from __future__ import annotations

import ast
import re
from typing import Protocol

from qatlint.static.modulefile import ClassDef, Linear
from qatlint.static.project import MODULE_BASES

Function = ast.FunctionDef | ast.AsyncFunctionDef
Counts = dict[str, int]
"""How often something is called or handed on, by name: `x` for a local one, `self.x` for an
attribute, `x[i]` for an element."""

PLAIN, OPEN, HELD = 0, 1, 2
"""What a value may be: no module; a module, if the caller gave one; a module, or something that holds one."""

BASES = frozenset(("object", "ABC", *MODULE_BASES)) - {"Sequential", "ModuleList", "ModuleDict"}
TELLING = (
    "setattr(",
    "register_module(",
    "._modules",
    "submodule(",
    "hook(",
    "deepcopy",
    "__dict__",
    "eval(",
    "exec(",
    "multi_apply",
    "locals(",
    "vars(",
    "globals(",
    "dynamic_block",
)
"""What in the text of a method takes more than a look."""
SETUP = frozenset("init_weights _init_weights reset_parameters _reset_parameters _initialize_weights".split())
"""Methods that a constructor calls to fill weights."""
OWN_API = frozenset(
    "training parameters named_parameters buffers named_buffers state_dict load_state_dict dtype device "
    "register_buffer register_parameter requires_grad_ to zero_grad".split()
)
NUMBER = re.compile(
    r"^num_\w+$|(?:^|_)(?:ch|chs|chans|channels?|sizes?|strides?|ratio|mult|dims?|"
    r"num_heads|(?:in|out|num)_features|reduction|shape|info|width|height|eps|prob|rate|p|weight|bias|dtype|device|"
    r"dilation|groups|training|running_mean|running_var)$"
)
"""Names of attributes of modules that are numbers and tensors."""
COUNT = re.compile(
    r"(?:(?:^|_)(?:sizes?|dims?|ratios?|chs|chans|channels|strides?|depths?|info)|^n|^num|^num_\w+)$"
)
"""Names that are given to numbers."""
SETTING = re.compile(r"(?:^|_)(?:scale|cfg|config|dilations?|padding|groups|kwargs|args|device|dtype)$")
"""Parameters of constructors that are given settings, besides these."""
LOOKING = frozenset(
    "len isinstance issubclass int float bool str max min range print hasattr callable round abs type repr "
    "sum any all math divmod pow format id hash slice".split()
)
ADDING = frozenset("append extend insert add_module".split())
OF_TENSORS = frozenset("size numel dim view reshape to expand unsqueeze flatten t".split())
"""Methods of parameters and buffers."""
HANDING = frozenset("enumerate zip reversed list tuple sorted iter set dict filter".split())
ANNOTATIONS = frozenset(
    "int float bool str None Optional Union Tuple List Dict Sequence Type Callable Iterable Mapping tuple "
    "list dict type bytes torch dtype device Literal typing Final Tensor Size".split()
)
COMPUTING = (
    "torch.",
    "math.",
    "numpy.",
    "itertools.",
    "logging.",
    "warnings.",
    "dataclasses.",
    "collections.",
    "operator.",
    "typing.",
    "re.",
    "os.",
)
"""Where functions are from that give no module back."""
TYPES = frozenset("partial getLogger TypeVar dict frozenset set tuple namedtuple OrderedDict compile".split())
"""What is made at the top of files and is no module."""


class NotPlainError(Exception):
    """There is something that takes more than a look."""


def root(node: ast.expr) -> ast.expr:
    """`x` of `x.a[0].b`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node


def last(node: ast.expr) -> str:
    """`f` of `a.b.f`."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


class Owner(Protocol):
    """The class whose methods are read, as far as a method asks about it."""

    line: tuple[Linear, ...]
    """The class and its bases."""
    kinds: dict[str, int]
    """Attribute -> what it may be."""
    origins: dict[str, tuple[Holder, str]]
    """Attribute -> the method and the local name that it was given."""
    made: set[str]
    """Attributes that are given something which the class makes."""
    called: set[str]
    """Attributes that are called."""
    settled: set[str]
    """Attributes that are used several times, since they are taken for numbers."""
    mentioned: set[str]
    """Attributes that forward mentions."""
    extends_layer: bool
    """Whether it inherits from a layer of torch that holds no module: what that has set itself is none."""

    def find(self, name: str, start: int = 0) -> tuple[int, ClassDef, Function] | None:
        """The method of this name, from a place in the line of classes on."""
        ...

    def enter(self, name: str, *, constructing: bool, start: int = 0) -> tuple[Counts, int]:
        """What one execution of a method uses, and what it returns. Raises `NotPlainError`."""
        ...


class Holder(Protocol):
    """A method, for another one that asks about its local names."""

    def is_settled(self, key: str) -> bool:
        """Whether a name that is used several times is that of a number, or of what makes modules."""
        ...
