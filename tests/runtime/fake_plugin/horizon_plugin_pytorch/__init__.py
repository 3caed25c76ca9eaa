"""A plugin that behaves as the documents say, as far as `qatlint.runtime.child.plugin` relies on it."""

__version__ = "3.3.4+fake"
