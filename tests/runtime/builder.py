"""Recordings written by hand: executions by path, without torch."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint.runtime.recording import Execution, ModuleFacts, Place, Recording

LEAF = "torch.nn.modules.activation:ReLU"
SEQUENTIAL = "torch.nn.modules.container:Sequential"


def module(path: str, class_name: str = LEAF, *names: str, parameters: int = 0) -> ModuleFacts:
    """One module; what is neither torch's nor has another class is the project's."""
    leaf = class_name.startswith("torch.") and class_name != SEQUENTIAL
    source = "" if leaf else "/m.py"
    return ModuleFacts(path, (path, *names), class_name, (), source, 3, leaf, parameters, 0, False)


def recording(modules: Sequence[ModuleFacts], runs: Sequence[tuple[str, int, int]]) -> Recording:
    """Executions as (path, parent, line); the model itself is number 0."""
    classes = {facts.path: facts.class_name for facts in modules}
    executions = [Execution(0, "", classes[""], -1, None)]
    for path, parent, line in runs:
        function = f"{classes[executions[parent].module].rpartition(':')[2]}.forward"
        place = Place("/m.py", line, 5, line, 9, function)
        executions.append(Execution(len(executions), path, classes[path], parent, place))
    return Recording((), tuple(executions), tuple(modules))
