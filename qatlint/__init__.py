"""qatlint: find, explain and fix what keeps a PyTorch model from quantising well on Horizon chips."""

__version__ = "0.1.0"
