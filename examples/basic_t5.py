"""Open a T5 and let it answer: a folder of Hugging Face with spiece.model or vocab.txt.

Without --folder a tiny one learns to read numbers first (三百二十五 is 325), so that there is a
folder to open."""

import os
import random

import keras
from data.options import SEED, Parser

from bert4keras.data import sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import SpTokenizer, Tokenizer, save_vocab

parser = Parser(__doc__)
parser.add_argument("--folder", help="config.json, model.safetensors and a vocabulary")
parser.add_argument("--text", nargs="+", default=["三百二十五", "七千零八"], help="what it reads")
parser.add_argument("--topk", type=int, default=4, help="beams, default %(default)s")
parser.add_argument("--output", default="output/t5_of_numbers", help="folder of the tiny one")
parser.add_argument("--seed", type=int, default=0, **SEED)
parser.add_argument("--smoke", action="store_true", help="it learns only a few numbers")
args = parser.parse_args()
keras.utils.set_random_seed(args.seed)
DIGITS, UNITS = "零一二三四五六七八九", ["", "十", "百", "千"]


def spoken(number):
    """A number below 10,000 in Chinese."""
    text, waiting = "", False
    for digit, unit in zip(map(int, f"{number:04d}"), reversed(UNITS)):
        if digit:
            text += ("零" if waiting and text else "") + DIGITS[digit] + unit
        waiting = not digit
    return text or "零"


def learn(folder, number):
    """A tiny T5 learns pairs of spoken and written numbers, and is saved as Hugging Face has it."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *DIGITS, *"十百千", *"0123456789"]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(vocabulary, token_start=None)
    numbers = random.Random(args.seed).sample(range(10000), number)
    heard = sequence_padding([tokenizer.encode(spoken(n))[0] for n in numbers])
    said = sequence_padding([tokenizer.tokens_to_ids([*str(n), "[SEP]"]) for n in numbers])
    begun = sequence_padding([[0, *ids[:-1]] for ids in said.tolist()])
    config = {
        "vocab_size": len(words),
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "hidden_act": "relu",
        "cross_position_bias": False,
    }
    t5 = build_transformer_model(config, model="t5.1.0", with_lm="linear", return_keras_model=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    t5.model.compile(keras.optimizers.Adam(1e-3, clipnorm=1.0), loss)
    t5.model.fit([heard, begun], said, batch_size=32, epochs=6)
    t5.save_pretrained(folder)
    save_vocab(os.path.join(folder, "vocab.txt"), vocabulary)


folder = args.folder
if folder is None:
    folder = args.output
    learn(folder, 320 if args.smoke else 6000)
model = build_transformer_model(folder)
if os.path.exists(os.path.join(folder, "vocab.txt")):
    tokenizer = Tokenizer(os.path.join(folder, "vocab.txt"), token_start=None)
else:
    tokenizer = SpTokenizer(
        os.path.join(folder, "spiece.model"), token_start=None, token_end="</s>"
    )
answer = TextGenerator(model, tokenizer)
for text, reply in zip(args.text, answer(args.text, num_beams=args.topk, max_new_tokens=48)):
    print(text, "->", reply.replace(" ", ""))
