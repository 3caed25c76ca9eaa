"""What a detector does with its results: behind the last DeQuantStub, on the CPU."""

from __future__ import annotations

import ast
import re

from qatlint.static.source import nodes

NOT_QUANTISED = re.compile(
    r"(^|_)(train|training|post_?process\w*|nms|suppression|decode\w*|get_results?|visuali[sz]e\w*|"
    r"denormalize\w*)(_|$)|"
    r"^(predict|predict_by_feat\w*|simple_test\w*|aug_test\w*|inference|get_bboxes\w*|get_det_bboxes)$|_post$|"
    r"(?<!forward)_inference$"
)
"""Functions of training, and of post-processing."""
POST_PROCESSING = re.compile(r"^post_?process|post_?process(or|ing)?$", re.IGNORECASE)
"""Classes that are nothing but this."""
_SUPPRESSING = re.compile(r"(^|_)(nms|non_max(imum)?_suppression)(_|$)")


def suppresses(node: ast.AST) -> bool:
    """Whether code calls non-maximum suppression: how much it keeps, the values say, so it works on final
    boxes, where the quantised region has ended, and so does what stands around it."""
    return any(isinstance(inner, ast.Call) and _is_suppression(inner.func) for inner in nodes(node))


def _is_suppression(callee: ast.expr) -> bool:
    name = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
    return _SUPPRESSING.search(name) is not None
