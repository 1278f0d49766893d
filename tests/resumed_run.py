"""Small pretraining that test_pretraining_dataset.py starts, kills and starts again.

Arguments: folder of shards, file of the run, epochs.
"""

import sys

import keras
from keras import ops

from bert4keras.data import MaskedLM, PretrainingDataset, ShardedDataset
from bert4keras.optimizers import Adam, extend_with_gradient_accumulation
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BackupAndResume

STEPS = 3
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 春 山 远 秋 水 长".split()
TOKENIZER = Tokenizer({word: number for number, word in enumerate(WORDS)})


class CheckSum(keras.metrics.Metric):
    """Checksum of the batches of an epoch and their order."""

    def __init__(self):
        super().__init__(name="checksum")
        self.sum = self.add_weight(name="sum", initializer="zeros")

    def update_state(self, targets, outputs, sample_weight=None):
        positions = ops.reshape(ops.arange(1, 17, dtype="float32"), (2, 8))
        batch_sum = (
            positions * ops.cast(targets, "float32") * (1 + ops.cast(sample_weight, "float32"))
        )
        self.sum.assign(ops.mod(3.0 * self.sum + ops.sum(batch_sum), 65521.0))

    def result(self):
        return ops.convert_to_tensor(self.sum)


def make_model():
    keras.utils.set_random_seed(5)
    ids, segments = keras.Input((8,), dtype="int32"), keras.Input((8,), dtype="int32")
    vectors = keras.layers.Embedding(len(WORDS), 6)(ids)
    scores = keras.layers.Dense(len(WORDS))(keras.layers.Dropout(0.2)(vectors))
    model = keras.Model([ids, segments], scores)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = extend_with_gradient_accumulation(Adam)(0.01, grad_accum_steps=2)
    model.compile(optimizer, loss, weighted_metrics=[CheckSum()])
    return model


def train(shards, path, epochs, *callbacks):
    """Return the final weights, and the logs of all epochs."""
    model, resume = make_model(), BackupAndResume(path, metadata={"seed": 5})
    first_epoch = resume.restore(model)
    batches = PretrainingDataset(
        ShardedDataset(shards), MaskedLM(TOKENIZER), 2, first_epoch * STEPS
    )
    model.fit(
        batches,
        initial_epoch=first_epoch,
        epochs=epochs,
        steps_per_epoch=STEPS,
        verbose=0,
        callbacks=[resume, *callbacks],
    )
    return model.get_weights(), resume.history


if __name__ == "__main__":
    tell = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: print(batch, flush=True)
    )
    train(*sys.argv[1:3], int(sys.argv[3]), tell)
