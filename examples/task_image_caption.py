"""Captions of pictures: a language model whose condition is the vector of an image model.

The vector moves all norms of the writer (Conditional LayerNorm, https://kexue.fm/archives/7124)."""

import json

import keras
import numpy as np
from data.command_line import command_line, stoppable, vocabulary, warmed_adam
from data.pictures import SIDE, load_pictures, make_pictures
from keras import ops
from keras.layers import Input

from bert4keras.data import DataGenerator, atomic_write, sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

args = command_line(
    __doc__,
    "image_caption",
    epochs=6,
    rates=(1e-3, 1e-4),
    maxlen=64,
    data="folder of pictures, captions_train.json and captions_dev.json in COCO's form",
    predict="FILE",
    image_model={
        "help": "one of keras.applications, such as MobileNetV2; by "
        "default a small network that learns with the writer"
    },
    image_weights={"help": "file of its weights; by default ImageNet's, which Keras downloads"},
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"},
)
side = 224 if args.image_model else SIDE
if args.data:
    train_data, dev_data = (load_pictures(args.data, side, x) for x in ("train", "dev"))
else:
    train_data, dev_data = make_pictures(12000, "train"), make_pictures(300, "dev")
tokens, keep_tokens = vocabulary(args.vocab, ("".join(captions) for captions in train_data[1]))
if args.smoke:
    train_data, dev_data = [x[:160] for x in train_data], [x[:16] for x in dev_data]
tokenizer = Tokenizer(tokens, do_lower_case=True)


class TrainGenerator(DataGenerator):
    """Batches of captions with their pictures, of each picture one caption drawn at random."""

    def __iter__(self, random=False):
        batch = []
        for is_end, (picture, captions) in self.sample(random):
            caption = captions[np.random.randint(len(captions))]
            batch.append((*tokenizer.encode(caption, maxlen=args.maxlen), picture))
            if len(batch) == self.batch_size or is_end:
                *sequences, pictures = zip(*batch)
                sequences = [sequence_padding(x, multiple=16) for x in sequences]
                yield [*sequences, np.array(pictures)], None
                batch = []


class CrossEntropy(Loss):
    """Of each token, predicted at the token before."""

    def compute_loss(self, inputs, mask=None):
        token_ids, scores = inputs
        mask = ops.cast(ops.not_equal(token_ids[:, 1:], 0), "float32")
        loss = ops.sparse_categorical_crossentropy(
            token_ids[:, 1:], scores[:, :-1], from_logits=True
        )
        return ops.sum(loss * mask) / ops.sum(mask)


picture = Input((side, side, 3), name="Picture")
scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(picture)
if args.image_model:
    image_model = getattr(keras.applications, args.image_model)(
        include_top=False,
        pooling="avg",
        weights=args.image_weights or "imagenet",
        input_shape=(side, side, 3),
    )
    image_model.trainable = False
    vector = image_model(scaled)
else:
    for width in 32, 64, 128:
        scaled = keras.layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(scaled)
    vector = keras.layers.Dense(256, activation="relu")(keras.layers.Flatten()(scaled))
small = {
    "vocab_size": len(tokens),
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "gelu",
}
model = build_transformer_model(
    args.config or small,
    args.checkpoint,
    application="lm",
    with_mlm="linear",
    keep_tokens=keep_tokens,
    layer_norm_cond=vector,
    layer_norm_cond_hidden_size=128,
    layer_norm_cond_hidden_act="swish",
    additional_input_layers=picture,
    ignore_invalid_weights=args.new_head,
)
train_model = keras.Model(model.inputs, CrossEntropy(1)([model.inputs[0], model.output]))
write = TextGenerator(model, tokenizer)


def describe(pictures, progress=False):
    """A caption for each picture, by beam search."""
    return write(
        [""] * len(pictures),
        conditions=[pictures],
        num_beams=2,
        progress=progress,
        max_new_tokens=args.maxlen - 1,
    )


def evaluate():
    """The share of captions that are true of their pictures, word by word."""
    found = describe(dev_data[0], progress=True)
    with atomic_write(f"{args.output}/predictions.jsonl") as file:
        for captions, caption in zip(dev_data[1], found):
            record = {"captions": captions, "predicted": caption}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    right = [caption in map(str.lower, captions) for captions, caption in zip(dev_data[1], found)]
    return {"exact": sum(right) / len(right)}


if args.predict is not None:
    train_model.load_weights(args.weights)
    image = keras.utils.load_img(args.predict, target_size=(side, side))
    print(*describe(keras.utils.img_to_array(image)[None]))
else:
    generator = TrainGenerator(list(zip(*train_data)), args.batch_size)
    steps = len(generator) * args.epochs
    train_model.compile(warmed_adam(args.learning_rate, steps, args.new_head))
    best = BestCheckpoint(args.weights, evaluate)
    with stoppable(args.weights, args):
        train_model.fit(
            generator.forfit(), steps_per_epoch=len(generator), epochs=args.epochs, callbacks=[best]
        )
    pictures = [(x, text) for x, text in zip(dev_data[0][:3], describe(dev_data[0][:3]))]
    for number, (array, text) in enumerate(pictures):
        keras.utils.save_img(f"{args.output}/{number}.png", array)
        print(f"{args.output}/{number}.png  {text}")
