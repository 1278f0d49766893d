import keras
import numpy as np
import pytest
from pipelines.toy import TOKENS, make_bert, make_table, make_texts, make_tokenizer

from bert4keras.pipelines import MaskFiller, load_pipeline
from bert4keras.tokenizers import Tokenizer


@pytest.fixture(scope="module")
def fill():
    return MaskFiller(make_bert(with_mlm=True), make_tokenizer())


def mask_texts(count):
    texts = make_texts(count, longest=8)
    return [text[: len(text) // 2] + "[MASK]" + text[len(text) // 2 :] for text in texts]


class TestRecords:
    def test_the_best_tokens_come_first(self, fill):
        ids = np.array([[2, 5, 4, 7, 3]])
        scores = keras.ops.convert_to_numpy(fill.model([ids, 0 * ids]))[0, 2]
        records = fill("天[MASK]玄", top_k=3)
        assert [record["token"] for record in records] == np.argsort(-scores)[:3].tolist()
        np.testing.assert_allclose(
            [record["score"] for record in records], np.sort(scores)[::-1][:3], atol=1e-6
        )

    def test_a_record_has_the_token_and_the_text_with_it(self, fill):
        (record,) = fill("天[MASK]玄", targets=["地"])
        assert (record["token_str"], record["sequence"]) == ("地", "天地玄")
        assert record["token"] == TOKENS.index("地")

    def test_several_masks_give_a_list_for_each(self, fill):
        records = fill("天[MASK]玄[MASK]", top_k=2)
        assert [len(row) for row in records] == [2, 2]

    def test_a_tokenizer_that_keeps_masks_whole_gives_the_same(self, fill):
        vocabulary = {token: i for i, token in enumerate(TOKENS)}
        tokenizer = Tokenizer(vocabulary, split_special_tokens=False)
        texts = mask_texts(5)
        assert MaskFiller(fill.model, tokenizer)(texts) == fill(texts)

    def test_logits_become_probabilities(self, fill):
        model = make_bert(with_mlm="linear")
        records = MaskFiller(model, fill.tokenizer)("天[MASK]", top_k=len(TOKENS))
        assert sum(record["score"] for record in records) == pytest.approx(1, abs=1e-5)

    def test_batches_and_order_change_nothing(self, fill):
        texts = mask_texts(12) + ["天[MASK][MASK][MASK]"]
        records = fill(texts, top_k=1)
        scores = [np.ravel([x["score"] for x in np.ravel(row)]) for row in records]
        for new_records in (
            fill(texts, top_k=1, batch_tokens=20),
            fill(texts[::-1], top_k=1, buffer_size=4)[::-1],
        ):
            for row, numbers in zip(new_records, scores, strict=True):
                np.testing.assert_allclose([x["score"] for x in np.ravel(row)], numbers, atol=1e-5)

    def test_its_folder_gives_equal_records(self, fill, tmp_path):
        fill.save(tmp_path)
        assert load_pipeline(tmp_path)("天[MASK]玄") == fill("天[MASK]玄")


class TestEvaluate:
    def test_it_counts_true_tokens(self):
        vectors = np.zeros((len(TOKENS), len(TOKENS)))
        vectors[4, TOKENS.index("地")] = 9
        fill = MaskFiller(make_table(vectors), make_tokenizer(), from_logits=True)
        scores = fill.evaluate([("天[MASK]", "地"), ("[MASK][MASK]", ["地", "盈"])])
        assert scores["accuracy"] == pytest.approx(2 / 3)
        with pytest.raises(ValueError, match=r"a token for each mask of samples\[0\], got 2 for 1"):
            fill.evaluate([("天[MASK]", ["地", "天"])])


class TestErrors:
    @pytest.mark.parametrize(
        "text, error, message",
        [
            (
                "天地",
                ValueError,
                r"Expected texts\[0\] to have the mask token",
            ),
            (None, TypeError, r"Expected texts\[0\] to be a str, got None"),
            ("天" * 30 + "[MASK]", ValueError, r"Expected texts\[0\] to have at most 24 tokens"),
        ],
    )
    def test_a_wrong_text_is_named(self, fill, text, error, message):
        with pytest.raises(error, match=message):
            fill([text])

    def test_a_mask_that_is_cut_off(self, fill):
        assert len(fill("[MASK]" + "天" * 30, truncate=True)) == 5
        with pytest.raises(ValueError, match=r"Expected a mask in the first 24 tokens"):
            fill("天" * 30 + "[MASK]", truncate=True)

    def test_there_are_no_windows(self, fill):
        with pytest.raises(ValueError, match="Expected truncate to be True or False for"):
            fill("[MASK]", truncate="windows")

    def test_targets_are_tokens(self, fill):
        with pytest.raises(ValueError, match="Expected targets to be tokens .* got '人'"):
            fill("[MASK]", targets=["人"])

    def test_a_tokenizer_has_a_mask(self, fill):
        vocabulary = {token: i for i, token in enumerate(TOKENS) if token != "[MASK]"}
        with pytest.raises(ValueError, match="Expected tokenizer to have a mask token, got none"):
            MaskFiller(fill.model, Tokenizer(vocabulary))
