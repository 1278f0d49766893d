"""A small ALBERT to begin from, pretrained on texts once and kept.

The made-up texts are those of training sets. Nothing of a dev set is among them: what the model
knows of dev is how such texts go, and none of their names or answers.
"""

import json
import os
import random
import tempfile
import zlib

import keras
from .command_line import vocabulary
from .reading import make_questions
from .reviews import make_reviews
from .triples import make_triples
from tqdm import tqdm

from bert4keras.backend import Sinusoidal
from bert4keras.data import (
    MaskedLM,
    PretrainingDataset,
    ShardedDataset,
    pack_sequences,
    write_shards,
)
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, extend_with_piecewise_linear_lr
from bert4keras.tokenizers import Tokenizer

CONFIG = {
    "embedding_size": 64,
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "hidden_act": "gelu",
    "max_position_embeddings": 128,
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_texts(number, seed=0):
    """Texts of training sets: reviews, sentences with triples, and passages each with a question
    behind it; a third of each, in a mixed order.

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
    texts += [
        item["passages"][0]["passage"] + item["question"]
        for item in make_questions(third, seed=seed, passages=1)
    ]
    random.Random(f"albert {seed}").shuffle(texts)
    return texts[:number]


def pretrained_albert(
    texts, steps=2000, layers=4, output="output", maxlen=64, batch_size=16, rate=2e-3, seed=0
):
    """The folder of an ALBERT that has learnt masked tokens of texts; made if it is not there.

    Args:
        texts: to learn from.
        steps: batches, ten or more.
        layers: that share one block.
        output: folder in which its folder is; its name tells texts and settings apart,
            so that what is there is what would be made.
        maxlen: tokens of a row.
        batch_size: rows of a batch.
        rate: of learning, at its peak.
        seed: of weights, masks and the order of rows.

    Returns: the folder, of `config.json`, `model.safetensors` and `vocab.txt`.
    """
    texts, numbers = list(texts), [steps, maxlen, batch_size, rate, seed]
    config = {**CONFIG, "num_hidden_layers": layers}
    about = json.dumps([config, numbers, texts], ensure_ascii=False)
    folder = f"{output}/albert-{zlib.crc32(about.encode()):08x}"
    if os.path.exists(folder):
        print(f"begins from the ALBERT in {folder}")
        return folder
    keras.utils.set_random_seed(seed)
    tokens, _ = vocabulary(None, texts, SPECIAL)
    tokenizer = Tokenizer(tokens, do_lower_case=True)
    albert = build_transformer_model(
        {**config, "vocab_size": len(tokens)},
        model="albert",
        with_mlm="linear",
        return_keras_model=False,
    )
    positions = albert.model.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))  # neighbours are found sooner
    with tempfile.TemporaryDirectory() as shards:
        write_shards(pack_sequences(tqdm(texts, "texts"), tokenizer, maxlen), shards)
        objective = MaskedLM(tokenizer, seed, mask_rate=0.25, max_predictions=maxlen // 3)
        batches = PretrainingDataset(ShardedDataset(shards, seed=seed), objective, batch_size)
        print(f"an ALBERT learns masked tokens of {len(batches.dataset)} rows, for {folder}")
        _learn(albert, batches, steps, rate)
    albert.save_pretrained(f"{folder}.part", tokenizer=tokenizer)
    os.replace(f"{folder}.part", folder)
    return folder


def _learn(albert, batches, steps, rate):
    """Masked tokens, of which alone scores are computed, on straight lines up and down."""
    places = keras.Input((batches.objective.max_predictions,), dtype="int32")
    vectors = albert.layers["MLM-Dense"].input
    vectors = keras.ops.take_along_axis(vectors, keras.ops.expand_dims(places, -1), axis=1)
    model = keras.Model([*albert.model.inputs, places], albert.predict_tokens(vectors))
    optimizer = extend_with_piecewise_linear_lr(Adam)(
        rate, lr_schedule={steps // 10: 1, steps: 0}, clipnorm=1.0
    )
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(optimizer, loss, weighted_metrics=["sparse_categorical_accuracy"])
    model.fit(batches, steps_per_epoch=steps // 10, epochs=10)
