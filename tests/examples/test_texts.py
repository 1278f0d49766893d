"""The made-up poems and pictures that examples learn from."""

import json

import numpy as np
import pytest

from examples.data.pictures import COLOURS, SHAPES, load_pictures, make_pictures
from examples.data.poems import RHYMES, lines, load_poems, make_poems, rhymes, well_formed


@pytest.mark.parametrize("make", [make_poems])
def test_the_same_seed_gives_the_same_items(make):
    assert make(20, "dev", seed=7) == make(20, "dev", seed=7)
    assert make(20, "dev", seed=7) != make(20, "dev", seed=8)
    assert len(set(make(200, "train"))) == 200 and not {*make(200, "train")} & {*make(50, "dev")}


def test_made_up_poems_are_in_form_and_rhyme():
    for poem in make_poems(200, "dev"):
        assert well_formed(poem) and rhymes(poem) and len(lines(poem)) == 4


def test_a_rhyme_has_distinct_words():
    words = [word for rhyme in RHYMES.values() for word in rhyme]
    assert len(words) == len(set(words)) == 48


@pytest.mark.parametrize(
    "poem",
    [
        "春山过古寒，春山过古间。",
        "春山过古寒，春山过古。",
        "春山过古寒。",
        "春山过古寒，春山过古间",
        "",
    ],
)
def test_only_poems_in_form_are_well_formed(poem):
    assert well_formed(poem) == (poem == "春山过古寒，春山过古间。")


def test_lines_must_rhyme_in_different_words():
    poem = "春山过古{}，春山过古{}。春山过古月，春山过古{}。".format
    assert rhymes(poem("寒", "间", "山"))
    assert not rhymes(poem("寒", "寒", "山")) and not rhymes(poem("寒", "间", "霜"))
    assert not rhymes("春山过古寒，春山过古间。")


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


def test_poems_and_couplets_are_read(tmp_path):
    with pytest.raises(ValueError, match="must be a folder of poet"):
        load_poems(tmp_path)
    (tmp_path / "in.txt").write_text("春 山 远\n", encoding="utf-8")
    (tmp_path / "out.txt").write_text("秋 水 长\n", encoding="utf-8")
    assert load_poems(tmp_path) == ["春山远。秋水长。"]
    (tmp_path / "out.txt").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="a line for each couplet, got 1 and 0"):
        load_poems(tmp_path)
    poem = {"paragraphs": ["春山远，", "秋水长。"]}
    (tmp_path / "poet.tang.0.json").write_text(json.dumps([poem]), encoding="utf-8")
    assert load_poems(tmp_path) == ["春山远，秋水长。"]
    (tmp_path / "poet.tang.0.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(ValueError, match="poet.tang.0.json must be a JSON list of poems"):
        load_poems(tmp_path)


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
