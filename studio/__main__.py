"""`python -m studio`: the command line of an installation; in a checkout `main.py` is the same."""

import sys

from studio.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
