"""Pipelines of one text: another form of it, a pair and NaN are refused by all in one way."""

import keras
import numpy as np
import pytest
from pipelines.toy import make_bert, make_classifier, make_tokenizer

from bert4keras.layers import EfficientGlobalPointer, GlobalPointer
from bert4keras.pipelines import (
    EntityRecognizer,
    MaskFiller,
    RelationExtractor,
    TextClassifier,
    TextWriter,
)


def make_recognizer():
    bert = make_bert()
    model = keras.Model(bert.inputs, GlobalPointer(heads=1, head_size=4)(bert.output))
    return EntityRecognizer(model, make_tokenizer(), ["PER"])


def make_extractor():
    bert = make_bert()
    pointers = [EfficientGlobalPointer(heads=n, head_size=4) for n in (2, 1, 1)]
    model = keras.Model(bert.inputs, [pointer(bert.output) for pointer in pointers])
    return RelationExtractor(model, make_tokenizer(), ["author"])


PIPELINES = {
    "entities": make_recognizer,
    "relations": make_extractor,
    "masks": lambda: MaskFiller(make_bert(with_mlm="linear"), make_tokenizer()),
    "writer": lambda: TextWriter(
        make_bert(application="unilm"), make_tokenizer(), generation={"max_new_tokens": 2}
    ),
}
TEXT = "天[MASK]地"


@pytest.fixture(scope="module", params=PIPELINES)
def pipeline(request):
    return PIPELINES[request.param]()


def test_a_text_may_stand_in_a_dict_or_alone_in_a_list(pipeline):
    assert len(pipeline([TEXT, {"text": TEXT}, [TEXT]])) == 3


@pytest.mark.parametrize(
    "item, message",
    [
        ((TEXT, TEXT), r"Expected texts\[0\] to be one text, got a pair"),
        ({"text": TEXT, "text_pair": TEXT}, r"Expected texts\[0\] to be one text, got a pair"),
        ({"txt": TEXT}, r"Expected the keys of texts\[0\]"),
    ],
)
def test_a_pair_or_other_keys_are_refused(pipeline, item, message):
    with pytest.raises(ValueError, match=message):
        pipeline([item])


def make_nan_classifier():
    return TextClassifier(make_classifier(activation=None), make_tokenizer(), ["a", "b", "c"])


@pytest.mark.parametrize("make", [make_recognizer, make_extractor, make_nan_classifier])
def test_a_model_that_gives_nan_is_no_result(make):
    pipeline = make()
    weight = pipeline.model.weights[-1]
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(ValueError, match="Expected the model to give numbers, got NaN"):
        pipeline("天地")
