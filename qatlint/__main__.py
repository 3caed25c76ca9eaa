"""`python -m qatlint`."""

import sys

from qatlint.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
