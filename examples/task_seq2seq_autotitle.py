"""Titles for texts by a UniLM: sequence to sequence in a single BERT (https://kexue.fm/archives/6933).

The dev set is decoded in batches, and scored by ROUGE and BLEU of characters. Needs the extra
`examples`."""

import json
from functools import partial

import keras
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.titles import load_titles, make_titles
from keras import ops
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_score.rouge_scorer import RougeScorer

from bert4keras.backend import Sinusoidal
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__, "autotitle", epochs=2, rates=(1e-3, 1e-4), maxlen=256,
    data="file of rows: text, tab, title; every tenth is held out",
    test={"help": "such a file, scored at the end by the best weights"},
    topk={"type": int, "default": 2, "help": "beams, default %(default)s"},
    max_title={"type": int, "default": 48, "help": "in tokens, default %(default)s"},
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"})
if args.data:
    items = load_titles(args.data)
    train_data = [item for i, item in enumerate(items) if i % 10]
    dev_data, test_data = items[::10], load_titles(args.test) if args.test else []
else:
    train_data, dev_data, test_data = make_titles(8000, "train"), make_titles(200, "dev"), []
tokens, keep_tokens = vocabulary(args.vocab, ("".join(item) for item in train_data))
if args.smoke:
    train_data, dev_data, test_data = train_data[:160], dev_data[:16], test_data[:16]
tokenizer = Tokenizer(tokens, do_lower_case=True)


def source(text):
    """[CLS] text [SEP], cut to what a title leaves of maxlen."""
    return tokenizer.encode(text, maxlen=args.maxlen - args.max_title)[0]


class TrainGenerator(DataGenerator):
    """Batches of texts, each followed by its title."""
    def __iter__(self, random=False):
        batch = []
        for is_end, (text, title) in self.sample(random):
            text, title = source(text), tokenizer.encode(title, maxlen=args.max_title)[0][1:]
            batch.append((text + title, [0] * len(text) + [1] * len(title)))
            if len(batch) == self.batch_size or is_end:
                yield [sequence_padding(x, multiple=16) for x in zip(*batch)], None
                batch = []


class CrossEntropy(Loss):
    """Of the titles' tokens, each predicted at the token before; a new head also learns to give
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


small = {"vocab_size": len(tokens), "hidden_size": 128, "num_hidden_layers": 3,
         "num_attention_heads": 4, "intermediate_size": 512, "hidden_act": "gelu"}
model = build_transformer_model(args.config or small, args.checkpoint, application="unilm",
                                with_mlm="linear", keep_tokens=keep_tokens,
                                ignore_invalid_weights=args.new_head)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    positions = model.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
train_model = keras.Model(model.inputs, CrossEntropy(2)([*model.inputs, model.output]))
write = TextGenerator(model, tokenizer)


def titles(texts, progress=False):
    """A title for each text."""
    return write([source(text) for text in texts], num_beams=args.topk, progress=progress,
                 max_new_tokens=args.max_title)


class Characters:
    """What ROUGE counts: characters, lower case, without spaces."""
    def tokenize(self, text):
        return [character for character in text.lower() if not character.isspace()]


scorer = RougeScorer(["rougeL", "rouge1", "rouge2"], tokenizer=Characters())
smooth = SmoothingFunction().method1


def scores(items, name):
    """Means of ROUGE's F1 and of BLEU over items; the titles are written to a file."""
    found, sums = titles([text for text, _ in items], progress=True), {}
    with atomic_write(f"{args.output}/{name}.jsonl") as file:
        for (text, title), predicted in zip(items, found):
            record = {"text": text, "title": title, "predicted": predicted}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            rouge = scorer.score(title, predicted)
            one = {key: value.fmeasure for key, value in rouge.items()}
            true, guess = map(Characters().tokenize, (title, predicted))
            one["bleu"] = sentence_bleu([true], guess, smoothing_function=smooth) if guess else 0
            sums = {key: sums.get(key, 0) + value for key, value in one.items()}
    return {key: value / len(items) for key, value in sums.items()}


if args.predict is not None:
    train_model.load_weights(args.weights)
    print(*titles([args.predict]))
else:
    generator = TrainGenerator(train_data, args.batch_size, length_func=lambda item: len(item[0]))
    steps = len(generator) * args.epochs
    train_model.compile(warmed_adam(args.learning_rate, steps, args.new_head))
    with stoppable(args.weights, args):
        train_model.fit(generator.forfit(), steps_per_epoch=len(generator), epochs=args.epochs,
                        callbacks=[BestCheckpoint(args.weights, lambda: scores(dev_data, "dev"))])
    if test_data:
        train_model.load_weights(args.weights)
        print("test", scores(test_data, "test"))
