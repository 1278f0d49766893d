"""Named entities by a GlobalPointer on BERT (https://kexue.fm/archives/8373).

Each type gives each span of tokens a score; spans above 0 are entities, also where one stands in
another. --efficient shares queries and keys between types (https://kexue.fm/archives/8877)."""

import json

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.entities import load_entities, make_entities, positions, scores

from bert4keras.backend import Sinusoidal, multilabel_categorical_crossentropy
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.layers import EfficientGlobalPointer, GlobalPointer
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "ner_global_pointer",
    epochs=3,
    rates=(1e-3, 1e-4),
    data="folder of train* and dev*: rows of a character and its tag",
    efficient={"action": "store_true", "help": "an EfficientGlobalPointer"},
)
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
    """Batches of texts, with 1 for each type and span that is an entity: (B, H, L, L)."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (text, entities) in self.sample(random):
            words = tokenizer.tokenize(text, maxlen=args.maxlen)
            spans = [
                (types.index(kind), first, last)
                for first, last, kind in positions(entities, tokenizer.rematch(text, words))
            ]
            batch.append((tokenizer.tokens_to_ids(words), spans))
            if len(batch) == self.batch_size or is_end:
                token_ids, spans = zip(*batch)
                token_ids = sequence_padding(token_ids, multiple=16)
                length = token_ids.shape[1]
                labels = np.zeros((len(batch), len(types), length, length), "float32")
                for i, row in enumerate(spans):
                    labels[(i, *np.array(row or np.zeros((0, 3), int)).T)] = 1
                yield [token_ids, np.zeros_like(token_ids)], labels
                batch = []


def cross_entropy(true, scores):
    """Every entity is to score above 0 and all other spans of its type below, per text and type."""
    shape = keras.ops.shape(scores)
    true, scores = (keras.ops.reshape(x, (shape[0] * shape[1], -1)) for x in (true, scores))
    return multilabel_categorical_crossentropy(true, scores)


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
pointer = EfficientGlobalPointer if args.efficient else GlobalPointer
model = keras.Model(bert.inputs, pointer(heads=len(types), head_size=64)(bert.output))


def recognize(texts):
    """The entities of each text, [(start, end, type)]."""
    words = [tokenizer.tokenize(text, maxlen=args.maxlen) for text in texts]
    token_ids = sequence_padding([tokenizer.tokens_to_ids(x) for x in words], multiple=16)
    found = []
    spans = model.predict_on_batch([token_ids, np.zeros_like(token_ids)])
    for text, row, scores_ in zip(texts, words, spans):
        places = tokenizer.rematch(text, row)
        inside = scores_[:, 1 : len(row) - 1, 1 : len(row) - 1]  # without [CLS] and [SEP]
        found.append(
            [
                (places[first + 1][0], places[last + 1][-1] + 1, types[kind])
                for kind, first, last in np.argwhere(inside > 0)
            ]
        )
    return found


def evaluate():
    """F1, precision and recall of whole entities; what was found is written down."""
    found = []
    for begin in range(0, len(dev_data), 64):
        found += recognize([text for text, _ in dev_data[begin : begin + 64]])
    with atomic_write(f"{args.output}/dev.jsonl") as file:
        for (text, true), entities in zip(dev_data, found):
            record = {"text": text, "entities": true, "predicted": entities}
            file.write(json.dumps(record, ensure_ascii=False, default=int) + "\n")
    return scores([true for _, true in dev_data], found)


if args.predict is not None:
    model.load_weights(args.weights)
    [entities] = recognize([args.predict])
    print(*((args.predict[start:end], kind) for start, end, kind in entities), sep="\n")
else:
    generator = TrainGenerator(train_data, args.batch_size, length_func=lambda item: len(item[0]))
    model.compile(warmed_adam(args.learning_rate, len(generator) * args.epochs), cross_entropy)
    with stoppable(args.weights, args):
        model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, evaluate)],
        )
