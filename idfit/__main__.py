"""``python -m idfit``."""

import sys

from idfit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
