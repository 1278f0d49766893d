"""Parser of the command ``bert4keras``, and its exit codes."""

import argparse
import os
import sys
from collections.abc import Sequence

from bert4keras.cli import convert

_ERRORS = (ImportError, MemoryError, NotImplementedError, OSError, TypeError, ValueError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: its arguments; those of the process by default.

    Returns:
        The exit code: 0, or 2 after an error, which is printed.
    """
    options = _make_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # silences TensorFlow's start messages
    try:
        for line in options.run(options):
            print(line)
    except _ERRORS as error:
        print(f"bert4keras {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _make_parser() -> argparse.ArgumentParser:
    """Make the parser, with one subparser for each command."""
    parser = argparse.ArgumentParser(
        prog="bert4keras", description="Commands for transformer models on Keras 3."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    convert.add_parser(commands)
    return parser
