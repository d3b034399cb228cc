"""Start-up only: hand the command line over."""

import sys

from studio.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
