"""Words: names, docstrings, messages and pages use plain, searchable terms (docs/glossary.md)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("bert4keras", "tests", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if not {"scripts", "saved"} & set(path.parts)  # code of another day stays as it was written
)
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "examples/*.md", "benchmarks/*.md", "tests/golden/*.md")
    for path in ROOT.glob(pattern)
)
# Bare participles, pronouns and adverbs say nothing about a value: name the thing.
BANNED = """
again alike alone also another apart away back begun beside besides both chosen done drawn each
either enough everything few found further given gone held here hers his how itself kept known later
left lost made many mine more most mostly much neither now once one others other ours own rest said
same seen several some sometimes still such taken theirs them then there these they this those thus
together told twice what when which who whole whose written
""".split()
PARTICIPLE = re.compile(r"[a-z]+ed")
ALLOWED = {
    *("bed", "embed", "feed", "need", "seed", "shed", "speed"),  # nouns and verbs
    *("expected", "supported"),  # the words of error messages
    *("prefixed", "simplified", "unordered"),  # inherited from 0.x
}
# A first line that begins with a question word hides its subject.
QUESTION = re.compile(r"(What|How|Whether|Where|Why|Which|Who|Whose|When)\b")
# Few readers of English as a second language know these.
ARCHAIC = re.compile(
    r"\b(kin|lacking|besides?|thus|whatever|befall\w*|furnish\w*|hither|whence|whereby|thereof|"
    r"hence|as ever|of one's own|what there is)\b"
)


def parse(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def list_names(tree):
    """Yield every name that a file defines: functions, classes, parameters, variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def is_plain(name):
    """True if a name is no bare participle, pronoun or adverb."""
    word = name.strip("_")
    is_banned = word in BANNED or (word.isupper() and word.lower() in BANNED)
    return word in ALLOWED or not (is_banned or PARTICIPLE.fullmatch(word))


def list_first_lines(tree):
    """Yield the first line of every docstring of a file."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node):
            yield ast.get_docstring(node).split("\n")[0]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_names_are_no_bare_participles_pronouns_or_adverbs(path):
    assert sorted({name for name in list_names(parse(path)) if not is_plain(name)}) == []


@pytest.mark.parametrize("path", FILES, ids=str)
def test_first_lines_of_docstrings_begin_with_no_question_word(path):
    assert [line for line in list_first_lines(parse(path)) if QUESTION.match(line)] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "test_words.py"], ids=str)
def test_docstrings_and_messages_have_no_archaic_words(path):
    constants = [node.value for node in ast.walk(parse(path)) if isinstance(node, ast.Constant)]
    texts = [value for value in constants if isinstance(value, str)]
    assert [match[0] for match in map(ARCHAIC.search, texts) if match] == []


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_pages_have_no_archaic_words(path):
    assert ARCHAIC.findall((ROOT / path).read_text(encoding="utf-8")) == []


def test_the_rules_find_what_they_ban():
    assert not any(map(is_plain, ["_kept", "found", "padded", "OWN", "others"]))
    assert all(map(is_plain, ["padded_length", "seed", "is_written", "expected"]))
    assert QUESTION.match("Whether the tokens count.")
    assert ARCHAIC.search("BERT and its kin")
