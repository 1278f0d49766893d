"""A masked language model fills in what is hidden in a text: its best guesses for each [MASK].

Without --checkpoint a tiny one first learns from made-up reviews, so that there is one to ask.

    python examples/basic_masked_language_model.py
    python examples/basic_masked_language_model.py --checkpoint FOLDER --text 科学[MASK][MASK]好
"""

import keras
import numpy as np
from data.command_line import vocabulary
from data.options import SEED, Parser
from data.reviews import make_reviews

from bert4keras.data import DataGenerator, sequence_padding
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer

parser = Parser(__doc__)
parser.add_argument("--text", nargs="+", help="with a [MASK] for each hidden token")
parser.add_argument("--config", help="bert_config.json or config.json; default: in the folder")
parser.add_argument("--checkpoint", help="bert_model.ckpt, model.safetensors, or their folder")
parser.add_argument("--vocab", help="vocab.txt; default: in the folder")
parser.add_argument("--guesses", type=int, default=5, help="a mask, default %(default)s")
parser.add_argument("--seed", type=int, default=0, **SEED)
parser.add_argument("--smoke", action="store_true", help="the tiny one learns only a little")
args = parser.parse_args()
keras.utils.set_random_seed(args.seed)
texts = args.text or (
    ["科学[MASK][MASK]是第一生产力。"]
    if args.checkpoint
    else [
        "这家酒店，房间一点也不[MASK][MASK]，[MASK]值得买。",
        "这次的小说，文笔真是[MASK][MASK]，[MASK]得推荐。",
        "说说这个[MASK][MASK]，屏幕很清晰。",
    ]
)


class Masked(DataGenerator):
    """Texts of which a mask hides every sixth token or so; what was hidden is to be said."""

    def __iter__(self, random=False):
        batch = []
        for is_end, text in self.sample(random):
            batch.append(tokenizer.encode(text)[0])
            if len(batch) == self.batch_size or is_end:
                ids = sequence_padding(batch, length=48)
                hidden = (np.random.random(ids.shape) < 0.15) & (ids > tokenizer.mask_id)
                read = np.where(hidden, tokenizer.mask_id, ids)
                yield [read, np.zeros_like(ids)], ids * hidden
                batch = []


def learn(model, texts):
    """A minute of practice; 0, the padding, is no class."""
    generator = Masked(texts, batch_size=32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=False, ignore_class=0)
    model.compile(keras.optimizers.Adam(2e-3, clipnorm=1.0), loss)
    epochs = 1 if args.smoke else 12
    model.fit(generator.forfit(), steps_per_epoch=len(generator), epochs=epochs, verbose=2)


if args.checkpoint:
    tokenizer = Tokenizer(
        args.vocab or f"{args.checkpoint}/vocab.txt", do_lower_case=True, split_special_tokens=False
    )
    model = build_transformer_model(
        args.config or f"{args.checkpoint}/config.json", args.checkpoint, with_mlm=True
    )
else:
    reviews = [text for text, _ in make_reviews(200 if args.smoke else 4000)]
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    tokenizer = Tokenizer(vocabulary(None, reviews, special)[0], split_special_tokens=False)
    model = build_transformer_model(
        {
            "vocab_size": tokenizer.vocab_size,
            "hidden_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 384,
            "hidden_act": "gelu",
        },
        with_mlm=True,
    )
    learn(model, reviews)

for text in texts:
    print(text)
    token_ids, segment_ids = tokenizer.encode_batch([text])
    places = np.flatnonzero(token_ids[0] == tokenizer.mask_id)
    if not len(places):
        parser.error(f"--text must hold a [MASK] for each token to guess, got {text!r}")
    for p in model.predict([token_ids, segment_ids], verbose=0)[0, places]:
        best = np.argsort(-p)[: args.guesses]
        print("   ", *(f"{tokenizer.id_to_token(i)} {p[i]:.3f}" for i in best))
