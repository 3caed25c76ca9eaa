"""Executes nothing itself: watches one forward of a model and writes down what ran.

Modules are seen by wrapping `nn.Module.__call__`, and the `forward` of every instance for code that calls
that directly; functions by a torch-function mode. Data flow is followed by the identity of tensor objects,
so it works for any Python. What a leaf does inside itself is not recorded.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from types import GeneratorType, TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from qatlint.horizon.ops import op_name
from qatlint.runtime.child import blocks, functions, graph, indexing, leaves, tensors
from qatlint.runtime.child.places import Places, is_bookkeeping
from qatlint.runtime.child.steps import Ref, Step
from qatlint.runtime.recording import Execution, ModuleFacts, Op, Place, Recording

Watcher = Callable[[int, tuple[Any, ...], dict[str, Any], Any], None]
"""(number of the op, its live arguments, what it gave back): called after every leaf, method and function."""


class Known(NamedTuple):
    """A module of the model."""

    module: nn.Module
    path: str
    leaf: bool


class _Bound(NamedTuple):
    """Which op made a tensor object, and how often its memory had been written to by then."""

    tensor: weakref.ref[Tensor]
    ref: Ref
    version: int | None


class _Block:
    """One entry of a dynamic_block, or one execution outside all of them."""

    __slots__ = ("name", "run", "counts")

    def __init__(self, name: str | None, run: int) -> None:
        self.name = name
        self.run = run
        self.counts: dict[str, int] = {}


class _Running:
    """An execution that is going on."""

    __slots__ = ("number", "known", "called", "blocks")

    def __init__(self, number: int, known: Known, called: bool) -> None:
        self.number = number
        self.known = known
        self.called = called
        """It began with a call of the module, whose forward is still to come."""
        self.blocks = [_Block(None, 0)]


class _Given:
    """The tensors among the arguments of something, as they were before it ran."""

    __slots__ = ("args", "kwargs", "tensors", "versions")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.tensors: list[Tensor] = []
        tensors.replace((args, kwargs), self.tensors.append)
        self.versions = [tensors.version(tensor) for tensor in self.tensors]

    def written(self, in_place: bool, out: Any) -> list[Tensor]:
        """Which of them were written to. `in_place` decides for those that do not count their writes."""
        return [
            tensor
            for tensor, version in zip(self.tensors, self.versions, strict=True)
            if (in_place and tensor is out if version is None else tensor._version != version)
        ]


class _Forward:
    """Stands on an instance instead of one of its methods. A copy of the instance gets one of its own."""

    def __init__(self, recorder: Recorder, known: Known, name: str, original: Callable[..., Any]) -> None:
        self._recorder = recorder
        self._known = known
        self._name = name
        self._original = original
        self.__wrapped__ = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        method = "" if self._name == "forward" else self._name
        return self._recorder._executed(self._known, method, self._original, args, kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copy = memo.get(id(self._known.module))
        return self if copy is None else _Copied(getattr(type(copy), self._name), copy)


class _Copied(partial[Any]):
    """What a copy of a watched module holds instead: the method of its class."""


class _Functions(TorchFunctionMode):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return self._recorder._function(func, args, kwargs or {})


class Recorder:
    """Records what happens inside its `with` block; `recording` then says it as plain values.

        with Recorder(model) as recorder:
            out = model(*args, **kwargs)
        recording = recorder.recording(args, kwargs, out)

    Results are those of the model alone. One thing differs: a leaf or function that gives back the very
    tensor it was given, unchanged, gives another tensor object of the same memory, so that the two ends
    of a stub or a dropout can be told apart.
    """

    def __init__(self, model: nn.Module, watcher: Watcher | None = None) -> None:
        self.model = model
        self.steps: list[Step] = []
        self.executions: list[Execution] = []
        self.notes: dict[str, None] = {}
        self._watcher = watcher
        self._places = Places()
        self._exit = ExitStack()
        self._hidden = 0
        self._running: list[_Running] = []
        self._begun = False
        self._known: dict[int, Known] = {}
        self._names: dict[int, list[str]] = {}
        self._facts: dict[int, ModuleFacts] = {}
        self._bound: dict[int, _Bound] = {}
        self._written: dict[int, tuple[Ref, int]] = {}
        self._sources: dict[int, Tensor] = {}
        self._tensor_names: dict[int, str] = {}
        self._output: Step | None = None
        self._calls: dict[tuple[Any, ...], int] = {}
        self._block_runs: dict[tuple[str, str], int] = {}

    # What is watched.

    def __enter__(self) -> Recorder:
        self._learn()
        self.executions.append(Execution(0, "", leaves.class_name(type(self.model)), parent=-1, place=None))
        self._running = [_Running(0, self._known[id(self.model)], called=False)]
        with ExitStack() as stack:
            stack.enter_context(self._calls_watched())
            for known in self._known.values():
                stack.callback(self._watch(known))
            stack.enter_context(blocks.listening(self._block))
            mode = _Functions(self)
            stack.enter_context(mode)
            stack.enter_context(indexing.told(mode))
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.__exit__(kind, error, trace)

    def _learn(self) -> None:
        """Names and facts of all modules and tensors, before anything changes them."""
        found = list(leaves.walk(self.model))
        for path, module, _ in found:
            self._names.setdefault(id(module), []).append(path)
        for path, module, registered in found:
            if id(module) not in self._known:
                self._know(module, path)
                if not registered:
                    self._note(f"`{path}` is in no registered attribute: torch does not know it as a module")
        self._tensor_names = leaves.tensor_names(found)

    def _know(self, module: nn.Module, path: str) -> Known:
        known = self._known[id(module)] = Known(module, path, leaves.is_leaf(module))
        names = tuple(dict.fromkeys(self._names.get(id(module), [path])))
        self._facts[id(module)] = leaves.module_facts(module, path, names, known.leaf)
        return known

    @contextmanager
    def _calls_watched(self) -> Iterator[None]:
        original = nn.Module.__call__
        recorder = self

        def call(module: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
            if recorder._hidden:
                return original(module, *args, **kwargs)
            known = recorder._known.get(id(module)) or recorder._made_while_running(module)
            return recorder._executed(known, "", partial(original, module), args, kwargs, called=True)

        nn.Module.__call__ = call  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = original  # type: ignore[method-assign]

    def _watch(self, known: Known) -> Callable[[], None]:
        """Wrap what executes this instance; gives back what undoes it."""
        own = vars(known.module)
        before = {}
        for name in ("forward", *leaves.computing_methods(known.module)):
            before[name] = own.get(name)
            own[name] = _Forward(self, known, name, getattr(known.module, name))

        def undo() -> None:
            for name, value in before.items():
                if value is None:
                    own.pop(name, None)
                else:
                    own[name] = value

        return undo

    def _made_while_running(self, module: nn.Module) -> Known:
        """A module that was not there when the forward began: it gets a name that no attribute can have."""
        for name in [name for name, value in vars(module).items() if isinstance(value, _Copied)]:
            del vars(module)[name]
        number = sum(known.path.startswith("<") for known in self._known.values())
        known = self._know(module, f"<{type(module).__name__} {number}>")
        place = self._place()
        where = f" at {place.path}:{place.line}" if place else ""
        self._note(f"a {type(module).__name__} is made in forward{where}: prepare does not see such modules")
        self._exit.callback(self._watch(known))
        return known

    # Modules.

    def _executed(
        self,
        known: Known,
        method: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        called: bool = False,
    ) -> Any:
        """Run a module, or a method of it, and write it down."""
        if self._hidden:
            return function(*args, **kwargs)
        top = self._running[-1]
        if top.called and top.known.module is known.module:
            top.called = False
            return function(*args, **kwargs)
        if known.module is self.model and not self._begun:
            self._begun = True
            self._arguments(args, kwargs)
            if known.leaf:
                return self._leaf(known, method, self.executions[0], function, args, kwargs)
            top.called = called
            return function(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            execution = self._begin(known, method)
        if known.leaf:
            return self._leaf(known, method, execution, function, args, kwargs)
        running = _Running(execution.number, known, called)
        out = self._inside(running, function, *args, **kwargs)
        # The body of a generator runs later, wherever its values are asked for.
        return self._resumed(running, out) if isinstance(out, GeneratorType) else out

    def _inside(self, running: _Running, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a part of an execution."""
        self._running.append(running)
        try:
            return function(*args, **kwargs)
        finally:
            self._running.remove(running)

    def _resumed(self, running: _Running, body: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """What a generator gives, with all that its body runs as a part of its own execution."""
        resume, given = body.send, None
        try:
            while True:
                try:
                    value = self._inside(running, resume, given)
                except StopIteration as end:
                    return end.value
                try:
                    resume, given = body.send, (yield value)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    resume, given = body.throw, error
        finally:
            self._inside(running, body.close)

    def _begin(self, known: Known, method: str) -> Execution:
        top = self._running[-1]
        block = top.blocks[-1]
        execution = Execution(
            len(self.executions),
            known.path,
            self._facts[id(known.module)].class_name,
            top.number,
            self._place(),
            block.name,
            block.run,
            method,
        )
        self.executions.append(execution)
        return execution

    def _leaf(
        self,
        known: Known,
        method: str,
        execution: Execution,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        with torch._C.DisableTorchFunction():
            given = _Given(args, kwargs)
        self._hidden += 1
        try:
            out = function(*args, **kwargs)
        finally:
            self._hidden -= 1
        with torch._C.DisableTorchFunction():
            call = self._next(("module", id(known.module)))
            out = self._write(
                given,
                kind="method" if method else "module",
                target=leaves.dotted_class(leaves.computing_class(known.module)),
                callee=method or known.path,
                out=out,
                place=execution.place,
                module=known.path,
                method=method,
                call=call,
                in_place=bool(getattr(known.module, "inplace", False)),
            )
        return self._watched(args, kwargs, out)

    # Functions.

    def _function(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function of torch and write it down. The mode is off while this runs."""
        if self._hidden or functions.is_plain_property(function):
            return function(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            given = _Given(args, kwargs)
        out = function(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            in_place = functions.stays_in_place(function) or bool(kwargs.get("inplace")) or "out" in kwargs
            if not (
                tensors.holds_tensor(out) or functions.reads_data(function) or given.written(in_place, None)
            ):
                return out
            if not given.tensors and is_bookkeeping(sys._getframe(2)):
                return out
            target = functions.dotted_name(function)
            top = self._running[-1]
            block = top.blocks[-1]
            name = op_name(target)
            position = block.counts[name] = block.counts.get(name, -1) + 1
            place, route = self._places.routed(Recorder._executed.__code__)
            out = self._write(
                given,
                kind="function",
                target=target,
                callee=function,
                out=out,
                place=place,
                call=self._next((top.known.path, block.name, name, position)),
                in_place=in_place,
                route=route,
                named=tuple(kwargs),
            )
        return self._watched(args, kwargs, out)

    # Data flow.

    def _write(
        self,
        given: _Given,
        *,
        kind: str,
        target: str,
        callee: Any,
        out: Any,
        place: Place | None,
        call: int,
        in_place: bool,
        module: str = "",
        method: str = "",
        route: int = 0,
        named: tuple[str, ...] = (),
    ) -> Any:
        """Add the op; gives back what the caller is to get."""
        refs = [self._ref(*pair) for pair in zip(given.tensors, given.versions, strict=True)]
        written = given.written(in_place, out)
        if isinstance(out, Tensor) and not in_place and any(out is t for t in given.tensors):
            if not any(out is t for t in written):
                out = tensors.alias(out)
        # What gives nothing back (`x[i] = y`) gives what it wrote to.
        results = [tensor for _, tensor in tensors.named_tensors(out)] or written
        number = len(self.steps)
        for index, tensor in enumerate(results):
            self._bind(tensor, Ref(number, index))
        for tensor in written:
            if not any(tensor is result for result in results):
                self._bind(tensor, Ref(number, 0))
            memory = tensors.storage(tensor)
            if memory is not None:
                self._written[memory] = (self._bound[id(tensor)].ref, tensor.numel())
        top = self._running[-1]
        block = top.blocks[-1]
        op = Op(
            number=number,
            kind=kind,
            target=target,
            owner=top.known.path,
            module=module,
            method=method,
            call=call,
            place=place,
            inputs=tuple(ref.op for ref in refs),
            input_facts=tuple(tensors.facts(tensor) for tensor in given.tensors),
            output_facts=tuple(tensors.facts(tensor) for tensor in results),
            execution=top.number,
            scope=block.name,
            scope_run=block.run,
            inplace=bool(written),
            route=route,
            named=named,
        )
        remaining = iter(refs)
        args, kwargs = tensors.replace((given.args, given.kwargs), lambda _: next(remaining))
        single = isinstance(out, Tensor) or (results is written and len(results) == 1)
        self.steps.append(Step(op, callee, args, kwargs, single))
        return out

    def _bind(self, tensor: Tensor, ref: Ref) -> None:
        self._bound[id(tensor)] = _Bound(weakref.ref(tensor), ref, tensors.version(tensor))

    def _ref(self, tensor: Tensor, version: int | None) -> Ref:
        """Which op made a tensor; one that nothing recorded made becomes a source itself."""
        bound = self._bound.get(id(tensor))
        if bound is None or bound.tensor() is not tensor:
            return self._source(tensor)
        return bound.ref if bound.version == version else self._stale(tensor, bound)

    def _stale(self, tensor: Tensor, bound: _Bound) -> Ref:
        """Its memory was written to through another tensor since it was made."""
        memory = tensors.storage(tensor)
        writer = None if memory is None else self._written.get(memory)
        if writer is None:
            return bound.ref
        ref, size = writer
        if size != tensor.numel():
            place = self.steps[ref.op].op.place
            where = f" at {place.path}:{place.line}" if place else ""
            self._note(
                f"a part of a tensor is written to{where}: readers of the whole are joined to what made it"
            )
            return bound.ref
        self._bind(tensor, ref)
        return ref

    def _source(self, tensor: Tensor) -> Ref:
        """Add an op for a tensor from outside. Whether it is an input is known only at the end."""
        number = len(self.steps)
        name = self._tensor_names.get(id(tensor), "")
        top = self._running[-1]
        place = self._place() if self._begun else None
        if tensor.grad_fn is not None and self._begun:
            where = f" read at {place.path}:{place.line}" if place else ""
            self._note(f"a tensor{where} was computed by something that cannot be recorded")
        op = Op(
            number=number,
            kind="constant",
            target=name,
            owner=top.known.path,
            place=place,
            output_facts=(tensors.facts(tensor),),
            execution=top.number,
        )
        self.steps.append(Step(op, name, (), {}, single=True))
        self._sources[number] = tensor
        ref = Ref(number, 0)
        self._bind(tensor, ref)
        return ref

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The arguments of the model come first, in their order."""
        with torch._C.DisableTorchFunction():
            for _, tensor in tensors.named_tensors((args, kwargs)):
                self._ref(tensor, tensors.version(tensor))

    def _block(self, module: Any, name: str) -> AbstractContextManager[None]:
        """What is put around a dynamic_block."""
        return nullcontext() if self._hidden else self._in_block(module, name)

    @contextmanager
    def _in_block(self, module: Any, name: str) -> Iterator[None]:
        top = self._running[-1]
        if module is not None and module is not top.known.module:
            self._note(f"dynamic_block `{name}` is not given the module whose forward it stands in")
        key = (top.known.path, name)
        run = self._block_runs.get(key, 0)
        self._block_runs[key] = run + 1
        block = _Block(name, run)
        top.blocks.append(block)
        try:
            yield
        finally:
            top.blocks.remove(block)

    # What it comes to.

    def recording(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> Recording:
        """What was recorded, as plain values. `args` and `kwargs` are what the model was given, `out` is
        what it gave back."""
        names = {id(tensor): name for name, tensor in self._named_inputs(args, kwargs)}
        for number, tensor in self._sources.items():
            name = names.pop(id(tensor), None)
            if name is not None:
                step = self.steps[number]
                op = step.op._replace(kind="input", target=name, place=None, owner="", execution=0)
                self.steps[number] = step._replace(op=op, callee=name)
        results = [tensor for _, tensor in tensors.named_tensors(out)]
        refs = [self._ref(tensor, tensors.version(tensor)) for tensor in results]
        remaining = iter(refs)
        shape = tensors.replace(out, lambda _: next(remaining, None))
        facts = tuple(tensors.facts(tensor) for tensor in results)
        op = Op(len(self.steps), "output", "output", "", inputs=tuple(r.op for r in refs), input_facts=facts)
        self._output = Step(op, "output", (shape,), {}, single=False)
        return Recording(
            (*(step.op for step in self.steps), op),
            tuple(self.executions),
            tuple(self._facts.values()),
            tuple(self.notes),
        )

    @property
    def graph(self) -> torch.fx.Graph:
        """The same as a graph; complete once `recording` was asked for."""
        steps = self.steps if self._output is None else [*self.steps, self._output]
        return graph.build(steps)

    def _named_inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
        try:
            bound = inspect.signature(self.model.forward).bind(*args, **kwargs)
        except (TypeError, ValueError):
            given = {**{f"arg{i}": value for i, value in enumerate(args)}, **kwargs}
        else:
            given = dict(bound.arguments)
        return tensors.named_tensors(given)

    # Helpers.

    def _note(self, text: str) -> None:
        self.notes[text] = None

    def _place(self) -> Place | None:
        return self._places.innermost()

    def _next(self, key: tuple[Any, ...]) -> int:
        count = self._calls.get(key, 0)
        self._calls[key] = count + 1
        return count

    def _watched(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
        if self._watcher is not None:
            self._hidden += 1
            try:
                self._watcher(len(self.steps) - 1, args, kwargs, out)
            finally:
                self._hidden -= 1
        return out
