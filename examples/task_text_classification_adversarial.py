"""Sentiment of reviews by the vector of [CLS], trained by recipes (https://kexue.fm/archives/7234).

Attacks on the embeddings (fgm, pgd), smoothness (vat, gp), dropouts that agree (rdrop), or none.
With --labels only some reviews keep their label; vat learns from the others too."""

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary
from data.reviews import load_sets, make_reviews
from keras.layers import Dense

from bert4keras import optimizers, training
from bert4keras.data import DataGenerator, sequence_padding
from bert4keras.layers import FirstToken
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "text_classification_adversarial",
    epochs=5,
    rates=(5e-4, 3e-5),
    batch_size=32,
    data="folder of train.tsv, dev.tsv and test.tsv, or of sentiment.train.data, valid and test",
    method={
        "choices": ["none", "fgm", "pgd", "vat", "gp", "rdrop"],
        "default": "fgm",
        "help": "default %(default)s",
    },
    labels={"type": int, "help": "how many reviews keep their label; default all"},
)
size = 1.0 if args.checkpoint else 0.1  # of embeddings: from scratch they are shorter
recipes = {
    "none": [],
    "fgm": [training.FGM(epsilon=0.5 * size)],
    "pgd": [training.PGD(epsilon=size, alpha=0.3 * size, steps=3)],
    "vat": [training.VAT(epsilon=size, xi=10 * size)],
    "gp": [training.GradientPenalty(epsilon=size**2)],
    "rdrop": [training.RDrop(alpha=4.0)],
}
if args.data:
    train_data, dev_data, test_data = load_sets(args.data)
else:
    train_data, held_out = make_reviews(2000, "train"), make_reviews(1000, "dev")
    dev_data, test_data = held_out[:500], held_out[500:]
tokens, keep_tokens = vocabulary(args.vocab, (text for text, _ in train_data))
tokenizer = Tokenizer(tokens, do_lower_case=True)
if args.smoke:
    train_data, dev_data, test_data = train_data[:160], dev_data[:64], test_data[:64]
known = args.labels or len(train_data)
train_data = [(text, label, float(i < known)) for i, (text, label) in enumerate(train_data)]
if args.method != "vat":  # the others have no use for reviews without a label
    train_data = train_data[:known]


def encode(texts):
    """Ids and segments of texts."""
    rows = [tokenizer.encode(text, maxlen=args.maxlen) for text in texts]
    return [sequence_padding(x, multiple=16) for x in zip(*rows)]


class Reviews(DataGenerator):
    """Batches of reviews with their labels, and weights: 0 where there is no label."""

    def __iter__(self, random=False):
        batch = []
        for is_end, item in self.sample(random):
            batch.append(item)
            if len(batch) == self.batch_size or is_end:
                texts, labels, weights = zip(*batch)
                yield encode(texts), np.array(labels), np.array(weights, "float32")
                batch = []


small = {
    "vocab_size": len(tokens),
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
bert = build_transformer_model(args.config or small, args.checkpoint, keep_tokens=keep_tokens)
cls = FirstToken()(bert.output)
classifier = keras.Model(bert.inputs, Dense(2, activation="softmax", dtype="float32")(cls))


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
    steps = len(batches) * args.epochs
    AdamW = optimizers.extend_with_piecewise_linear_lr(
        optimizers.extend_with_weight_decay(optimizers.Adam)
    )
    optimizer = AdamW(
        args.learning_rate,
        lr_schedule={max(steps // 10, 1): 1, steps + 1: 0},
        exclude_from_weight_decay=["Norm", "bias"],
        clipnorm=1.0,
    )
    model = training.AdversarialModel(classifier, recipes[args.method])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    best = BestCheckpoint(args.weights, lambda: {"dev": accuracy(dev_data)}, model=classifier)
    with stoppable(args.weights, args):
        model.fit(
            batches.forfit(), steps_per_epoch=len(batches), epochs=args.epochs, callbacks=[best]
        )
    classifier.load_weights(args.weights)
    print(f"{args.method}: accuracy {best.best:.4f} on dev, {accuracy(test_data):.4f} on test")
