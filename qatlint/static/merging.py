"""A model whose settings are merged with what is handed in: `{**DEFAULTS, **(cfg or {})}`."""

from __future__ import annotations

from qatlint.static.defaults import as_default, is_plain
from qatlint.static.replacing import Replacing
from qatlint.static.values import Item, Mapping, Value


class Merging(Replacing):
    """The same as `Replacing`, but that what such a dict had before is a default."""

    def merge_unknown(self, mapping: Mapping, other: Value | None) -> None:
        if isinstance(other, Mapping) and not (other.open or other.rest):
            return
        number = next(self.numbers)
        for key, item in mapping.entries.items():
            if is_plain(item.value):
                made = as_default(item.value, self.intern(("merged", number, key)), str(key))
                mapping.entries[key] = Item(
                    made, item.when, item.times, item.loops, item.node, item.file, item.given
                )
