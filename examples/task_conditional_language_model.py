"""Texts of a wanted kind by a language model with a condition (https://kexue.fm/archives/7124).

The vector of a label moves all norms (Conditional LayerNorm). A classifier that was trained apart
judges whether what is written is of the kind that was asked for."""

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.reviews import load_reviews, make_reviews
from keras import ops
from keras.layers import Dense, Input, Reshape

from bert4keras.data import DataGenerator, sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.layers import Embedding, GlobalAveragePooling1D, Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "conditional_language_model",
    epochs=4,
    rates=(1e-3, 1e-4),
    files=("sentiment.train.data", "sentiment.valid.data"),
    data="folder of rows text, tab, 0 or 1",
    predict="LABEL",
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"},
)
if args.data:
    names = (f"{args.data}/sentiment.{name}.data" for name in ("train", "valid"))
    train_data, dev_data = map(load_reviews, names)
else:
    train_data, dev_data = make_reviews(8000, "train"), make_reviews(400, "dev")
tokens, keep_tokens = vocabulary(args.vocab, (text for text, _ in train_data))
if args.smoke:
    train_data, dev_data, args.maxlen = train_data[:160], dev_data[:32], 24
tokenizer = Tokenizer(tokens, do_lower_case=True)
small = {
    "vocab_size": len(tokens),
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "gelu",
}


class Reviews(DataGenerator):
    """Batches of texts with their labels."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (text, label) in self.sample(random):
            batch.append((*tokenizer.encode(text, maxlen=args.maxlen), [label]))
            if len(batch) == self.batch_size or is_end:
                *sequences, labels = zip(*batch)
                sequences = [sequence_padding(x, multiple=16) for x in sequences]
                yield [*sequences, np.array(labels)], None
                batch = []


class ForClassifier(Reviews):
    """The labels as targets."""

    def __iter__(self, random=False):
        for (*texts, labels), _ in super().__iter__(random):
            yield texts, labels


class CrossEntropy(Loss):
    """Of each token, predicted at the token before."""

    def compute_loss(self, inputs, mask=None):
        token_ids, scores = inputs
        mask = ops.cast(ops.not_equal(token_ids[:, 1:], 0), "float32")
        loss = ops.sparse_categorical_crossentropy(
            token_ids[:, 1:], scores[:, :-1], from_logits=True
        )
        return ops.sum(loss * mask) / ops.sum(mask)


def batches(kind, items):
    return kind(items, args.batch_size, length_func=lambda item: len(item[0]))


def train(model, kind, epochs, callback, **losses):
    """Fit a model to the reviews, the rate rising for a tenth of the steps, then falling."""
    learnt, held_out = batches(kind, train_data), batches(kind, dev_data)
    steps = len(learnt) * epochs
    new_head = args.new_head and model is train_model
    model.compile(warmed_adam(args.learning_rate, steps, new_head), **losses)
    with stoppable(args.weights, args):
        model.fit(
            learnt.forfit(),
            steps_per_epoch=len(learnt),
            epochs=epochs,
            callbacks=[callback],
            validation_data=held_out.forfit(random=False),
            validation_steps=len(held_out),
        )


label = Input((1,), dtype="int32", name="Label")
condition = Reshape((128,))(Embedding(2, 128)(label))
model = build_transformer_model(
    args.config or small,
    args.checkpoint,
    application="lm",
    with_mlm="linear",
    keep_tokens=keep_tokens,
    layer_norm_cond=condition,
    additional_input_layers=label,
    ignore_invalid_weights=args.new_head,
)
train_model = keras.Model(model.inputs, CrossEntropy(1)([model.inputs[0], model.output]))
write = TextGenerator(model, tokenizer)


def samples(label, number, seed=None):
    """Texts of a label, drawn among the most probable tokens."""
    return write(
        [""] * number,
        conditions=[[[label]] * number],
        batch_size=64,
        do_sample=True,
        top_p=0.9,
        max_new_tokens=args.maxlen - 1,
        seed=seed,
    )


def control(number=10 if args.smoke else 100):
    """How many samples are judged as what was asked for; ten of each label are printed."""
    right = 0
    for wanted in 0, 1:
        texts = samples(wanted, number, seed=args.seed)
        print("", *texts[:10], sep=f"\n  {wanted}  ")
        judged = batches(ForClassifier, [(text, wanted) for text in texts])
        found = judge.predict(judged.fortest(), steps=len(judged), verbose=0)
        right += np.sum(np.argmax(found, axis=-1) == wanted)
    print(f"judged as asked for: {right / number / 2:.3f} of {2 * number}\n")
    return {"control": right / number / 2}


if args.predict is not None:
    train_model.load_weights(args.weights)
    print(*samples(int(args.predict), 10), sep="\n")
else:
    reader = build_transformer_model(args.config or small, args.checkpoint, keep_tokens=keep_tokens)
    vector = GlobalAveragePooling1D()(reader.output)
    judge = keras.Model(reader.inputs, Dense(2, activation="softmax")(vector))
    best = BestCheckpoint(f"{args.output}/judge.weights.h5", monitor="val_accuracy")
    print("The judge learns:")
    train(
        judge,
        ForClassifier,
        args.epochs,
        best,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    judge.load_weights(best.path)
    print("The writer learns:")
    # made-up reviews of dev hold what no other does, which a good writer finds unlikely
    by = {"monitor": "val_loss", "mode": "min"} if args.data else {}
    best = BestCheckpoint(args.weights, control, **by)
    train(train_model, Reviews, args.epochs, best)
    train_model.load_weights(args.weights)
    control()
