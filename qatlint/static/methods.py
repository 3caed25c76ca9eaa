"""What methods of modules, lists, dicts and strings do, as far as modules are concerned."""

from __future__ import annotations

import ast

from qatlint.condition import TRUE
from qatlint.static.calls import Calls
from qatlint.static.families import are_single
from qatlint.static.machine import Frame, frozen
from qatlint.static.repeatable import CHANGING
from qatlint.static.values import (
    NONE,
    Args,
    Const,
    Instance,
    Item,
    Mapping,
    Seq,
    Slice,
    Value,
    Wrapped,
)

# Functions and methods that give back the module they were given.
SAME = frozenset(
    "weight_norm spectral_norm remove_weight_norm script compile convert_sync_batchnorm DataParallel "
    "DistributedDataParallel fx_wrap no_jit checkpoint_wrapper orthogonal requires_grad_ to cuda cpu eval "
    "train half float double bfloat16 apply share_memory type add_prefix_hook".split()
)
_STRING_METHODS = frozenset(
    "lower upper strip lstrip rstrip split startswith endswith replace title capitalize join "
    "partition".split()
)


class Methods(Calls):
    """`call_member` and `call_method_of_value`."""

    def call_member(self, target: Instance, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        """A method of `nn.Module` or of a container of modules."""
        values = [i.value for i in args.positional]
        if target is not self.root and not target.building and name in CHANGING:
            self.modified.setdefault(target.number, f"`{name}()` is called on it")
        if target.items is not None and name == "pop":
            if frame.guard != TRUE:
                target.items.open = True
                return self.unknown(target)
            return self._sequence_method(target.items, name, args, node, frame)
        if target.items is not None and name in ("append", "extend", "insert"):
            self._change_list(target.items, name, args, node, frame)
            return target
        if target.children is not None and name in ("items", "keys", "values"):
            return Wrapped(name, (target,))
        if target.children is not None and name == "update" and values:
            if isinstance(values[0], Mapping):
                target.children.entries.update(values[0].entries)
                target.children.open |= values[0].open
            else:
                target.children.open = True
            return NONE
        if name in ("add_module", "register_module") and len(args.positional) + len(args.keywords) >= 2:
            named = [*values, *args.keywords.values()]
            place = args.positional[1].node if len(values) > 1 else node
            self._add_module(target, named[0], named[1], frame, place or node)
            return NONE
        if name == "__setattr__" and len(values) == 2:
            self.set_attribute(target, values[0], values[1], frame, args.positional[1].node or node)
            return NONE
        if name == "__getattr__" and len(values) == 1:
            return self.get_attribute(target, values[0], None, frame)
        if name in ("children", "modules"):
            return Wrapped("values", (self.modules_of(target),)) if name == "children" else self.unknown()
        if name == "named_children":
            return Wrapped("items", (self.modules_of(target),))
        if name == "get_submodule" and values and isinstance(values[0], Const):
            found: Value = target
            for part in str(values[0].value).split("."):
                found = self.attribute(found, part, node, frame) if part else found
            return found
        if name in SAME:
            return target
        if name in ("register_buffer", "register_parameter") and values and isinstance(values[0], Const):
            registry = self.with_buffers if name == "register_buffer" else self.with_parameters
            registry.add(target.number)
            empty = len(values) > 1 and isinstance(values[1], Const) and values[1].value is None
            value = NONE if empty else self.unknown(text=str(values[0].value))
            self.set_attribute(target, values[0], value, frame, node)
            return NONE
        return self.result(args, frame)

    def _add_module(self, target: Instance, name: Value, value: Value, frame: Frame, node: ast.AST) -> None:
        if target.children is not None and target.items is None:  # the same as `self[name] = value`
            self.put(target.children, name, Item(value, frame.guard, node=node, file=frame.file))
            return
        self.set_attribute(target, name, value, frame, node)
        if target.items is not None and target.cls is None:
            self.add(target.items, value, frame, node)

    def _change_list(self, entries: Seq, name: str, args: Args, node: ast.Call, frame: Frame) -> None:
        if not args.positional:
            return
        first = args.positional[0]
        if name == "append":
            self.add(entries, first.value, frame, first.node or node)
        elif name == "insert" and len(args.positional) > 1:
            at = first.value.value if isinstance(first.value, Const) else None
            is_known = at == 0 or are_single(entries)
            self.add(entries, args.positional[1].value, frame, args.positional[1].node or node)
            if type(at) is int and is_known and entries.items:
                entries.items.insert(at, entries.items.pop())
        elif name == "extend":
            added = self.spread(first.value)
            if added is None and isinstance(first.value, (Wrapped, Slice)):
                added = self.listed(first.value, node, frame)
            if added is None:
                entries.open = True
            else:
                self.extend(entries, added, frame)

    def call_method_of_value(
        self, receiver: Value, name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """A method of a list, a dict or a string."""
        if isinstance(receiver, Seq):
            return self._sequence_method(receiver, name, args, node, frame)
        if isinstance(receiver, Mapping):
            return self._mapping_method(receiver, name, args, node, frame)
        if isinstance(receiver, Const) and isinstance(receiver.value, str):
            return self._string_method(receiver.value, name, args)
        return self.result(args, frame)

    def _sequence_method(self, receiver: Seq, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        if name in ("append", "extend", "insert"):
            self._change_list(receiver, name, args, node, frame)
            return NONE
        if name == "pop":
            if not receiver.items or receiver.items[-1].times is not None or self.loop_numbers():
                receiver.open = True
                return self.unknown(receiver)
            at = args.positional[0].value if args.positional else Const(-1)
            if isinstance(at, Const) and type(at.value) is int:
                try:
                    return receiver.items.pop(at.value).value
                except IndexError:
                    return self.unknown()
            receiver.open = True
            return self.unknown(receiver)
        if name == "copy":
            return Seq(list(receiver.items), receiver.kind, receiver.open, receiver.loops)
        if name == "reverse":
            receiver.items.reverse()
            return NONE
        if name == "clear":
            receiver.items.clear()
            return NONE
        return self.unknown(receiver)

    def _mapping_method(
        self, receiver: Mapping, name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        if name in ("items", "keys", "values"):
            return Wrapped(name, (receiver,))
        values = [i.value for i in args.positional]
        if name in ("get", "pop", "setdefault") and values:
            key = frozen(values[0])
            if isinstance(key, Const):
                try:
                    item = receiver.entries.get(key.value)
                except TypeError:
                    item = None
                if item is not None:
                    return item.value
                if not receiver.open and not receiver.rest:
                    return values[1] if len(values) > 1 else NONE
            return self.unknown(*values)
        if name == "update":
            if args.open:
                self.merge_unknown(receiver, self.unknown())
            for value in values:
                self.merge_unknown(receiver, value)
                if isinstance(value, Mapping):
                    receiver.entries.update(value.entries)
                    receiver.open = receiver.open or value.open
                else:
                    receiver.open = True
            for key_, value in args.keywords.items():
                receiver.entries[key_] = Item(value)
            return NONE
        if name == "copy":
            result = Mapping()
            result.entries.update(receiver.entries)
            result.rest = list(receiver.rest)
            result.open = receiver.open
            return result
        return self.unknown()

    def _string_method(self, text: str, name: str, args: Args) -> Value:
        values = [i.value for i in args.positional]
        if name == "format" and text.count("{") == 1 and len(values) == 1 and not args.keywords:
            head, _, rest = text.partition("{")
            tail = rest.partition("}")[2]
            return self._pattern([head, values[0], tail])
        if all(isinstance(v, Const) for v in values) and not args.keywords and name in _STRING_METHODS:
            try:
                result = getattr(text, name)(*(v.value for v in values if isinstance(v, Const)))
            except Exception:  # the user's call: any error of it means an unknown value
                return self.unknown()
            if isinstance(result, list):
                return Seq([Item(Const(r)) for r in result])
            return Const(result)
        return self.unknown(*values)
