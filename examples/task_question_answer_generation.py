"""Questions and answers drawn from passages by a UniLM (https://kexue.fm/archives/7630).

First the answer is written from [CLS] passage [SEP], then the question from [CLS] passage [SEP]
answer [SEP]: to ask is easier when it is known what for."""

import json
from collections import Counter
from functools import partial

import keras
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.reading import bare, load_questions, make_questions, same_questions
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
    "question_answer_generation",
    epochs=4,
    batch_size=32,
    rates=(2e-3, 1e-4),
    maxlen=256,
    data="folder of WebQA's train.json and dev.json, or one file of questions to split",
    predict="PASSAGE",
    number={"type": int, "default": 5, "help": "of pairs to draw by --predict, %(default)s"},
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"},
)
if args.data:
    train_data, dev_data = load_questions(args.data)
else:
    train_data, dev_data = make_questions(8000, passages=2), make_questions(300, "dev", passages=2)
train_data, dev_data = (
    [(p["passage"], p["answer"], x["question"]) for x in data for p in x["passages"] if p["answer"]]
    for data in (train_data, dev_data)
)
tokens, keep_tokens = vocabulary(args.vocab, ("".join(item) for item in train_data))
if args.smoke:
    train_data, dev_data = train_data[:40], dev_data[:8]
tokenizer = Tokenizer(tokens, do_lower_case=True)
MAX_ANSWER, MAX_QUESTION = 32, 64  # tokens


def source(passage, answer=None):
    """[CLS] passage [SEP], and behind it answer [SEP] if there is one."""
    ids = tokenizer.encode(passage, maxlen=args.maxlen - MAX_ANSWER - MAX_QUESTION)[0]
    return ids if answer is None else ids + tokenizer.encode(answer, maxlen=MAX_ANSWER)[0][1:]


class TrainGenerator(DataGenerator):
    """Batches in which each passage stands twice: its answer is the target, then its question."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (passage, answer, question) in self.sample(random):
            for ids, text in (source(passage), answer), (source(passage, answer), question):
                target = tokenizer.encode(text, maxlen=MAX_QUESTION)[0][1:]
                batch.append((ids + target, [0] * len(ids) + [1] * len(target)))
            if len(batch) == 2 * self.batch_size or is_end:
                yield [sequence_padding(x, multiple=16) for x in zip(*batch)], None
                batch = []


class CrossEntropy(Loss):
    """Of the targets' tokens, each predicted at the token before; a new head also learns to give
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


def ask(passages, **how):
    """An answer that each passage gives, found or drawn as `how` says, and the question for it."""
    answers = write([source(x) for x in passages], max_new_tokens=MAX_ANSWER, **how)
    prompts = [source(*both) for both in zip(passages, answers)]
    return list(zip(answers, write(prompts, num_beams=2, max_new_tokens=MAX_QUESTION)))


def overlap(true, found):
    """F1 of the characters of two texts."""
    true, found = Counter(bare(true)), Counter(bare(found))
    return 2 * (true & found).total() / max(true.total() + found.total(), 1)


def evaluate():
    """How many of the most probable pairs are right, in any wording of the question that is known;
    how many answers stand in their passage; F1 of the questions, against those of the data."""
    found = ask([passage for passage, _, _ in dev_data], num_beams=2)
    right, there, f1 = 0, 0, 0
    with atomic_write(f"{args.output}/dev.jsonl") as file:
        for (passage, answer, question), (written, asked) in zip(dev_data, found):
            right += bare(written) == bare(answer) and asked in same_questions(question)
            there += bool(written) and bare(written) in bare(passage)
            f1 += overlap(question, asked)
            record = {"passage": passage, "answer": written, "question": asked}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    scores = {"right": right, "f1": f1, "answer_in_passage": there}
    scores = {name: score / len(dev_data) for name, score in scores.items()}
    return {"mean": (scores["right"] + scores["f1"]) / 2, **scores}


if args.predict is not None:
    train_model.load_weights(args.weights)
    drawn = ask([args.predict] * args.number, do_sample=True, top_p=0.9, seed=args.seed)
    print(*(f"{question}  {answer}" for answer, question in dict.fromkeys(drawn)), sep="\n")
else:
    # a passage counts twice in a batch
    generator = TrainGenerator(train_data, args.batch_size // 2, length_func=lambda x: len(x[0]))
    steps = len(generator) * args.epochs
    train_model.compile(warmed_adam(args.learning_rate, steps, args.new_head))
    with stoppable(args.weights, args):
        train_model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, evaluate)],
        )
