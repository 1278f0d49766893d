"""``python -m bert4keras``."""

import sys

from bert4keras.cli import main

if __name__ == "__main__":
    sys.exit(main())
