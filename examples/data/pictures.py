"""Small pictures of shapes with their captions, drawn here; or a folder of pictures of one's own.

A shape in a colour beside another one in a colour belongs, as a pair, either to the training set
or to the dev set: dev shows pairs that were never seen together.
"""

import json
import random
import zlib
from pathlib import Path

import numpy as np

SIDE = 48  # pixels
COLOURS = {
    "红色": (220, 40, 40),
    "蓝色": (40, 60, 220),
    "绿色": (40, 170, 60),
    "黄色": (240, 200, 40),
    "黑色": (20, 20, 20),
}
SHAPES = {  # whether a pixel (x, y), seen from the centre in units of the radius, is inside
    "圆形": lambda x, y: x**2 + y**2 < 1,
    "方块": lambda x, y: np.maximum(abs(x), abs(y)) < 0.85,
    "三角": lambda x, y: (abs(x) < (y + 1) / 2) & (y < 0.9),
    "十字": lambda x, y: (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 1),
}
SIZES = {"小": 7, "大": 11}


def drawn(things, draw):
    """Shapes of colours and sizes at centres, on a light and noisy ground: (SIDE, SIDE, 3)."""
    noise = np.random.default_rng(draw.randrange(2**32))
    picture = np.full((SIDE, SIDE, 3), draw.randint(200, 255), "float32")
    y, x = np.mgrid[:SIDE, :SIDE]
    for shape, colour, size, (left, top) in things:
        radius = SIZES[size]
        inside = SHAPES[shape]((x - left) / radius, (y - top) / radius)
        picture[inside] = COLOURS[colour]
    return np.clip(picture + noise.normal(0, 8, picture.shape), 0, 255).astype("uint8")


def pair(draw, split):
    """Two coloured shapes that may stand together in a set."""
    while True:
        two = [draw.choice(sorted(SHAPES)) + draw.choice(sorted(COLOURS)) for _ in range(2)]
        key = "".join(sorted(two))
        if two[0] != two[1] and (zlib.crc32(key.encode()) % 5 == 0) == (split == "dev"):
            return [(both[:2], both[2:]) for both in two]


def make_pictures(number, split="train", seed=0):
    """Draw pictures of two shapes, side by side or one above the other.

    Args:
        number: how many.
        split: "train" or "dev".
        seed: the same seed gives the same pictures.

    Returns: arrays (number, 48, 48, 3) uint8, and for each a list of the captions that are true of
        it, the first in the order of reading.

    Example:
        >>> pictures, captions = make_pictures(2, "dev")
        >>> pictures.shape, len(captions[0])
        ((2, 48, 48, 3), 2)
    """
    draw = random.Random(f"pictures {split} {seed}")
    pictures, captions = [], []
    for _ in range(number):
        aside, near, far = draw.random() < 0.5, draw.randint(11, 13), draw.randint(34, 36)
        middle = draw.randint(18, 30)
        places = [(near, middle), (far, middle)] if aside else [(middle, near), (middle, far)]
        things = [(*x, draw.choice(sorted(SIZES)), at) for x, at in zip(pair(draw, split), places)]
        first, second = (f"{size}的{colour}{shape}" for shape, colour, size, _ in things)
        before, behind = ("左边", "右边") if aside else ("上面", "下面")
        pictures.append(drawn(things, draw))
        captions.append(
            [f"{before}是{first}，{behind}是{second}。", f"{behind}是{second}，{before}是{first}。"]
        )
    return np.array(pictures), captions


def load_pictures(folder, side, split):
    """Pictures that a file of captions names, and their captions.

    Args:
        folder: holds `captions_train.json` and `captions_dev.json` in COCO's form, {"images":
            [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}, and the pictures.
        side: they are scaled to squares of so many pixels.
        split: "train" or "dev".

    Returns: as `make_pictures` does.

    Raises: ValueError that names the file which is something else.
    """
    from keras.utils import img_to_array, load_img

    file = Path(folder) / f"captions_{split}.json"
    try:
        data = json.loads(file.read_bytes())
        captions = {image["id"]: [] for image in data["images"]}
        for item in data["annotations"]:
            captions[item["image_id"]].append(item["caption"])
        images = [x for x in data["images"] if captions[x["id"]]]
        if not images:
            raise ValueError("it names no picture with a caption")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{file} must be captions in COCO's form, but: {type(error).__name__} {error}"
        ) from None
    read = [load_img(Path(folder) / x["file_name"], target_size=(side, side)) for x in images]
    return np.array([img_to_array(x, dtype="uint8") for x in read]), [
        captions[x["id"]] for x in images
    ]
