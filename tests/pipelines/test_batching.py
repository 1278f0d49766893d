import pytest

from bert4keras.pipelines import batching
from bert4keras.pipelines.batching import make_batch, pack_rows, round_length, split_chunks
from bert4keras.tokenizers import Encoding

LENGTHS = [3, 9, 4, 1, 9, 7, 2]


class TestPackRows:
    @pytest.mark.parametrize("batch_tokens", [1, 9, 10, 20, 1000])
    def test_every_row_is_in_one_group_within_the_budget(self, batch_tokens):
        groups = list(pack_rows(LENGTHS, batch_tokens))
        assert sorted(sum(groups, [])) == list(range(len(LENGTHS)))
        for group in groups:
            width = max(LENGTHS[i] for i in group)
            assert len(group) == 1 or len(group) * width <= batch_tokens

    def test_the_longest_rows_come_first(self):
        assert list(pack_rows(LENGTHS, 18)) == [[1, 4], [5, 2], [0, 6, 3]]

    def test_models_without_padding_get_rows_of_one_length(self):
        groups = list(pack_rows(LENGTHS, 1000, needs_equal_lengths=True))
        assert groups == [[1, 4], [5], [2], [0], [6], [3]]


class TestMakeBatch:
    rows = [Encoding([5, 6, 7], [0, 0, 1]), Encoding([8], [0])]

    def test_rows_are_padded_to_the_longest(self, monkeypatch):
        monkeypatch.setattr(batching, "compiles_each_shape", False)
        batch = make_batch(self.rows, pad_id=9, maxlen=None)
        assert batch.token_ids.tolist() == [[5, 6, 7], [8, 9, 9]]
        assert batch.segment_ids.tolist() == [[0, 0, 1], [0, 0, 0]]

    def test_where_each_shape_is_compiled_there_are_few(self, monkeypatch):
        monkeypatch.setattr(batching, "compiles_each_shape", True)
        assert make_batch(self.rows * 3, 0, None).token_ids.shape == (8, 16)
        assert make_batch(self.rows * 3, 0, maxlen=12).token_ids.shape == (8, 12)


def test_lengths_are_rounded_up_to_few_values():
    lengths = {round_length(n) for n in range(1, 513)}
    assert sorted(lengths) == [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    assert all(n <= round_length(n) for n in range(1, 513))
    assert round_length(300, maxlen=320) == 320


def test_chunks_read_an_iterator_as_it_comes():
    iterator = iter(range(5))
    assert next(split_chunks(iterator, 2)) == [0, 1]
    assert list(split_chunks(iterator, 2)) == [[2, 3], [4]]
