"""As in the plugin, the function `prepare` hides the module of that name."""

from .prepare import prepare

__all__ = ["prepare"]
