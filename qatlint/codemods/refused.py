"""The one exception by which a codemod says no."""


class Refused(Exception):
    """A rewrite that would not be right. Its text is one sentence for users, without a full stop."""
