"""Best paths: as recorded, as found by trying all, and the same in NumPy and on tensors."""

from itertools import product

import keras
import numpy as np
import pytest
from keras import ops
from support import load_record

from bert4keras.layers import viterbi_decode
from bert4keras.snippets import ViterbiDecoder

CASES = load_record("functions/snippets-viterbi.json")["cases"]


def random_scores(seed, length=5, n=3, batch=4):
    random = np.random.default_rng(seed)
    return random.normal(size=(batch, length, n)), random.normal(size=(n, n))


def labels_of(labels, n):
    return range(n) if labels is None else labels


def best_by_trying(nodes, trans, starts=None, ends=None):
    """The best path through nodes (L, n), found by scoring every one."""
    length, n = nodes.shape

    def score(path):
        moves = sum(trans[i, j] for i, j in zip(path, path[1:]))
        return moves + sum(node[i] for node, i in zip(nodes, path))

    paths = product(range(n), repeat=length)
    fitting = [p for p in paths if p[0] in labels_of(starts, n) and p[-1] in labels_of(ends, n)]
    return list(max(fitting, key=score))


def on_tensors(nodes, trans, mask=None, **allowances):
    arrays = [np.asarray(x, "float32") for x in (nodes, trans)]
    return ops.convert_to_numpy(viterbi_decode(*arrays, mask, **allowances)).tolist()


@pytest.mark.parametrize("case", CASES)
def test_the_path_is_the_recorded_one(case):
    nodes, allowances = np.array(case["nodes"]), {k: case[k] for k in ("starts", "ends")}
    assert ViterbiDecoder(case["trans"], **allowances).decode(nodes).tolist() == case["result"]
    assert on_tensors(nodes[None], case["trans"], **allowances) == [case["result"]]


@pytest.mark.parametrize("starts, ends", [(None, None), ([0, 2], None), (None, [1]), ([2], [0, 1])])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_no_other_path_is_better(length, starts, ends):
    starts = ends if length == 1 and starts else starts  # one position is first and last
    nodes, trans = random_scores(length, length)
    want = [best_by_trying(row, trans, starts, ends) for row in nodes]
    assert ViterbiDecoder(trans, starts, ends).decode_batch(nodes).tolist() == want
    assert on_tensors(nodes, trans, starts=starts, ends=ends) == want


def test_decoding_leaves_its_argument_as_it_was():
    nodes, trans = random_scores(1)
    before = nodes.copy()
    ViterbiDecoder(trans, [0], [1]).decode(nodes[0])
    ViterbiDecoder(trans, [0], [1]).decode_batch(nodes, [1, 2, 3, 4])
    np.testing.assert_array_equal(nodes, before)


def test_padding_never_affects_paths():
    nodes, trans = random_scores(2)
    lengths = [5, 3, 1, 2]
    decoder = ViterbiDecoder(trans, [0, 1], [1, 2])
    want = [decoder.decode(row[:n]).tolist() + [0] * (5 - n) for row, n in zip(nodes, lengths)]
    mask = np.arange(5) < np.array(lengths)[:, None]
    assert decoder.decode_batch(nodes, lengths).tolist() == want
    assert on_tensors(nodes, trans, mask, starts=[0, 1], ends=[1, 2]) == want
    scores = np.where(mask[..., None], nodes, -np.inf)  # as a CRF returns it
    assert decoder.decode_batch(scores).tolist() == want
    assert on_tensors(scores, trans, starts=[0, 1], ends=[1, 2]) == want


def test_hidden_positions_are_skipped():
    nodes, trans = random_scores(3)
    mask = np.array([[0, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], bool)
    decoder = ViterbiDecoder(trans, starts=[1, 2], ends=[0])
    want = np.zeros((4, 5), int)
    for row, visible, labels in zip(nodes[:2], mask, want):
        labels[visible] = decoder.decode(row[visible])
    scores = np.where(mask[..., None], nodes, -np.inf)
    got = decoder.decode_batch(scores)
    np.testing.assert_array_equal(got[[0, 1, 3]], want[[0, 1, 3]])
    assert on_tensors(nodes, trans, mask, starts=[1, 2], ends=[0]) == got.tolist()


def test_a_text_without_positions_has_the_empty_path():
    assert ViterbiDecoder(np.zeros((3, 3))).decode(np.zeros((0, 3))).tolist() == []


def test_a_forbidden_transition_is_never_taken():
    nodes = np.array([[[5.0, 0.0], [0.0, 5.0], [5.0, 0.0]]])
    trans = np.array([[0.0, -np.inf], [0.0, 0.0]])
    assert ViterbiDecoder(trans).decode_batch(nodes).tolist() == [[0, 0, 0]]
    assert on_tensors(nodes, trans) == [[0, 0, 0]]


def test_transitions_may_be_a_tensor_and_may_be_set_anew():
    nodes, trans = random_scores(4)
    decoder = ViterbiDecoder(np.zeros((3, 3)))
    assert decoder.decode(nodes[0]).tolist() == nodes[0].argmax(-1).tolist()
    decoder.trans = ops.convert_to_tensor(trans)
    assert decoder.decode(nodes[0]).tolist() == best_by_trying(nodes[0], trans)


def test_a_compiled_model_decodes_any_length():
    _, trans = random_scores(5)
    trans = trans.astype("float32")

    class Best(keras.layers.Layer):
        def call(self, inputs):
            return viterbi_decode(inputs, trans, starts=[0])

    scores = keras.Input((None, 3))
    model = keras.Model(scores, Best()(scores))
    for length in (1, 4, 6):
        nodes = random_scores(length, length)[0].astype("float32")
        want = ViterbiDecoder(trans, [0]).decode_batch(nodes)
        np.testing.assert_array_equal(model.predict(nodes, verbose=0), want)


def test_starts_and_ends_refuse_unknown_labels():
    nodes, trans = random_scores(6)
    with pytest.raises(ValueError, match=r"labels from 0 to 2.*got \[0, 3\]. Give None to allow"):
        ViterbiDecoder(trans, starts=[0, 3]).decode(nodes[0])
    with pytest.raises(ValueError, match=r"labels from 0 to 2.*got \[-1\]"):
        viterbi_decode(nodes, trans, ends=[-1])
