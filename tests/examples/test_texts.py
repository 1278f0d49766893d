"""The made-up pictures that an example learns from."""

import json

import numpy as np
import pytest

from examples.data.pictures import COLOURS, SHAPES, load_pictures, make_pictures


def test_pictures_differ_where_their_captions_do():
    pictures, captions = make_pictures(40, "dev")
    assert pictures.shape == (40, 48, 48, 3) and pictures.dtype == "uint8"
    pictures_copy, captions_copy = make_pictures(40, "dev")
    assert np.array_equal(pictures, pictures_copy) and captions == captions_copy
    assert all(len(x) == 2 and x[0] != x[1] for x in captions)


def test_the_colours_of_a_caption_are_in_its_picture():
    pictures, captions = make_pictures(30, "train")
    for picture, (caption, _) in zip(pictures.astype("int32"), captions):
        for name, colour in COLOURS.items():
            near = (abs(picture - np.array(colour)) < 30).all(axis=-1).sum()
            assert (near > 15) == (name in caption), caption


def test_two_things_of_a_dev_picture_were_never_seen_together():
    def kinds(captions):
        return {
            frozenset(c + s for c in COLOURS for s in SHAPES if c + s in caption)
            for caption, _ in captions
        }

    train, dev = kinds(make_pictures(1500, "train")[1]), kinds(make_pictures(200, "dev")[1])
    assert len(dev) > 20 and not train & dev


def test_pictures_of_a_folder_are_read(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pictures, captions = make_pictures(2, "train")
    for number, picture in enumerate(pictures):
        image.fromarray(picture).save(tmp_path / f"{number}.png")
    data = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(2)],
        "annotations": [{"image_id": i, "caption": captions[i][0]} for i in range(2)],
    }
    file = tmp_path / "captions_dev.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    read, captions_read = load_pictures(tmp_path, 48, "dev")
    assert np.array_equal(read, pictures) and captions_read == [
        [caption[0]] for caption in captions
    ]
    file.write_text("[]")
    with pytest.raises(ValueError, match="captions_dev.json must be captions in COCO's form"):
        load_pictures(tmp_path, 48, "dev")
