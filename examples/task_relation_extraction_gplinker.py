"""Triple extraction by GPLinker (https://kexue.fm/archives/8888).

A GlobalPointer finds the spans of subjects and objects; two more say for each predicate which heads
and which tails of such spans belong together. All that scores above 0 makes triples, at once."""

import json

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.triples import as_triples, exact_match, find, load_triples, make_triples

from bert4keras.backend import Sinusoidal, sparse_multilabel_categorical_crossentropy
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.layers import EfficientGlobalPointer
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "relation_extraction_gplinker",
    epochs=4,
    data="folder of LIC2019",
    files=("train_data.json", "dev_data.json"),
)
sets = {"train": 12000, "dev": 500}  # sentences to make up, where there are no data
train_data, dev_data = (
    load_triples(f"{args.data}/{split}_data.json") if args.data else make_triples(number, split)
    for split, number in sets.items()
)
predicates = sorted({p for item in train_data for _, p, _ in as_triples(item)})
tokens, keep_tokens = vocabulary(args.vocab, (item["text"] for item in train_data))
tokenizer = Tokenizer(tokens, do_lower_case=True)
if args.smoke:
    train_data, dev_data = train_data[:160], dev_data[:64]


class TrainGenerator(DataGenerator):
    """Batches of sentences; of spans, heads and tails the pairs of positions, numbered in order of
    rows: (B, kinds, pairs). The pair 0, [CLS] with itself, fills up."""

    def __iter__(self, random=False):
        batch = []
        for is_end, item in self.sample(random):
            token_ids = tokenizer.encode(item["text"], maxlen=args.maxlen)[0]
            pairs = [[set() for _ in range(n)] for n in (2, len(predicates), len(predicates))]
            for s, p, o in as_triples(item):
                s, o = (find(tokenizer.encode(name)[0][1:-1], token_ids) for name in (s, o))
                if s and o:
                    pairs[0][0].add(s)
                    pairs[0][1].add(o)
                    pairs[1][predicates.index(p)].add((s[0], o[0]))
                    pairs[2][predicates.index(p)].add((s[1], o[1]))
            batch.append((token_ids, *pairs))
            if len(batch) == self.batch_size or is_end:
                token_ids, *pairs = zip(*batch)
                token_ids = sequence_padding(token_ids, multiple=16)
                length = token_ids.shape[1]
                numbered = [
                    [[[i * length + j for i, j in kind] or [0] for kind in row] for row in rows]
                    for rows in pairs
                ]
                labels = [sequence_padding(x, seq_dims=2, multiple=(1, 16)) for x in numbered]
                yield [token_ids, np.zeros_like(token_ids)], labels
                batch = []


def cross_entropy(true, scores):
    """The pairs that are true are to score above 0, all others of their kind below."""
    shape = keras.ops.shape(scores)
    scores = keras.ops.reshape(scores, (shape[0], shape[1], shape[2] * shape[3]))
    loss = sparse_multilabel_categorical_crossentropy(true, scores, mask_zero=True)
    return keras.ops.sum(loss, axis=1)


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
    positions = bert.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
anywhere = {"head_size": 64, "RoPE": False, "tril_mask": False}  # objects may stand before subjects
outputs = [
    EfficientGlobalPointer(heads=2, head_size=64),
    EfficientGlobalPointer(heads=len(predicates), **anywhere),
    EfficientGlobalPointer(heads=len(predicates), **anywhere),
]
speed = 1e-3 / args.learning_rate  # of the pointers, which are new: they learn at 1e-3
model = keras.Model(bert.inputs, [pointer(speed * bert.output) for pointer in outputs])


def extract(texts):
    """For every text the set of its triples (subject, predicate, object), cut out of the text."""
    triples, tokens = [set() for _ in texts], [tokenizer.tokenize(x, args.maxlen) for x in texts]
    token_ids = sequence_padding([tokenizer.tokens_to_ids(row) for row in tokens], multiple=16)
    scores = model.predict_on_batch([token_ids, np.zeros_like(token_ids)])
    for text, row, found, spans, heads, tails in zip(texts, tokens, triples, *scores):
        places = tokenizer.rematch(text, row)
        spans[:, [0, len(row) - 1]] = spans[:, :, [0, len(row) - 1]] = -np.inf  # [CLS] and [SEP]
        subjects, objects = (np.argwhere(kind > 0) for kind in spans)
        for s in subjects:
            for o in objects:
                both = np.minimum(heads[:, s[0], o[0]], tails[:, s[1], o[1]])
                names = [text[places[a][0] : places[b][-1] + 1] for a, b in (s, o)]
                found.update((names[0], predicates[p], names[1]) for p in np.flatnonzero(both > 0))
    return triples


def evaluate():
    """Exact-match F1, precision and recall over dev; what was predicted is written down."""
    texts = [item["text"] for item in dev_data]
    found = [x for begin in range(0, len(texts), 64) for x in extract(texts[begin : begin + 64])]
    *scores, records = exact_match(dev_data, found, tokenizer.tokenize)
    with atomic_write(f"{args.output}/predictions.jsonl") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return dict(zip(("f1", "precision", "recall"), scores))


if args.predict is not None:
    model.load_weights(args.weights)
    print(*extract([args.predict])[0], sep="\n")
else:
    generator = TrainGenerator(train_data, args.batch_size, length_func=lambda x: len(x["text"]))
    optimizer = warmed_adam(args.learning_rate, len(generator) * args.epochs)
    model.compile(optimizer, [cross_entropy] * 3)
    with stoppable(args.weights, args):
        model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[BestCheckpoint(args.weights, evaluate)],
        )
