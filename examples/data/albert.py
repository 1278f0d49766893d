"""A small ALBERT as a checkpoint, pretrained once as a masked language model.

The synthetic texts are those of training sets. Nothing of a validation set is among them: the model
learns how such texts go, and none of their names or answers.
"""

import hashlib
import json
import random
import tempfile
from pathlib import Path

from settings import is_smoke

import keras
from .reading import make_questions
from .reviews import make_reviews
from .small_model import make_checkpoint
from .triples import make_triples

from bert4keras.data import (
    MaskedLM,
    PretrainingDataset,
    ShardedDataset,
    pack_sequences,
    write_shards,
)
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.tokenizers import load_tokenizer

CONFIG = {
    "model_type": "albert",
    "embedding_size": 64,
    "num_hidden_layers": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 128,
}
MAXLEN, BATCH_SIZE, LEARNING_RATE = 64, 16, 2e-3


def make_texts(number=9000, seed=0):
    """Compose texts of three kinds, in a mixed order: reviews, sentences with triples, and passages
    each with a question behind it.

    Args:
        number: how many.
        seed: the same seed gives the same texts.

    Returns: a list of texts.

    Example:
        >>> len(make_texts(7))
        7
    """
    third = -(-number // 3)
    texts = [text for text, _ in make_reviews(third, seed=seed)]
    texts += [item["text"] for item in make_triples(third, seed=seed)]
    for item in make_questions(third, seed=seed, passages=1):
        texts.append(item["passages"][0]["passage"] + item["question"])
    random.Random(f"albert {seed}").shuffle(texts)
    return texts[:number]


def pretrain_albert(name, texts, steps=2000):
    """Pretrain a small ALBERT on texts, unless the same was done before.

    Args:
        name: name of the task.
        texts: texts to learn from.
        steps: number of batches; a quick test has 10.

    Returns: the folder ``output/small_models/<name>``, with configuration, weights and vocabulary.
    """
    texts, steps = list(texts), 10 if is_smoke() else steps
    source = json.dumps([CONFIG, steps, texts], ensure_ascii=False)
    digest = hashlib.sha256(source.encode()).hexdigest()
    record = Path("output/small_models", name, "source.json")
    if record.is_file() and json.loads(record.read_text()) == digest:
        return str(record.parent)
    record.unlink(missing_ok=True)
    folder = make_checkpoint(name, texts, dropout=0.0, **CONFIG)
    tokenizer = load_tokenizer(folder)
    albert = build_transformer_model(folder, with_mlm="linear", return_keras_model=False)
    with tempfile.TemporaryDirectory() as shards:
        write_shards(pack_sequences(texts, tokenizer, MAXLEN), shards)
        objective = MaskedLM(tokenizer, 0, mask_rate=0.25, max_predictions=MAXLEN // 3)
        batches = PretrainingDataset(ShardedDataset(shards, seed=0), objective, BATCH_SIZE)
        print(f"Pretraining: {steps} batches of masked texts")
        learn(albert, batches, steps)
    albert.save_pretrained(folder, tokenizer=tokenizer)
    record.write_text(json.dumps(digest))
    return folder


def learn(albert, batches, steps):
    """Fit an ALBERT to masked tokens; scores are computed at their places alone."""
    places = keras.Input((batches.objective.max_predictions,), dtype="int32")
    vectors = albert.layers["MLM-Dense"].input
    vectors = keras.ops.take_along_axis(vectors, keras.ops.expand_dims(places, -1), axis=1)
    model = keras.Model([*albert.model.inputs, places], albert.predict_tokens(vectors))
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(Adam(WarmupCosineDecay(LEARNING_RATE, steps), clipnorm=1.0), loss)
    model.fit(batches, steps_per_epoch=steps // 10, epochs=10)
