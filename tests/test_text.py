import random
import unicodedata
from difflib import SequenceMatcher
from fractions import Fraction

import pytest
from support import load_record

from bert4keras import text

CASES = load_record("functions/text.json")


def to_argument(value):
    """Convert a recorded argument to the one that the function takes."""
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"]) if "hex" in value else value["bytes"].encode()
    return value


def to_lists(value):
    """Convert tuples in a result to lists, as in the records."""
    return [to_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("name", sorted({case["function"] for case in CASES}))
def test_golden_records(name):
    function = getattr(text, name)
    cases = [case for case in CASES if case["function"] == name]
    got = [to_lists(function(*map(to_argument, case["args"]), **case["kwargs"])) for case in cases]
    assert got == [case["result"] for case in cases]


def test_strQ2B_converts_all_characters_with_a_half_width():
    wide = "".join(map(chr, range(0xFF01, 0xFF5F)))
    assert text.strQ2B(wide) == "".join(map(chr, range(0x21, 0x7F)))
    assert text.strQ2B("\u3000中文￥") == " 中文￥"


@pytest.mark.parametrize("seps", ["。，", "，", " 。"])
def test_text_segmentate_loses_no_character(seps):
    full_text = "山不在高，有仙则名。水不在深，有龙则灵。斯是陋室，惟吾德馨。"
    pieces = text.text_segmentate(full_text, 8, seps)
    assert "".join(pieces) == full_text
    assert all(len(piece) <= 8 or not set(piece[:-1]) & set(seps) for piece in pieces)


@pytest.mark.parametrize("sep", list("]^\\-."))
def test_text_segmentate_takes_any_sign_as_separator(sep):
    assert text.text_segmentate(f"aa{sep}bb", 3, sep) == [f"aa{sep}", "bb"]


def random_pair(seed, length):
    letters = random.Random(seed)
    return ["".join(letters.choices("abcd", k=letters.randint(1, length))) for _ in range(2)]


@pytest.mark.parametrize("seed", range(20))
def test_longest_common_substring_is_common_and_longest(seed):
    source, target = random_pair(seed, 30)
    length, (i0, i1, j0, j1) = text.longest_common_substring(source, target)
    assert source[i0:i1] == target[j0:j1] and i1 - i0 == length
    assert length == SequenceMatcher(None, source, target, autojunk=False).find_longest_match().size


def subsequence_length(source, target):
    """Return the length by the recursion of the textbooks."""
    lengths = [0] * (len(target) + 1)
    for item in source:
        before = lengths[:]
        for j, other_item in enumerate(target):
            lengths[j + 1] = max(lengths[j], before[j] + 1 if item == other_item else before[j + 1])
    return lengths[-1]


@pytest.mark.parametrize("seed", range(20))
def test_longest_common_subsequence_is_common_and_longest(seed):
    source, target = random_pair(seed, 30)
    length, pairs = text.longest_common_subsequence(source, target)
    assert all(source[i] == target[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in zip(pairs, pairs[1:], strict=False))
    assert length == len(pairs) == subsequence_length(source, target)


def test_longest_common_functions_take_any_items():
    source, target = [("a", 1), 2, "x"], ["x", ("a", 1), 2]
    assert text.longest_common_substring(source, target) == (2, (0, 2, 1, 3))
    assert text.longest_common_subsequence(source, target) == (2, [(0, 1), (1, 2)])


MARKS = "\u0301\u0323\u0345\u0315\u302e\u302f\U0001d165\U0001d16d\u1b44\u034f\u0941\u0f73"


@pytest.mark.parametrize("seed", range(20))
def test_lowercase_and_normalize_equals_nfd_without_marks(seed):
    letters = random.Random(seed)
    for _ in range(50):
        source = "".join(letters.choices(MARKS + "aÉΑΣİ한字 \u00ad\U0001d15e", k=12))
        decomposition = unicodedata.normalize("NFD", source.lower())
        expected = "".join(c for c in decomposition if unicodedata.category(c) != "Mn")
        assert text.lowercase_and_normalize(source) == expected
        parts, offsets = text.lowercase_with_offsets(source)
        assert "".join(parts) == expected
        assert all(
            set(part) <= set(unicodedata.normalize("NFD", source[i].lower())) | set("ς")
            for part, i in zip(parts, offsets, strict=True)
        )


@pytest.mark.parametrize("function", [text.lowercase_and_normalize, text.strQ2B])
def test_text_functions_refuse_other_types(function):
    with pytest.raises(TypeError, match="to be a str, got None"):
        function(None)


@pytest.mark.parametrize("maxlen", ["8", 2.5, None, True])
def test_text_segmentate_refuses_a_maxlen_that_is_no_whole_number(maxlen):
    with pytest.raises(TypeError, match="Expected maxlen to be a whole number, got"):
        text.text_segmentate("a\nb", maxlen)


def test_text_segmentate_takes_any_number_of_separators():
    assert text.text_segmentate("a\nb", 1, "." * 2000 + "\n") == ["a", "b"]


class TestEquations:
    def test_they_have_values(self):
        assert text.compute_equation("(3+4)*2-1/2") == Fraction(27, 2)
        assert text.compute_equation(" 0.1 + 0.2") == Fraction(3, 10)
        assert text.compute_equation("-2**3") == -8

    @pytest.mark.parametrize(
        "equation", ["", "1+", "1/0", "x", "__import__('os')", "9**99", "4**0.5", "'1'"]
    )
    def test_a_text_that_is_none_has_no_value(self, equation):
        with pytest.raises(ValueError, match="Expected an equation of numbers, .*, got "):
            text.compute_equation(equation)

    def test_signs_of_word_problems_become_those_of_python(self):
        assert text.normalize_equation("x=[3+4]*50%") == "(3+4)*(50/100)"
        assert text.compute_equation(text.normalize_equation("1(1/2)^2")) == Fraction(9, 4)
