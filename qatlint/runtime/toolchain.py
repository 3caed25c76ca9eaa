"""What the plugin's own check says of both versions, where the plugin is installed: a point of the proof."""

from __future__ import annotations

from qatlint.horizon.plugin import Prepared
from qatlint.horizon.report import ModelCheck
from qatlint.runtime.point import Point


def toolchain_point(before: Prepared, after: Prepared) -> Point:
    """The plugin's verdicts side by side: nothing it lists may be new."""
    title = f"the check of plugin {after.version}"
    if after.report is None or before.report is None:
        which = "the newer version" if before.report is not None else "the older version"
        return Point("toolchain", title, False, f"prepare wrote no model_check_result.txt for {which}")
    old, new = before.report, after.report
    again, now = _repeated(old), _repeated(new)
    new_pairs = [p for p in _pairs(new) if p not in _pairs(old)]
    more = [name for name, times in now.items() if times > again.get(name, 1)]
    details = [f"not fused before, and now: {pair}" for pair in _pairs(new) if pair not in new_pairs]
    details += [f"not fused now: {pair}" for pair in new_pairs]
    details += [f"not fused before: {pair}" for pair in _pairs(old) if pair not in _pairs(new)]
    for name in dict.fromkeys((*again, *now)):
        details.append(f"{name} runs {now.get(name, 1)} times, {again.get(name, 1)} before")
    summary = (
        f"{len(new.sequences)} sequences not fused ({len(old.sequences)} before), "
        f"{len(now)} modules run more than once ({len(again)} before)"
    )
    return Point("toolchain", title, not new_pairs and not more, summary, tuple(details))


def _repeated(report: ModelCheck) -> dict[str, int]:
    return {count.name: count.times for count in report.counts if count.times > 1}


def _pairs(report: ModelCheck) -> list[str]:
    return [" + ".join(member.name for member in sequence) for sequence in report.sequences]
