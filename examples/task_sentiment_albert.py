"""Sentiment of reviews by an ALBERT, or by one whose blocks go their own ways (--unshared,
https://kexue.fm/archives/7187): it is said to learn faster and to end as well or better.

Without --checkpoint a small ALBERT is pretrained first, on the reviews to learn from, or on made-up
texts of several kinds; it is kept and serves both ways."""

import sys

import keras
import numpy as np
from data.albert import make_texts, pretrained_albert
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.reviews import load_sets, make_reviews
from keras.layers import Dense

from bert4keras.data import DataGenerator, sequence_padding
from bert4keras.layers import FirstToken
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "sentiment_albert",
    epochs=5,
    rates=(1e-3, 3e-5),
    batch_size=32,
    data="folder of train.tsv, dev.tsv and test.tsv, or of sentiment.train.data, valid and test",
    unshared={"action": "store_true", "help": "let each block go its own way"},
    steps={"type": int, "default": 2000, "help": "of pretraining, default %(default)s"},
)
if (args.config or args.vocab) and not args.checkpoint:
    sys.exit("--config and --vocab belong to a --checkpoint: give it too, or none of them")
if args.data:
    train_data, dev_data, test_data = load_sets(args.data)
else:
    train_data, held_out = make_reviews(2000, "train"), make_reviews(1000, "dev")
    dev_data, test_data = held_out[:500], held_out[500:]
if args.smoke:
    train_data, dev_data, test_data = train_data[:160], dev_data[:64], test_data[:64]
    args.steps = min(args.steps, 10)
if not args.checkpoint:
    texts = make_texts(300 if args.smoke else 9000)
    texts = [text for text, _ in train_data] if args.data else texts
    with stoppable(args.weights):
        args.checkpoint = pretrained_albert(texts, args.steps)
    args.config, args.vocab = (f"{args.checkpoint}/{x}" for x in ("config.json", "vocab.txt"))
tokens, keep_tokens = vocabulary(args.vocab, ())
tokenizer = Tokenizer(tokens, do_lower_case=True)


def encode(texts):
    """Ids and segments of texts."""
    rows = [tokenizer.encode(text, maxlen=args.maxlen) for text in texts]
    return [sequence_padding(x, multiple=16) for x in zip(*rows)]


class Reviews(DataGenerator):
    """Batches of reviews with their labels."""

    def __iter__(self, random=False):
        batch = []
        for is_end, item in self.sample(random):
            batch.append(item)
            if len(batch) == self.batch_size or is_end:
                texts, labels = zip(*batch)
                yield encode(texts), np.array(labels)
                batch = []


albert = build_transformer_model(
    args.config,
    args.checkpoint,
    "albert_unshared" if args.unshared else "albert",
    keep_tokens=keep_tokens,
)
cls = FirstToken()(albert.output)
classifier = keras.Model(albert.inputs, Dense(2, activation="softmax", dtype="float32")(cls))


def accuracy(data):
    """The share of reviews whose label is found."""
    right, data = 0, sorted(data, key=lambda item: len(item[0]))
    for begin in range(0, len(data), 64):
        texts, labels = zip(*data[begin : begin + 64])
        found = classifier.predict_on_batch(encode(texts)).argmax(axis=1)
        right += (found == np.array(labels)).sum()
    return right / len(data)


if args.predict is not None:
    classifier.load_weights(args.weights)
    [[_, praise]] = classifier.predict_on_batch(encode([args.predict]))
    print(f"{'praise' if praise > 0.5 else 'blame'} ({praise:.3f} that it is praise)")
else:
    batches = Reviews(train_data, args.batch_size, length_func=lambda item: len(item[0]))
    classifier.compile(
        warmed_adam(args.learning_rate, len(batches) * args.epochs),
        "sparse_categorical_crossentropy",
    )
    best = BestCheckpoint(args.weights, lambda: {"dev": accuracy(dev_data)})
    with stoppable(args.weights, args):
        classifier.fit(
            batches.forfit(), steps_per_epoch=len(batches), epochs=args.epochs, callbacks=[best]
        )
    classifier.load_weights(args.weights)
    print(
        f"{'unshared' if args.unshared else 'shared'} blocks: accuracy {best.best:.4f} on dev, "
        f"{accuracy(test_data):.4f} on test"
    )
