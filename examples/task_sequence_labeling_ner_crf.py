"""Named entities by labels of tokens: a CRF on BERT (https://kexue.fm/archives/7196).

A token is outside (0), begins an entity of type k (2k + 1) or goes on with it (2k + 2). The CRF's
transitions learn much faster than BERT; the best path of labels is found by Viterbi."""

import json

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.entities import load_entities, make_entities, positions, scores
from keras.layers import Dense

from bert4keras.backend import Sinusoidal
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.layers import ConditionalRandomField, ViterbiDecoder
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__, "ner_crf", epochs=2, rates=(1e-3, 1e-4),
    data="folder of train* and dev*: rows of a character and its tag",
    crf_rate={"type": float, "default": 1e-2, "help": "of the transitions, default %(default)s"})
if args.data:
    train_data, dev_data = (load_entities(args.data, split) for split in ("train", "dev"))
else:
    train_data, dev_data = make_entities(6000), make_entities(500, "dev")
types = sorted({kind for _, entities in train_data for _, _, kind in entities})
tokens, keep_tokens = vocabulary(args.vocab, (text for text, _ in train_data))
if args.smoke:
    train_data, dev_data = train_data[:160], dev_data[:32]
tokenizer = Tokenizer(tokens, do_lower_case=True)


class TrainGenerator(DataGenerator):
    """Batches of texts, with a label for each token."""
    def __iter__(self, random=False):
        batch = []
        for is_end, (text, entities) in self.sample(random):
            words = tokenizer.tokenize(text, maxlen=args.maxlen)
            labels = np.zeros(len(words), "int32")
            for first, last, kind in positions(entities, tokenizer.rematch(text, words)):
                labels[first] = 2 * types.index(kind) + 1
                labels[first + 1 : last + 1] = 2 * types.index(kind) + 2
            batch.append((tokenizer.tokens_to_ids(words), labels))
            if len(batch) == self.batch_size or is_end:
                token_ids, labels = (sequence_padding(x, multiple=16) for x in zip(*batch))
                yield [token_ids, np.zeros_like(token_ids)], labels
                batch = []


small = {"vocab_size": len(tokens), "hidden_size": 128, "num_hidden_layers": 3,
         "num_attention_heads": 4, "intermediate_size": 512, "hidden_act": "gelu"}
bert = build_transformer_model(args.config or small, args.checkpoint, keep_tokens=keep_tokens)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    table = bert.get_layer("Embedding-Position").weights[0]
    table.assign(0.05 * Sinusoidal()(table.shape))
crf = ConditionalRandomField(lr_multiplier=args.crf_rate / args.learning_rate)
model = keras.Model(bert.inputs, crf(Dense(2 * len(types) + 1)(bert.output)))


def recognize(texts):
    """The entities of each text, [(start, end, type)]."""
    words = [tokenizer.tokenize(text, maxlen=args.maxlen) for text in texts]
    token_ids = sequence_padding([tokenizer.tokens_to_ids(x) for x in words], multiple=16)
    nodes = model.predict_on_batch([token_ids, np.zeros_like(token_ids)])
    decoder = ViterbiDecoder(keras.ops.convert_to_numpy(crf.trans), starts=[0], ends=[0])
    found = []
    for text, row, labels in zip(texts, words, decoder.decode_batch(nodes, list(map(len, words)))):
        places, entities = tokenizer.rematch(text, row), []
        for place, label, before in zip(places, labels, [0, *labels]):
            if label % 2:
                entities.append([place[0], place[-1] + 1, types[label // 2]])
            elif label and before in (label - 1, label) and entities:
                entities[-1][1] = place[-1] + 1
        found.append([tuple(x) for x in entities])
    return found


def evaluate():
    """F1, precision and recall of whole entities; what was found is written down."""
    found = []
    for begin in range(0, len(dev_data), 64):
        found += recognize([text for text, _ in dev_data[begin : begin + 64]])
    with atomic_write(f"{args.output}/dev.jsonl") as file:
        for (text, true), entities in zip(dev_data, found):
            record = {"text": text, "entities": true, "predicted": entities}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return scores([true for _, true in dev_data], found)


if args.predict is not None:
    model.load_weights(args.weights)
    [entities] = recognize([args.predict])
    print(*((args.predict[start:end], kind) for start, end, kind in entities), sep="\n")
else:
    generator = TrainGenerator(train_data, args.batch_size, length_func=lambda item: len(item[0]))
    optimizer = warmed_adam(args.learning_rate, len(generator) * args.epochs)
    model.compile(optimizer, crf.sparse_loss)
    with stoppable(args.weights, args):
        model.fit(generator.forfit(), steps_per_epoch=len(generator), epochs=args.epochs,
                  callbacks=[BestCheckpoint(args.weights, evaluate)])
