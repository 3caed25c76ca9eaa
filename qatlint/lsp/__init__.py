"""The language server: the only home of pygls. What is found comes from `qatlint.live`."""
