"""The synthetic pictures and captions that an example learns from."""

import keras
import numpy as np
import pytest

from bert4keras.data import load_captions
from examples.data.pictures import COLOURS, SHAPES, make_files, make_pictures


def test_pictures_differ_where_their_captions_do():
    pictures, captions = make_pictures(40, "valid")
    assert pictures.shape == (40, 48, 48, 3) and pictures.dtype == "uint8"
    pictures_copy, captions_copy = make_pictures(40, "valid")
    assert np.array_equal(pictures, pictures_copy) and captions == captions_copy
    assert all(len(texts) == 2 and texts[0] != texts[1] for texts in captions)


def test_the_colours_of_a_caption_are_in_its_picture():
    pictures, captions = make_pictures(30, "train")
    for picture, (caption, _) in zip(pictures.astype("int32"), captions):
        for name, colour in COLOURS.items():
            count = (abs(picture - np.array(colour)) < 30).all(axis=-1).sum()
            assert (count > 15) == (name in caption), caption


def list_pairs(captions):
    """List the pairs of coloured shapes of captions."""
    kinds = [colour + shape for colour in COLOURS for shape in SHAPES]
    return {frozenset(kind for kind in kinds if kind in texts[0]) for texts in captions}


def test_no_pair_of_a_validation_picture_is_in_training():
    train = list_pairs(make_pictures(1500, "train")[1])
    valid = list_pairs(make_pictures(200, "valid")[1])
    assert len(valid) > 20 and not train & valid


def test_files_are_read_as_captions_of_images(tmp_path, monkeypatch):
    pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BERT4KERAS_SMOKE", "1")
    train_file, valid_file = make_files()
    assert len(load_captions(train_file)) == 120
    samples = load_captions(valid_file)
    pictures, captions = make_pictures(32, "valid")
    assert [texts for _, texts in samples] == captions
    images = [keras.utils.img_to_array(keras.utils.load_img(path)) for path, _ in samples]
    assert np.array_equal(images, pictures)
