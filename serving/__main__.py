"""`python -m serving …`, the same as `bandit-warehouse …`."""

import sys

from serving.cli import main

sys.exit(main())
