"""BERT-of-Theseus: a model of half the layers takes the place of a trained one, module by module
(https://kexue.fm/archives/7575).

A predecessor learns the task and is frozen. Then each two of its layers are replaced, at random and
anew for each batch, by one layer of the successor, which learns to fit in; at last the successor
learns alone. For comparison the same half of the predecessor's start learns without help."""

import json

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.reviews import load_reviews, make_reviews
from keras.layers import Dense

from bert4keras.backend import Sinusoidal
from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.layers import FirstToken, Layer
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "bert_of_theseus",
    epochs=2,
    rates=(1e-3, 3e-5),
    files=("sentiment.train.data", "sentiment.valid.data"),
    data="folder of rows text, tab, 0 or 1",
)
if args.data:
    names = (f"{args.data}/sentiment.{name}.data" for name in ("train", "valid"))
    train_data, dev_data = map(load_reviews, names)
else:
    train_data, dev_data = make_reviews(5000), make_reviews(500, "dev")
tokens, keep_tokens = vocabulary(args.vocab, (text for text, _ in train_data))
if args.smoke:
    train_data, dev_data = train_data[:96], dev_data[:32]
tokenizer = Tokenizer(tokens, do_lower_case=True)


class Reviews(DataGenerator):
    """Batches of texts with their labels."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (text, label) in self.sample(random):
            batch.append((*tokenizer.encode(text, maxlen=args.maxlen), label))
            if len(batch) == self.batch_size or is_end:
                *sequences, labels = zip(*batch)
                yield [sequence_padding(x, multiple=16) for x in sequences], np.array(labels)
                batch = []


class EitherOne(Layer):
    """In training the first or the second of two inputs, by chance; the second afterwards."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.draw = keras.random.SeedGenerator(args.seed)

    def call(self, inputs, training=None):
        first, second = inputs
        if not training:
            return second
        return keras.ops.where(keras.random.uniform((), seed=self.draw) < 0.5, first, second)

    def compute_mask(self, inputs, mask=None):
        return mask[1]


small = {
    "vocab_size": len(tokens),
    "hidden_size": 128,
    "num_hidden_layers": 2 if args.smoke else 6,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "gelu",
}


def bert(prefix, **options):
    return build_transformer_model(
        args.config or small,
        args.checkpoint,
        prefix=prefix,
        keep_tokens=keep_tokens,
        return_keras_model=False,
        **options,
    )


def classifier(inputs, vectors, dense):
    return keras.Model(inputs, dense(FirstToken()(vectors)))


def train(name, model):
    """Fit a model; the accuracy of its best epoch, whose weights it has then."""
    generator, held_out = Reviews(train_data, args.batch_size), Reviews(dev_data, 64)
    best = BestCheckpoint(
        args.weights if name == "successor" else f"{args.output}/{name}.weights.h5",
        monitor="val_accuracy",
    )
    model.compile(
        warmed_adam(args.learning_rate, len(generator) * args.epochs),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    print(f"What learns now: {name}")
    with stoppable(best.path, args):
        model.fit(
            generator.forfit(),
            steps_per_epoch=len(generator),
            epochs=args.epochs,
            callbacks=[best],
            validation_steps=len(held_out),
            validation_data=held_out.forfit(random=False),
        )
    model.load_weights(best.path)
    return best.best


old = bert("Old-")
layers = old.num_hidden_layers // 2
new, alone = bert("New-", num_hidden_layers=layers), bert("Alone-", num_hidden_layers=layers)
if not args.checkpoint:  # from scratch, neighbours are found sooner where positions start as waves
    for transformer in old, alone:
        positions = transformer.model.get_layer(f"{transformer.prefix}Embedding-Position")
        positions.weights[0].assign(0.05 * Sinusoidal()(positions.weights[0].shape))
dense, dense_alone = (Dense(2, activation="softmax", dtype="float32") for _ in range(2))
predecessor = classifier(old.inputs, old.model.output, dense)
successor = classifier(new.inputs, new.model.output, dense)
if args.predict is not None:
    successor.load_weights(args.weights)
    token_ids, segment_ids = tokenizer.encode_batch([args.predict], maxlen=args.maxlen)
    print(f"{successor.predict([token_ids, segment_ids], verbose=0)[0, 1]:.4f}")
    raise SystemExit

scores = {"predecessor": train("predecessor", predecessor)}
for layer in predecessor.layers:  # the successor begins as the lower half, and is judged alike
    layer.trainable = False
    twin = layer.name.replace("Old-", "New-")
    if twin in [x.name for x in successor.layers]:
        successor.get_layer(twin).set_weights(layer.get_weights())
x = old.apply_embeddings(old.inputs)
for i in range(layers):
    y = old.apply_main_layers(old.apply_main_layers(x, 2 * i), 2 * i + 1)
    x = EitherOne()([y, new.apply_main_layers(x, i)])
scores["ship"] = train("ship", classifier(old.inputs, x, dense))
dense.trainable = True
scores["successor"] = train("successor", successor)
scores["alone"] = train("alone", classifier(alone.inputs, alone.model.output, dense_alone))
print({name: round(score, 4) for name, score in scores.items()})
with atomic_write(f"{args.output}/scores.json") as file:
    json.dump(scores, file)
