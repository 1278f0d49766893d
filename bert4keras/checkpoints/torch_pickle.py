"""Pickle reader for ``torch.save`` files that can build tensors and do nothing else.

It is a small machine over ``pickletools.genops``. The only names it knows are those in the tables
below; it calls nothing that a file names, so no file can make it run code.
"""

import pickletools
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

_STORAGES = {
    "torch DoubleStorage": np.dtype("<f8"),
    "torch FloatStorage": np.dtype("<f4"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch CharStorage": np.dtype("i1"),
    "torch ByteStorage": np.dtype("u1"),
    "torch BoolStorage": np.dtype("?"),
    "torch ComplexFloatStorage": np.dtype("<c8"),
    "torch ComplexDoubleStorage": np.dtype("<c16"),
    "torch.storage UntypedStorage": np.dtype("u1"),
}
_TYPES = {  # of numbers that torch stores untyped
    "torch float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "torch float8_e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "torch float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "torch float8_e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "torch float8_e8m0fnu": np.dtype(ml_dtypes.float8_e8m0fnu),
    "torch float4_e2m1fn_x2": np.dtype(ml_dtypes.float4_e2m1fn),
    "torch uint16": np.dtype("<u2"),
    "torch uint32": np.dtype("<u4"),
    "torch uint64": np.dtype("<u8"),
}


class Storage(NamedTuple):
    """Sequence of numbers in the file that tensors are views of."""

    key: str
    dtype: np.dtype[Any]
    size: int


class Tensor(NamedTuple):
    """View of a storage, as the file describes it; nothing is checked yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Quantized(ValueError):
    """Error for a pickle of torch's quantized tensors."""


class Forbidden(ValueError):
    """Error for a pickle that asks for something that no tensor file needs."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    return Tensor(storage, offset, shape, strides)


def _typed_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any, *_: Any
) -> Tensor:
    """View untyped bytes as numbers of a type."""
    if not isinstance(storage, Storage) or not isinstance(dtype, np.dtype):
        raise Forbidden("a tensor without a storage or a type")
    size = storage.size * storage.dtype.itemsize // dtype.itemsize
    return Tensor(Storage(storage.key, dtype, size), offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> Tensor:
    return tensor


_CALLABLES = {
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_tensor_v3": _typed_tensor,
    "torch._utils _rebuild_parameter": _parameter,
    "collections OrderedDict": dict,
}
_GLOBALS = _STORAGES | _TYPES | _CALLABLES

_QUANTIZED = {
    "torch._utils _rebuild_qtensor",
    *(f"torch {kind}Storage" for kind in ("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4")),
}

# instructions that push their argument, a constant, or a fresh container
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_CONTAINERS = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


class Machine:
    """Stack machine that runs one pickle.

    Attributes:
        storages: key -> storage, all that the pickle names.

    Raises:
        Forbidden: the pickle names or does anything that no file of tensors needs.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self, file: Any) -> Any:
        """Return the value of the pickle that begins here; leave the file after its end."""
        for opcode, argument, _ in pickletools.genops(file):
            self.step(opcode.name, argument)
        return self.stack.pop()

    def step(self, name: str, argument: Any) -> None:
        """Run one instruction."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _CONTAINERS:
            self.stack.append(_CONTAINERS[name]())
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        else:
            raise Forbidden(f"the pickle instruction {name}")

    def pop(self, count: int) -> list[Any]:
        """Remove the last values of the stack and return them."""
        return self.cut(len(self.stack) - count)

    def cut(self, start: int) -> list[Any]:
        """Remove the values of the stack from ``start`` and return them."""
        if not 0 <= start <= len(self.stack):
            raise IndexError("the stack of the pickle is empty")
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def cut_at_mark(self) -> list[Any]:
        """Remove the values above the last mark and return them."""
        return self.cut(self.marks.pop())

    def nothing(self, _: Any) -> None:
        """Ignore a protocol number, a frame or a stop."""

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def tuple_of(self, items: list[Any]) -> None:
        self.stack.append(tuple(items))

    def remember(self, place: int | None) -> None:
        self.memo[len(self.memo) if place is None else place] = self.stack[-1]

    def recall(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise Forbidden("appending to what is not a list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        """Add items to a dict. Keys are plain: hashing a deeply nested key can end the process."""
        keys, values = items[::2], items[1::2]
        if type(self.stack[-1]) is not dict or any(type(key) not in (str, int) for key in keys):
            raise Forbidden("a dict with keys other than strings and numbers")
        self.stack[-1].update(zip(keys, values, strict=True))

    def find(self, name: str) -> None:
        if name in _QUANTIZED:
            raise Quantized(f"`{name.replace(' ', '.')}`")
        if name not in _GLOBALS:
            raise Forbidden(f"the global `{name.replace(' ', '.')}`")
        self.stack.append(_GLOBALS[name])

    def find_on_stack(self, _: Any) -> None:
        module, name = self.pop(2)
        self.find(f"{module} {name}" if type(module) is type(name) is str else "?")

    def call(self, _: Any) -> None:
        """Call one of the functions above; ``OrderedDict`` gets no arguments."""
        function, arguments = self.pop(2)
        is_known = any(function is callable_ for callable_ in _CALLABLES.values())
        if not is_known or type(arguments) is not tuple or (function is dict and arguments):
            raise Forbidden("a call of something else than a tensor")
        self.stack.append(function(*arguments))

    def build(self, _: Any) -> None:
        """Drop the state of a dict of tensors: its ``_metadata``, which nobody needs."""
        self.pop(1)
        if type(self.stack[-1]) is not dict:
            raise Forbidden("setting the state of an object")

    def storage(self, _: Any) -> None:
        match self.pop(1)[0]:
            case ("storage", np.dtype() as dtype, str(key), _, int(count), *view) if not any(view):
                self.storages[key] = Storage(key, dtype, count)
                self.stack.append(self.storages[key])
            case _:
                raise Forbidden("a persistent id that is not a storage")


_INSTRUCTIONS = {
    "PROTO": Machine.nothing,
    "FRAME": Machine.nothing,
    "STOP": Machine.nothing,
    "MARK": Machine.mark,
    "TUPLE": lambda machine, _: machine.tuple_of(machine.cut_at_mark()),
    "TUPLE1": lambda machine, _: machine.tuple_of(machine.pop(1)),
    "TUPLE2": lambda machine, _: machine.tuple_of(machine.pop(2)),
    "TUPLE3": lambda machine, _: machine.tuple_of(machine.pop(3)),
    "MEMOIZE": Machine.remember,
    "BINPUT": Machine.remember,
    "LONG_BINPUT": Machine.remember,
    "BINGET": Machine.recall,
    "LONG_BINGET": Machine.recall,
    "APPEND": lambda machine, _: machine.extend(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.cut_at_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.cut_at_mark()),
    "GLOBAL": Machine.find,
    "STACK_GLOBAL": Machine.find_on_stack,
    "REDUCE": Machine.call,
    "BUILD": Machine.build,
    "BINPERSID": Machine.storage,
}
