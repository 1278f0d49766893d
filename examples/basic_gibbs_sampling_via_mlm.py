"""Texts drawn from a masked language model by Gibbs sampling (arXiv:1902.04094).

Again and again one token is hidden and drawn anew, given all others: in the end whole texts are
drawn, by a model that never learnt to write from left to right.

    python examples/basic_gibbs_sampling_via_mlm.py
    python examples/basic_gibbs_sampling_via_mlm.py --checkpoint FOLDER --begin 科学技术是生产力。

Without --checkpoint a tiny one first learns made-up poems; how many of its own are in form, and
rhyme, is counted as the drawing goes on."""

import keras
import numpy as np
from data.command_line import vocabulary
from data.options import SEED, Parser
from data.poems import make_poems, rhymes, well_formed

from bert4keras.data import DataGenerator, sequence_padding
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer

parser = Parser(__doc__)
parser.add_argument("--begin", help="a text to begin with, default: masks alone")
parser.add_argument("--length", type=int, default=24, help="in tokens, default %(default)s")
parser.add_argument("--number", type=int, default=16, help="of texts, default %(default)s")
parser.add_argument("--steps", type=int, default=2000, help="default %(default)s")
parser.add_argument("--temperature", type=float, default=1.0, help="default %(default)s")
parser.add_argument("--config", help="bert_config.json or config.json; default: in the folder")
parser.add_argument("--checkpoint", help="bert_model.ckpt, model.safetensors, or their folder")
parser.add_argument("--vocab", help="vocab.txt; default: in the folder")
parser.add_argument("--seed", type=int, default=0, **SEED)
parser.add_argument("--smoke", action="store_true", help="little is learnt, and few steps drawn")
args = parser.parse_args()
keras.utils.set_random_seed(args.seed)
args.steps = 40 if args.smoke else args.steps


class Masked(DataGenerator):
    """Texts of which masks hide a share, drawn for each: few are like the end of the sampling,
    many like its beginning. What was hidden is to be said."""

    def __iter__(self, random=False):
        batch = []
        for is_end, text in self.sample(random):
            batch.append(tokenizer.encode(text)[0])
            if len(batch) == self.batch_size or is_end:
                ids = sequence_padding(batch)
                share = np.random.random((len(ids), 1))
                hidden = (np.random.random(ids.shape) < share) & (ids > tokenizer.mask_id)
                read = np.where(hidden, tokenizer.mask_id, ids)
                yield [read, np.zeros_like(ids)], ids * hidden
                batch = []


def learn(model, texts):
    """Some minutes of practice; 0, the padding, is no class."""
    generator = Masked(texts, batch_size=32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(keras.optimizers.Adam(1e-3, clipnorm=1.0), loss)
    epochs = 1 if args.smoke else 16
    model.fit(generator.forfit(), steps_per_epoch=len(generator), epochs=epochs, verbose=2)


if args.checkpoint:
    tokenizer = Tokenizer(args.vocab or f"{args.checkpoint}/vocab.txt", do_lower_case=True)
    model = build_transformer_model(
        args.config or f"{args.checkpoint}/config.json", args.checkpoint, with_mlm="linear"
    )
else:
    poems = [poem for poem in make_poems(400 if args.smoke else 8000) if len(poem) == args.length]
    if not poems:
        parser.error(f"poems have a length of 24 or of 32 characters, got --length {args.length}")
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    tokenizer = Tokenizer(vocabulary(None, poems, special)[0])
    model = build_transformer_model(
        {
            "vocab_size": tokenizer.vocab_size,
            "hidden_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 512,
            "hidden_act": "gelu",
        },
        with_mlm="linear",
    )
    learn(model, poems)

if args.begin:
    ids = np.array(tokenizer.encode(args.begin)[0])
else:
    ids = np.full(args.length + 2, tokenizer.mask_id)
    ids[0], ids[-1] = tokenizer.start_id, tokenizer.end_id
ids = np.tile(ids, (args.number, 1)).astype("int32")
rows = np.arange(args.number)
draw = np.random.default_rng(args.seed)
for step in range(args.steps + 1):
    if step in (args.length, args.steps) or step % 500 == 0:
        texts = [tokenizer.decode(row) for row in ids]
        form, rhyme = (sum(map(is_so, texts)) for is_so in (well_formed, rhymes))
        told = "" if args.checkpoint else f"  {form} of {len(texts)} in form, {rhyme} rhyme"
        print(f"step {step}{told}", *texts[: len(texts) if step == args.steps else 3], sep="\n  ")
    # at first from left to right, then anywhere; never the start and the end
    places = 1 + (
        np.full(len(rows), step)
        if step < ids.shape[1] - 2
        else draw.integers(ids.shape[1] - 2, size=len(rows))
    )
    ids[rows, places] = tokenizer.mask_id
    scores = model.predict_on_batch([ids, np.zeros_like(ids)])[rows, places].astype("float64")
    scores[:, : tokenizer.mask_id + 1] = -np.inf  # special tokens come first
    gumbel = -np.log(-np.log(draw.random(scores.shape)))  # the highest sum is a draw by softmax
    ids[rows, places] = np.argmax(scores / args.temperature + gumbel, axis=1)
