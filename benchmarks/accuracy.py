"""Compare qatlint's verdict on a library's source with what its models did when they ran.

    python benchmarks/accuracy.py --download
    python benchmarks/accuracy.py --source site-packages/timm --oracle timm.jsonl

An oracle (see make_oracle.py) holds edges: an owner class, a child, the most calls of the child in one
forward of the owner. A shared edge (more than one call) is *found* when QAT101 names the child and the
owner or a base of it. Shared modules that an owner was handed in its call and does not hold have no path
to be named by; they are listed and not expected.

A finding is a *false alarm* when its edge ran only once: the edge of the named owner itself, or, when no
instance of just that class ran, those of its subclasses. It is *unjudged* when no model ran that edge. A
finding that is right for the base it names, while a subclass with another forward ran the edge once, is
listed apart but counts like a false alarm: the strictest reading. Exit code 0 when all shared edges are
found and not more than --allowed such alarms claim "always".
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helpers

DEFAULT_ORACLE = helpers.ROOT.parent / "shared" / "oracle" / "torchvision-0.29.1.jsonl"
_POSITION = re.compile(r"(?<![^.])\d+(?![^.])")

OUTSIDE = "^outside"
"""The child path of an oracle for a module that its owner does not hold."""

Key = tuple[str, str]
"""Owner and child path."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One executed edge; `model` says where it was seen, when the oracle tells."""

    owner: str
    bases: tuple[str, ...]
    child: str
    child_class: str
    calls: int
    model: str

    @property
    def names(self) -> tuple[Key, ...]:
        """The keys under which a finding may name it, the owner's own first."""
        return tuple((owner, self.child) for owner in (self.owner, *self.bases))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every finding and every shared edge, sorted into its drawer."""

    hits: list[tuple[Edge, dict[str, Any]]]
    misses: list[Edge]
    outside: list[Edge]
    false: list[tuple[Edge, dict[str, Any]]]
    unjudged: list[dict[str, Any]]
    overridden: list[tuple[Edge, dict[str, Any]]]
    """Edges that ran once in a subclass, where the finding is right for the base that it names."""


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, help="the package's folder (default: the cached wheel)")
    parser.add_argument("--requirement", default="torchvision==0.29.1", help="what --download fetches")
    parser.add_argument(
        "--download", action="store_true", help="fetch the wheel's source with pip when needed"
    )
    parser.add_argument("--oracle", type=Path, default=DEFAULT_ORACLE)
    parser.add_argument("--allowed", type=int, default=1, help='"always" false alarms that are let pass')
    parser.add_argument("--qatlint", default=helpers.default_qatlint(), help="the command to run")
    options = parser.parse_args()
    try:
        source = helpers.library_source(options.requirement, options.source, options.download)
        strict = ["--min-severity", "note", "--exit-zero", "--isolated", "--no-cache"]
        result = helpers.qatlint(options.qatlint, [source, *strict, "--select", "QAT101,QAT102"])
        edges = read_oracle(options.oracle)
    except (helpers.BenchmarkError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    comparison = compare(edges, [item for item in result.items if item["code"] == "QAT101"])
    show(comparison, edges)
    codes = Counter(item["code"] for item in result.items)
    print("\nfindings: " + (", ".join(f"{n} {code}" for code, n in sorted(codes.items())) or "none"))
    always = sum(item["on"] == "always" for _, item in comparison.false + comparison.overridden)
    shared = len(comparison.hits) + len(comparison.misses)
    good = not comparison.misses and always <= options.allowed
    print(
        f"{'PASS' if good else 'FAIL'}: {len(comparison.hits)} of {shared} shared edges found, "
        f'{always} false alarms that claim "always" ({options.allowed} allowed)'
    )
    return 0 if good else 1


def read_oracle(path: Path) -> list[Edge]:
    """The edges of project classes; those of one owner and child (positions as `*`) become one."""
    edges: dict[Key, Edge] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["owner"].startswith("torch."):
            continue
        child = _POSITION.sub("*", entry["child"])
        edge = Edge(
            entry["owner"],
            tuple(entry["mro"]),
            child,
            entry["child_class"],
            entry["calls"],
            entry.get("model", ""),
        )
        known = edges.get((edge.owner, child))
        if known is None or edge.calls > known.calls:
            edges[edge.owner, child] = edge
    return list(edges.values())


def compare(edges: list[Edge], findings: list[dict[str, Any]]) -> Comparison:
    """Judge findings of QAT101 by the executed edges."""
    by_name: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for item in findings:
        by_name[item["owner"], _POSITION.sub("*", item["subject"])].append(item)
    result = Comparison([], [], [], [], [], [])
    ran: dict[Key, list[Edge]] = defaultdict(list)
    for edge in edges:
        for name in edge.names:
            ran[name].append(edge)
        naming = [item for name in edge.names for item in by_name[name]]
        if edge.calls > 1:
            if edge.child == OUTSIDE:
                result.outside.append(edge)
            elif naming:
                result.hits.append((edge, naming[0]))
            else:
                result.misses.append(edge)
    for name, items in by_name.items():
        seen = ran.get(name, [])
        judges = [e for e in seen if e.owner == name[0]] or seen
        once = [e for e in seen if e.calls == 1]
        for item in items:
            if not seen:
                result.unjudged.append(item)
            elif all(e.calls == 1 for e in judges):
                result.false.append((judges[0], item))
            else:
                result.overridden.extend((e, item) for e in once)
    return result


def show(comparison: Comparison, edges: list[Edge]) -> None:
    """Print one table for each drawer."""

    def judged(title: str, pairs: list[tuple[Edge, dict[str, Any]]]) -> None:
        print(f"\n{title}: {len(pairs)}")
        rows = [
            (e.owner, e.child, e.child_class, e.calls, times(i), i["on"], i["severity"], place(i), e.model)
            for e, i in sorted(pairs, key=lambda p: (p[1]["on"], p[0].owner, p[0].child))
        ]
        if rows:
            head = ("owner", "child", "class", "ran", "claimed", "on", "severity", "at", "in model")
            print(helpers.table(head, rows))

    print(f"{len(edges)} edges ran, {sum(e.calls > 1 for e in edges)} of them shared")
    judged("hits", comparison.hits)
    print(f"\nmisses: {len(comparison.misses)}")
    rows = [(e.owner, e.child, e.child_class, e.calls, e.model) for e in comparison.misses]
    if rows:
        print(helpers.table(("owner", "child", "class", "ran", "in model"), rows))
    print(f"\nshared, but not held by the owner: {len(comparison.outside)}")
    for edge in comparison.outside:
        print(f"{edge.owner} runs a {edge.child_class} {edge.calls} times")
    for on in ("always", "some-path", "training"):
        judged(f'false alarms, "{on}"', [p for p in comparison.false if p[1]["on"] == on])
    judged("right for the base, but a subclass ran it once", comparison.overridden)
    print(f"\nunjudged, no model ran the edge: {len(comparison.unjudged)}")
    items = sorted(comparison.unjudged, key=lambda i: (i["on"], i["owner"], i["subject"]))
    rows2 = [(i["owner"], i["subject"], times(i), i["on"], i["severity"], place(i)) for i in items]
    if rows2:
        print(helpers.table(("owner", "child", "claimed", "on", "severity", "at"), rows2))


def times(item: dict[str, Any]) -> str:
    """The claimed number of calls, in short."""
    least, most = item["times"]["least"], item["times"]["most"]
    if most is None:
        return f"{least}+"
    return str(most) if least == most else f"{least}-{most}"


def place(item: dict[str, Any]) -> str:
    """File and line."""
    return f"{Path(item['path']).name}:{item['line']}"


if __name__ == "__main__":
    sys.exit(main())
