"""Text functions: character classes, width, splitting, common substrings, equations."""

import ast
import operator
import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

CJK_PUNCTUATION = (
    "＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､\u3000、〃〈〉《》「」『』【】〔〕"
    "〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏﹑﹔·！？｡。"
)
_CJK_RANGES = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_LARGEST_POWER = 9
_HALF_WIDTH = {0x3000: " "} | {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def is_string(s: object) -> bool:
    """True if ``s`` is a str (bytes are not)."""
    return isinstance(s, str)


@lru_cache(maxsize=65536)
def is_cjk_character(char: str) -> bool:
    """True if BERT takes ``char`` as a Chinese character, which is always a separate word.

    Example:
        >>> is_cjk_character("字"), is_cjk_character("か")
        (True, False)
    """
    return any(first <= ord(char) <= last for first, last in _CJK_RANGES)


def is_punctuation(char: str) -> bool:
    """True if ``char`` has a Unicode class P*, or is an ASCII sign (no letter or digit)."""
    return char in _ASCII_PUNCTUATION or unicodedata.category(char).startswith("P")


def is_space(char: str) -> bool:
    """True if ``char`` is a tab, a line end or a Unicode space (class Zs)."""
    return char in "\t\n\r" or unicodedata.category(char) == "Zs"


def is_control(char: str) -> bool:
    """True if ``char`` has a Unicode control or format class (Cc, Cf), as line ends have."""
    return unicodedata.category(char) in ("Cc", "Cf")


def _check_type(name, value, kind):
    """Return a value of a type; ``checks`` is a room on this floor and cannot be imported."""
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = "a str" if kind is str else "a whole number"
        type_name = type(value).__name__
        raise TypeError(
            f"Expected {name} to be {expected}, got {value!r} ({type_name}). Convert it."
        )
    return value


def convert_to_unicode(text: str | bytes, encoding: str = "utf-8", errors: str = "ignore") -> str:
    """Convert text or bytes to str.

    Args:
        text: str, or bytes to decode.
        encoding: encoding of the bytes.
        errors: error handling, as in ``bytes.decode``. Default: invalid bytes are dropped.

    Example:
        >>> convert_to_unicode("中文".encode("gbk"), "gbk")
        '中文'
    """
    return text.decode(encoding, errors) if isinstance(text, bytes) else text


def convert_to_str(text: str | bytes, encoding: str = "utf-8", errors: str = "ignore") -> str:
    """Convert text or bytes to str, like ``convert_to_unicode``."""
    return convert_to_unicode(text, encoding, errors)


def strQ2B(s: str) -> str:
    """Convert full-width letters, digits and signs to half width.

    Example:
        >>> strQ2B("ＢＥＲＴ　４！")
        'BERT 4!'
    """
    return _check_type("s", s, str).translate(_HALF_WIDTH)


class _DecompositionTable(dict):
    """Lazily filled table: a character decomposed (NFD) without its combining marks (class Mn)."""

    movable_marks: set[str] = set()  # marks of other classes, which NFD may move past each other

    def __missing__(self, code: int) -> str:
        parts = unicodedata.normalize("NFD", chr(code))
        self[code] = "".join(part for part in parts if unicodedata.category(part) != "Mn")
        self.movable_marks.update(filter(unicodedata.combining, self[code]))
        return self[code]


_DECOMPOSITION = _DecompositionTable()


def lowercase_and_normalize(text: str) -> str:
    """Lower-case a text and drop accents: decompose it (NFD) and drop combining marks.

    Example:
        >>> lowercase_and_normalize("Café Über")
        'cafe uber'
    """
    text = _check_type("text", text, str).lower()
    if text.isascii():
        return text
    # By character, because NFD of a long run of marks takes quadratic time.
    parts = text.translate(_DECOMPOSITION)
    return "".join(_order_marks(text)[0]) if _has_movable_marks(parts) else parts


def lowercase_with_offsets(text: str) -> tuple[list[str], Sequence[int]]:
    """Lower-case a text and drop accents, with the index of the character that each part is from.

    Args:
        text: a text.

    Returns:
        ``(parts, offsets)`` of the same length. The parts joined are
        ``lowercase_and_normalize(text)``; part i comes from ``text[offsets[i]]``.

    Example:
        >>> lowercase_with_offsets("Éa")
        (['e', 'a'], range(0, 2))
    """
    lower = text.lower()
    if len(lower) != len(text):  # İ becomes two characters
        ends = list(accumulate(len(character.lower()) for character in text))
        characters = [lower[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    else:
        characters = list(lower)  # ς for the Σ that ends a word
    parts = list(map(_decompose, characters))
    return (
        _order_marks(characters)
        if _has_movable_marks("".join(parts))
        else (parts, range(len(text)))
    )


@lru_cache(maxsize=65536)
def _decompose(characters: str) -> str:
    return characters.translate(_DECOMPOSITION)


def _has_movable_marks(text: str) -> bool:
    return any(mark in text for mark in _DECOMPOSITION.movable_marks)


def _order_marks(characters: Iterable[str]) -> tuple[list[str], list[int]]:
    """Decompose characters, order each run of marks as NFD does, and drop those of class Mn.

    Returns the remaining characters, and the index that each comes from.
    """
    parts = [
        (part, index)
        for index, character in enumerate(characters)
        for part in unicodedata.normalize("NFD", character)
    ]
    sequence: list[tuple[str, int]] = []
    for is_mark, group in groupby(parts, key=lambda pair: unicodedata.combining(pair[0]) > 0):
        run = list(group)
        sequence += sorted(run, key=lambda pair: unicodedata.combining(pair[0])) if is_mark else run
    sequence = [pair for pair in sequence if unicodedata.category(pair[0]) != "Mn"]
    return [part for part, _ in sequence], [index for _, index in sequence]


def string_matching(s: str, keywords: Iterable[str]) -> bool:
    """True if any of the regular expressions ``keywords`` matches a part of ``s``.

    Example:
        >>> string_matching("bert/LayerNorm/beta", ["Norm", "bias"])
        True
    """
    return any(re.search(keyword, s) for keyword in keywords)


def text_segmentate(
    text: str, maxlen: int, seps: str = "\n", strips: str | None = None
) -> list[str]:
    """Split a text into segments of at most ``maxlen`` characters, at separators.

    A segment without any separator stays longer. A separator stays at the end of its segment. To
    truncate a text to ``maxlen`` tokens, use ``encode`` of a tokenizer.

    Args:
        text: a text.
        maxlen: maximum number of characters in a segment.
        seps: separators of one character each; a later one is used where the earlier ones do not
            suffice.
        strips: characters to strip from both ends of each segment, after white space; None for
            none.

    Returns:
        List of segments.

    Example:
        >>> text_segmentate("今天晴。明天雨，带伞。", 6, "。，")
        ['今天晴。', '明天雨，', '带伞。']
    """
    _check_type("maxlen", maxlen, int | np.integer)
    segments = [_check_type("text", text, str).strip().strip(strips)]
    for separator in seps:
        parts: list[str] = []
        for segment in segments:
            if len(segment) <= maxlen:
                parts.append(segment)
            else:
                pieces = _join_pieces(segment, maxlen, separator)
                parts += (piece.strip().strip(strips) for piece in pieces)
        segments = parts
    return segments


def _join_pieces(text: str, maxlen: int, separator: str) -> Iterator[str]:
    """Split a text at a separator; join pieces again as long as they fit in ``maxlen``."""
    pieces: list[str] = []
    length = 0
    for piece in _split_after(text, separator):
        body = piece.rstrip(separator)
        if length and body and length + len(body) + 1 > maxlen:
            yield "".join(pieces)
            pieces, length = [], 0
        pieces.append(piece)
        length += len(piece)
    yield "".join(pieces)


def _split_after(text: str, separator: str) -> list[str]:
    sign = re.escape(separator)
    return re.findall(f"[^{sign}]+{sign}*|{sign}+", text)


def _to_codes(*sequences: Iterable[Hashable]) -> list[NDArray[np.int64]]:
    """Convert sequences to integer arrays, with equal numbers for equal items."""
    codes: dict[Any, int] = {}
    return [
        np.array([codes.setdefault(item, len(codes)) for item in sequence], "int64")
        for sequence in sequences
    ]


def longest_common_substring(
    source: Sequence[Hashable], target: Sequence[Hashable]
) -> tuple[int, tuple[int, int, int, int]]:
    """Find the longest common substring of two sequences; the first of several.

    Args:
        source, target: str, or sequences of hashable items, of lengths n and m.

    Returns:
        ``(length, (i0, i1, j0, j1))`` with ``source[i0:i1] == target[j0:j1]``. Takes n·m steps (n
        of them in Python) and memory for m.

    Example:
        >>> longest_common_substring("abcdef", "zbcdxf")
        (3, (1, 4, 1, 4))
    """
    rows, columns = _to_codes(source, target)
    length, source_end, target_end = 0, 0, 0
    runs = np.zeros(len(columns) + 1, "int64")  # runs[j]: common run that ends before target[j]
    for i, code in enumerate(rows, start=1):
        runs[1:] = np.where(columns == code, runs[:-1] + 1, 0)
        j = int(runs.argmax())
        if runs[j] > length:
            length, source_end, target_end = int(runs[j]), i, j
    return length, (source_end - length, source_end, target_end - length, target_end)


def longest_common_subsequence(
    source: Sequence[Hashable], target: Sequence[Hashable]
) -> tuple[int, list[tuple[int, int]]]:
    """Find the longest common subsequence of two sequences: gaps are allowed.

    Args:
        source, target: str, or sequences of hashable items, of lengths n and m.

    Returns:
        ``(length, [(i, j), ...])`` with ``source[i] == target[j]`` and both indices rising. Takes
        n·m steps (n + m of them in Python) and 4·n·m bytes.

    Example:
        >>> longest_common_subsequence("abcdef", "zbcdxf")
        (4, [(1, 1), (2, 2), (3, 3), (5, 5)])
    """
    rows, columns = _to_codes(source, target)
    lengths = np.zeros((len(rows) + 1, len(columns) + 1), "int32")
    for i, code in enumerate(rows):
        longer = np.maximum(lengths[i, 1:], lengths[i, :-1] + (columns == code))
        np.maximum.accumulate(longer, out=lengths[i + 1, 1:])
    pairs, i, j = [], len(rows), len(columns)
    while i and j:
        if rows[i - 1] == columns[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif lengths[i - 1, j] >= lengths[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return len(pairs), pairs[::-1]


def normalize_equation(equation: str) -> str:
    """Write an equation of a word problem in the signs of Python.

    Args:
        equation: an equation in the form of Ape210K: 50% is (50/100), 1(1/2) is (1+1/2), : is /,
            ^ is **, brackets of any kind; "x=" in front is left out.

    Example:
        >>> normalize_equation("x=[3+4]*50%")
        '(3+4)*(50/100)'
    """
    equation = equation.replace("^", "**").replace(":", "/").replace(" ", "")
    equation = re.sub(r"([\d.]+)%", r"(\1/100)", equation.removeprefix("x="))
    equation = re.sub(r"(?<![\d.])(\d+)\((\d+/\d+)\)", r"(\1+\2)", equation)
    return equation.translate(str.maketrans("[]{}", "()()"))


def compute_equation(equation: str) -> Fraction:
    """Compute the value of an equation of numbers, + - * / ** and brackets.

    Args:
        equation: an equation; nothing in it is executed.

    Raises:
        ValueError: it has other signs, or no value.

    Example:
        >>> compute_equation("(3+4)/2")
        Fraction(7, 2)
    """
    try:
        return _compute_node(ast.parse(equation.strip(), mode="eval").body)
    except (SyntaxError, ArithmeticError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"Expected an equation of numbers, + - * / ** and brackets that has a value, got "
            f"{equation!r} ({error}). Call normalize_equation first for other signs."
        ) from None


def _compute_node(node: ast.AST) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        first, second = _compute_node(node.left), _compute_node(node.right)
        is_power = isinstance(node.op, ast.Pow)
        if is_power and not (0 <= second <= _LARGEST_POWER and second.denominator == 1):
            raise ValueError(f"a power that is no whole number from 0 to {_LARGEST_POWER}")
        return _OPERATIONS[type(node.op)](first, second)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_compute_node(node.operand)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return Fraction(str(node.value))
    raise ValueError("neither a number nor an operation")
