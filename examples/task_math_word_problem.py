"""Equations for word problems by a UniLM (https://kexue.fm/archives/7809).

The problem is the source, the equation the target; a beam search writes it, and what it gives is
compared with the answer. Other equations with the right value count."""

import json
from functools import partial

import keras
from data.arithmetic import load_problems, make_problems, value
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
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
    "math_word_problem",
    epochs=6,
    batch_size=32,
    rates=(1e-3, 1e-4),
    maxlen=192,
    data="folder of Ape210K",
    files=("train.ape.json", "valid.ape.json"),
    topk={"type": int, "default": 3, "help": "beams, default %(default)s"},
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"},
)
if args.data:
    train_data, dev_data = (load_problems(f"{args.data}/{x}.ape.json") for x in ("train", "valid"))
else:
    train_data, dev_data = make_problems(10000), make_problems(300, "dev")
signs = "0123456789.+-*/()"
tokens, keep_tokens = vocabulary(args.vocab, [signs, *(text for text, _ in train_data)])
if args.smoke:
    train_data, dev_data = train_data[:64], dev_data[:16]
tokenizer = Tokenizer(tokens, do_lower_case=True)
MAX_EQUATION = 48  # tokens


def spaced(text):
    """Digits apart, each a token of its own, so that numbers can be copied and new ones read."""
    return "".join(f" {c} " if c in signs else c for c in text)


def source(text):
    """[CLS] text [SEP], cut to what an equation leaves of maxlen."""
    return tokenizer.encode(spaced(text), maxlen=args.maxlen - MAX_EQUATION)[0]


class TrainGenerator(DataGenerator):
    """Batches of problems, each followed by its equation."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (text, equation) in self.sample(random):
            text = source(text)
            equation = tokenizer.encode(spaced(equation), maxlen=MAX_EQUATION)[0][1:]
            batch.append((text + equation, [0] * len(text) + [1] * len(equation)))
            if len(batch) == self.batch_size or is_end:
                yield [sequence_padding(x, multiple=16) for x in zip(*batch)], None
                batch = []


class CrossEntropy(Loss):
    """Of the equations' tokens, each predicted at the token before; a new head also learns to give
    back each token that is read, so that copying is soon found."""

    def compute_loss(self, inputs, mask=None):
        token_ids, segment_ids, scores = inputs
        written = ops.cast(segment_ids, "float32")
        read = ops.cast(ops.not_equal(token_ids, 0), "float32") - written
        entropy = partial(ops.sparse_categorical_crossentropy, from_logits=True)
        loss = entropy(token_ids[:, 1:], scores[:, :-1]) * written[:, 1:]
        loss = ops.sum(loss) / ops.sum(written)
        if args.new_head or not args.checkpoint:
            loss += ops.sum(entropy(token_ids, scores) * read) / ops.sum(read)
        return loss


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
    with_mlm="linear",
    keep_tokens=keep_tokens,
    ignore_invalid_weights=args.new_head,
)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    positions = model.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
train_model = keras.Model(model.inputs, CrossEntropy(2)([*model.inputs, model.output]))
write = TextGenerator(model, tokenizer)


def solve(texts, progress=False):
    """For each text an equation and its value, None where it has none."""
    found = write(
        [source(text) for text in texts],
        num_beams=args.topk,
        progress=progress,
        max_new_tokens=MAX_EQUATION,
    )
    answers = []
    for equation in found:
        equation = equation.replace(" ", "")
        try:
            answers.append((equation, value(equation)))
        except ValueError:
            answers.append((equation, None))
    return answers


def evaluate():
    """The share of right answers; equations are written down."""
    found, right = solve([text for text, _ in dev_data], progress=True), 0
    with atomic_write(f"{args.output}/dev.jsonl") as file:
        for (text, equation), (predicted, answer) in zip(dev_data, found):
            correct = answer is not None and abs(answer - value(equation)) < 1e-4
            right += correct
            record = {"text": text, "equation": equation, "predicted": predicted, "right": correct}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return {"accuracy": right / len(dev_data)}


if args.predict is not None:
    train_model.load_weights(args.weights)
    [(equation, answer)] = solve([args.predict])
    print(equation, "=", answer)
else:
    generator = TrainGenerator(train_data, args.batch_size, length_func=lambda item: len(item[0]))
    steps = len(generator) * args.epochs
    train_model.compile(warmed_adam(args.learning_rate, steps, args.new_head))
    with stoppable(args.weights, args):
        train_model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, evaluate)],
        )
