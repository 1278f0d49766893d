"""Masks; the golden numbers of ``sequence_masking`` are in test_golden.py."""

import numpy as np
from keras import ops

from bert4keras import backend


def test_sequence_masking_joins_padding_mask_and_causal_mask():
    padding_mask = np.array([[True, True, False]])
    causal_mask = np.tril(np.ones((3, 3), "bool"))[None]
    scores = np.ones((1, 3, 3), "float32")
    got, visible = backend.sequence_masking(scores, padding_mask, -1, 2, causal_mask, True)
    want = [[1, -1, -1], [1, 1, -1], [1, 1, -1]]
    assert ops.convert_to_numpy(got)[0].tolist() == want
    assert ops.convert_to_numpy(visible)[0].tolist() == [[x > 0 for x in row] for row in want]
