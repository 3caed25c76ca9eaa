"""Executed models. This side starts child processes and judges what they recorded; it needs no torch.

Everything that imports torch or the user's code is in `qatlint.runtime.child` and runs in another process.
"""
