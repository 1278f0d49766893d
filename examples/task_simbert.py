"""SimBERT: one UniLM that compares sentences and writes them anew (https://kexue.fm/archives/7427).

The first token's vector of a sentence is to be nearest, in its batch, to that of the one which
means the same; and the model writes the one from the other. Samples are sorted by nearness."""

import json
from functools import partial

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.pairs import load_pairs, make_pairs, meaning
from keras import ops

from bert4keras.backend import Sinusoidal
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "simbert",
    epochs=4,
    rates=(2e-3, 1e-4),
    batch_size=32,
    maxlen=64,
    data="file of rows, as of LCQMC: text, tab, text, tab, 0 or 1; every tenth is held out",
    new_head={"action": "store_true", "help": "the checkpoint lacks pooler or head: begin them"},
)
if args.data:
    items = load_pairs(args.data)
    train_data, dev_data = [x for i, x in enumerate(items) if i % 10], items[::10]
else:
    train_data, dev_data = make_pairs(16000), make_pairs(400, "dev")
train_data, dev_data = ([x[:2] for x in items if x[2]] for items in (train_data, dev_data))
tokens, keep_tokens = vocabulary(args.vocab, (a + b for a, b in train_data))
if args.smoke:
    train_data, dev_data = train_data[:128], dev_data[:16]
tokenizer = Tokenizer(tokens, do_lower_case=True)


class TrainGenerator(DataGenerator):
    """Batches of pairs, each once from the first to the second and once back, as neighbours."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (first, second) in self.sample(random):
            for source, target in ((first, second), (second, first)):
                batch.append(tokenizer.encode(source, target, maxlen=args.maxlen))
            if len(batch) == 2 * self.batch_size or is_end:
                yield [sequence_padding(x, multiple=16) for x in zip(*batch)], None
                batch = []


class SimilarityAndWriting(Loss):
    """Of each sentence, which of the others is its partner; and the tokens of the partner, each
    predicted at the token before. A new head also learns to give back what is read."""

    def compute_loss(self, inputs, mask=None):
        token_ids, segment_ids, vectors, scores = inputs
        written = ops.cast(segment_ids, "float32")
        read = ops.cast(ops.not_equal(token_ids, 0), "float32") - written
        entropy = partial(ops.sparse_categorical_crossentropy, from_logits=True)
        loss = entropy(token_ids[:, 1:], scores[:, :-1]) * written[:, 1:]
        loss = ops.sum(loss) / ops.sum(written)
        if args.new_head or not args.checkpoint:
            loss += ops.sum(entropy(token_ids, scores) * read) / ops.sum(read)
        unit = ops.normalize(ops.cast(vectors, "float32"), axis=1)
        rows = ops.arange(ops.shape(unit)[0], dtype="int32")
        itself = ops.cast(ops.equal(rows[:, None], rows[None]), "float32")
        nearness = 20 * ops.matmul(unit, ops.transpose(unit)) - 1e4 * itself
        return loss + ops.mean(entropy(rows + 1 - 2 * (rows % 2), nearness))


small = {
    "vocab_size": len(tokens),
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "gelu",
}
model = build_transformer_model(
    args.config or small,
    args.checkpoint,
    application="unilm",
    with_pool="linear",
    with_mlm="linear",
    keep_tokens=keep_tokens,
    ignore_invalid_weights=args.new_head,
)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    positions = model.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
train_model = keras.Model(model.inputs, SimilarityAndWriting(3)([*model.inputs, *model.outputs]))
encoder = keras.Model(model.inputs, model.outputs[0])
write = TextGenerator(keras.Model(model.inputs, model.outputs[1]), tokenizer)


def vectors(texts):
    """Vectors of length 1; their products are cosines."""
    token_ids, segment_ids = tokenizer.encode_batch(texts, maxlen=args.maxlen)
    found = encoder.predict([token_ids, segment_ids], batch_size=64, verbose=0)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def paraphrases(texts, number=8):
    """For each text other ways to say it, the nearest first, with their cosines."""
    drawn = write(
        [tokenizer.encode(x, maxlen=args.maxlen // 2)[0] for x in texts],
        do_sample=True,
        top_p=0.9,
        num_return_sequences=number,
        max_new_tokens=args.maxlen // 2,
        seed=0,
    )
    groups = [
        [text, *(x for x in dict.fromkeys(found) if x and x != text)]
        for text, found in zip(texts, drawn)
    ]
    flat, begin, ranked = vectors(sum(groups, [])), 0, []
    for group in groups:
        own = flat[begin : begin + len(group)]
        ranked.append(sorted(zip(own[1:] @ own[0], group[1:]), reverse=True))
        begin += len(group)
    return ranked


def evaluate():
    """How often the nearest of all partners is one's own; of made-up questions also, how often what
    is written first means the same."""
    first, second = (vectors(texts) for texts in zip(*dev_data))
    nearest = np.mean(np.argmax(first @ second.T, axis=1) == np.arange(len(first)))
    asked = [text for text, _ in dev_data[:64]]
    found = paraphrases(asked)
    with atomic_write(f"{args.output}/dev.jsonl") as file:
        for text, ranked in zip(asked, found):
            record = {"text": text, "paraphrases": [[round(float(s), 3), x] for s, x in ranked]}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    if args.data:
        return {"nearest": nearest}
    same = [bool(x) and meaning(x[0][1]) == meaning(text) for text, x in zip(asked, found)]
    return {"mean": (nearest + np.mean(same)) / 2, "nearest": nearest, "same": np.mean(same)}


if args.predict is not None:
    train_model.load_weights(args.weights)
    print(*(f"{score:.3f}  {text}" for score, text in paraphrases([args.predict])[0]), sep="\n")
else:
    generator = TrainGenerator(train_data, args.batch_size, length_func=lambda x: len(x[0] + x[1]))
    steps = len(generator) * args.epochs
    train_model.compile(warmed_adam(args.learning_rate, steps, args.new_head))
    with stoppable(args.weights, args):
        train_model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, evaluate)],
        )
