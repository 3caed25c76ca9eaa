"""The examples of the documentation: the bad one is found, the good one is not, and both run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from qatlint import engine, registry
from qatlint.finding import Severity
from qatlint.rule import Rule
from tests.execution.parent import torch_python
from tests.static.sources import Memory

ROOT = Path(__file__).resolve().parents[1]
RULES = registry.all_rules()

RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
from torch import nn
texts = json.load(sys.stdin)
shapes = [(1, 8, 8, 8), (1, 3, 8, 8), (2, 4), (2, 8), (4,)]
failed = {}
for name, text in texts.items():
    space = {"__name__": name}
    exec(compile(text, name, "exec"), space)
    (cls,) = [v for v in space.values() if isinstance(v, type) and v.__module__ == name]
    problems = []
    for shape in shapes:
        try:
            cls()(torch.randn(shape))
            break
        except (RuntimeError, ValueError) as error:
            problems.append(str(error))
    else:
        failed[name] = problems
json.dump(failed, sys.stdout)
"""


def examples(rule: Rule, heading: str) -> list[str]:
    section = re.split(r"^## ", rule.doc, flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(heading + "\n"))
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


ALL = [
    (rule, heading, text) for rule in RULES for heading in ("Bad", "Good") for text in examples(rule, heading)
]


@pytest.mark.parametrize(
    ("rule", "heading", "text"), ALL, ids=[f"{rule.code}-{name}" for rule, name, _ in ALL]
)
def test_the_bad_one_is_found_and_the_good_one_is_not(rule: Rule, heading: str, text: str) -> None:
    found = engine.check(["a.py"], Memory({"a.py": text}), RULES)
    codes = {f.code for f in found if f.severity > Severity.NOTE}
    assert (rule.code in codes) is (heading == "Bad")


def test_all_run() -> None:
    python = torch_python()
    if python is None:
        pytest.skip("no Python with torch")
    texts = {f"{rule.code} {heading} {number}": text for number, (rule, heading, text) in enumerate(ALL)}
    done = subprocess.run(
        [python, "-c", RUN, str(ROOT / "qatlint/runtime/standin")],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}
