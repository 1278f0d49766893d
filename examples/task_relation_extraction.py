"""Triple extraction by half pointers and half tags (https://kexue.fm/archives/7161).

Two sigmoids a token point at starts and ends of subjects. One subject's vector, by a Conditional
LayerNorm in place of the last norm, tells the encoding whose objects are asked for."""

import json

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary
from data.triples import as_triples, exact_match, find, load_triples, make_triples, spans
from keras import ops
from keras.layers import Dense, Input, Reshape

from bert4keras.backend import Sinusoidal, batch_gather, output_at
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.layers import LayerNormalization, Loss
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, extend_with_exponential_moving_average
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(__doc__, "relation_extraction", epochs=4,
                    data="folder of LIC2019", files=("train_data.json", "dev_data.json"))
sets = {"train": 16000, "dev": 500}  # sentences to make up, where there are no data
train_data, dev_data = (load_triples(f"{args.data}/{split}_data.json") if args.data else
                        make_triples(number, split) for split, number in sets.items())
predicates = sorted({p for item in train_data for _, p, _ in as_triples(item)})
tokens, keep_tokens = vocabulary(args.vocab, (item["text"] for item in train_data))
tokenizer = Tokenizer(tokens, do_lower_case=True)
if args.smoke:
    train_data, dev_data = train_data[:160], dev_data[:64]


class TrainGenerator(DataGenerator):
    """Batches of sentences, each with one subject drawn at random."""
    def __iter__(self, random=False):
        batch = []
        for is_end, item in self.sample(random):
            token_ids, segment_ids = tokenizer.encode(item["text"], maxlen=args.maxlen)
            subjects = np.zeros((len(token_ids), 2), "float32")
            objects = np.zeros((len(token_ids), len(predicates), 2), "float32")
            answers = {}  # {subject: [(object, predicate)]}, both as (start, end)
            for s, p, o in as_triples(item):
                s, o = (find(tokenizer.encode(name)[0][1:-1], token_ids) for name in (s, o))
                if s and o:
                    answers.setdefault(s, []).append((o, predicates.index(p)))
                    subjects[s, (0, 1)] = 1
            # start and end are drawn apart: what is no subject has to learn to have no objects
            starts, ends = np.array(list(answers) or [(1, 1)]).T
            start = np.random.choice(starts)
            subject = start, np.random.choice(ends[ends >= start])
            for o, predicate in answers.get(subject, []):
                objects[o, predicate, (0, 1)] = 1
            batch.append((token_ids, segment_ids, subjects, objects, subject))
            if len(batch) == self.batch_size or is_end:
                *sequences, subject = zip(*batch)
                sequences = [sequence_padding(x, multiple=16) for x in sequences]
                yield [*sequences, np.array(subject)], None
                batch = []


class PointerLoss(Loss):
    """Cross-entropy of the pointers at subjects and at objects, averaged over all tokens."""
    def compute_loss(self, inputs, mask=None):
        token_ids, subject_labels, object_labels, subjects, objects = inputs
        entropy = ops.binary_crossentropy(ops.cast(subject_labels, subjects.dtype), subjects)
        loss = ops.mean(entropy, 2)
        entropy = ops.binary_crossentropy(ops.cast(object_labels, objects.dtype), objects)
        loss += ops.sum(ops.mean(entropy, 3), 2)
        mask = ops.cast(ops.not_equal(token_ids, 0), "float32")
        return ops.sum(loss * mask) / ops.sum(mask)


small = {"vocab_size": len(tokens), "hidden_size": 128, "num_hidden_layers": 3,
         "num_attention_heads": 4, "intermediate_size": 512, "hidden_act": "gelu"}
bert = build_transformer_model(args.config or small, args.checkpoint, keep_tokens=keep_tokens)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    positions = bert.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
speed = 1e-3 / args.learning_rate  # of the pointers, which are new: they learn at 1e-3
# powers, and a first bias like the rate of positives: the many negatives must not drown the others
pointers = {"activation": "sigmoid", "kernel_initializer": "zeros",
            "bias_initializer": keras.initializers.Constant(-1.6)}
subjects = Dense(2, **pointers)(speed * bert.output) ** 2
last_norm = bert.layers[-1]
hidden = ops.copy(output_at(bert.layers[-2], -1))  # before the last norm, unmasked
encoder = keras.Model(bert.inputs, [subjects, hidden])
hidden_in, subject_in = Input(hidden.shape[1:]), Input((2,), dtype="int32")  # its start and end
subject = Reshape((2 * hidden.shape[-1],))(batch_gather(hidden_in, subject_in))
norm = LayerNormalization(epsilon=last_norm.epsilon, conditional=True)
objects = norm([hidden_in, subject])
norm.set_weights(last_norm.get_weights() + norm.get_weights()[2:])  # begins as the last norm
objects = Dense(2 * len(predicates), **pointers)(speed * objects) ** 4
object_model = keras.Model([hidden_in, subject_in], Reshape((-1, len(predicates), 2))(objects))
labels = [Input((None, 2)), Input((None, len(predicates), 2))]
judged = [bert.inputs[0], *labels, subjects, object_model([hidden, subject_in])]
train_model = keras.Model([*bert.inputs, *labels, subject_in], PointerLoss(4)(judged))


def extract(texts):
    """For every text the set of its triples (subject, predicate, object), cut out of the text."""
    triples, tokens = [set() for _ in texts], [tokenizer.tokenize(x, args.maxlen) for x in texts]
    token_ids = sequence_padding([tokenizer.tokens_to_ids(row) for row in tokens], multiple=16)
    probas, hidden = encoder.predict_on_batch([token_ids, np.zeros_like(token_ids)])
    found = [(i, *span) for i, row in enumerate(tokens) for span in spans(probas[i], len(row))]
    # the subjects of all texts at once, repeated to a multiple of 32: few compilations
    rows = np.resize(found or [(0, 0, 0)], (-(-len(found) // 32) * 32 or 32, 3))
    probas = object_model.predict_on_batch([hidden[rows[:, 0]], rows[:, 1:]])
    for (i, *subject), p in zip(found, probas):
        places = tokenizer.rematch(texts[i], tokens[i])
        for number, predicate in enumerate(predicates):
            for object in spans(p[:, number], len(tokens[i])):
                s, o = (texts[i][places[a][0] : places[b][-1] + 1] for a, b in (subject, object))
                triples[i].add((s, predicate, o))
    return triples


def evaluate():
    """Exact-match F1, precision and recall over dev; what was predicted is written down."""
    texts = [item["text"] for item in dev_data]
    found = [x for begin in range(0, len(texts), 64) for x in extract(texts[begin : begin + 64])]
    *scores, records = exact_match(dev_data, found, tokenizer.tokenize)
    with atomic_write(f"{args.output}/predictions.jsonl") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return dict(zip(("f1", "precision", "recall"), scores))


class BestAverage(BestCheckpoint):
    """Scores and keeps the averages of the weights; training goes on with the weights."""
    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.apply_ema_weights()
        super().on_epoch_end(epoch, logs)
        self.model.optimizer.reset_old_weights()


if args.predict is not None:
    train_model.load_weights(args.weights)
    print(*extract([args.predict])[0], sep="\n")
else:
    generator = TrainGenerator(train_data, args.batch_size, length_func=lambda x: len(x["text"]))
    peak, warmup = args.learning_rate, len(generator) * args.epochs // 10
    rate = keras.optimizers.schedules.CosineDecay(0.0, 9 * warmup, 0.0, "rate", peak, warmup)
    averaged = extend_with_exponential_moving_average(Adam)(  # over an eighth of an epoch
        rate, clipnorm=1.0, ema_momentum=max(0.5, 1 - 8 / len(generator)))
    train_model.compile(averaged)
    with stoppable(args.weights, args):
        train_model.fit(generator.forfit(), steps_per_epoch=len(generator), epochs=args.epochs,
                        callbacks=[BestAverage(args.weights, evaluate)])
