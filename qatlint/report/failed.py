"""What is said when the user's code did not get through in its child process."""

from __future__ import annotations

from qatlint.report.style import Style
from qatlint.report.width import one_line
from qatlint.runtime.launch import ChildFailed


def render(error: ChildFailed, style: Style) -> str:
    """The message, the user's own frames, the hint, and the last lines that the code printed."""
    lines = [one_line(error.message)]
    for frame in error.frames:
        lines.append(
            style.paint(f"  {one_line(frame.path)}:{frame.line}  in {one_line(frame.function)}", "dim")
        )
        if frame.text:
            lines.append(f"    {one_line(frame.text.strip())}")
    if error.hint:
        lines.append(f"  {style.paint('hint:', 'cyan')} {one_line(error.hint)}")
    if error.said.strip():
        lines.append("  it printed:")
        lines += [f"    {one_line(line)}" for line in error.said.rstrip().splitlines()]
    return "\n".join(lines)
