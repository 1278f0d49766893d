"""Words of Chinese text by labels of characters: a CRF on BERT (https://kexue.fm/archives/7196).

A token is a word (0), or a word's begin (1), second (2) or later token (3). The CRF's transitions
learn much faster than BERT, and Viterbi finds the best path that can begin and end a text."""

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.words import load_words, make_words, scores
from keras.layers import Dense

from bert4keras.backend import Sinusoidal
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.layers import ConditionalRandomField, ViterbiDecoder
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "cws_crf",
    epochs=3,
    rates=(1e-3, 1e-4),
    maxlen=256,
    data="file of rows of words with spaces between, as of SIGHAN; every tenth is held out",
    crf_rate={"type": float, "default": 1e-2, "help": "of the transitions, default %(default)s"},
)
if args.data:
    sentences = load_words(args.data)
    train_data, dev_data = [x for i, x in enumerate(sentences) if i % 10], sentences[::10]
else:
    train_data, dev_data = make_words(6000), make_words(500, "dev")
tokens, keep_tokens = vocabulary(args.vocab, ("".join(words) for words in train_data))
if args.smoke:
    train_data, dev_data = train_data[:160], dev_data[:32]
tokenizer = Tokenizer(tokens, do_lower_case=True)


class TrainGenerator(DataGenerator):
    """Batches of sentences, with a label for each token; [CLS] and [SEP] are words."""

    def __iter__(self, random=False):
        batch = []
        for is_end, words in self.sample(random):
            ids, labels = [tokenizer.start_id], [0]
            for word in words:
                new = tokenizer.encode(word)[0][1:-1]
                ids += new
                labels += [0] if len(new) == 1 else ([1, 2] + [3] * len(new))[: len(new)]
            ids, labels = ids[: args.maxlen - 1], labels[: args.maxlen - 1]
            batch.append((ids + [tokenizer.end_id], labels + [0]))
            if len(batch) == self.batch_size or is_end:
                token_ids, labels = (sequence_padding(x, multiple=16) for x in zip(*batch))
                yield [token_ids, np.zeros_like(token_ids)], labels
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
    table = bert.get_layer("Embedding-Position").weights[0]
    table.assign(0.05 * Sinusoidal()(table.shape))
crf = ConditionalRandomField(lr_multiplier=args.crf_rate / args.learning_rate)
model = keras.Model(bert.inputs, crf(Dense(4)(bert.output)))


def segment(texts):
    """The words of each text. What the tokenizer drops, such as spaces, joins the word before; what
    maxlen cuts off is one word."""
    tokens = [tokenizer.tokenize(text, maxlen=args.maxlen) for text in texts]
    token_ids = sequence_padding([tokenizer.tokens_to_ids(x) for x in tokens], multiple=16)
    nodes = model.predict_on_batch([token_ids, np.zeros_like(token_ids)])
    decoder = ViterbiDecoder(keras.ops.convert_to_numpy(crf.trans), starts=[0], ends=[0])
    found = []
    for text, row, labels in zip(texts, tokens, decoder.decode_batch(nodes, [*map(len, tokens)])):
        places = tokenizer.rematch(text, row)
        cuts = [place[0] for place, label in zip(places, labels) if place and label < 2]
        if len(row) == args.maxlen and places[-2]:
            cuts.append(places[-2][-1] + 1)
        cuts = sorted({0, *cuts, len(text)})
        found.append([text[begin:end] for begin, end in zip(cuts, cuts[1:])])
    return found


def evaluate():
    """F1, precision and recall of words; what was found is written down."""
    found = []
    for begin in range(0, len(dev_data), 64):
        found += segment(["".join(words) for words in dev_data[begin : begin + 64]])
    with atomic_write(f"{args.output}/dev.txt") as file:
        file.writelines(" ".join(words) + "\n" for words in found)
    return scores(dev_data, found)


if args.predict is not None:
    model.load_weights(args.weights)
    print(*segment([args.predict])[0])
else:
    generator = TrainGenerator(train_data, args.batch_size, length_func=lambda x: sum(map(len, x)))
    model.compile(warmed_adam(args.learning_rate, len(generator) * args.epochs), crf.sparse_loss)
    with stoppable(args.weights, args):
        model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, evaluate)],
        )
