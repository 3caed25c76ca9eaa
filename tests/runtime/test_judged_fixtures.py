"""The fixtures of the sharing rules, executed: shared and unfused before, one call each and fused after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qatlint import engine, outputs
from qatlint.aim import Aim, EntryPoint
from qatlint.engine import traces
from qatlint.files import DiskLoader
from qatlint.horizon.ops import Boundary
from qatlint.horizon.report import read, write
from qatlint.horizon.report.cells import name_of
from qatlint.outputs import Precision
from qatlint.resolve.names import Names
from qatlint.runtime import counts, dequants, dtypes, fuse
from qatlint.runtime.changes import Changes
from qatlint.runtime.flow import Flow
from qatlint.runtime.fuse import Reason, Trouble
from qatlint.runtime.model_check import model_check
from qatlint.runtime.recording import from_json
from tests.execution.parent import VARIABLE, torch_python
from tests.fixture_units import LEVELS, Unit, stored_output, units

pytestmark = pytest.mark.skipif(
    torch_python() is None, reason=f"needs torch; point {VARIABLE} at a Python that has it"
)

ROOT = Path(__file__).resolve().parents[2]
UNITS = list(units())
FIXED = [unit for unit in UNITS if any(stored_output(unit.entry, level).exists() for level in LEVELS)]


@pytest.fixture(scope="module")
def flows() -> dict[Path, Flow]:
    """Every fixture, and the fixed versions, recorded in one process."""
    files = [unit.entry for unit in UNITS]
    files += [
        path for unit in FIXED for level in LEVELS if (path := stored_output(unit.entry, level)).exists()
    ]
    python = torch_python() or sys.executable
    done = subprocess.run(
        [python, "-m", "tests.runtime.child.record_files"],
        input=json.dumps([str(file) for file in files]),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {Path(file): Flow(from_json(text)) for file, text in json.loads(done.stdout).items()}


def versions(unit: Unit, flows: dict[Path, Flow]) -> tuple[Flow, list[Flow]]:
    """The fixture, and its fixed versions: the safe one, then the unsafe one."""
    fixed = [flows[path] for level in LEVELS if (path := stored_output(unit.entry, level)) in flows]
    return flows[unit.entry], fixed


def changed(before: Flow, after: Flow) -> tuple[Changes[Any], ...]:
    """All four comparisons."""
    old, new = fuse.fusions(before), fuse.fusions(after)
    return (
        fuse.compare(before, old, after, new),
        counts.compare(counts.counts(before), counts.counts(after)),
        dtypes.compare(before, dtypes.float_inputs(before), after, dtypes.float_inputs(after)),
        dequants.compare(before, dequants.feeds(before, old), after, dequants.feeds(after, new)),
    )


@pytest.mark.parametrize("unit", FIXED, ids=lambda unit: unit.name)
def test_a_fix_makes_nothing_worse_and_leaves_no_shared_member_without_weights(
    unit: Unit, flows: dict[Path, Flow]
) -> None:
    before, fixed = versions(unit, flows)
    for after in fixed:
        fused, called, floats, given = changed(before, after)
        assert (fused.worse, called.worse, floats.worse, given.worse) == ((), (), (), ())
        better = called.better or fused.better or floats.better or given.better
        assert better or unit.name.startswith(("qat2", "qat303"))
    after = fixed[-1]
    for fusion in fuse.fusions(after):
        if fusion.reason is Reason.SHARED:
            assert weights_run_again(after, fusion), fusion.why


def precisions(flow: Flow) -> Counter[str]:
    """How many DeQuantStubs are given what."""
    return Counter(feed.precision.value for feed in dequants.feeds(flow, fuse.fusions(flow)))


@pytest.mark.parametrize(
    ("name", "left"),
    [
        # What has no fix: other users of the sigmoid and of the convolution, features, a transposed convolution.
        ("heads.py", {"between": 1, "users": 1, "none": 1, "version": 1}),
        ("map_and_stereo.py", {"between": 1}),
        ("refining_decoder", {"users": 4}),
    ],
)
def test_moved_stubs_keep_the_precision(name: str, left: dict[str, int], flows: dict[Path, Flow]) -> None:
    (unit,) = (unit for unit in FIXED if unit.name == f"qat401_non_gemm_before_dequant/{name}")
    original, fixed = versions(unit, flows)
    before, after = precisions(original), precisions(fixed[-1])
    words = {"between": Precision.BETWEEN, "users": Precision.USERS, "none": Precision.NONE}
    wanted = {words.get(key, Precision.VERSION).value: count for key, count in left.items()}
    assert {key: count for key, count in after.items() if key != Precision.HIGH.value} == wanted
    assert before[Precision.BETWEEN.value] > after[Precision.BETWEEN.value]


@pytest.mark.parametrize("name", ["heads.py", "map_and_stereo.py"])
def test_what_source_says_of_outputs_is_what_execution_says(name: str, flows: dict[Path, Flow]) -> None:
    (unit,) = (unit for unit in FIXED if unit.name == f"qat401_non_gemm_before_dequant/{name}")
    for path in (unit.entry, *(p for level in LEVELS if (p := stored_output(unit.entry, level)).exists())):
        static = max(
            (flow for trace in traces(str(path), "", DiskLoader()) for flow in trace.flows),
            key=lambda flow: len(flow.ops),
        )
        said = Counter(output.precision.value for output in outputs.outputs(static))
        assert said == precisions(flows[path]), path.name


@pytest.mark.parametrize(
    "unit", [u for u in FIXED if u.name.startswith("qat303")], ids=lambda unit: unit.name
)
def test_stubs_that_are_removed_do_not_run(unit: Unit, flows: dict[Path, Flow]) -> None:
    def stubs(flow: Flow) -> set[str]:
        is_stub = [m is not None and m.boundary is Boundary.QUANT for m in flow.meanings]
        return {op.module for op in flow.ops if is_stub[op.number]}

    before, fixed = versions(unit, flows)
    # The fixes of other rules may add stubs.
    assert all(stubs(before) - stubs(after) for after in fixed)


def test_rows_of_the_report_lead_to_the_lines_that_ran(flows: dict[Path, Flow]) -> None:
    """Execute, write the toolchain's report, read it, and find the line of every row in the source."""
    right, alone, rest = 0, 0, []
    for unit in UNITS:
        flow = flows[unit.entry]
        text = write(model_check(flow))
        calls = ((name_of(flow.labels[op.number]), op.place) for op in flow.ops if flow.units[op.number])
        ran = {(name, call): place for (name, _, call), place in calls}
        places = {layer.label: ran[layer.name, layer.call] for layer in read(text).layers}
        labels = list(places)
        for prefix, names in _models(unit, flow, labels):
            for label in labels:
                place = places[label]
                if place is None or not label.startswith(prefix):
                    continue
                ops, why = names.ops_of(label.removeprefix(prefix), is_call=True)
                if any(
                    span.line <= place.line <= span.end_line and os.path.abspath(span.path) == place.path
                    for span in (op.span for op in ops)
                ):
                    right += 1
                    alone += len({op.span for op in ops}) == 1
                else:
                    rest.append(f"{unit.name}: {label} at line {place.line}: {why or 'another line'}")
    assert right > 2_000
    assert alone >= 0.9 * right  # the others name a few lines, one of which it is
    assert len(rest) <= 0.02 * (right + len(rest)), "\n".join(rest)


def _models(unit: Unit, flow: Flow, labels: list[str]) -> Iterator[tuple[str, Names]]:
    """The classes that the model is made of: itself, or the parts of a Sequential, with the path of each."""
    known = {module.path: module for module in flow.recording.modules}
    parts = [path for path in known if path.isdecimal() and not known[path].class_name.startswith("torch.")]
    roots = parts if known[""].class_name.startswith("torch.") else [""]
    points = [EntryPoint(known[r].source, known[r].class_name.rpartition(":")[2]) for r in roots]
    found = engine.flows([str(file) for file in unit.files], DiskLoader(), Aim((), tuple(points)))
    for root, point in zip(roots, points, strict=True):
        prefix = f"{root}." if root else ""
        own = [label.removeprefix(prefix) for label in labels if label.startswith(prefix)]
        # Training code is no model to qatlint.
        for model in found:
            if model.root.rpartition(":")[2] == point.qualname and not model.assumed:
                yield prefix, Names(model, own, found, True)


def weights_run_again(flow: Flow, fusion: fuse.Fusion) -> bool:
    """Whether a member that holds weights runs more than once: not every such call has a fix."""
    paths = {unit.path for n in fusion.members if (unit := flow.units[n]) is not None}
    runs = {count.path: count.times for count in counts.counts(flow)}
    return any(m.path in paths and m.parameters and runs[m.path] > 1 for m in flow.recording.modules)


def judged(flow: Flow) -> Counter[str]:
    """How many sequences are fused as a whole, and why the others are not."""
    found: Counter[str] = Counter()
    for fusion in fuse.fusions(flow):
        if fusion.trouble is not Trouble.NONE:
            found[fusion.trouble.name] += 1
        elif fusion.reason is None:
            found["whole"] += fusion.whole
        elif fusion.reason is not Reason.ORDER:
            found[fusion.reason.name] += 1
    return found


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("resnet_block.py", {"whole": 6, "SHARED": 17}, {"whole": 23}),
        ("float_functional.py", {"whole": 2, "STOPS": 5, "CHANGES": 1}, {"whole": 8}),
        ("harmless_modules.py", {"whole": 1, "SHARED": 2, "CHANGES": 1}, {"whole": 4}),
        ("gru_refinement.py", {"LOOP": 5}, {"LOOP": 3, "whole": 2}),
        ("scopes.py", {"whole": 2, "SCOPES": 1}, {"whole": 2, "SCOPES": 1}),
    ],
)
def test_what_the_fixes_do_to_fusion(
    name: str, before: dict[str, int], after: dict[str, int], flows: dict[Path, Flow]
) -> None:
    (unit,) = (unit for unit in FIXED if unit.name == f"qat101_shared_module/{name}")
    original, fixed = versions(unit, flows)
    assert judged(original) == before
    assert judged(fixed[-1]) == after


def test_a_block_lets_the_sequences_of_dynamic_code_fuse(flows: dict[Path, Flow]) -> None:
    """One sequence in each turn: unfused for want of a block before, one module after."""
    (unit,) = (unit for unit in FIXED if unit.name == "qat201_missing_dynamic_block/driving_models.py")
    original, (fixed, *_) = versions(unit, flows)
    loops = {"bev": 6, "flow": 3, "decoder": 4, "pillars": 2, "levels": 6}
    before, after = owners_of_sequences(original), owners_of_sequences(fixed)
    assert before == {**{(name, "LOOP"): times for name, times in loops.items()}, ("memory", "whole"): 1}
    assert after == {**{(name, "whole"): times for name, times in loops.items()}, ("memory", "whole"): 1}


def test_code_without_the_body_of_a_loop_fuses_in_a_block(flows: dict[Path, Flow]) -> None:
    """Ways out run once, with a block as without; mapped methods, tests of loops and conditional expressions
    need it, as the fix or the advice has it."""
    (unit,) = (unit for unit in FIXED if unit.name == "qat201_missing_dynamic_block/ways_out.py")
    original, (_, after) = versions(unit, flows)
    found = owners_of_sequences(original)
    always = {"early", "returns", "unbroken", "sides", "computed"}
    assert dict(found.keys()) == {
        **dict.fromkeys(always, "whole"),
        **dict.fromkeys(("either", "test", "mapped"), "LOOP"),
    }
    assert owners_of_sequences(after)["mapped", "whole"] == found["mapped", "LOOP"] == 3


def test_what_the_findings_say_of_fusing_is_what_happens(flows: dict[Path, Flow]) -> None:
    """A block fuses what a fixed branch takes from a convolution; not what a fixed loop repeats in it, nor
    what a turn may leave out."""
    (unit,) = (unit for unit in FIXED if unit.name == "qat201_missing_dynamic_block/nested_and_left.py")
    original, (_, fixed) = versions(unit, flows)
    before, after = owners_of_sequences(original), owners_of_sequences(fixed)
    turns = {"shortcut": 2, "retries": 2, "stages": 6, "weak": 2}
    assert before == {(name, "LOOP"): times for name, times in turns.items()}
    assert dict(after.keys()) == {
        "shortcut": "whole",
        "retries": "whole",
        "stages": "LOOP",
        "weak": "SCOPES",
    }


def owners_of_sequences(flow: Flow) -> Counter[tuple[str, str]]:
    """How many fusable sequences each part of a model has, and what becomes of them."""
    found: Counter[tuple[str, str]] = Counter()
    for fusion in fuse.fusions(flow):
        if fusion.reason is not Reason.ORDER:
            unit = flow.units[fusion.members[0]]
            assert unit is not None
            found[
                unit.path.partition(".")[0],
                "whole" if fusion.whole else str(fusion.reason and fusion.reason.name),
            ] += 1
    return found


def test_modules_run_once_after_the_fix(flows: dict[Path, Flow]) -> None:
    (unit,) = (unit for unit in FIXED if unit.name == "qat101_shared_module/float_functional.py")
    original, (after,) = versions(unit, flows)
    shared = [count for count in counts.counts(original) if count.shared]
    assert len(shared) == 5
    assert all(count.edges and count.edges[0].places for count in shared)
    assert [count for count in counts.counts(after) if count.shared] == []


def test_the_decoder_keeps_the_precision_of_its_output(flows: dict[Path, Flow]) -> None:
    (unit,) = (unit for unit in FIXED if unit.name == "qat101_shared_module/sine_position_decoder.py")
    original, fixed = versions(unit, flows)
    for flow in (original, *fixed):
        (feed,) = dequants.feeds(flow, fuse.fusions(flow))
        assert feed.precision is Precision.HIGH
