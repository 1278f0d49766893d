"""Time of the tokenizers against the length of a text, and next to transformers.

Usage: python benchmarks/tokenizing_time.py [--limit SECONDS]

Each row of the first table is one call on texts of 10^4, 10^5 and 10^6 characters. The last column
is the growth from the second length to the third; 10 is linear. A row stops when a call takes
longer than the limit. The second table has texts per second of one WordPiece vocabulary, in turns
with transformers, if that is installed; the best of five.
"""

import argparse
import random
import tempfile
import time
from importlib.util import find_spec

from bert4keras.text import lowercase_and_normalize, text_segmentate
from bert4keras.tokenizers import HuggingFaceTokenizer, Tokenizer

LENGTHS = (10_000, 100_000, 1_000_000)
HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *HAN, *".,;!#[]", *LETTERS]
TOKENS += [f"##{letter}" for letter in LETTERS]
VOCABULARY = {token: i for i, token in enumerate(TOKENS)}


def repeat(unit):
    """Return a function from a length to a text that repeats a unit."""
    return lambda length: (unit * (length // len(unit) + 1))[:length]


def draw_han(length):
    return "".join(random.Random(1).choices(HAN, k=length))


TEXTS = {
    "Chinese": draw_han,
    "English": repeat("the quick brown fox is playing "),
    "signs": repeat(".,;!"),
    "lines": repeat("字\n"),
    "a + marks": lambda length: "a" + repeat("\u0301\u0323")(length - 1),
    "marks out of order": repeat("\u0323\u0301\u0345\u0315"),
    "musical marks": repeat("\U0001d16d\U0001d165"),
    "[MASK]": repeat("[MASK]"),
}
LOWER = Tokenizer(VOCABULARY, do_lower_case=True)
KEEP_SPECIAL = Tokenizer(VOCABULARY, do_lower_case=True, split_special_tokens=False)
TRANSLATE = Tokenizer(VOCABULARY, token_translate={HAN[0]: HAN[1], "a": "b"})
ALL = tuple(TEXTS)
CALLS = {
    "lowercase_and_normalize": (lowercase_and_normalize, ALL),
    "tokenize": (LOWER.tokenize, ALL),
    "encode_with_offsets": (LOWER.encode_with_offsets, ALL),
    "rematch": (lambda text: LOWER.rematch(text, LOWER.tokenize(text)), ALL),
    "rematch, special tokens": (
        lambda text: KEEP_SPECIAL.rematch(text, KEEP_SPECIAL.tokenize(text)),
        ["[MASK]"],
    ),
    "rematch, token_translate": (
        lambda text: TRANSLATE.rematch(text, TRANSLATE.tokenize(text)),
        ["Chinese", "English"],
    ),
    "encode(maxlen=128)": (lambda text: LOWER.encode(text, maxlen=128), ["Chinese", "English"]),
    "encode(maxlen=128, truncate_from='left')": (
        lambda text: LOWER.encode(text, maxlen=128, truncate_from="left"),
        ["Chinese", "English"],
    ),
    "encode(text, text, maxlen=128)": (
        lambda text: LOWER.encode(text, text, maxlen=128),
        ["Chinese", "English"],
    ),
    "decode": (lambda text: LOWER.decode(LOWER.encode(text)[0]), ["Chinese", "English", "signs"]),
    "text_segmentate(maxlen=100)": (
        lambda text: text_segmentate(text, 100, "\n.;"),
        ["lines", "signs", "English"],
    ),
    "text_segmentate(maxlen=length - 2)": (
        lambda text: text_segmentate(text, len(text) - 2, "\n."),
        ["lines", "signs"],
    ),
}


def measure(function, make_text, limit):
    """Return the seconds of a call for each length, until one takes longer than the limit."""
    seconds: list[float] = []
    for length in LENGTHS:
        text = make_text(length)
        start = time.perf_counter()
        function(text)
        seconds.append(time.perf_counter() - start)
        if seconds[-1] > limit:
            break
    return seconds


def make_peer(folder):
    """Write the vocabulary for transformers, and return its tokenizer."""
    from transformers import BertTokenizerFast

    LOWER.save(folder)
    return BertTokenizerFast.from_pretrained(folder)


def list_batch_calls(folder):
    """Return the calls on a list of texts, by the name of the tokenizer and of the method."""
    peer = make_peer(folder)
    fast = HuggingFaceTokenizer(peer.backend_tokenizer, {"pad_token": "[PAD]"})
    tokenizers = {"Tokenizer": LOWER, "HuggingFaceTokenizer": fast}
    calls = {}
    for name, tokenizer in tokenizers.items():
        calls[name, "encode"] = lambda texts, x=tokenizer: [x.encode(text) for text in texts]
        calls[name, "encode_with_offsets"] = lambda texts, x=tokenizer: [
            x.encode_with_offsets(text) for text in texts
        ]
        calls[name, "encode_batch"] = tokenizer.encode_batch
    calls["transformers", "one text"] = lambda texts: [peer(text) for text in texts]
    calls["transformers", "one text, offsets"] = lambda texts: [
        peer(text, return_offsets_mapping=True) for text in texts
    ]
    calls["transformers", "batch"] = lambda texts: peer(texts, padding=True, return_tensors="np")
    return calls


def compare(count=1000, rounds=5):
    """Print the texts of 100 words per second of each call, the calls in turns."""
    generator = random.Random(0)
    units = [*HAN, *["the ", "quick ", "fox, "] * 500]
    texts = ["".join(generator.choices(units, k=100)) for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        calls = list_batch_calls(folder)
        seconds = dict.fromkeys(calls, float("inf"))
        for _ in range(rounds):
            for key, call in calls.items():
                start = time.perf_counter()
                call(texts)
                seconds[key] = min(seconds[key], time.perf_counter() - start)
    print("\n| tokenizer | call | texts per second |\n|---|---|---|")
    for (name, call), value in seconds.items():
        print(f"| {name} | {call} | {count / value:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--limit", type=float, default=20, help="seconds of one call")
    limit = parser.parse_args().limit
    print("| call | text | 10^4 (s) | 10^5 (s) | 10^6 (s) | growth |\n|---|---|---|---|---|---|")
    for call, (function, names) in CALLS.items():
        for name in names:
            seconds = measure(function, TEXTS[name], limit)
            columns = [f"{value:.4f}" for value in seconds]
            columns += ["-"] * (len(LENGTHS) - len(seconds))
            growth = f"{seconds[2] / seconds[1]:.1f}" if len(seconds) == len(LENGTHS) else "-"
            print(f"| {call} | {name} | {' | '.join(columns)} | {growth} |", flush=True)
    if find_spec("transformers"):
        compare()


if __name__ == "__main__":
    main()
