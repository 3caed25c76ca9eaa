"""How measured ranges are shown."""

from __future__ import annotations

from typing import Any

import pytest

from qatlint.report.ranges import render
from qatlint.report.style import Style
from qatlint.report.width import text_width
from qatlint.runtime.quantities import Origin
from qatlint.runtime.ranges import Call, Cure, Measure, Quantity, QuantityError, Report, SharedModule
from qatlint.runtime.recording import Place
from qatlint.runtime.scales import Parts
from qatlint.runtime.shares import Edge


def place(line: int, path: str = "/a/model.py", function: str = "Net.forward", column: int = 9) -> Place:
    return Place(path, line, column, line, column + 4, function)


def call(loss: float, *places: Place, high: float = 1.0, clipped: float = 0.0, odd: int = 0) -> Call:
    alone = {form: Measure(high / 127.5, 0.0, 45.0) for form in ("int8", "int16")}
    together = {form: Measure(0.01, clipped, 45.0 - loss) for form in ("int8", "int16")}
    return Call(places or (place(5),), 1, 100, odd, 0.0, high, alone, together, number=0)


def module(
    *calls: Call, path: str = "act", computes: str = "torch.nn.modules.activation.GELU", empty: int = 0
) -> SharedModule:
    cure = Cure(0, (place(5),), {"int8": 9.0, "int16": 9.0}, {"int8": 0.0, "int16": 0.0})
    numbered = tuple(one._replace(number=number) for number, one in enumerate(calls, 1 + empty))
    return SharedModule(path, computes, False, numbered, (cure,), empty)


def report(*modules: SharedModule, **others: Any) -> Report:
    facts: dict[str, Any] = {
        "backend": "reference",
        "torch": "2.13",
        "samples": 2,
        "observer": "average",
        "format": "int8",
        "modules": modules,
        "edges": (Edge("model:Net", (), "/a/model.py", ("act",)),),
        "scaleless": (),
        "quantities": (),
        "notes": (),
    }
    return Report(**{**facts, **others})


def shown(value: Report, width: int = 80, *, colour: bool = False, all_calls: bool = False) -> str:
    return render(value, "m.py:build", Style(colour, width), all_calls=all_calls)


def test_the_backend_comes_first() -> None:
    assert shown(report()).startswith("backend: reference")


def test_nothing_shared() -> None:
    assert "no module with a scale of its own runs more than once" in shown(report())


def test_a_row_per_call_with_its_figures() -> None:
    said = shown(report(module(call(0.4), call(12.0, high=6.28, clipped=0.031))))
    rows = [line.split() for line in said.splitlines() if line.strip().startswith(("1 ", "2 "))][-2:]
    assert rows[1] == ["2", "0", "6.28", "0.04925", "0.04925", "3.1%", "45.0", "33.0", "12.0"]
    assert "act (GELU), 2 calls, the worst loses 12.0 dB: split it" in said
    assert "holds -1.28 to 1.27" in said
    assert "one `act` of Net per run (model.py:5) gives 9.0 dB back" in said


def test_calls_at_other_places_name_them() -> None:
    said = shown(report(module(call(8, place(5), place(50)), call(0, place(6), place(50)))))
    assert "at model.py:5:9 in Net.forward" in said and "at model.py:6:9 in Net.forward" in said
    assert said.count("model.py:50") == 1


def test_calls_of_one_line_by_other_ways_name_the_ways() -> None:
    said = shown(report(module(call(8, place(5), place(50)), call(0, place(5), place(51)))))
    assert "from model.py:50:9 in Net.forward" in said and "from model.py:51:9 in Net.forward" in said


def test_modules_that_may_stay_are_listed_in_short() -> None:
    value = report(module(call(0.2), call(0.1), path="calm"))
    assert "calm (GELU), 2 calls, loses 0.2 dB" in shown(value)
    assert "clipped  alone" not in shown(value).replace("shared", "")
    assert "it may stay" in shown(value, all_calls=True)


def test_calls_without_numbers_are_counted_and_the_others_keep_their_numbers() -> None:
    said = shown(report(module(call(8), call(0), empty=1)))
    assert "act (GELU), 3 calls (1 without numbers), the worst loses" in said
    assert "\n   2 " in said and "\n   3 " in said and "\n   1 " not in said


def test_only_the_worst_calls_of_many_are_shown() -> None:
    said = shown(report(module(*(call(float(n)) for n in range(40)))))
    assert "and 24 more that lose less" in said
    assert "\n  40 " in said and "\n   1 " not in said


def test_one_sample_is_said_to_be_little() -> None:
    assert "one sample shows one range per call" in shown(report(samples=1))
    assert "one sample" not in shown(report())


def test_notes_and_numbers_that_were_left_out() -> None:
    said = shown(report(module(call(8, odd=3), call(0)), notes=("something moved",)))
    assert "note: something moved" in said
    assert "left out: 3 numbers that are NaN or infinite" in said


def test_modules_in_steps_are_said_to_be_measured_at_their_end_only() -> None:
    said = shown(report(module(call(8), call(0), computes="torch.nn.modules.normalization.LayerNorm")), 200)
    assert "Of LayerNorm, only results are measured" in said


def test_scaleless_modules_are_named() -> None:
    assert "without a scale of their own: relu (ReLU ×3)" in shown(
        report(scaleless=(("relu", "torch.nn.ReLU", 3),))
    )


def quantity(**others: Any) -> Quantity:
    error = QuantityError(0.5, 0.0, 40.0, 0.25, 0.5, 0.125)
    facts: dict[str, Any] = {
        "name": "table",
        "stub": False,
        "calls": 1,
        "origin": Origin.CONSTANT,
        "place": place(7),
        "numbers": 8,
        "odd": 0,
        "low": 1.0,
        "high": 64.0,
        "limit": 64.0,
        "uniformity": 0.35,
        "errors": {"int8": error, "int16": error._replace(vanished=0.0)},
        "parts": {"int16": Parts(0, 44, 128, 19.0, 70.6, (0, 0), (32, 66))},
    }
    return Quantity(**{**facts, **others})


def test_a_constant_divisor() -> None:
    said = shown(report(quantities=(quantity(),)), 300)
    assert "table (no QuantStub): constant, 1 to 64, uniformity 0.35, model.py:7" in said
    assert "int8: fixed scale 64 / 128, SQNR 40.0 dB" in said and "12% of the numbers become 0" in said
    assert "int16: fixed scale 64 / 32768" in said
    assert "cut it at 44 of 128 and quantise both parts; in the worst case" in said
    assert "goes from 19.0 to 70.6 dB (32 to 66" in said


def test_zeros_need_no_scale_and_have_no_sign() -> None:
    said = shown(report(quantities=(quantity(low=-0.0, high=-0.0, limit=0.0, parts={}),)))
    assert "constant, 0 to 0, uniformity" in said
    assert "all numbers are 0: any scale will do" in said
    assert "fixed scale" not in said


def test_a_cut_that_does_not_help_is_not_shown() -> None:
    parts = Parts(0, 4, 8, 70.0, 90.0, (0, 0), (1, 7))
    assert "cut it" not in shown(report(quantities=(quantity(parts={"int16": parts}),)))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit(width: int) -> None:
    value = report(
        module(call(8, place(5), place(50)), call(0, place(6), place(50))),
        quantities=(quantity(),),
        samples=1,
    )
    assert max(map(text_width, shown(value, width).splitlines())) <= width


def test_colour_is_escape_codes_only() -> None:
    value = report(module(call(8), call(0)), quantities=(quantity(),))
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", shown(value, colour=True)) == shown(value)
    assert "\x1b[1;31m" in shown(value, colour=True)


def test_names_from_outside_cannot_steer_the_terminal() -> None:
    value = report(module(call(8), call(0), path="a\x1b[2Jb"))
    assert "\x1b" not in shown(value)
