"""The command line of a task: the same options everywhere, checked before anything is computed."""

import contextlib
import glob
import json
import os
import sys
from pathlib import Path

import keras
from .options import SEED, Parser

from bert4keras.data import atomic_write
from bert4keras.optimizers import extend_with_parameter_wise_lr
from bert4keras.tokenizers import load_vocab

OPTIONS = "options.json"  # beside the weights: how they were learnt


def command_line(
    description,
    name,
    data,
    epochs,
    rates=(1e-3, 3e-5),
    batch_size=16,
    maxlen=128,
    predict="TEXT",
    files=(),
    **more,
):
    """Parse the options of a task and set the seed.

    Args:
        description: what the task is, for `--help`.
        name: of the folder in `output/` for what is learnt, unless `--output` says another.
        data: what `--data` is.
        epochs: their default number.
        rates: default learning rates of a model from scratch and of one from a checkpoint.
        batch_size: its default.
        maxlen: its default, in tokens.
        predict: name of the value of `--predict`; a pair of names for one value and more of
            another; None for a task that predicts nothing.
        files: names of the files that a folder given as `--data` must hold.
        **more: options of the task alone: keyword arguments of `Parser.add_argument` by name.

    With `--predict`, options that are not given are those of the run that learnt (`stoppable`).

    Returns: the options, and `weights`, the file where the best weights lie. A `checkpoint` that is
        a folder is also where `config` and `vocab` are looked for.
    """
    parser = Parser(
        description,
        epilog="Without --data and --checkpoint: made-up data and a small model from scratch.",
    )
    add = parser.add_argument
    add("--data", help=": ".join(filter(None, (data, " and ".join(files)))))
    add("--config", help="configuration of a checkpoint: bert_config.json")
    add(
        "--checkpoint",
        help="its weights: bert_model.ckpt or model.safetensors; or a folder of "
        "weights, config.json and vocab.txt",
    )
    add("--vocab", help="its vocabulary: vocab.txt")
    add("--epochs", type=int, default=epochs, help="default %(default)s")
    add("--batch_size", type=int, default=batch_size, help="default %(default)s")
    add("--learning_rate", type=float, help=f"default {rates[0]}, with a checkpoint {rates[1]}")
    add(
        "--maxlen",
        type=int,
        default=maxlen,
        minimum=5,  # [CLS] a [SEP] b [SEP]
        help="in tokens, default %(default)s",
    )
    add(
        "--precision",
        default="float32",
        choices=["float32", "mixed_bfloat16", "mixed_float16"],
        help="mixed: faster where the processor has it, default %(default)s",
    )
    add("--seed", type=int, default=0, **SEED)
    add("--output", default=f"output/{name}", help="folder for what is learnt, default %(default)s")
    if predict:
        add(
            "--predict",
            metavar=predict,
            nargs=None if isinstance(predict, str) else "+",
            help="use what was learnt, do not train; other options are as they were then",
        )
    add("--smoke", action="store_true", help="little data, one epoch: does it run?")
    for option, how in more.items():
        add(f"--{option}", **how)
    args = parser.parse_args()
    learnt = Path(args.output, OPTIONS)
    if predict and args.predict is not None and learnt.exists():
        try:
            parser.set_defaults(**json.loads(learnt.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            parser.error(
                f"{learnt} must hold the options of the training, as JSON, and does not: "
                "delete it, and give those options again"
            )
        args = parser.parse_args()
    if args.checkpoint and os.path.isdir(args.checkpoint):
        args.config = args.config or f"{args.checkpoint}/config.json"
        args.vocab = args.vocab or f"{args.checkpoint}/vocab.txt"
    if args.checkpoint and not (args.config and args.vocab):
        parser.error("a checkpoint needs its --config and its --vocab beside it")
    for option in "data", "config", "vocab":  # also those that the folder of a checkpoint lacks
        path = getattr(args, option)
        if path and not os.path.exists(path) and not (option == "data" and glob.glob(path)):
            parser.error(f"--{option} {path}: there is no such file or folder")
    missing = [x for x in files if args.data and not os.path.isfile(f"{args.data}/{x}")]
    if missing:
        parser.error(
            f"--data {args.data}: it must be a folder that holds {' and '.join(files)}, "
            f"but there is no {' and no '.join(missing)}"
        )
    args.weights = f"{args.output}/best.weights.h5"
    if predict and args.predict is not None and not os.path.exists(args.weights):
        parser.error(f"{args.weights} is not there: train first, without --predict")
    if isinstance(predict, tuple) and args.predict and len(args.predict) < 2:
        parser.error(f"--predict takes {' and '.join(predict)}, got only {args.predict[0]!r}")
    if args.checkpoint:
        _check_vocabulary(parser, args)
    args.learning_rate = args.learning_rate or rates[bool(args.checkpoint)]
    args.epochs = 1 if args.smoke else args.epochs
    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(args.precision)
    os.makedirs(args.output, exist_ok=True)
    return args


def _check_vocabulary(parser, args):
    """A vocabulary with more tokens than the checkpoint has rows is another's. A configuration that
    cannot be read is left to whoever builds the model, who says what is wrong with it."""
    try:
        rows = json.loads(Path(args.config).read_bytes())["vocab_size"]
    except (ValueError, KeyError, TypeError):
        return
    count = sum(token != "" for token in load_vocab(args.vocab))  # not blank last rows
    if isinstance(rows, int) and count > rows:
        parser.error(
            f"--vocab {args.vocab} has {count} tokens and the checkpoint {rows} rows: "
            "give the vocabulary that came with it"
        )


def vocabulary(path, texts, special=("[PAD]", "[UNK]", "[CLS]", "[SEP]")):
    """What a tokenizer knows: of a checkpoint's `vocab.txt` all that Chinese needs, or without a
    path the characters of texts.

    Returns: {token: id}, and the rows of the checkpoint that they are (None without a path).
    """
    if path:
        try:
            return load_vocab(path, simplified=True, startswith=list(special))
        except ValueError as error:
            raise ValueError(f"--vocab {path}: {error}") from None
    signs = sorted({sign for text in texts for sign in text})
    tokens = [*special, *signs, *(f"##{digit}" for digit in range(10))]
    return {token: index for index, token in enumerate(tokens)}, None


def warmed_adam(rate, steps, new_head=False):
    """Adam whose rate rises for a tenth of the steps and falls to 0 along a cosine; a new head for
    tokens learns ten times as fast as the rest."""
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=rate, warmup_steps=steps // 10
    )
    return extend_with_parameter_wise_lr(keras.optimizers.Adam)(
        rate, clipnorm=1.0, paramwise_lr_schedule={"MLM": 10} if new_head else {}
    )


@contextlib.contextmanager
def stoppable(weights, args=None):
    """Training that Ctrl-C may end: what was best so far is kept, and it is said where. The options
    of a task are kept beside its weights, for `--predict`."""
    try:
        with _remembered(args) if args else contextlib.nullcontext():
            yield
    except KeyboardInterrupt:
        kept = f"the best weights so far are in {weights}"
        sys.exit(f"\nstopped; {kept if os.path.exists(weights) else 'nothing was learnt yet'}")


@contextlib.contextmanager
def _remembered(args):
    """Options stand beside the weights; the former ones again if a run stops before it has any."""
    options, weights = Path(args.output, OPTIONS), Path(args.weights)
    former = options.read_text(encoding="utf-8") if options.exists() else "{}"
    begun = weights.stat().st_mtime_ns if weights.exists() else None
    passing = ("predict", "output", "weights", "traceback")
    _write(options, json.dumps({k: v for k, v in vars(args).items() if k not in passing}, indent=1))
    try:
        yield
    except BaseException:
        if begun == (weights.stat().st_mtime_ns if weights.exists() else None):
            _write(options, former)
        raise


def _write(path, text):
    with atomic_write(path) as file:
        file.write(text)
