"""`python -m crossjepa` is the command line."""

import sys

from crossjepa.cli import main

sys.exit(main())
