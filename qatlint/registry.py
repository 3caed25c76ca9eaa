"""Find the rules: every module of the package `qatlint.rules` that holds a `Rule`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from qatlint.rule import Rule


class UnknownRule(Exception):
    """A code or name that no rule has; `.nearest` is the closest known one, or None."""

    def __init__(self, given: str, nearest: str | None) -> None:
        hint = f"; did you mean `{nearest}`?" if nearest else ""
        super().__init__(f"unknown rule `{given}`{hint}")
        self.given = given
        self.nearest = nearest


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, by code. Raises `ValueError` when two rules share a code or a name."""
    package = importlib.import_module("qatlint.rules")
    found: dict[str, Rule] = {}
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda e: e.name):
        module = importlib.import_module(f"qatlint.rules.{entry.name}")
        for value in vars(module).values():
            if not isinstance(value, Rule):
                continue
            for key in (value.code, value.name):
                if key in found:
                    raise ValueError(f"two rules are called {key}")
                found[key] = value
    unique = {r.code: r for r in found.values()}
    return tuple(unique[code] for code in sorted(unique))


def get(name: str) -> Rule:
    """The rule with this code or name (case does not matter). Raises `UnknownRule`."""
    wanted = name.strip().lower()
    for candidate in all_rules():
        if wanted in (candidate.code.lower(), candidate.name):
            return candidate
    raise UnknownRule(name, nearest(name))


def nearest(name: str) -> str | None:
    """The known code or name that looks most like `name`."""
    import difflib

    known = [key for r in all_rules() for key in (r.code, r.name)]
    by_lower = {key.lower(): key for key in known}
    close = difflib.get_close_matches(name.strip().lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None


def expand(selector: str) -> tuple[Rule, ...]:
    """Rules meant by a selector: `ALL`, a code, a name, or a prefix of codes such as `QAT1`.

    Raises `UnknownRule` when nothing matches.
    """
    wanted = selector.strip()
    if wanted.upper() == "ALL":
        return all_rules()
    if wanted.upper().startswith("QAT"):
        hits = tuple(r for r in all_rules() if r.code.startswith(wanted.upper()))
        if hits:
            return hits
    return (get(wanted),)
