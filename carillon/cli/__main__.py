"""`python -m carillon.cli`."""

import sys

from carillon.cli import main

sys.exit(main())
