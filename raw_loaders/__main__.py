"""Entry point of `python -m raw_loaders`."""

import sys

from raw_loaders.cli import main

if __name__ == "__main__":
    sys.exit(main())
