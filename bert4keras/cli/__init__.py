"""The command ``bert4keras``."""

import argparse
import os
import sys

ERRORS = (ImportError, NotImplementedError, OSError, TypeError, ValueError)
CONVERT = """
examples:
  bert4keras convert chinese_L-12_H-768_A-12/bert_model.ckpt chinese_bert
  bert4keras convert chinese_bert new/bert_model.ckpt
  bert4keras convert best_model.weights best.weights.h5 --config bert_config.json
"""


def main(argv=None):
    """Run the command.

    Args:
        argv: its arguments; those of the process by default.

    Returns:
        The exit code: 0, or 2 after a mistake, which has been told.
    """
    options = _parser().parse_args(argv)
    try:
        for line in options.run(options):
            print(line)
    except ERRORS as error:
        print(f"bert4keras {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="bert4keras", description="Transformers on Keras 3.")
    commands = parser.add_subparsers(dest="command", required=True)
    convert = commands.add_parser(
        "convert",
        help="weights from one format to another",
        description="Read the weights of a model in one format and write them in another.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=CONVERT,
    )
    add = convert.add_argument
    add(
        "old",
        metavar="OLD",
        help="a TensorFlow prefix (bert_model.ckpt), a Hugging Face folder or hf://name, a .keras, "
        ".weights.h5, .safetensors or .h5 file, or what Keras 2 saved under any name",
    )
    add(
        "new",
        metavar="NEW",
        help="what ends in .ckpt is written as a TensorFlow checkpoint, .safetensors, .weights.h5, "
        ".keras and .h5 as such files, any other name as a Hugging Face folder",
    )
    add("--config", help="the configuration, bert_config.json; by default that beside OLD")
    add("--model", help="the family, such as albert; by default what the configuration says")
    add("--application", choices=["encoder", "lm", "unilm"], help="as what the model is used")
    add("--force", action="store_true", help="replace NEW if it is there")
    convert.set_defaults(run=_convert)
    return parser


def _convert(options):
    """Convert, and give the lines that say what was done."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow tells of itself otherwise
    from bert4keras.cli.convert import convert  # here, so that --help need not wait for Keras

    done = convert(
        options.old,
        options.new,
        options.config,
        options.model,
        options.application,
        options.force,
    )
    heads = f" ({', '.join(done.heads)})" if done.heads else ""
    yield f"Read {done.weights} weights of {done.family}{heads} from {options.old}"
    yield f"Wrote {done.wrote}"
    if done.left:
        more = f" and {len(done.left) - 3} more" if len(done.left) > 3 else ""
        yield f"Left out, for the model has no place for it: {', '.join(done.left[:3])}{more}"
    yield from (f"Note: {note}" for note in done.notes)


if __name__ == "__main__":
    sys.exit(main())
