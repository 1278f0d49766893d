"""An uncased model learns to read capitals: words with them become tokens of their own, which begin
as the vectors of the same words without (`compound_tokens`).

    python examples/basic_make_uncased_model_cased.py
    python examples/basic_make_uncased_model_cased.py --checkpoint FOLDER --output cased

Without --checkpoint a tiny one with random weights is made, to show that nothing changes but that
the case is kept. With --output the cased model and its vocabulary are written."""

import os

import keras
import numpy as np
from data.options import Parser

from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer, load_vocab, save_vocab

parser = Parser(__doc__)
parser.add_argument("--text", default="Welcome to BEIJING, my Dear.", help="default %(default)s")
parser.add_argument("--config", help="bert_config.json or config.json; default: in the folder")
parser.add_argument("--checkpoint", help="bert_model.ckpt, model.safetensors, or their folder")
parser.add_argument("--vocab", help="vocab.txt; default: in the folder")
parser.add_argument("--output", help="a folder for the cased model")
parser.add_argument("--smoke", action="store_true", help="is quick as it is")
args = parser.parse_args()
keras.utils.set_random_seed(0)

if args.checkpoint:
    config = args.config or f"{args.checkpoint}/config.json"
    tokens = load_vocab(args.vocab or f"{args.checkpoint}/vocab.txt")
else:
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] welcome to bei ##jing , my dear . 北 京".split()
    tokens = {word: index for index, word in enumerate(words)}
    config = {
        "vocab_size": len(tokens),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "hidden_act": "gelu",
    }


def cased_forms(token):
    """How a token may be written with capitals: Welcome and WELCOME; ##JING; nothing for 北."""
    if token.startswith("[") and token.endswith("]"):
        return []
    mark, word = ("##", token[2:]) if token.startswith("##") else ("", token)
    forms = [word.upper()] if mark else [word.capitalize(), word.upper()]
    # ß has SS for a capital, which is no longer that token
    return [mark + x for x in dict.fromkeys(forms) if x != word and x.lower() == word]


cased, compound_tokens = dict(tokens), []
for token, index in tokens.items():
    for form in cased_forms(token):
        if form not in cased:
            cased[form] = len(cased)
            compound_tokens.append([index])
print(f"{len(tokens)} tokens, {len(compound_tokens)} more with capitals")

uncased = build_transformer_model(config, args.checkpoint, return_keras_model=False)
if not args.checkpoint:
    os.makedirs("output/uncased", exist_ok=True)
    uncased.save_pretrained("output/uncased")
model = build_transformer_model(
    config,
    args.checkpoint or "output/uncased",
    compound_tokens=compound_tokens,
    return_keras_model=False,
)
before, after = Tokenizer(tokens, do_lower_case=True), Tokenizer(cased, do_lower_case=False)
print("before", *before.tokenize(args.text))
print("after ", *after.tokenize(args.text))
vectors = [
    x.model.predict(list(tokenizer.encode_batch([args.text])), verbose=0)
    for x, tokenizer in ((uncased, before), (model, after))
]
if vectors[0].shape == vectors[1].shape:  # cut alike
    print(f"vectors differ by at most {np.abs(vectors[0] - vectors[1]).max():.1e}")
if args.output:
    os.makedirs(args.output, exist_ok=True)
    model.save_pretrained(args.output)
    save_vocab(f"{args.output}/vocab.txt", cased)
    print(f"{args.output}/ holds the cased model and its vocab.txt")
