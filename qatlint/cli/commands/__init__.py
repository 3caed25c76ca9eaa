"""One file, one command: `<name>.py` holds a click command called `command` that returns its exit code."""
