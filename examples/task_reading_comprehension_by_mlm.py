"""Reading comprehension by a masked language model (https://kexue.fm/archives/7148).

BERT reads [CLS] [MASK] x 32 [SEP] question [SEP] passage [SEP] and fills all the masks at once with
the answer and a [SEP]. Only what stands in the passage may be filled in; passages vote."""

import itertools
import json
import time
from functools import partial

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.reading import load_questions, make_questions, ngrams, scores, vote
from keras import ops
from keras.layers import Activation
from tqdm import tqdm

from bert4keras.backend import Sinusoidal
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "reading_by_mlm",
    epochs=3,
    batch_size=32,
    rates=(3e-3, 1e-4),
    maxlen=256,
    data="folder of WebQA's train.json and dev.json, or one file of questions to split",
    predict=("QUESTION", "PASSAGE"),
    passages={"type": int, "help": "fill questions up with others' to so many"},
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"},
)
if args.data:
    train_data, dev_data = load_questions(args.data, args.passages)
else:
    train_data, dev_data = make_questions(12000, passages=2), make_questions(300, "dev")
texts = (c for x in train_data for p in x["passages"] for c in (x["question"], p["passage"]))
tokens, keep_tokens = vocabulary(args.vocab, texts, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
if args.smoke:
    train_data, dev_data = train_data[:40], dev_data[:8]
if args.predict is not None:
    passages = [{"answer": "", "passage": text} for text in args.predict[1:]]
    dev_data = [{"question": args.predict[0], "passages": passages}]
tokenizer = Tokenizer(tokens, do_lower_case=True)
MAX_ANSWER, MAX_QUESTION = 32, 64  # tokens
END, SLOTS = tokenizer.end_id, np.arange(1, MAX_ANSWER + 1)


def prompt(question, passage):
    """[CLS] [MASK] x 32 [SEP] question [SEP] passage [SEP], and where the passage begins."""
    asked = tokenizer.encode(question, maxlen=MAX_QUESTION)[0]
    begin = [asked[0], *[tokenizer.mask_id] * MAX_ANSWER, END, *asked[1:]]
    passage = tokenizer.encode(passage, maxlen=args.maxlen - len(begin) + 1)[0]
    return begin + passage[1:], len(begin)


class TrainGenerator(DataGenerator):
    """Batches of passages with their questions, and what belongs in the slots."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (question, passage, answer) in self.sample(random):
            token_ids, begin = prompt(question, passage)
            target = tokenizer.encode(answer, maxlen=MAX_ANSWER + 1)[0][1:]
            there = target[:-1] in ngrams(token_ids[begin:], len(target) - 1)  # not cut off
            batch.append((token_ids, target if there else [END]))
            if len(batch) == self.batch_size or is_end:
                token_ids, targets = zip(*batch)
                token_ids = sequence_padding(token_ids, multiple=16)
                targets = sequence_padding(targets, MAX_ANSWER)
                yield [token_ids, np.zeros_like(token_ids), targets], None
                batch = []


class CrossEntropy(Loss):
    """Of the tokens in the slots, up to the end; a new head also learns to give back each token
    that is read, so that copying is soon found."""

    def compute_loss(self, inputs, mask=None):
        token_ids, targets, scores = inputs
        written = ops.cast(ops.not_equal(targets, 0), "float32")
        entropy = partial(ops.sparse_categorical_crossentropy, from_logits=True)
        filled = ops.take(scores, SLOTS, axis=1)
        loss = ops.sum(entropy(targets, filled) * written) / ops.sum(written)
        if args.new_head or not args.checkpoint:
            token_ids, scores = token_ids[:, MAX_ANSWER + 1 :], scores[:, MAX_ANSWER + 1 :]
            read = ops.cast(ops.not_equal(token_ids, 0), "float32")
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
    with_mlm="linear",
    keep_tokens=keep_tokens,
    ignore_invalid_weights=args.new_head,
)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    positions = model.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
answers_in = keras.Input((MAX_ANSWER,), dtype="int32")
train_model = keras.Model(
    [*model.inputs, answers_in], CrossEntropy(2)([model.inputs[0], answers_in, model.output])
)
slots = ops.take(model.get_layer("MLM-Norm").output, SLOTS, axis=1)  # all to be scored
slots = model.get_layer("MLM-Bias")(model.get_layer("Embedding-Token")(slots, mode="dense"))
reader = keras.Model(model.inputs, Activation("softmax", dtype="float32")(slots))


def fill(p, passage):
    """The most probable n-gram of a passage for slots (32, V), grown token by token, and the mean
    probability of its tokens with its end."""
    found, chosen = [], []
    for slot in p:
        goes_on = {x[-1] for x in ngrams(passage, len(found) + 1) if x[:-1] == found}
        best = max([END, *sorted(goes_on)], key=slot.__getitem__)
        chosen.append(slot[best])
        if best == END:
            break
        found.append(best)
    return tokenizer.decode(found), np.mean(chosen)


def answer(items):
    """The answers to some questions, "" for none."""
    prompts = [prompt(x["question"], p["passage"]) for x in items for p in x["passages"]]
    token_ids = sequence_padding([ids for ids, _ in prompts], multiple=16)
    slots = reader.predict_on_batch([token_ids, np.zeros_like(token_ids)])
    found = (fill(p, ids[begin:-1]) for p, (ids, begin) in zip(slots, prompts))
    return [vote(list(itertools.islice(found, len(x["passages"])))) for x in items]


def evaluate():
    """Scores over dev, and how fast; questions and answers are written down."""
    begin, answers = time.perf_counter(), []
    for i in tqdm(range(0, len(dev_data), 16), "answering", leave=False):
        answers += answer(dev_data[i : i + 16])
    speed = len(answers) / (time.perf_counter() - begin)
    records = [{**item, "predicted": text} for item, text in zip(dev_data, answers)]
    with atomic_write(f"{args.output}/predictions.jsonl") as file:
        file.writelines(json.dumps(x, ensure_ascii=False) + "\n" for x in records)
    return {**scores(dev_data, answers), "answers_per_second": speed}


if args.predict is not None:
    train_model.load_weights(args.weights)
    print(*answer(dev_data))
else:
    samples = [
        (item["question"], p["passage"], p["answer"])
        for item in train_data
        for p in item["passages"]
    ]
    generator = TrainGenerator(samples, args.batch_size, length_func=lambda x: len(x[1]))
    steps = len(generator) * args.epochs
    train_model.compile(warmed_adam(args.learning_rate, steps, args.new_head))
    with stoppable(args.weights, args):
        train_model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, evaluate)],
        )
