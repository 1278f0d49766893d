"""Options of the examples: ranges are checked, and an error is one line that says what to do."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from bert4keras.checks import check_integer, check_number

SEED = {"minimum": 0, "maximum": 2**32 - 1}
EXPECTED = (OSError, ValueError, ImportError, FloatingPointError, MemoryError, NotImplementedError)


class Parser(argparse.ArgumentParser):
    """A parser whose options of type `int` are 1 or more and of type `float` above 0, unless
    `minimum=`, `maximum=` say another range. After `parse_args`, an error that wrong files or
    options cause ends the script with one line; `--traceback` shows where it came from."""

    def __init__(self, description, **options):
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(description=description, formatter_class=form, **options)
        self.add_argument("--traceback", action="store_true", help="show where an error came from")

    def add_argument(self, *names, minimum=None, maximum=None, **options):
        if options.get("type") in (int, float):
            options["type"] = number_type(names[0], options["type"], minimum, maximum)
        return super().add_argument(*names, **options)

    def parse_args(self, args=None, namespace=None):
        args = super().parse_args(args, namespace)
        for option in "config", "vocab", "folder":
            path = getattr(args, option, None)
            if path and not os.path.exists(path):
                self.error(f"--{option} {path}: there is no such file or folder")
        self.check_output(getattr(args, "output", None))
        if not args.traceback:
            sys.excepthook = one_line(self.prog)
        return args

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")

    def check_output(self, output):
        """The folder can be made: it is no file, nor is a folder above it."""
        for path in [Path(output), *Path(output).parents] if output else []:
            if path.exists() and not path.is_dir():
                self.error(f"--output {output}: it must be a folder, but {path} is a file")


def number_type(name, kind, minimum, maximum):
    """What argparse calls with the text of an option: it returns a number of the range."""

    def parse(text):
        try:
            number = kind(text)
        except ValueError:
            whole = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {whole}") from None
        try:
            if kind is int:
                return check_integer(name, number, 1 if minimum is None else minimum, maximum)
            return check_number(name, number, minimum, maximum, 0 if minimum is None else None)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def one_line(prog):
    """A `sys.excepthook` that prints what files and options cause as one line, bugs as a whole."""

    def report(kind, error, traceback):
        file, line = where(traceback)
        is_of_data = "data" in Path(file).parts[-2:]
        if issubclass(kind, EXPECTED):
            message = " ".join(str(error).split()) or kind.__name__
        elif issubclass(kind, (KeyError, IndexError, TypeError)) and is_of_data:
            message = (
                f"the data have another form than --help says ({kind.__name__}: {error}, in "
                f"{Path(file).name}, line {line})"
            )
        else:
            return sys.__excepthook__(kind, error, traceback)
        print(f"{prog}: error: {message}", file=sys.stderr)

    return report


def where(traceback):
    """File and line that raised an error."""
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno) if traceback else ("", 0)


def find_function(text, default="lcut", option="--word_segment"):
    """The function that MODULE:FUNCTION names; MODULE alone means its function `lcut`.

    Raises: ValueError that says what is missing.

    Example:
        >>> find_function("textwrap:wrap")("a b", 1)
        ['a', 'b']
    """
    module, _, name = text.partition(":")
    names = [name] if name else [default]
    try:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            if name or "." not in module:
                raise
            module, _, last = module.rpartition(".")  # jieba.lcut, with a dot for the colon
            found, names = importlib.import_module(module), [last]
    except (ImportError, ValueError, TypeError) as error:
        raise ValueError(
            f"{option} {text}: cannot import {module!r} ({error}); pip install it, or "
            "give MODULE:FUNCTION such as jieba:lcut"
        ) from None
    function = getattr(found, names[0], None)
    if not callable(function):
        raise ValueError(
            f"{option} {text}: the module {module} has no function {names[0]!r}; give "
            "MODULE:FUNCTION such as jieba:lcut"
        )
    return function
