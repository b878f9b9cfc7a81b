"""`python -m crossjepa` is the command line."""

import sys

from crossjepa.cli.main import main

sys.exit(main())
