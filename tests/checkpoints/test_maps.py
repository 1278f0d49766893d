"""Tables are written out and renamed without losing their order."""

from bert4keras.checkpoints import attention, dense, expand_blocks, norm, renamed

BERT = {
    "Embedding-Token": ["bert/embeddings/word_embeddings"],
    "Transformer-{i}-Attention": attention(
        "bert/encoder/layer_{i}/attention/self", "bert/encoder/layer_{i}/attention/output/dense"
    ),
    "Transformer-{i}-Norm": norm("bert/encoder/layer_{i}/LayerNorm"),
    "Pooler-Dense": dense("bert/pooler/dense"),
}


def test_attention_is_query_key_value_output_each_kernel_then_bias():
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


def test_a_table_written_out_has_a_row_for_each_block():
    table = expand_blocks(BERT, 3)
    assert len(table) == 2 + 2 * 3
    assert table["Transformer-2-Norm"] == [
        "bert/encoder/layer_2/LayerNorm/beta",
        "bert/encoder/layer_2/LayerNorm/gamma",
    ]
    assert table["Pooler-Dense"] == BERT["Pooler-Dense"]


def test_blocks_may_share_variables():
    table = expand_blocks({"Transformer-{i}-Norm": norm("group_0/LayerNorm")}, 2)
    assert table["Transformer-0-Norm"] == table["Transformer-1-Norm"] == norm("group_0/LayerNorm")


def test_a_table_written_out_can_be_changed_without_changing_its_source():
    expand_blocks(BERT, 1)["Pooler-Dense"].clear()
    assert BERT["Pooler-Dense"] == dense("bert/pooler/dense")


def test_renaming_touches_variables_and_not_layers():
    table = renamed(BERT, ("bert/", "gpt/"), ("encoder", "transformer"))
    assert list(table) == list(BERT)
    assert table["Transformer-{i}-Norm"][0] == "gpt/transformer/layer_{i}/LayerNorm/beta"
