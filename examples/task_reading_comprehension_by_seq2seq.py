"""Reading comprehension by sequence to sequence (https://kexue.fm/archives/7115).

A UniLM reads [CLS] passage [SEP] question [SEP] and writes the answer. Passages of one question
vote on each token; those that answer nothing at first have no vote."""

import json
import time
from functools import partial

import keras
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.reading import load_questions, make_questions, scores
from keras import ops
from tqdm import tqdm

from bert4keras.backend import Sinusoidal
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "reading_by_seq2seq",
    epochs=4,
    batch_size=32,
    rates=(2e-3, 1e-4),
    maxlen=256,
    data="folder of WebQA's train.json and dev.json, or one file of questions to split",
    predict=("QUESTION", "PASSAGE"),
    passages={"type": int, "help": "fill questions up with others' to so many"},
    topk={"type": int, "default": 2, "help": "beams, default %(default)s"},
    free={"action": "store_true", "help": "let answers be other than the passages' words"},
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"},
)
if args.data:
    train_data, dev_data = load_questions(args.data, args.passages)
else:
    train_data, dev_data = make_questions(12000, passages=2), make_questions(300, "dev")
texts = (c for x in train_data for p in x["passages"] for c in (x["question"], p["passage"]))
tokens, keep_tokens = vocabulary(args.vocab, texts)
if args.smoke:
    train_data, dev_data = train_data[:40], dev_data[:8]
if args.predict is not None:
    passages = [{"answer": "", "passage": text} for text in args.predict[1:]]
    dev_data = [{"question": args.predict[0], "passages": passages}]
tokenizer = Tokenizer(tokens, do_lower_case=True)
MAX_ANSWER, MAX_QUESTION = 32, 64  # tokens


def prompt(question, passage):
    """[CLS] passage [SEP] question [SEP]; the passage is cut to what they leave of maxlen."""
    asked = tokenizer.encode(question, maxlen=MAX_QUESTION)[0][1:]
    return tokenizer.encode(passage, maxlen=args.maxlen - len(asked) - MAX_ANSWER)[0] + asked


class TrainGenerator(DataGenerator):
    """Batches of passages, each with its question and what the passage answers."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (question, passage, answer) in self.sample(random):
            source = prompt(question, passage)
            target = tokenizer.encode(answer, maxlen=MAX_ANSWER)[0][1:]
            batch.append((source + target, [0] * len(source) + [1] * len(target)))
            if len(batch) == self.batch_size or is_end:
                yield [sequence_padding(x, multiple=16) for x in zip(*batch)], None
                batch = []


class CrossEntropy(Loss):
    """Of the answers' tokens, each predicted at the token before; a new head also learns to give
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
WIDTH = 1 << (max(len(item["passages"]) for item in dev_data) - 1).bit_length()
ABSENT = [tokenizer.end_id]  # a question has WIDTH prompts, a power of 2; this fills up


def vote(tokens, length, logits):
    """What all passages of a question give together: sum p² / (sum p + 1), in proportion."""
    there = ops.any(ops.equal(tokens, tokenizer.start_id), axis=1)
    p = ops.softmax(logits) * ops.cast(there, "float32")[:, None]
    p = ops.reshape(p, (-1, WIDTH, args.topk, p.shape[-1]))
    p = ops.sum(p**2, axis=1, keepdims=True) / (ops.sum(p, axis=1, keepdims=True) + 1)
    p = ops.log(p / ops.sum(p, axis=-1, keepdims=True))  # or short answers would be favoured
    return ops.reshape(ops.repeat(p, WIDTH, axis=1), ops.shape(logits))


def answer(items):
    """The answers to some questions, "" for none."""
    prompts = [[prompt(item["question"], p["passage"]) for p in item["passages"]] for item in items]
    first = iter(write.generate(sum(prompts, []), max_new_tokens=1).tokens)
    prompts = [[x for x in rows if next(first) != [ABSENT]] for rows in prompts]
    asked = [i for i, rows in enumerate(prompts) if rows]

    def following(row, ids):  # tokens that go on from an n-gram of some passage, or the end
        texts, n = [x[1 : x.index(*ABSENT)] for x in prompts[asked[row // WIDTH]]], len(ids)
        return ABSENT + [x[i + n] for x in texts for i in range(len(x) - n) if x[i : i + n] == ids]

    answers = [""] * len(items)
    if asked:
        rows = [row for i in asked for row in prompts[i] + [ABSENT] * (WIDTH - len(prompts[i]))]
        found = write(
            rows,
            batch_size=len(rows),
            num_beams=args.topk,
            max_new_tokens=MAX_ANSWER,
            logits_processor=vote,
            length_penalty=0.0,
            prefix_allowed_tokens_fn=None if args.free else following,
        )
        for i, text in zip(asked, found[::WIDTH]):
            answers[i] = text
    return answers


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
