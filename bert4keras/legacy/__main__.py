"""``python -m bert4keras.legacy [--backend NAME] [--report] script.py [arguments]``."""

import argparse
import os
import runpy
import sys

BACKENDS = ("tensorflow", "jax", "torch")


def main(arguments=None):
    """Run a script as Python runs it, through the door.

    Args:
        arguments: those of the command line; ``sys.argv[1:]`` by default.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if not os.path.exists(options.script):
        parser.error(f"{options.script}: there is no such script")
    if options.backend:
        os.environ["KERAS_BACKEND"] = options.backend
    os.environ.pop("TF_KERAS", None)  # there is one Keras
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from bert4keras.legacy import install
    from bert4keras.legacy.report import met_so_far

    install()
    sys.argv = [options.script, *options.arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(options.script)))
    try:
        runpy.run_path(options.script, run_name="__main__")
    finally:
        if options.report:
            print("\n".join(met_so_far.lines()) or "No old idiom was met.", file=sys.stderr)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m bert4keras.legacy",
        description="Runs a script written for bert4keras 0.6 to 0.11 and Keras 2, unchanged.",
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, help="of Keras 3; by default KERAS_BACKEND, or tensorflow"
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="list, at the end, each old idiom met, its line, and what to write today",
    )
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="those of the script")
    return parser


if __name__ == "__main__":
    main()
