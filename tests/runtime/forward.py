"""A forward written by hand, op by op, as the recorder would record it. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from qatlint.runtime.flow import Flow
from qatlint.runtime.recording import Execution, ModuleFacts, Op, Place, Recording, TensorFacts

CLASSES = {
    "FloatFunctional": "torch.ao.nn.quantized.modules.functional_modules",
    "QuantStub": "torch.ao.quantization.stubs",
    "DeQuantStub": "torch.ao.quantization.stubs",
    "DeformConv2d": "torchvision.ops.deform_conv",
}
BOOLEAN = "bool"


class Forward:
    """Write ops; `flow` gives what came of it. Every op is on a line of its own unless it is given one."""

    def __init__(self) -> None:
        self._ops: list[Op] = []
        self._executions = [Execution(0, "", "m:Model", -1, None)]
        self._modules = {"": ModuleFacts("", ("",), "m:Model", (), "/m.py", 1, False, 0, 0, False)}
        self._running = [0]
        self._blocks: list[tuple[str | None, int]] = [(None, 0)]
        self._block_runs: dict[tuple[str, str], int] = {}
        self._calls: dict[str, int] = {}
        self._line = 0

    def input(self, name: str = "x", dtype: str = "float32") -> int:
        return self._add("input", name, (), dtype)

    def constant(self, name: str = "", dtype: str = "float32") -> int:
        return self._add("constant", name, (), dtype)

    def module(self, cls: str, path: str, *inputs: int, line: int = 0, dtype: str = "float32") -> int:
        """One run of a leaf module; `path` is relative to the owner unless it begins with a slash."""
        return self._leaf("module", cls, path, inputs, line, dtype)

    def method(self, name: str, path: str, *inputs: int, line: int = 0) -> int:
        """One call of a method of a FloatFunctional."""
        return self._leaf("method", "FloatFunctional", path, inputs, line, "float32", name)

    def function(
        self,
        name: str,
        *inputs: int,
        line: int = 0,
        column: int = 5,
        instruction: int = 0,
        route: int = 0,
        named: tuple[str, ...] = (),
        dtype: str = "float32",
    ) -> int:
        """One function; a name without dots is a Tensor method."""
        target = name if "." in name else f"torch.Tensor.{name}"
        place = self._place(line)._replace(column=column, instruction=instruction)
        return self._add("function", target, inputs, dtype, place=place, route=route, named=named)

    def output(self, *inputs: int) -> int:
        return self._add("output", "output", inputs, "float32")

    def quant(self, number: int, path: str = "quant") -> int:
        return self.module("QuantStub", path, number)

    def dequant(self, number: int, path: str = "dequant") -> int:
        return self.module("DeQuantStub", path, number)

    @contextmanager
    def run(self, path: str, class_name: str = "m:Block", line: int = 0) -> Iterator[None]:
        """One execution of a module of the project."""
        full = self._path(path)
        self._know(full, class_name, leaf=False)
        self._running.append(self._execute(full, class_name, line))
        self._blocks.append((None, 0))
        yield
        self._running.pop()
        self._blocks.pop()

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """One entry of a dynamic_block."""
        key = (self._owner(), name)
        run = self._block_runs[key] = self._block_runs.get(key, -1) + 1
        outer, self._blocks[-1] = self._blocks[-1], (name, run)
        yield
        self._blocks[-1] = outer

    def never_run(self, cls: str, path: str) -> None:
        """A leaf module that the model has."""
        self._know(path, _class_name(cls), leaf=True)

    @property
    def recording(self) -> Recording:
        return Recording(tuple(self._ops), tuple(self._executions), tuple(self._modules.values()))

    @property
    def flow(self) -> Flow:
        return Flow(self.recording)

    # How it is written down.

    def _leaf(
        self,
        kind: str,
        cls: str,
        path: str,
        inputs: Sequence[int],
        line: int,
        dtype: str,
        method: str = "",
    ) -> int:
        full = self._path(path)
        name = _class_name(cls)
        self._know(full, name, leaf=True)
        execution = self._execute(full, name, line)
        call = self._calls[full] = self._calls.get(full, -1) + 1
        return self._add(
            kind,
            name.replace(":", "."),
            inputs,
            dtype,
            module=full,
            method=method,
            call=call,
            place=self._executions[execution].place,
        )

    def _add(
        self,
        kind: str,
        target: str,
        inputs: Sequence[int],
        dtype: str,
        *,
        module: str = "",
        method: str = "",
        call: int = 0,
        place: Place | None = None,
        route: int = 0,
        named: tuple[str, ...] = (),
    ) -> int:
        scope, scope_run = self._blocks[-1]
        op = Op(
            number=len(self._ops),
            kind=kind,
            target=target,
            owner=self._owner(),
            module=module,
            method=method,
            call=call,
            place=place,
            inputs=tuple(inputs),
            input_facts=tuple(self._ops[i].output_facts[0] for i in inputs),
            output_facts=(TensorFacts((1, 4, 8, 8), dtype),),
            execution=self._running[-1],
            scope=scope,
            scope_run=scope_run,
            route=route,
            named=named,
        )
        self._ops.append(op)
        return op.number

    def _execute(self, path: str, class_name: str, line: int) -> int:
        number = len(self._executions)
        scope, run = self._blocks[-1]
        parent, place = self._running[-1], self._place(line)
        self._executions.append(Execution(number, path, class_name, parent, place, scope, run))
        return number

    def _know(self, path: str, class_name: str, *, leaf: bool) -> None:
        facts = ModuleFacts(path, (path,), class_name, (), "/m.py", 1, leaf, 0, 0, False)
        assert self._modules.setdefault(path, facts) == facts

    def _owner(self) -> str:
        return self._executions[self._running[-1]].module

    def _path(self, path: str) -> str:
        if path.startswith("/"):
            return path[1:]
        return f"{self._owner()}.{path}" if self._owner() else path

    def _place(self, line: int) -> Place:
        self._line += 1
        line = line or 1000 + self._line
        return Place("/m.py", line, 5, line, 9, "Model.forward")


def _class_name(cls: str) -> str:
    return f"{CLASSES.get(cls, 'torch.nn')}:{cls}"
