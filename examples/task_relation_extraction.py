"""Triple extraction by half pointers and half tags (https://kexue.fm/archives/7161).

Two sigmoids a token point at starts and ends of subjects. One subject's vector, by a Conditional
LayerNorm in place of the last norm, tells the encoding whose objects are asked for."""

import argparse
import json
import os

import numpy as np
from data.triples import as_triples, exact_match, make_triples, make_vocabulary
from tqdm import tqdm

from bert4keras.backend import K, Sinusoidal, batch_gather, keras, output_at
from bert4keras.data import DataGenerator, atomic_write, load_json_lines, sequence_padding
from bert4keras.layers import Dense, Input, LayerNormalization, Loss, Reshape
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer

parser = argparse.ArgumentParser(description="Without arguments: a small BERT, made-up sentences.")
parser.add_argument("--data", help="folder of LIC2019's train_data.json and dev_data.json")
parser.add_argument("--config", help="configuration of a checkpoint: bert_config.json")
parser.add_argument("--checkpoint", help="its weights: bert_model.ckpt or model.safetensors")
parser.add_argument("--vocab", help="its vocabulary: vocab.txt")
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--batch_size", type=int, default=16)
parser.add_argument("--learning_rate", type=float, help="default 1e-3, with a checkpoint 3e-5")
parser.add_argument("--maxlen", type=int, default=128, help="in tokens")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--output", default="output/relation_extraction", help="of what is learnt")
parser.add_argument("--predict", metavar="TEXT", help="print the triples of TEXT, do not train")
parser.add_argument("--smoke", action="store_true", help="few sentences, one epoch")
args = parser.parse_args()
weights_file = f"{args.output}/best.weights.h5"
if args.predict and not os.path.exists(weights_file):
    parser.error(f"{weights_file} is not there: train first, without --predict")
keras.utils.set_random_seed(args.seed)

if args.data:
    train_data, dev_data = (load_json_lines(f"{args.data}/{x}_data.json") for x in ("train", "dev"))
else:
    train_data, dev_data = make_triples(16000, "train"), make_triples(500, "dev")
predicates = sorted({p for item in train_data for _, p, _ in as_triples(item)})
tokenizer = Tokenizer(args.vocab or make_vocabulary(train_data), do_lower_case=True)
if args.smoke:
    train_data, dev_data, args.epochs = train_data[:160], dev_data[:64], 1


def find(name, ids):
    """First and last position of a name in the token ids, or None where maxlen cut it off."""
    part = tokenizer.encode(name)[0][1:-1]
    starts = (i for i in range(len(ids)) if ids[i : i + len(part)] == part)
    return next(((start, start + len(part) - 1) for start in starts), None)


def pad(rows):  # to a multiple of 16: few shapes, few compilations
    return sequence_padding(rows, length=-(-max(map(len, rows)) // 16) * 16)


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
                s, o = find(s, token_ids), find(o, token_ids)
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
                yield [*map(pad, sequences), np.array(subject)], None
                batch = []


class PointerLoss(Loss):
    """Cross-entropy of the pointers at subjects and at objects, averaged over all tokens."""
    def compute_loss(self, inputs, mask=None):
        token_ids, subject_labels, object_labels, subjects, objects = inputs
        loss = K.mean(K.binary_crossentropy(subject_labels, subjects), 2)
        loss += K.sum(K.mean(K.binary_crossentropy(object_labels, objects), 3), 2)
        mask = K.cast(K.not_equal(token_ids, 0), K.floatx())
        return K.sum(loss * mask) / K.sum(mask)


small = {"vocab_size": tokenizer._vocab_size, "hidden_size": 128, "num_hidden_layers": 3,
         "num_attention_heads": 4, "intermediate_size": 512, "hidden_act": "gelu"}
bert = build_transformer_model(args.config or small, args.checkpoint, return_keras_model=False)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    positions = bert.model.get_layer("Embedding-Position").weights[0]
    positions.assign(0.05 * Sinusoidal()(positions.shape))
peak = args.learning_rate or (3e-5 if args.checkpoint else 1e-3)
speed = 1e-3 / peak  # of the pointers, which are new, beside the encoder: they learn at 1e-3
# powers of the probabilities: nearly all tokens are negative, and must not drown the others;
# the pointers begin at about the rate of positives, so that the encoder is not torn at first
pointers = {"activation": "sigmoid", "kernel_initializer": "zeros",
            "bias_initializer": keras.initializers.Constant(-1.6)}
subjects = Dense(2, **pointers)(speed * bert.model.output) ** 2
last_norm = bert.model.layers[-1]
hidden = keras.ops.copy(output_at(bert.model.layers[-2], -1))  # before the last norm, unmasked
encoder = keras.Model(bert.model.inputs, [subjects, hidden])
hidden_in, subject_in = Input(hidden.shape[1:]), Input((2,), dtype="int32")  # its start and end
subject = Reshape((2 * hidden.shape[-1],))(batch_gather(hidden_in, subject_in))
norm = LayerNormalization(epsilon=last_norm.epsilon, conditional=True)
objects = norm([hidden_in, subject])
norm.set_weights(last_norm.get_weights() + norm.get_weights()[2:])  # begins as the last norm
objects = Dense(2 * len(predicates), **pointers)(speed * objects) ** 4
object_model = keras.Model([hidden_in, subject_in], Reshape((-1, len(predicates), 2))(objects))
labels = [Input((None, 2)), Input((None, len(predicates), 2))]
objects = object_model([hidden, subject_in])
objects = PointerLoss(4)([bert.model.inputs[0], *labels, subjects, objects])
train_model = keras.Model([*bert.model.inputs, *labels, subject_in], objects)


def spans(probas, length):
    """Every start above 0.6 with the nearest end above 0.5, not at [CLS] and [SEP]."""
    starts, ends = (np.flatnonzero(p > 0) + 1 for p in (probas[1 : length - 1] - [0.6, 0.5]).T)
    return [(start, ends[ends >= start][0]) for start in starts if (ends >= start).any()]


def extract(texts):
    """For every text the set of its triples (subject, predicate, object), cut out of the text."""
    triples, tokens = [set() for _ in texts], [tokenizer.tokenize(x, args.maxlen) for x in texts]
    token_ids = pad([tokenizer.tokens_to_ids(row) for row in tokens])
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


class Evaluator(keras.callbacks.Callback):
    """Exact-match F1 of the averaged weights; the best are kept with what they predict."""
    best = -1

    def on_epoch_end(self, epoch, logs=None):
        weights = train_model.get_weights()
        train_model.optimizer.finalize_variable_values(train_model.trainable_variables)
        train_model.set_weights(train_model.get_weights())  # copies: JAX gives buffers away
        found = []
        for begin in tqdm(range(0, len(dev_data), 64), "evaluating", leave=False):
            found += extract([item["text"] for item in dev_data[begin : begin + 64]])
        f1, precision, recall, records = exact_match(dev_data, found, tokenizer.tokenize)
        if f1 > self.best:
            self.best = f1
            train_model.save_weights(f"{args.output}/new.weights.h5")
            os.replace(f"{args.output}/new.weights.h5", weights_file)
            with atomic_write(f"{args.output}/predictions.jsonl") as file:
                file.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
        print(f" f1 {f1:.4f} precision {precision:.4f} recall {recall:.4f} best {self.best:.4f}")
        train_model.set_weights(weights)


if args.predict:
    train_model.load_weights(weights_file)
    print(*extract([args.predict])[0], sep="\n")
else:
    os.makedirs(args.output, exist_ok=True)
    generator = TrainGenerator(train_data, args.batch_size, length=lambda item: len(item["text"]))
    warmup = len(generator) * args.epochs // 10
    rate = keras.optimizers.schedules.CosineDecay(0.0, 9 * warmup, 0.0, "rate", peak, warmup)
    train_model.compile(keras.optimizers.Adam(  # weights are averaged over an eighth of an epoch
        rate, clipnorm=1.0, use_ema=True, ema_momentum=max(0.0, 1 - 8 / len(generator))))
    train_model.fit(generator.forfit(), steps_per_epoch=len(generator), epochs=args.epochs,
                    callbacks=[Evaluator()])
