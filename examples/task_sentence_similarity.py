"""Whether two sentences mean the same: BERT reads both, and its pooled first token tells."""

import json

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.pairs import load_pairs, make_pairs
from keras.layers import Dense, Dropout

from bert4keras.backend import Sinusoidal
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "sentence_similarity",
    epochs=7,
    rates=(3e-4, 3e-5),
    batch_size=32,
    data="file of rows, as of LCQMC: text, tab, text, tab, 0 or 1; every tenth is held out",
    test={"help": "such a file, scored at the end by the best weights"},
    predict=("TEXT", "TEXT"),
    new_head={"action": "store_true", "help": "the checkpoint has no pooler: begin one"},
)
if args.data:
    items = load_pairs(args.data)
    train_data, dev_data = [x for i, x in enumerate(items) if i % 10], items[::10]
else:
    train_data, dev_data = make_pairs(10000), make_pairs(1000, "dev")
test_data = load_pairs(args.test) if args.test else []
tokens, keep_tokens = vocabulary(args.vocab, (a + b for a, b, _ in train_data))
if args.smoke:
    train_data, dev_data, test_data = train_data[:160], dev_data[:64], test_data[:64]
tokenizer = Tokenizer(tokens, do_lower_case=True)


class Pairs(DataGenerator):
    """Batches of pairs, with their labels."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (first, second, label) in self.sample(random):
            batch.append((*tokenizer.encode(first, second, maxlen=args.maxlen), label))
            if len(batch) == self.batch_size or is_end:
                *sequences, labels = zip(*batch)
                yield [sequence_padding(x, multiple=16) for x in sequences], np.array(labels)
                batch = []


small = {
    "vocab_size": len(tokens),
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "gelu",
}
bert = build_transformer_model(
    args.config or small,
    args.checkpoint,
    with_pool=True,
    keep_tokens=keep_tokens,
    ignore_invalid_weights=args.new_head,
)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    positions = bert.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
probas = Dense(2, activation="softmax", dtype="float32")(Dropout(0.1)(bert.output))
model = keras.Model(bert.inputs, probas)


def predict(items):
    """The probability of each pair that its texts mean the same."""
    pairs = Pairs(items, 64)
    return model.predict(pairs.fortest(), steps=len(pairs), verbose=0)[:, 1]


def evaluate(items=dev_data, name="dev"):
    """Accuracy; the pairs with what was predicted are written down."""
    found = predict(items)
    with atomic_write(f"{args.output}/{name}.jsonl") as file:
        for (first, second, label), p in zip(items, found):
            record = {"texts": [first, second], "label": label, "predicted": round(float(p), 4)}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return {"accuracy_" + name: np.mean((found > 0.5) == [label for _, _, label in items])}


if args.predict is not None:
    model.load_weights(args.weights)
    print(f"{predict([(*args.predict[:2], 0)])[0]:.4f}")
else:
    generator = Pairs(train_data, args.batch_size, length_func=lambda item: len(item[0] + item[1]))
    optimizer = warmed_adam(args.learning_rate, len(generator) * args.epochs)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    with stoppable(args.weights, args):
        model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, evaluate)],
        )
    if test_data:
        model.load_weights(args.weights)
        print(evaluate(test_data, "test"))
