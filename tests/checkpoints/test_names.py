"""Names of variables: tables expand and rename, dialects rewrite in both directions."""

import numpy as np
import pytest
from support import GOLDEN, load_record

from bert4keras import models
from bert4keras.checkpoints import (
    attention,
    dense,
    expand_blocks,
    hugging_face,
    norm,
    open_checkpoint,
    rename_variables,
    to_foreign_names,
    to_google_names,
)
from bert4keras.models.families.albert import BRIGHTMART

TABLE = {
    "Embedding-Token": ["bert/embeddings/word_embeddings"],
    "Transformer-{i}-Attention": attention(
        "bert/encoder/layer_{i}/attention/self", "bert/encoder/layer_{i}/attention/output/dense"
    ),
    "Transformer-{i}-Norm": norm("bert/encoder/layer_{i}/LayerNorm"),
    "Pooler-Dense": dense("bert/pooler/dense"),
}
ALBERT = models.ALBERT.checkpoint_spec.hugging_face
BERT = models.BERT.checkpoint_spec.hugging_face
FUSED = hugging_face(
    (r"attention/self/query/(kernel|bias)$", r"attn/c_attn/\1[0 of 3]"),
    (r"attention/self/key/(kernel|bias)$", r"attn/c_attn/\1[1 of 3]"),
    (r"attention/self/value/(kernel|bias)$", r"attn/c_attn/\1[2 of 3]"),
    (r"/kernel\[", "/weight["),
)


class TestTables:
    def test_attention_is_query_key_value_output_each_kernel_then_bias(self):
        assert [name.split("/")[-2:] for name in attention("self", "output/dense")] == [
            ["query", "kernel"],
            ["query", "bias"],
            ["key", "kernel"],
            ["key", "bias"],
            ["value", "kernel"],
            ["value", "bias"],
            ["dense", "kernel"],
            ["dense", "bias"],
        ]

    def test_an_expanded_table_has_a_row_for_each_block(self):
        table = expand_blocks(TABLE, 3)
        assert len(table) == 2 + 2 * 3
        assert table["Transformer-2-Norm"] == [
            "bert/encoder/layer_2/LayerNorm/beta",
            "bert/encoder/layer_2/LayerNorm/gamma",
        ]
        assert table["Pooler-Dense"] == TABLE["Pooler-Dense"]

    def test_blocks_may_share_variables(self):
        table = expand_blocks({"Transformer-{i}-Norm": norm("group_0/LayerNorm")}, 2)
        assert (
            table["Transformer-0-Norm"] == table["Transformer-1-Norm"] == norm("group_0/LayerNorm")
        )

    def test_an_expanded_table_can_be_changed_without_changing_its_source(self):
        expand_blocks(TABLE, 1)["Pooler-Dense"].clear()
        assert TABLE["Pooler-Dense"] == dense("bert/pooler/dense")

    def test_renaming_touches_variables_and_not_layers(self):
        table = rename_variables(TABLE, ("bert/", "gpt/"), ("encoder", "transformer"))
        assert list(table) == list(TABLE)
        assert table["Transformer-{i}-Norm"][0] == "gpt/transformer/layer_{i}/LayerNorm/beta"


def google_names(family):
    """List the variables of a family in Google's checkpoint, without optimizer slots."""
    base = load_record(f"models/{family}/base.json")
    ignore = set(base["extra_variables_to_ignore"])
    return [name for name in base["variables"] if "/" in name and name not in ignore]


def open_golden(folder, dialect):
    return to_google_names(open_checkpoint(GOLDEN / "hf" / folder), dialect)


class TestToGoogleNames:
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
    def test_every_tensor_of_a_published_file_has_a_name_of_googles(self, folder, dialect, family):
        with open_golden(folder, dialect) as checkpoint:
            names = [name for name in google_names(family) if name in checkpoint]
            foreign = {dialect.foreign_tensor(name).name for name in names}
            assert {name.removeprefix(dialect.prefix) for name in checkpoint} == {
                name.removeprefix(dialect.prefix) for name in foreign
            }

    def test_kernels_are_transposed_and_tables_are_not(self):
        with open_golden("bert_pretraining", BERT) as checkpoint:
            tensors = dict(checkpoint)
            kernel = "bert/encoder/layer_1/intermediate/dense/kernel"
            np.testing.assert_array_equal(
                checkpoint[kernel], tensors["bert.encoder.layer.1.intermediate.dense.weight"].T
            )
            assert checkpoint["cls/seq_relationship/output_weights"].shape == (2, 32)
            assert checkpoint["bert/embeddings/word_embeddings"].shape == (99, 32)

    def test_old_and_new_names_of_norms_give_the_same(self):
        names = [f"bert/encoder/layer_0/output/LayerNorm/{part}" for part in ("beta", "gamma")]
        with open_golden("bert_mlm", BERT) as new, open_golden("bert_mlm@gamma_beta", BERT) as old:
            for name in names:
                np.testing.assert_array_equal(new[name], old[name])

    def test_the_prefix_of_a_model_may_be_left_out(self):
        with open_golden("bert", BERT) as bare:
            assert "pooler.dense.weight" in list(bare)
            assert bare["bert/pooler/dense/kernel"].shape == (32, 32)

    def test_a_name_that_is_not_there_is_a_key_error(self):
        with open_golden("bert", BERT) as checkpoint:
            assert "cls/predictions/output_bias" not in checkpoint
            with pytest.raises(KeyError, match="No tensor `cls/predictions/output_bias`"):
                checkpoint["cls/predictions/output_bias"]

    def test_brightmarts_albert_is_a_renaming_but_for_its_folded_embeddings(self):
        shapes = load_record("checkpoints/albert_zh_names.json")
        tensors = {name: np.ones(shape, "float32") for name, shape in shapes.items()}
        checkpoint = to_google_names(open_checkpoint(tensors), BRIGHTMART)
        names = [name for name in google_names("albert") if name in checkpoint]
        factors = {part for name in names for part in BRIGHTMART.rewrite(name).split(" @ ")}
        assert factors == set(tensors)
        assert checkpoint.shape("bert/embeddings/word_embeddings") == (21128, 312)
        table = checkpoint["bert/embeddings/word_embeddings"]
        assert table.shape == (21128, 312) and table[0, 0] == 128

    def test_zeros_before_a_number_are_dropped(self):
        dialect = hugging_face()
        assert dialect.foreign_tensor("encoder/block_010/layer_000/layer_norm/scale").name == (
            "encoder.block.10.layer.0.layer_norm.weight"
        )

    def test_shapes_are_those_of_the_tensors_read(self):
        tensors = {"h.0.attn.c_attn.weight": np.zeros((2, 12)), "pooler.dense.weight": np.eye(3, 5)}
        checkpoint = to_google_names(open_checkpoint(tensors), FUSED)
        for name in ("h_0/attention/self/key/kernel", "pooler/dense/kernel"):
            assert checkpoint.shape(name) == checkpoint[name].shape
        uneven = {"h.0.attn.c_attn.weight": np.zeros((2, 13))}
        checkpoint = to_google_names(open_checkpoint(uneven), FUSED)
        with pytest.raises(ValueError, match="size 13 cannot be cut into 3 equal parts"):
            checkpoint.shape("h_0/attention/self/key/kernel")

    def test_fused_projections_are_cut_and_joined_again(self):
        tensors = {"h.0.attn.c_attn.weight": np.arange(24.0).reshape(2, 12)}
        tensors["h.0.attn.c_attn.bias"] = np.arange(12.0)
        checkpoint = to_google_names(open_checkpoint(tensors), FUSED)
        names = [
            f"h_0/attention/self/{part}/{kind}"
            for kind in ("kernel", "bias")
            for part in ("query", "key", "value")
        ]
        np.testing.assert_array_equal(
            checkpoint[names[1]], tensors["h.0.attn.c_attn.weight"][:, 4:8]
        )
        result = dict(to_foreign_names(((name, checkpoint[name]) for name in names), FUSED))
        assert result.keys() == tensors.keys()
        for name, array in result.items():
            np.testing.assert_array_equal(array, tensors[name])


class TestToForeignNames:
    @pytest.mark.parametrize("folder, dialect, family", [("albert_mlm", ALBERT, "albert")])
    def test_what_is_read_is_written_back_equal(self, folder, dialect, family):
        with open_golden(folder, dialect) as checkpoint:
            names = [name for name in google_names(family) if name in checkpoint]
            result = dict(to_foreign_names(((name, checkpoint[name]) for name in names), dialect))
            assert result.keys() == set(checkpoint)
            for name, array in result.items():
                np.testing.assert_array_equal(array, checkpoint[name])

    def test_a_missing_part_is_an_error(self):
        query = {"h_0/attention/self/query/bias": np.zeros(4)}
        with pytest.raises(ValueError, match="Parts of `h.0.attn.c_attn.bias` are missing"):
            list(to_foreign_names(query, FUSED))

    def test_a_product_cannot_be_written(self):
        table = {"bert/embeddings/word_embeddings": np.zeros((3, 2))}
        with pytest.raises(ValueError, match="made of several tensors"):
            list(to_foreign_names(table, BRIGHTMART))
