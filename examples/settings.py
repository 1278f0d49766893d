"""Settings of an example: each constant at its top is also an option of the command line.

``import settings`` comes first on a page, so that TensorFlow starts without its messages. A page
calls ``settings.override(globals())`` below its constants. This file is all that the pages share,
apart from the synthetic data in ``data/``.
"""

import argparse
import ast
import io
import json
import logging
import os
import re
import sys
import tempfile
import tokenize
from contextlib import contextmanager
from pathlib import Path

CHATTER = re.compile(
    r"absl::InitializeLog|oneDNN|cuda|cuInit|TF-TRT|cpu_feature_guard|rebuild Tens"
)
CAUSES = (OSError, ValueError, ImportError, FloatingPointError, MemoryError, NotImplementedError)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's errors come as exceptions
SMOKE = "BERT4KERAS_SMOKE"  # environment variable: a quick test, also in a notebook


@contextmanager
def silence():
    """Drop the start-up messages of TensorFlow, which go to file descriptor 2; keep all others."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            file.seek(0)
            for line in file.read().decode(errors="replace").splitlines():
                if line.strip() and not CHATTER.search(line):
                    print(line, file=sys.stderr)


logging.getLogger("tensorflow").setLevel(logging.ERROR)  # many lengths make it warn of retracing
with silence():
    import keras

    keras.ops.zeros(1) + 1  # the first operation starts the rest of TensorFlow


def is_smoke():
    """Return True in a run with ``--smoke``: little data, one epoch."""
    return os.environ.get(SMOKE) == "1"


def override(page, predict="TEXT"):
    """Replace the constants of a page by the options of the command line; set seed and precision.

    Options that every page has: ``--smoke``, ``--seed``, ``--precision``, ``--traceback``. A page
    that has the constant ``output`` has ``--predict`` too: it opens the pipeline of that folder,
    prints its records and ends the script.

    Args:
        page: ``globals()`` of the page. In a notebook, which has no command line, nothing changes.
        predict: names of the texts that ``--predict`` takes; two names for a pair of texts. None
            for a page that saves no pipeline.
    """
    options = read_options(page, predict) if "__file__" in page else {}
    shows_traceback = options.pop("traceback", True)
    os.environ[SMOKE] = str(int(options.pop("smoke", is_smoke())))
    precision, texts = options.pop("precision", "float32"), options.pop("predict", None)
    page.update(options)
    if is_smoke() and "epochs" in page:
        page["epochs"] = 1
    keras.utils.set_random_seed(page.get("seed", 0))
    keras.config.set_dtype_policy(precision)
    if not shows_traceback:
        sys.excepthook = make_excepthook(page)
    if texts is not None:
        print_predictions(page["output"], texts, len(predict.split()))
        sys.exit(0)


def read_options(page, predict):
    """Return the options of the command line, {constant: value}, checked."""
    text = Path(page["__file__"]).read_text(encoding="utf-8")
    parser = make_parser(text, read_constants(text), predict if "output" in page else None)
    args = parser.parse_args()
    check_paths(parser, args)
    return vars(args)


def read_constants(text):
    """Read the constants above the call of ``override``: {name: (value, comment)}."""
    lines = {}  # the comment of each line
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0]] = token.string.lstrip("# ")
    constants = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Expr) and "override" in ast.unparse(node):
            break
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue  # computed: no option
            if value is None or isinstance(value, str | bool | int | float):
                constants[node.targets[0].id] = (value, lines.get(node.end_lineno, ""))
    return constants


def make_parser(text, constants, predict):
    """Make the parser of the options of a page; the comments at its top describe it."""
    header = text.split("\n\n")[0]
    parser = argparse.ArgumentParser(
        description=re.sub(r"(?m)^#!? ?", "", header),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for name, (value, comment) in constants.items():
        comment = comment.replace("%", "%%")
        if isinstance(value, bool):
            action = argparse.BooleanOptionalAction
            parser.add_argument(f"--{name}", action=action, default=value, help=comment)
        else:
            read = make_reader(value)
            shown = f" [{value}]" if value not in ("", None) else ""
            parser.add_argument(f"--{name}", type=read, default=value, help=comment + shown)
    add = parser.add_argument
    add("--smoke", action="store_true", help="小数据试跑一轮  a quick test: little data, one epoch")
    if "seed" not in constants:
        add("--seed", type=make_reader(0), default=0, help="随机种子  seed of random numbers [0]")
    policies = ["float32", "mixed_bfloat16", "mixed_float16"]
    add("--precision", choices=policies, default="float32", help="计算精度  [float32]")
    add("--traceback", action="store_true", help="显示出错位置  show where an error came from")
    if predict is not None:
        number = len(predict.split())
        add(
            "--predict",
            nargs=number if number > 1 else "+",
            metavar=tuple(predict.split()) if number > 1 else predict,
            help="用训练好的模型预测  use the trained model, do not train",
        )
    return parser


def make_reader(default):
    """Make the function that reads the text of an option of the same type as its default value."""

    def read(text):
        if default is None or isinstance(default, str):
            return text
        try:
            number = type(default)(text)
        except ValueError:
            kind = "a whole number" if isinstance(default, int) else "a number"
            raise argparse.ArgumentTypeError(f"Expected {kind}, got {text!r}.") from None
        if not (0 < number < float("inf") or number == default == 0):
            least = "of 0 or more" if default == 0 else "above 0"
            raise argparse.ArgumentTypeError(f"Expected a number {least}, got {text}.")
        return number

    return read


def check_paths(parser, args):
    """Refuse files and folders that are not there, and a vocabulary of another checkpoint."""
    for name, value in vars(args).items():
        if name.endswith("_file") and value and not Path(value).is_file():
            parser.error(f"Expected --{name} to be a file, got {value}, which is none.")
    train, valid = (getattr(args, f"{name}_file", None) for name in ("train", "valid"))
    if valid is not None and bool(train) != bool(valid):
        parser.error("Expected --train_file and --valid_file together, got one. Give both files.")
    if args.smoke and any(name.endswith("_file") and value for name, value in vars(args).items()):
        parser.error("Expected --smoke without files: it makes little data. Set --epochs 1.")
    checkpoint = getattr(args, "checkpoint", "")
    if checkpoint and not checkpoint.startswith("hf://"):  # a folder of the Hugging Face hub
        check_checkpoint(parser, checkpoint)
    output = getattr(args, "output", None)
    for path in [Path(output), *Path(output).parents] if output else []:
        if path.exists() and not path.is_dir():
            parser.error(f"Expected --output to be a folder, got {output}, but {path} is a file.")


def check_checkpoint(parser, folder):
    """Refuse a folder without a configuration, or with a vocabulary that has too many tokens."""
    from bert4keras.models.config import read_config

    try:
        rows = read_config(folder).get("vocab_size")
    except (OSError, ValueError) as error:
        parser.error(f"--checkpoint {folder}: {error}")
    vocab = Path(folder, "vocab.txt")
    if vocab.is_file() and isinstance(rows, int):
        count = len(vocab.read_text(encoding="utf-8").rstrip().split("\n"))
        if count > rows:
            parser.error(
                f"Expected {vocab} to have at most {rows} tokens, as the checkpoint has rows, got "
                f"{count}. Use the vocabulary that came with the checkpoint."
            )


def print_predictions(folder, texts, number_of_texts):
    """Print the records of a saved pipeline."""
    from bert4keras.pipelines import load_pipeline

    if not Path(folder, "pipeline.json").is_file():
        sys.exit(
            f"Expected a trained pipeline in {folder}, got none. Train first, without --predict."
        )
    pipeline = load_pipeline(folder)
    items = [tuple(texts)] if number_of_texts > 1 else texts
    for item, record in zip(items, pipeline(items)):
        print(item, "->", json.dumps(record, ensure_ascii=False))


def make_excepthook(page):
    """Make a ``sys.excepthook`` with one line for Ctrl-C, and for errors of files and options."""
    script = Path(page.get("__file__", "notebook")).name
    output = page.get("output")
    is_saved = Path(output, "pipeline.json").is_file if output else lambda: False
    first_time = Path(output, "pipeline.json").stat().st_mtime_ns if is_saved() else None

    def report(kind, error, traceback):
        if issubclass(kind, KeyboardInterrupt):
            is_new = is_saved() and Path(output, "pipeline.json").stat().st_mtime_ns != first_time
            best = f"The best model is in {output}." if is_new else "No model was saved yet."
            print(f"\n{script}: stopped. {best}", file=sys.stderr)
        elif issubclass(kind, CAUSES):
            message = " ".join(str(error).split()) or kind.__name__
            print(f"{script}: error: {message} (--traceback shows where)", file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, traceback)

    return report
