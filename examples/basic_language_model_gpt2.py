"""Open a GPT-2 and let it write on: a folder of Hugging Face with vocab.txt or tokenizer.json.

Without --folder a tiny one learns some poems first, so that there is a folder to open."""

import keras
import numpy as np
from data.options import SEED, Parser
from data.poems import make_poems

from bert4keras.data import sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer, load_tokenizer

parser = Parser(__doc__)
parser.add_argument("--folder", help="config.json, model.safetensors and a vocabulary")
parser.add_argument("--text", default="春山", help="what it goes on from, default %(default)s")
parser.add_argument("--number", type=int, default=3, help="of texts, default %(default)s")
parser.add_argument("--tokens", type=int, default=48, help="at most, default %(default)s")
parser.add_argument("--output", default="output/gpt2_of_poems", help="folder of the tiny one")
parser.add_argument("--seed", type=int, default=0, **SEED)
parser.add_argument("--smoke", action="store_true", help="it learns only a few poems")
args = parser.parse_args()
keras.utils.set_random_seed(args.seed)


def learn(folder, poems):
    """A tiny GPT-2 learns poems by heart, more or less, and is written as Hugging Face has it."""
    characters = sorted(set("".join(poems)))
    vocabulary = {c: i for i, c in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters])}
    tokenizer = Tokenizer(vocabulary)
    config = {
        "vocab_size": len(vocabulary),
        "hidden_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 384,
        "hidden_act": "gelu_tanh",
        "max_position": 128,
    }
    gpt = build_transformer_model(
        config, model="gpt2", final_activation="linear", return_keras_model=False
    )
    ids = sequence_padding([tokenizer.encode(poem)[0] for poem in poems])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    gpt.model.compile(keras.optimizers.Adam(2e-3, clipnorm=1.0), loss)
    gpt.model.fit(ids[:, :-1], ids[:, 1:], batch_size=32, epochs=4)
    gpt.save_pretrained(folder)
    tokenizer.save(folder)


folder = args.folder
if folder is None:
    folder = args.output
    learn(folder, make_poems(100 if args.smoke else 4000))
model = build_transformer_model(folder)
tokenizer = load_tokenizer(folder)
write = TextGenerator(model, tokenizer)
draw = {"do_sample": True, "top_p": 0.9, "seed": args.seed, "max_new_tokens": args.tokens}
for text in write(args.text, num_return_sequences=args.number, **draw):
    print(args.text + text)
print("token by token: ", args.text, sep="", end="", flush=True)
for piece in write.stream(args.text, **draw):
    print(piece, end="", flush=True)
print()
scores = np.exp(write.generate([args.text], num_beams=4, max_new_tokens=args.tokens).scores[0])
print(f"the best of 4 beams has {scores[0]:.3f} of probability a token")
