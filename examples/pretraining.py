"""A BERT, a language model or a UniLM pretrained on text files of any size.

Texts are cut into rows of tokens once, and kept in shards. A run that was stopped or killed goes on
where it was when the same command is given again. What is learnt becomes a folder that
build_transformer_model and transformers open."""

import math
import os
import sys
from itertools import islice

import keras
from data.command_line import command_line, vocabulary
from data.corpora import make_corpus, plain
from data.curves import keep_history
from data.options import find_function
from tqdm import tqdm

from bert4keras import optimizers
from bert4keras.data import (
    CausalLM,
    MaskedLM,
    PrefixLM,
    PretrainingDataset,
    ShardedDataset,
    atomic_write,
    find_text_files,
    pack_sequences,
    read_texts,
    write_shards,
)
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BackupAndResume, RaiseOnNaN

args = command_line(
    __doc__,
    "pretraining",
    epochs=4,
    rates=(1e-3, 1e-4),
    batch_size=32,
    predict=None,
    data="text file, folder of *.txt, or a pattern in quotes; a text a line",
    objective={"default": "mlm", "choices": ["mlm", "lm", "unilm"], "help": "default %(default)s"},
    word_segment={
        "metavar": "MODULE:FUNCTION",
        "help": "cuts texts into words that are masked "
        "together, such as jieba:lcut, for which jieba is enough",
    },
    steps={"type": int, "help": "batches to learn, in place of --epochs"},
    save_every={"type": int, "default": 100, "help": "batches, default %(default)s"},
    optimizer={"default": "adam", "choices": ["adam", "lamb"], "help": "default %(default)s"},
    accumulate={"type": int, "default": 1, "help": "batches of an update, default %(default)s"},
    warmup={
        "type": float,
        "default": 0.1,
        "minimum": 0,
        "maximum": 1,
        "help": "share of steps, default %(default)s",
    },
    weight_decay={"type": float, "default": 0.01, "minimum": 0, "help": "default %(default)s"},
    new_head={"action": "store_true", "help": "the checkpoint has no head for tokens: begin one"},
    workers={
        "type": int,
        "default": 0,
        "minimum": 0,
        "help": "processes that cut texts, default %(default)s",
    },
    skip_damaged={"action": "store_true", "help": "go without shards that are missing or cut off"},
)
segment = find_function(args.word_segment) if args.word_segment else None
if args.smoke:
    args.steps, args.save_every, args.maxlen = 20, 10, 32
if not args.data:
    args.data = f"{args.output}/corpus.txt"
    with atomic_write(args.data) as file:
        file.writelines(f"{text}\n" for text in make_corpus(400 if args.smoke else 6000))
files = find_text_files(args.data)
if len(list(islice(read_texts(files), 2))) < 2:
    raise ValueError(f"--data {args.data} must hold two texts or more, a text a line")


def texts(held_out):
    """The second of every hundred texts, or all the others."""
    for number, text in enumerate(map(plain, read_texts(files))):
        if (number % 100 == 1) == held_out:
            yield text


tokens, keep_tokens = vocabulary(
    args.vocab,
    map(plain, read_texts(files)),
    special=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
)
tokenizer = Tokenizer(tokens, do_lower_case=True)
corpus = {
    "files": [[file, os.path.getsize(file)] for file in files],
    "tokens": len(tokens),
    "maxlen": args.maxlen,
    "word_segment": args.word_segment,
    "objective": args.objective,
}


def shards(name, held_out, **options):
    """Those of this corpus, written if they are not there."""
    folder = f"{args.output}/{name}"
    options["skip_damaged"] = args.skip_damaged
    index = f"{folder}/index.json"
    if not os.path.exists(index) or ShardedDataset(folder, **options).metadata != corpus:
        rows = pack_sequences(
            texts(held_out),
            tokenizer,
            args.maxlen,
            segment,
            join_texts=args.objective != "unilm",
            workers=args.workers,
        )
        write_shards(tqdm(rows, f"rows, {name}", unit=""), folder, metadata=corpus)
    return ShardedDataset(folder, **options)


learnt, unseen = shards("shards", False, seed=args.seed), shards("unseen", True)
steps = args.steps or args.epochs * len(learnt) // args.batch_size
rounds = max(1, math.ceil(steps / args.save_every))
steps = rounds * args.save_every
print(f"{len(learnt)} rows of {args.maxlen} tokens; {steps} steps of {args.batch_size} rows")

small = {
    "vocab_size": len(tokens),
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "gelu",
    "max_position_embeddings": max(128, args.maxlen),
    "hidden_dropout_prob": 0.1,
}
config = args.config or small
objectives = {"mlm": MaskedLM, "lm": CausalLM, "unilm": PrefixLM}
most = {"max_predictions": args.maxlen // 4} if args.objective == "mlm" else {}
objective = objectives[args.objective](tokenizer, seed=args.seed, **most)
bert = build_transformer_model(
    config,
    args.checkpoint,
    application=objective.application,
    with_mlm="linear",
    keep_tokens=keep_tokens if args.checkpoint else None,
    vocab_size=len(tokens),
    ignore_invalid_weights=args.new_head,
    return_keras_model=False,
)
model = bert.model
if args.objective == "mlm":  # scores of the masked places alone: most of them are not needed
    places = keras.Input((objective.max_predictions,), dtype="int32")
    vectors = bert.layers["MLM-Dense"].input
    vectors = keras.ops.take_along_axis(vectors, keras.ops.expand_dims(places, -1), axis=1)
    model = keras.Model([*bert.model.inputs, places], bert.predict_tokens(vectors))


def make_optimizer():
    """Adam with weight decay, or LAMB, on straight lines up and down, over several batches."""
    excluded = ["Norm", "bias"]
    options = {
        "weight_decay_rate": args.weight_decay,
        "exclude_from_weight_decay": excluded,
        "lr_schedule": {max(1, int(args.warmup * steps)): 1, steps: 0},
        "clipnorm": 1.0,
    }
    optimizer = optimizers.extend_with_weight_decay(optimizers.Adam)
    if args.optimizer == "lamb":
        optimizer = optimizers.extend_with_layer_adaptation(optimizer)
        options["exclude_from_layer_adaptation"] = excluded
    optimizer = optimizers.extend_with_piecewise_linear_lr(optimizer)
    optimizer = optimizers.extend_with_gradient_accumulation(optimizer)
    return optimizer(args.learning_rate, grad_accum_steps=args.accumulate, **options)


loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
model.compile(make_optimizer(), loss, weighted_metrics=["sparse_categorical_accuracy"])
settings = {
    name: getattr(args, name)
    for name in (
        "batch_size",
        "learning_rate",
        "optimizer",
        "accumulate",
        "warmup",
        "weight_decay",
        "seed",
        "precision",
        "save_every",
        "config",
        "checkpoint",
    )
}
resume = BackupAndResume(
    f"{args.output}/run.npz", args.seed, {**corpus, **settings, "steps": steps}
)
done = resume.restore(model)
batches = PretrainingDataset(learnt, objective, args.batch_size, first_batch=done * args.save_every)
history = keep_history(resume, args.output, args.save_every)
try:
    model.fit(
        batches,
        steps_per_epoch=args.save_every,
        initial_epoch=done,
        epochs=rounds,
        callbacks=[RaiseOnNaN(), resume, history],
    )
except KeyboardInterrupt:
    sys.exit(f"\nstopped after {len(resume.history)} of {rounds} rounds; the same command goes on")

unseen = PretrainingDataset(unseen, objective, args.batch_size)
scores = model.evaluate(unseen, steps=max(1, len(unseen.dataset) // args.batch_size), verbose=0)
print(
    f"texts not seen: loss {scores[0]:.3f}, perplexity {math.exp(scores[0]):.2f}, "
    f"accuracy {scores[1]:.3f}"
)
if args.objective == "unilm":  # to transformers it is a BERT: the mask is no weight
    bert = build_transformer_model(
        config,
        with_mlm="linear",
        vocab_size=len(tokens),
        layers=bert.layers,
        return_keras_model=False,
    )
bert.save_pretrained(f"{args.output}/model", tokenizer=tokenizer)
print(f"for build_transformer_model and transformers: {args.output}/model")
