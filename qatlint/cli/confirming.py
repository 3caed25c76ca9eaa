"""`check --report`: findings that the toolchain's own report confirms, and its rows that nothing explains."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint import engine
from qatlint.aim import Aim
from qatlint.cli import base
from qatlint.cli.toolchain_files import read_files
from qatlint.finding import Finding
from qatlint.horizon.judging.counted import Counted
from qatlint.horizon.judging.facts import NOT_READ, Settings
from qatlint.horizon.judging.judge import judge
from qatlint.horizon.judging.judgement import Judgement
from qatlint.loader import Loader
from qatlint.report.model_check import missing_words
from qatlint.resolve.choosing import best
from qatlint.resolve.fit import doubt, rivalry
from qatlint.resolve.linked import Links, unexplained


class Confirmation:
    """One report, held against the source that is checked."""

    def __init__(
        self, report: str, files: Sequence[str], around: Sequence[str], aim: Aim, loader: Loader
    ) -> None:
        """`around`: the files that may build these models otherwise. `aim` is what the settings say of the
        project. Raises `click.UsageError` when `report` is none."""
        check, _ = read_files([report])
        for words in missing_words(check):
            base.warn(f"--report: {words}")
        flows = engine.flows(files, loader, aim, around)
        names = best(flows, check, flows, parts=True)
        told = names.told() if names is not None else NOT_READ
        self._rows: list[Judgement] = judge(check, Settings(aim.march), told)
        doubted = doubt(check, names, "the checked files" if names is None else names.root, flows)
        if doubted:
            ask = "see that the class that was prepared is checked, in the version of then"
            base.warn(f"--report: {doubted}; {ask}")
        self._links: Links | None = None
        self._links_of_rivals: list[Links] = []
        if names is not None and not doubted:  # what is said of another model confirms nothing here
            counted = Counted(check)
            self._links = Links(self._rows, names, counted)
            self._links_of_rivals = [Links(self._rows, rival, counted) for rival in names.rivals]
            if like_it := rivalry(names):
                base.warn(f"--report: {like_it}; what only one of them has is not confirmed")

    def rows(self, finding: Finding) -> tuple[Judgement, ...]:
        """The rows of the report that say the same, of each of the models that it may be about."""
        if self._links is None:
            return ()
        found = [links.confirming(finding) for links in (self._links, *self._links_of_rivals)]
        return tuple(row for row in found[0] if all(row in rows for rows in found))

    def unexplained(self, findings: Sequence[Finding]) -> list[Judgement]:
        """The rows to look at or check that no finding explains."""
        explained = {} if self._links is None else self._links.findings_about(findings)
        return unexplained(self._rows, explained)

    def note(self, rows: Sequence[Judgement]) -> str:
        """Rows that no finding explains, in words; "" when there are none."""
        if not rows:
            return ""
        lines = [f"  {row.topic.value}: {' + '.join(row.names)}" for row in rows]
        head = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
        return "\n".join([f"{head} of the toolchain's report that no finding explains:", *lines])
