"""A language model that writes poems, token by token, by drawing among the most probable.

Perplexity is measured on poems that it has not seen, and the form of what it writes is checked."""

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.poems import load_poems, make_poems, rhymes, well_formed
from keras import ops

from bert4keras.data import DataGenerator, sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "language_model",
    epochs=6,
    rates=(1e-3, 1e-4),
    data="folder of chinese-poetry's poet.*.json, or of couplets in in.txt and out.txt",
    predict="BEGINNING",
    temperature={"type": float, "default": 1.0, "help": "below 1 more careful, above 1 bolder"},
    top_p={"type": float, "default": 0.9, "help": "of the tokens drawn among, together"},
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"},
)
if args.data:
    poems = load_poems(args.data)
    train_data, dev_data = [x for i, x in enumerate(poems) if i % 20], poems[::20]
else:
    train_data, dev_data = make_poems(8000, "train"), make_poems(400, "dev")
tokens, keep_tokens = vocabulary(args.vocab, train_data)
if args.smoke:
    train_data, dev_data, args.maxlen = train_data[:160], dev_data[:16], 24
tokenizer = Tokenizer(tokens, do_lower_case=True)


class Poems(DataGenerator):
    """Batches of poems."""

    def __iter__(self, random=False):
        batch = []
        for is_end, poem in self.sample(random):
            batch.append(tokenizer.encode(poem, maxlen=args.maxlen))
            if len(batch) == self.batch_size or is_end:
                yield [sequence_padding(x, multiple=16) for x in zip(*batch)], None
                batch = []


class CrossEntropy(Loss):
    """Of each token, predicted at the token before."""

    def compute_loss(self, inputs, mask=None):
        token_ids, scores = inputs
        mask = ops.cast(ops.not_equal(token_ids[:, 1:], 0), "float32")
        loss = ops.sparse_categorical_crossentropy(
            token_ids[:, 1:], scores[:, :-1], from_logits=True
        )
        return ops.sum(loss * mask) / ops.sum(mask)


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
    application="lm",
    with_mlm="linear",
    keep_tokens=keep_tokens,
    ignore_invalid_weights=args.new_head,
)
train_model = keras.Model(model.inputs, CrossEntropy(1)([model.inputs[0], model.output]))
write = TextGenerator(model, tokenizer)


def go_on(beginning, number, seed=None):
    """Poems that begin so."""
    found = write(
        [beginning] * number,
        do_sample=True,
        top_p=args.top_p,
        seed=seed,
        batch_size=64,
        temperature=args.temperature,
        max_new_tokens=args.maxlen - len(beginning) - 1,
    )
    return [beginning + text for text in found]


def evaluate():
    """The share of poems in form, and of those that rhyme; some are printed."""
    number = 10 if args.smoke else 100
    found = go_on("", number, args.seed)
    print("", *found[:5], sep="\n  ")
    scores = {"well_formed": sum(map(well_formed, found)) / number}
    return scores if args.data else scores | {"rhyming": sum(map(rhymes, found)) / number}


if args.predict is not None:
    train_model.load_weights(args.weights)
    print(*go_on(args.predict, 5), sep="\n")
else:
    learnt, held_out = (Poems(x, args.batch_size, length_func=len) for x in (train_data, dev_data))
    steps = len(learnt) * args.epochs
    train_model.compile(warmed_adam(args.learning_rate, steps, args.new_head))
    best = BestCheckpoint(args.weights, evaluate, monitor="val_loss", mode="min")
    with stoppable(args.weights, args):
        train_model.fit(
            learnt.forfit(),
            steps_per_epoch=len(learnt),
            epochs=args.epochs,
            validation_data=held_out.forfit(random=False),
            validation_steps=len(held_out),
            callbacks=[best],
        )
    print(f"perplexity of a token: {np.exp(best.best):.2f}")
