"""Strings: character classes, width, normal form, cutting into pieces, common parts."""

import re
import unicodedata
from functools import lru_cache

import numpy as np

CJK_PUNCTUATION = (
    "＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､\u3000、〃〈〉《》「」『』【】〔〕"
    "〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏﹑﹔·！？｡。"
)
CJK_RANGES = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
HALF_WIDTH = {0x3000: " "} | {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def is_string(s):
    """Whether `s` is a text (bytes are not)."""
    return isinstance(s, str)


@lru_cache(maxsize=65536)
def is_cjk_character(char):
    """Whether BERT sees `char` as a Chinese character, a word of its own.

    Example:
        >>> is_cjk_character("字"), is_cjk_character("か")
        (True, False)
    """
    return any(first <= ord(char) <= last for first, last in CJK_RANGES)


def is_punctuation(char):
    """Whether `char` is of a Unicode class P*, or any ASCII sign that is no letter or digit."""
    return char in ASCII_PUNCTUATION or unicodedata.category(char).startswith("P")


def is_space(char):
    """Whether `char` is a tab, a line end or a Unicode space (class Zs)."""
    return char in "\t\n\r" or unicodedata.category(char) == "Zs"


def is_control(char):
    """Whether `char` is of a Unicode control or format class (Cc, Cf); so are line ends."""
    return unicodedata.category(char) in ("Cc", "Cf")


def convert_to_unicode(text, encoding="utf-8", errors="ignore"):
    """Text from text or bytes.

    Args:
        text: str, or bytes to decode.
        encoding: of the bytes.
        errors: what to do with bytes that do not fit, as in `bytes.decode`; they are left out.

    Example:
        >>> convert_to_unicode("中文".encode("gbk"), "gbk")
        '中文'
    """
    return text.decode(encoding, errors) if isinstance(text, bytes) else text


def convert_to_str(text, encoding="utf-8", errors="ignore"):
    """The text type of this Python from text or bytes: the same as `convert_to_unicode`."""
    return convert_to_unicode(text, encoding, errors)


def strQ2B(s):
    """Full width letters, digits and signs made half width.

    Example:
        >>> strQ2B("ＢＥＲＴ　４！")
        'BERT 4!'
    """
    return s.translate(HALF_WIDTH)


class _WithoutMarks(dict):
    """Translation table, filled as characters come, that drops combining marks (class Mn)."""

    def __missing__(self, code):
        self[code] = None if unicodedata.category(chr(code)) == "Mn" else code
        return self[code]


_WITHOUT_MARKS = _WithoutMarks()


def lowercase_and_normalize(text):
    """Lower case without accents: lower, canonical decomposition (NFD), combining marks dropped.

    Example:
        >>> lowercase_and_normalize("Café Über")
        'cafe uber'
    """
    text = text.lower()
    if text.isascii():
        return text
    return unicodedata.normalize("NFD", text).translate(_WITHOUT_MARKS)


def string_matching(s, keywords):
    """Whether any of the regular expressions `keywords` is found in `s`.

    Example:
        >>> string_matching("bert/LayerNorm/beta", ["Norm", "bias"])
        True
    """
    return any(re.search(keyword, s) for keyword in keywords)


def text_segmentate(text, maxlen, seps="\n", strips=None):
    """Cut a text into pieces of at most `maxlen` characters, at the first separators that suffice.

    A piece stays longer only where none of the separators stands in it. Separators stay at the end
    of their piece.

    Args:
        text: str.
        maxlen: characters wanted in a piece.
        seps: separators of one character each, the preferred first.
        strips: characters taken off both ends of every piece, after white space; None for none.

    Returns:
        List of str.

    Example:
        >>> text_segmentate("今天晴。明天雨，带伞。", 6, "。，")
        ['今天晴。', '明天雨，', '带伞。']
    """
    text = text.strip().strip(strips)
    if not seps or len(text) <= maxlen:
        return [text]
    segments = [""]
    for piece in _split_after(text, seps[0]):
        body = piece.rstrip(seps[0])
        if segments[-1] and body and len(segments[-1]) + len(body) + 1 > maxlen:
            segments.append("")
        segments[-1] += piece
    return [
        part for segment in segments for part in text_segmentate(segment, maxlen, seps[1:], strips)
    ]


def _split_after(text, separator):
    """Pieces of a text, each with the run of separators that ends it."""
    sign = re.escape(separator)
    return re.findall(f"[^{sign}]+{sign}*|{sign}+", text)


def _as_codes(*sequences):
    """Sequences of anything hashable as integer arrays, equal numbers for equal items."""
    codes = {}
    return [
        np.array([codes.setdefault(item, len(codes)) for item in sequence], "int64")
        for sequence in sequences
    ]


def longest_common_substring(source, target):
    """Longest run that two sequences share; the first one where several are as long.

    Args:
        source, target: str, or sequences of hashable items, of lengths n and m.

    Returns:
        `(length, (i0, i1, j0, j1))` with `source[i0:i1] == target[j0:j1]`. Takes n·m steps (n of
        them in Python) and memory for m.

    Example:
        >>> longest_common_substring("abcdef", "zbcdxf")
        (3, (1, 4, 1, 4))
    """
    rows, columns = _as_codes(source, target)
    length, source_end, target_end = 0, 0, 0
    runs = np.zeros(len(columns) + 1, "int64")  # runs[j]: common run that ends before target[j]
    for i, code in enumerate(rows, start=1):
        runs[1:] = np.where(columns == code, runs[:-1] + 1, 0)
        j = int(runs.argmax())
        if runs[j] > length:
            length, source_end, target_end = int(runs[j]), i, j
    return length, (source_end - length, source_end, target_end - length, target_end)


def longest_common_subsequence(source, target):
    """Longest sequence that two sequences share, gaps allowed.

    Args:
        source, target: str, or sequences of hashable items, of lengths n and m.

    Returns:
        `(length, [(i, j), ...])` with `source[i] == target[j]` and both indices rising. Takes n·m
        steps (n + m of them in Python) and 4·n·m bytes.

    Example:
        >>> longest_common_subsequence("abcdef", "zbcdxf")
        (4, [(1, 1), (2, 2), (3, 3), (5, 5)])
    """
    rows, columns = _as_codes(source, target)
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
