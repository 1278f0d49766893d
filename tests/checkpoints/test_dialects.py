"""Foreign checkpoints are seen through Google's names, and written back under their own."""

import numpy as np
import pytest
from support import GOLDEN, record

from bert4keras import models
from bert4keras.checkpoints import hugging_face, open_checkpoint, to_foreign_names, to_google_names
from bert4keras.models.families.albert import BRIGHTMART

BERT = models.BERT.checkpoint_spec.hugging_face
ALBERT = models.ALBERT.checkpoint_spec.hugging_face

FUSED = hugging_face(
    (r"attention/self/query/(kernel|bias)$", r"attn/c_attn/\1[0 of 3]"),
    (r"attention/self/key/(kernel|bias)$", r"attn/c_attn/\1[1 of 3]"),
    (r"attention/self/value/(kernel|bias)$", r"attn/c_attn/\1[2 of 3]"),
    (r"/kernel\[", "/weight["),
)


def google_names(family):
    """The variables of a family in Google's checkpoint, without optimizer slots."""
    base = record(f"models/{family}/base.json")
    skipped = set(base["extra_variables_to_ignore"])
    return [name for name in base["variables"] if "/" in name and name not in skipped]


def opened(folder, dialect):
    return to_google_names(open_checkpoint(GOLDEN / "hf" / folder), dialect)


@pytest.mark.parametrize(
    "folder, dialect, family",
    [
        ("bert", BERT, "bert"),
        ("bert@bin", BERT, "bert"),
        ("bert_mlm", BERT, "bert"),
        ("bert_mlm@sharded", BERT, "bert"),
        ("bert_pretraining", BERT, "bert"),
        ("albert", ALBERT, "albert"),
        ("albert_mlm", ALBERT, "albert"),
    ],
)
def test_every_tensor_of_a_published_file_has_a_name_of_googles(folder, dialect, family):
    with opened(folder, dialect) as checkpoint:
        known = [name for name in google_names(family) if name in checkpoint]
        spoken = {dialect.foreign(name).name for name in known}
        assert {name.removeprefix(dialect.prefix) for name in checkpoint} == {
            name.removeprefix(dialect.prefix) for name in spoken
        }


def test_kernels_are_turned_and_tables_are_not():
    with opened("bert_pretraining", BERT) as seen:
        stored = dict(seen)
        kernel = "bert/encoder/layer_1/intermediate/dense/kernel"
        np.testing.assert_array_equal(
            seen[kernel], stored["bert.encoder.layer.1.intermediate.dense.weight"].T
        )
        assert seen["cls/seq_relationship/output_weights"].shape == (2, 32)
        assert seen["bert/embeddings/word_embeddings"].shape == (99, 32)


def test_old_and_new_names_of_norms_give_the_same():
    names = [f"bert/encoder/layer_0/output/LayerNorm/{part}" for part in ("beta", "gamma")]
    with opened("bert_mlm", BERT) as new, opened("bert_mlm@gamma_beta", BERT) as old:
        for name in names:
            np.testing.assert_array_equal(new[name], old[name])


def test_the_prefix_of_a_model_may_be_left_out():
    with opened("bert", BERT) as bare:
        assert "pooler.dense.weight" in list(bare)
        assert bare["bert/pooler/dense/kernel"].shape == (32, 32)


def test_a_name_that_is_not_there_is_a_key_error():
    with opened("bert", BERT) as checkpoint:
        assert "cls/predictions/output_bias" not in checkpoint
        with pytest.raises(KeyError, match="No tensor `cls/predictions/output_bias`"):
            checkpoint["cls/predictions/output_bias"]


def test_brightmarts_albert_is_a_renaming_but_for_its_folded_embeddings():
    shapes = record("checkpoints/albert_zh_names.json")
    stored = {name: np.ones(shape, "float32") for name, shape in shapes.items()}
    seen = to_google_names(open_checkpoint(stored), BRIGHTMART)
    known = [name for name in google_names("albert") if name in seen]
    spelt = {part for name in known for part in BRIGHTMART.spell(name).split(" @ ")}
    assert spelt == set(stored)
    table = seen["bert/embeddings/word_embeddings"]
    assert table.shape == (21128, 312) and table[0, 0] == 128


def test_zeros_before_a_number_fall():
    dialect = hugging_face()
    assert dialect.foreign("encoder/block_010/layer_000/layer_norm/scale").name == (
        "encoder.block.10.layer.0.layer_norm.weight"
    )


def test_fused_projections_are_cut_and_joined_again():
    fused = {"h.0.attn.c_attn.weight": np.arange(24.0).reshape(2, 12)}
    fused["h.0.attn.c_attn.bias"] = np.arange(12.0)
    seen = to_google_names(open_checkpoint(fused), FUSED)
    names = [
        f"h_0/attention/self/{part}/{kind}"
        for kind in ("kernel", "bias")
        for part in ("query", "key", "value")
    ]
    np.testing.assert_array_equal(seen[names[1]], fused["h.0.attn.c_attn.weight"][:, 4:8])
    written = dict(to_foreign_names(((name, seen[name]) for name in names), FUSED))
    assert written.keys() == fused.keys()
    for name, array in written.items():
        np.testing.assert_array_equal(array, fused[name])


@pytest.mark.parametrize("folder, dialect, family", [("albert_mlm", ALBERT, "albert")])
def test_what_is_read_is_written_back_equal(folder, dialect, family):
    with opened(folder, dialect) as seen:
        known = [name for name in google_names(family) if name in seen]
        written = dict(to_foreign_names(((name, seen[name]) for name in known), dialect))
        assert written.keys() == set(seen)
        for name, array in written.items():
            np.testing.assert_array_equal(array, seen[name])


def test_a_lacking_part_is_an_error():
    query = {"h_0/attention/self/query/bias": np.zeros(4)}
    with pytest.raises(ValueError, match="Parts of `h.0.attn.c_attn.bias` are lacking"):
        list(to_foreign_names(query, FUSED))


def test_a_product_cannot_be_written():
    table = {"bert/embeddings/word_embeddings": np.zeros((3, 2))}
    with pytest.raises(ValueError, match="made of several tensors"):
        list(to_foreign_names(table, BRIGHTMART))
