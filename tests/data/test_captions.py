import json

import pytest

from bert4keras.data import load_captions

RECORD = {
    "images": [{"id": 7, "file_name": "7.png"}, {"id": 8, "file_name": "8.png"}],
    "annotations": [{"image_id": 7, "caption": "圆形"}, {"image_id": 7, "caption": "红色圆形"}],
}


def write(folder, record):
    path = folder / "captions.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


class TestLoadCaptions:
    def test_images_have_their_captions(self, tmp_path):
        path = write(tmp_path, RECORD)
        assert load_captions(path) == [(str(tmp_path / "7.png"), ["圆形", "红色圆形"])]
        assert load_captions(path, "images") == [("images/7.png", ["圆形", "红色圆形"])]

    @pytest.mark.parametrize(
        "record", [[], {"images": []}, {**RECORD, "annotations": [{"image_id": 9, "caption": "a"}]}]
    )
    def test_another_form_is_refused(self, tmp_path, record):
        with pytest.raises(ValueError, match="Expected captions in the form of COCO in .*json"):
            load_captions(write(tmp_path, record))

    def test_a_file_without_captions_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="Expected an image with a caption in .*json"):
            load_captions(write(tmp_path, {**RECORD, "annotations": []}))
