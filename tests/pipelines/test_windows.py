import pytest

from bert4keras.pipelines.windows import cut_windows
from bert4keras.tokenizers import Encoding


def make_row(*lengths):
    """Return the row of some texts: a special token, and each text with one behind it."""
    indices = [None]
    for index, length in enumerate(lengths):
        indices += [index] * length + [None]
    ids = list(range(len(indices)))
    offsets = [None if index is None else (i, i + 1) for i, index in enumerate(indices)]
    return Encoding(ids, [index or 0 for index in indices], offsets, indices)


class TestCutWindows:
    @pytest.mark.parametrize("length", range(4, 30))
    @pytest.mark.parametrize("overlap", [0, 1, 2])
    def test_windows_cover_the_text_and_overlap(self, length, overlap):
        windows = cut_windows(make_row(length), 6, overlap)
        bodies = [window.token_ids[1:-1] for window in windows]
        assert sorted(set(sum(bodies, []))) == list(range(1, length + 1))
        assert all(len(window.token_ids) <= 6 for window in windows)
        assert {(window.token_ids[0], window.token_ids[-1]) for window in windows} == {
            (0, length + 1)
        }
        for before, after in zip(bodies, bodies[1:]):
            assert before[len(before) - overlap :] == after[:overlap]
        assert len(windows) == 1 or bodies[-1][-1] > bodies[-2][-1]

    def test_the_first_text_of_a_pair_is_in_each_window(self):
        windows = cut_windows(make_row(2, 5), 7, 0)
        assert [window.token_ids for window in windows] == [
            [0, 1, 2, 3, 4, 5, 9],
            [0, 1, 2, 3, 6, 7, 9],
            [0, 1, 2, 3, 8, 9],
        ]
        assert windows[1].offsets[4:6] == [(6, 7), (7, 8)]
        assert windows[1].text_index == [None, 0, 0, None, 1, 1, None]

    def test_a_first_text_without_room_for_the_second_is_refused(self):
        with pytest.raises(ValueError, match="Expected maxlen to leave room .* 4 other tokens"):
            cut_windows(make_row(2, 5), 5, 0)
