"""``python -m bert4keras.legacy [--backend NAME] [--report] script.py [arguments]``."""

import argparse
import os
import runpy
import sys
from collections.abc import Sequence

_BACKENDS = ("tensorflow", "jax", "torch")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a script in compatibility mode, as ``python script.py`` runs it.

    Args:
        arguments: arguments of the command line; ``sys.argv[1:]`` by default.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if not os.path.isfile(options.script):
        parser.error(f"Expected the path of a script, got {options.script!r}. Check the path.")
    if options.backend:
        os.environ["KERAS_BACKEND"] = options.backend
    os.environ.pop("TF_KERAS", None)  # tf.keras is Keras 3 too
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from bert4keras.legacy import install
    from bert4keras.legacy.report import usage_report

    install()
    sys.argv = [options.script, *options.arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(options.script)))
    try:
        runpy.run_path(options.script, run_name="__main__")
    finally:
        if options.report:
            text = "\n".join(usage_report.lines())
            print(text or "The script uses no outdated code.", file=sys.stderr)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m bert4keras.legacy",
        description="Run a script for bert4keras 0.6 to 0.11 and Keras 2, unchanged, on Keras 3.",
        epilog="The script runs with patched Keras, NumPy, json and TensorFlow. "
        "docs/migration.md lists every patch.",
    )
    parser.add_argument(
        "--backend",
        choices=_BACKENDS,
        help="backend of Keras 3 (default: the variable KERAS_BACKEND, or tensorflow)",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="at the end, list each line of outdated code and what to write instead",
    )
    parser.add_argument("script", help="path of the script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments for the script")
    return parser


if __name__ == "__main__":
    main()
