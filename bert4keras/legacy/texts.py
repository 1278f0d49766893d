"""Tokenizers and snippets: old names of arguments, and what has gone."""

import numpy as np

from bert4keras import tokenizers
from bert4keras.legacy.report import met, refused


class SimpleTokenizer(tokenizers.Tokenizer):
    """A token for each character."""

    def __init__(self, token_dict, do_lower_case=True, **kwargs):
        met("old name")
        super().__init__(token_dict, do_lower_case, **kwargs)

    def _tokenize(self, text):
        known = self._token_dict
        return [
            c if c in known else "[unused1]" if c.isspace() and "[unused1]" in known else "[UNK]"
            for c in text.lower()
        ]


def encode(old, self, first_text=None, second_text=None, maxlen=None, *args, **kwargs):
    """max_length; first, second; first_length, second_length, to which the parts are filled."""
    if {"max_length", "first", "second", "first_length", "second_length"} & kwargs.keys():
        met("max_length")
    first_text = kwargs.pop("first", first_text)
    second_text = kwargs.pop("second", second_text)
    maxlen = kwargs.pop("max_length", maxlen)
    lengths = [kwargs.pop(f"{which}_length", None) for which in ("first", "second")]
    if lengths == [None, None]:
        return old(self, first_text, second_text, maxlen, *args, **kwargs)
    tokens, segments = old(self, first_text, None, lengths[0] or maxlen, *args, **kwargs)
    tokens, segments = _filled(self, tokens, 0, lengths[0])
    if second_text is not None:
        second, _ = old(self, second_text, None, None, *args, **kwargs)
        second, ones = _filled(self, second[1:], 1, lengths[1])
        tokens, segments = tokens + second, segments + ones
    return tokens, segments


def _filled(tokenizer, ids, segment, length):
    if length is not None:
        ids = ids[:length] + [tokenizer._token_pad_id or 0] * (length - len(ids))
    return list(ids), [segment] * len(ids)


def tokenize(old, self, text, maxlen=None, **kwargs):
    """max_length; without start or end."""
    if "max_length" in kwargs:
        met("max_length")
    tokens = old(self, text, kwargs.pop("max_length", maxlen))
    if not kwargs.pop("add_cls", True) and self._token_start is not None:
        tokens = tokens[1:]
    if not kwargs.pop("add_sep", True) and self._token_end is not None:
        tokens = tokens[:-1]
    return tokens


def load_vocab(old, *args, **kwargs):
    """startwith."""
    if "startwith" in kwargs:
        met("old name")
        kwargs["startswith"] = kwargs.pop("startwith")
    return old(*args, **kwargs)


def _renamed(name):
    def get(self):
        met("old name")
        return getattr(self, name)

    return property(get)


SPECIAL_TOKENS = {  # attributes of tokenizers
    "_token_cls": _renamed("_token_start"),
    "_token_cls_id": _renamed("_token_start_id"),
    "_token_sep": _renamed("_token_end"),
    "_token_sep_id": _renamed("_token_end_id"),
}


def sequence_padding(old, *args, **kwargs):
    """padding: a number, or a vector of one number."""
    if "padding" in kwargs:
        met("padding")
        numbers = np.unique(kwargs.pop("padding"))
        if len(numbers) != 1:
            raise refused("padding", f"items are filled with one number, not with {numbers}")
        kwargs["value"] = numbers[0]
    return old(*args, **kwargs)


class Progress:
    """Prints how far a loop has come.

    Args:
        iterable: what is looped over.
        period: every how many items.
    """

    def __init__(self, iterable, period=1, steps=None, desc=None):
        met("old name")
        self.iterable, self.period, self.desc = iterable, period, desc or "progress"

    def __iter__(self):
        for number, item in enumerate(self.iterable, 1):
            yield item
            if number % self.period == 0:
                print(f"{self.desc}: {number}")


def get_all_attributes(something):
    """The public names of a module, with what they are."""
    return {name: getattr(something, name) for name in dir(something) if not name.startswith("_")}
