"""GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019)."""

from bert4keras.checkpoints import Dialect, norm, renamed
from bert4keras.models.families.gpt import GPT, PARTS
from bert4keras.models.mixins import PreNorm

HUGGING_FACE = Dialect(
    (
        (r"^gpt/embeddings/word_embeddings$", "transformer.wte.weight"),
        (r"^gpt/embeddings/position_embeddings$", "transformer.wpe.weight"),
        (r"^gpt/output/LayerNorm/", "transformer.ln_f."),
        (r"attention/input/LayerNorm/", "ln_1."),
        (r"input/LayerNorm/", "ln_2."),
        *PARTS,
    ),
    prefix="transformer.",
)


class GPT2(PreNorm, GPT):
    """GPT-2: a language model that normalizes before each sublayer and at the end; no segments.

    Args:
        *args, **kwargs: as for ``GPT``, but for segments and position ids.

    Output: tokens (B, L, V), the prediction of the next one at each position.

    Raises:
        ValueError: a head of BERT, segments, position ids or a UniLM mask are asked for.
    """

    weights = renamed(
        {layer: names for layer, names in GPT.weights.items() if layer != "Embedding-Segment"},
        ("output/LayerNorm", "input/LayerNorm"),
    ) | {"Output-Norm": norm("gpt/output/LayerNorm")}
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    model_type = "gpt2"
    keys = {
        **{argument: key for argument, key in GPT.keys.items() if "segment" not in argument},
        "hidden_act": "activation_function",
        "intermediate_size": "n_inner",
    }
    config_defaults = {"pad_token_id": None, "hidden_act": "gelu_tanh"}
    computable = {
        **GPT.computable,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    }
    refused = (
        *GPT.refused,
        "segment_vocab_size",
        "shared_segment_embeddings",
        "custom_position_ids",
    )
    applications = ("encoder", "lm")
    epsilon = 1e-5

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})

    def apply_embeddings(self, inputs):
        """Sum of token and position."""
        return self.sum_embeddings(inputs)

    def apply_final_layers(self, inputs):
        """The last norm, then scores or probabilities of the next token."""
        x = self.drop(self.normalize(inputs, "Output-Norm"), "Output-Dropout")
        return super().apply_final_layers(x)

    def fixed(self):
        """What the family fixes there: nothing."""
        return {}

    def architecture(self):
        """The class in ``transformers`` with the same head."""
        return "GPT2LMHeadModel"
