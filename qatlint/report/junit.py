"""JUnit's XML, as CI systems read it: each file is a suite, each finding a test of it that failed.

There is no written standard; elements and attributes are those that Ant began, and that Jenkins and GitLab
read. A file without findings is one test that passed. A file that could not be read is an error, not a
failure. Names hold no line numbers, so that a test keeps its history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from qatlint import catalogue
from qatlint.finding import Finding
from qatlint.report.formats import Report
from qatlint.report.width import one_line
from qatlint.report.words import remedy, subject


def document(report: Report) -> str:
    """The document, in characters that any encoding has."""
    by_path: dict[str, list[Finding]] = {path: [] for path in report.checked}
    for finding in report.findings:
        by_path.setdefault(finding.span.path, []).append(finding)
    root = Element("testsuites", name="qatlint")
    for path, findings in by_path.items():
        root.append(_suite(report.place(path), findings))
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", "0")
    indent(root)
    text: bytes = tostring(root, encoding="us-ascii", xml_declaration=True)
    # What is ASCII is UTF-8, which is what readers expect.
    return text.decode("ascii").replace("us-ascii", "UTF-8", 1)


def _suite(path: str, findings: Sequence[Finding]) -> Element:
    broken = sum(finding.code == catalogue.UNREADABLE.code for finding in findings)
    suite = Element(
        "testsuite",
        name=path,
        tests=str(max(len(findings), 1)),
        failures=str(len(findings) - broken),
        errors=str(broken),
        skipped="0",
        time="0",
    )
    if not findings:
        SubElement(suite, "testcase", name="qatlint", classname=path, file=path, time="0")
    seen: Counter[str] = Counter()
    for finding in findings:
        name = one_line(f"{finding.code} {finding.name} {subject(finding)}".rstrip())
        seen[name] += 1
        if seen[name] > 1:
            name += f" ({seen[name]})"
        _test(suite, path, name, finding)
    return suite


def _test(suite: Element, path: str, name: str, finding: Finding) -> None:
    test = SubElement(
        suite, "testcase", name=name, classname=path, file=path, line=str(finding.span.line), time="0"
    )
    kind = "error" if finding.code == catalogue.UNREADABLE.code else "failure"
    message = one_line(finding.message)
    body = SubElement(test, kind, message=message, type=finding.severity.label)
    place = f"{path}:{finding.span.line}:{finding.span.column}"
    body.text = "\n".join(filter(None, (f"{place}: {finding.code} {message}", remedy(finding))))
