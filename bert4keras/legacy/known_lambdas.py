"""Lambda functions in saved files, recognized by their bytes: no code of a file ever runs.

A file keeps a Lambda as the marshalled code of a function. Here it is only parsed, and compared
with the code of the functions below. If bytecode, names and kinds of constants are equal, Python
makes the function again from the text below, with the constants of the file (integers, such as
the axis or the index). Any other code stays unknown.
"""

import base64
import binascii
import functools
import types
from typing import Any

from bert4keras import backend
from bert4keras.backend import K, keras

_SLICES = (
    "7 -7 7: -7: :7 :-7 7:7 7:-7 :7:7 ::7 ...,7 ...,:7 ...,7: :,7 :,-7 :,7: :,-7: :,:7 :,:-7 :,7:8 "
    ":,7:-8 :,7:7 :,::7 :,7,: :,-7,: :,7:,: :,:-7,: :,7:-8,: :,:,7 :,:,-7 :,:,7: :,:,:7 :,:,:-7 "
    ":,:,7:8 :,None :,None,: :,:,None 7,:,: 7,8"
).split()
_CALLS = "mean max min sum prod std var any all argmax logsumexp expand_dims squeeze cumsum".split()
_SOURCES = [
    *(f"x[{index}]" for index in _SLICES),
    *(f"x[7][{index}]" for index in _SLICES),
    *(
        f"{module}.{name}(x{arguments})"
        for module in ("K", "keras.backend", "backend")
        for name in (*_CALLS, "softmax", "l2_normalize")
        for arguments in ("", ", 7", ", -7", ", axis=7", ", axis=-7")
    ),
    *(f"K.{name}(x, axis=7, keepdims=True)" for name in _CALLS[:7]),
    *(f"K.{name}(x, axis=-7, keepdims=True)" for name in _CALLS[:7]),
    *(f"K.{name}(x, axis=[7, 8])" for name in _CALLS[:7]),
    *(
        f"{module}.reduce_{name}(x, {axis})"
        for module in ("tf", "tf.math")
        for name in ("mean", "max", "min", "sum", "prod")
        for axis in ("7", "-7", "axis=7", "axis=-7")
    ),
    *(
        f"K.{name}(x)"
        for name in (
            "abs square sqrt exp log sign round sigmoid tanh relu softplus stop_gradient identity "
            "batch_flatten flatten transpose"
        ).split()
    ),
    *(f"tf.expand_dims(x, {axis})" for axis in ("7", "-7", "axis=7", "axis=-7")),
    *(f"tf.squeeze(x, {axis})" for axis in ("7", "-7", "axis=7", "axis=-7")),
    *(f"x {sign} {number}" for sign in "+-*/" for number in ("7", "7.5", "-7", "-7.5")),
    *(f"{number} {sign} x" for sign in "+-*/" for number in ("7", "7.5")),
    *("x", "-x", "x ** 7", "x ** 7.5", "K.cast(x, 'float32')", "K.cast(x, 'int32')"),
    *("K.concatenate(x)", "K.concatenate(x, axis=7)", "K.concatenate(x, axis=-7)"),
    *("K.abs(x[7] - x[8])", "x[7] - x[8]", "x[7] + x[8]", "x[7] * x[8]", "x * x", "x + x"),
    *("K.reverse(x, 7)", "K.reverse(x, axes=7)", "K.repeat_elements(x, 7, 8)"),
]
_NUMBERS = (int, float)
_OTHER_KINDS = 0x3AC  # flags: *args, **kwargs, generators, coroutines
_LONGEST = 2000  # bytes of marshalled code


def find_known_lambda(function: Any) -> Any:
    """Return the function that a saved Lambda has, made from our own text; None if unknown.

    Args:
        function: its description in a configuration of Keras 3, ``{"config": {"code": ...}}``.
    """
    config = function.get("config") if isinstance(function, dict) else None
    if not isinstance(config, dict) or config.get("defaults") or config.get("closure"):
        return None
    try:
        data = base64.b64decode(config["code"].replace("\n", ""), validate=True)
        code = _parse(data)
    except (KeyError, AttributeError, ValueError, IndexError, TypeError, binascii.Error):
        return None
    if not isinstance(code, dict) or not isinstance(code["consts"], tuple):
        return None
    if code["flags"] & _OTHER_KINDS or code["arguments"] != (1, 0, 0):
        return None
    candidates = _known_codes().get((code["code"], code["names"]), ())
    code_here = next((x for x in candidates if _are_alike(x.co_consts, code["consts"])), None)
    if code_here is None:
        return None
    names = {"K": K, "backend": K, "keras": keras, "tf": backend.tf}
    return types.FunctionType(code_here.replace(co_consts=code["consts"]), names, "<lambda>")


@functools.cache
def _known_codes():
    """Return {(bytecode, names): list of codes} of the functions above."""
    codes: dict[tuple[bytes, tuple[str, ...]], list[Any]] = {}
    for source in _SOURCES:
        for imports in ("", "import K, backend, keras, tf"):  # calls of imported modules differ
            module = compile(f"{imports}\nlambda x: {source}", "<lambda>", "exec")
            code = next(x for x in module.co_consts if isinstance(x, types.CodeType))
            codes.setdefault((code.co_code, code.co_names), []).append(code)
    return codes


def _are_alike(known_constants, constants):
    """True if constants differ in the value of numbers alone."""
    if isinstance(known_constants, tuple):
        is_tuple = isinstance(constants, tuple) and len(known_constants) == len(constants)
        return is_tuple and all(map(_are_alike, known_constants, constants))
    return type(known_constants) is type(constants) and (
        type(known_constants) in _NUMBERS or known_constants == constants
    )


# A reader of marshalled code: https://docs.python.org/3/library/marshal.html


def _parse(data):
    """Return the code of a function as a dict; raise ValueError for anything unusual."""
    if len(data) > _LONGEST:
        raise ValueError("too long")
    return _Reader(data).read()


class _Reader:
    """Reader of marshalled values: None, booleans, numbers, strings, tuples and code.

    Args:
        data: bytes that ``marshal.dumps`` has made, in this version of Python.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.position, self.depth = data, 0, 0
        self.references: list[Any] = []

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        part = self.data[self.position : self.position + count]
        if len(part) != count:
            raise ValueError("too short")
        self.position += count
        return part

    def integer(self, count: int = 4) -> int:
        """Return the next integer."""
        return int.from_bytes(self.take(count), "little", signed=count == 4)

    def read(self) -> Any:
        """Return the next value."""
        kind = self.take(1)[0]
        has_reference, kind = bool(kind & 0x80), chr(kind & 0x7F)
        index = len(self.references)
        if has_reference:
            self.references.append(None)
        self.depth += 1
        if self.depth > 20:
            raise ValueError("too deep")
        value = self.read_kind(kind)
        self.depth -= 1
        if has_reference:
            self.references[index] = value
        return value

    def read_kind(self, kind: str) -> Any:
        """Return the value of a kind."""
        constants = {"N": None, "T": True, "F": False, ".": ...}
        if kind in constants:
            return constants[kind]
        if kind == "i":
            return self.integer()
        if kind == "g":
            return float(memoryview(self.take(8)).cast("d")[0])
        if kind == "s":
            return self.take(self.integer())
        if kind in "aAut":
            return self.take(self.integer()).decode("utf-8")
        if kind in "zZ":
            return self.take(self.integer(1)).decode("ascii")
        if kind in "()":
            return tuple(self.read() for _ in range(self.integer(1 if kind == ")" else 4)))
        if kind == "r":
            return self.references[self.integer()]
        if kind == "c":
            return self.read_code()
        raise ValueError(f"unknown kind {kind!r}")

    def read_code(self) -> dict[str, Any]:
        """Return the parts of a code object that say what the function does."""
        arguments = tuple(self.integer() for _ in range(3))
        _stack_size, flags = self.integer(), self.integer()
        code, constants, names = self.read(), self.read(), self.read()
        for _ in range(5):  # local names and kinds, file, name, qualified name
            self.read()
        self.integer()  # first line
        _lines, exceptions = self.read(), self.read()
        if exceptions:
            raise ValueError("a try statement")
        return {
            "arguments": arguments,
            "flags": flags,
            "code": code,
            "consts": constants,
            "names": names,
        }
