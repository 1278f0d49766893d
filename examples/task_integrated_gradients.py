"""Which tokens decide: integrated gradients of a classifier of reviews (arXiv:1703.01365,
https://kexue.fm/archives/7533).

A text's embeddings fade in from nothing; a token counts by what the probability of the label gains
on the way through its embedding. The sum is the whole gain. Pictures need the extra `plot`."""

import json

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.reviews import deciding, load_reviews, make_reviews
from keras.layers import Dense

from bert4keras.backend import Sinusoidal, value_and_grad
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.layers import FirstToken
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "integrated_gradients",
    epochs=3,
    rates=(1e-3, 3e-5),
    files=("sentiment.train.data", "sentiment.valid.data"),
    data="folder of rows text, tab, 0 or 1",
    steps={"type": int, "default": 32, "help": "on the way, default %(default)s"},
    font={"default": "Noto Sans CJK SC", "help": "of the picture, default %(default)s"},
)
if args.data:
    names = (f"{args.data}/sentiment.{name}.data" for name in ("train", "valid"))
    train_data, dev_data = map(load_reviews, names)
else:
    train_data, dev_data = make_reviews(6000), make_reviews(300, "dev")
tokens, keep_tokens = vocabulary(args.vocab, (text for text, _ in train_data))
if args.smoke:
    train_data, dev_data, args.steps = train_data[:160], dev_data[:8], 4
tokenizer = Tokenizer(tokens, do_lower_case=True)


class Reviews(DataGenerator):
    """Batches of texts with their labels."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (text, label) in self.sample(random):
            batch.append((*tokenizer.encode(text, maxlen=args.maxlen), label))
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
bert = build_transformer_model(args.config or small, args.checkpoint, keep_tokens=keep_tokens)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    positions = bert.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
vector = FirstToken()(bert.output)
model = keras.Model(bert.inputs, Dense(2, activation="softmax", dtype="float32")(vector))
embed = bert.get_layer("Embedding-Token")
behind = keras.Model([embed.output, bert.inputs[1]], model.output)  # a model of embeddings


def integrate(texts):
    """Of each text its tokens, what each adds to the probability of the label, the label, and by
    how much the sum of them misses the gain."""
    words = [tokenizer.tokenize(text, maxlen=args.maxlen) for text in texts]
    token_ids = sequence_padding([tokenizer.tokens_to_ids(x) for x in words], multiple=16)
    labels = np.argmax(model.predict_on_batch([token_ids, np.zeros_like(token_ids)]), axis=1)
    # the middles of equal parts of the way, between its ends
    shares = np.array([0, *(np.arange(args.steps) + 0.5) / args.steps, 1])[:, None, None]
    segments = keras.ops.zeros((len(shares), token_ids.shape[1]), "int32")
    explained = []
    for row, ids, label in zip(words, token_ids, labels):
        whole = keras.ops.convert_to_numpy(embed(ids[None]))
        mask = keras.ops.convert_to_tensor(np.tile(ids > 0, (len(shares), 1)))

        def probability(points, mask=mask, label=label):
            found = behind([points[0], segments], mask=[mask, None], training=False)[:, label]
            return keras.ops.sum(found), found

        points = keras.ops.convert_to_tensor((shares * whole).astype("float32"))
        (_, found), [slopes] = value_and_grad(probability, [points])
        slopes, found = map(keras.ops.convert_to_numpy, (slopes, keras.ops.stop_gradient(found)))
        gains = (slopes[1:-1].mean(axis=0) * whole[0]).sum(axis=-1)[: len(row)]
        explained.append((row, gains, int(label), abs(found[-1] - found[0] - gains.sum())))
    return explained


def draw(explained, file):
    """A picture: each text a row of tokens, red where they speak for the label, blue against."""
    try:
        import matplotlib.pyplot as plt
        from matplotlib.font_manager import FontProperties, findfont
    except ImportError:
        return print('no picture without matplotlib: pip install ".[plot]"')
    font = FontProperties(family=args.font)
    try:
        findfont(font, fallback_to_default=False)
    except ValueError:
        return print(f"no picture: there is no font {args.font!r}; --font names one for Chinese")
    figure, rows = plt.subplots(len(explained), figsize=(12, 0.8 * len(explained)), squeeze=False)
    for [axes], (words, gains, label, _) in zip(rows, explained):
        axes.imshow(gains[None], cmap="bwr", vmin=-abs(gains).max(), vmax=abs(gains).max())
        for i, word in enumerate(words):
            axes.text(i, 0, word.strip("[]"), ha="center", va="center", font=font, fontsize=9)
        axes.set_yticks([0], [f"label {label}"])
        axes.set_xticks([])
    figure.savefig(file, dpi=120, bbox_inches="tight")
    print(f"{file} shows the tokens that decided")


def explain(texts):
    """Print for each text its label and tokens with what they count, in percent; draw them."""
    explained = integrate(texts)
    for words, gains, label, _ in explained:
        print(f"{label}:", *(f"{x}{100 * g:+.0f}" for x, g in zip(words, gains)))
    draw(explained, f"{args.output}/tokens.png")


if args.predict is not None:
    model.load_weights(args.weights)
    explain([args.predict])
else:
    generator = Reviews(train_data, args.batch_size, length_func=lambda item: len(item[0]))
    held_out = Reviews(dev_data, 64)
    model.compile(
        warmed_adam(args.learning_rate, len(generator) * args.epochs),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    with stoppable(args.weights, args):
        model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, monitor="val_accuracy")],
            validation_steps=len(held_out),
            validation_data=held_out.forfit(random=False),
        )
    model.load_weights(args.weights)
    explain([text for text, _ in dev_data[:8]])
    texts, pointed = [text for text, _ in dev_data[:100]], []
    explained = integrate(texts)
    with atomic_write(f"{args.output}/dev.jsonl") as file:
        for text, (words, gains, label, _) in zip(texts, explained):
            place = tokenizer.rematch(text, words)[1 + int(np.argmax(gains[1:-1]))]
            pointed.append(place[0] in deciding(text))
            record = {"text": text, "label": label, "gains": [round(float(x), 4) for x in gains]}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    if not args.data:
        print(f"the token that counts most tells the label in {np.mean(pointed):.3f} of texts")
    missed = np.mean([x[-1] for x in explained])
    print(f"sums of gains miss the whole gain by {missed:.4f} on average")
