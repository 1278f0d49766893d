"""GPT, GPT2 and GPT2-ML: differences from BERT."""

import numpy as np
import pytest
from support import GOLDEN, assert_close, load_record

from bert4keras.checkpoints import open_checkpoint
from bert4keras.models import GPT, build_transformer_model, extend_with_language_model

FAMILIES = ["gpt", "gpt2", "gpt2_ml"]
IDS, SEGMENTS = np.array([[5, 0, 7]]), np.array([[0, 0, 1]])


def build(family, **options):
    """A model with the weights of a golden checkpoint."""
    base = GOLDEN / "models" / family
    return build_transformer_model(
        base / "config.json", base / "bert_model.ckpt", model=family, **options
    )


def build_hf(folder, **options):
    """Scores by a golden folder of Hugging Face."""
    return build_transformer_model(GOLDEN / "hf" / folder, final_activation="linear", **options)


def test_a_language_model_of_gpt_is_gpt():
    assert extend_with_language_model(GPT) is GPT
    plain, asked_for = (build("gpt", application=name) for name in ("encoder", "lm"))
    inputs = [IDS, SEGMENTS]
    assert_close(asked_for.predict(inputs, verbose=0), plain.predict(inputs, verbose=0))


def test_by_default_it_gives_probabilities():
    assert_close(build("gpt2").predict(IDS, verbose=0).sum(-1), np.ones((1, 3)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", ["with_pool", "with_nsp", "with_mlm"])
def test_heads_of_bert_are_refused(family, head):
    message = rf"GPT\w* has no {head}, got True. It can be built with: final_activation"
    with pytest.raises(ValueError, match=message):
        build(family, **{head: True})
    assert build(family, **{head: False})


@pytest.mark.parametrize("family", FAMILIES[1:])
def test_without_segments_there_is_no_unilm(family):
    with pytest.raises(ValueError, match="cannot be used as application='unilm'. It can be: enc"):
        build(family, application="unilm")


@pytest.mark.parametrize("family", FAMILIES[1:])
@pytest.mark.parametrize(
    "option", ["segment_vocab_size", "shared_segment_embeddings", "custom_position_ids"]
)
def test_what_was_silently_ignored_is_refused(family, option):
    with pytest.raises(ValueError, match=f"has no {option}, got True"):
        build(family, **{option: True})


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_are_as_wide_as_the_blocks(family):
    with pytest.raises(ValueError, match="embedding_size must be hidden_size, got 16 and 32"):
        build(family, embedding_size=16)


@pytest.mark.parametrize("folder, is_hidden", [("gpt2", False), ("openai_gpt", True)])
def test_id_0_is_a_token_where_the_folder_names_no_padding(folder, is_hidden):
    config = load_record(f"hf/{folder}/config.json")
    assert config.pop("pad_token_id") is None
    token = build_transformer_model(
        config, GOLDEN / "hf" / folder, final_activation="linear"
    ).predict(IDS, verbose=0)
    padding = build_hf(folder, pad_token_id=0).predict(IDS, verbose=0)
    # GPT2 names an end id: only ids at the end of a row are padding
    assert (np.abs(token - padding)[0, 2].max() > 1e-2) == is_hidden


def test_a_folder_of_a_bare_model_opens():
    folder = GOLDEN / "hf" / "gpt2"
    with open_checkpoint(folder) as checkpoint:
        bare = {name.removeprefix("transformer."): checkpoint[name] for name in checkpoint}
    model = build_transformer_model(folder / "config.json", bare, final_activation="linear")
    assert_close(model.predict(IDS, verbose=0), build_hf("gpt2").predict(IDS, verbose=0))


@pytest.mark.parametrize(
    "setting, value",
    [
        ("scale_attn_by_inverse_layer_idx", False),
        ("scale_attn_weights", True),
        ("add_cross_attention", False),
    ],
)
def test_a_setting_that_makes_another_model_is_refused(setting, value):
    config = {**load_record("hf/gpt2/config.json"), setting: not value}
    with pytest.raises(ValueError, match=f"GPT2 can compute {setting}={value} alone"):
        build_transformer_model(config)
