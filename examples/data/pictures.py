"""Small pictures of shapes with their captions.

A shape in a colour next to another one in a colour belongs, as a pair, either to the training set
or to the validation set: the latter shows pairs that were never seen together.
"""

import random
import zlib

import numpy as np
from .files import FOLDER, to_json, write_files
from keras.utils import save_img

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


def make_files():
    """Write captions_train.json and captions_valid.json in COCO's form, with their pictures.

    Returns: the paths of the two files. They name the pictures relative to their folder.
    """
    return write_files(
        "pictures",
        captions_train=("json", lambda number: make_lines(number, "train"), 12000),
        captions_valid=("json", lambda number: make_lines(number, "valid"), 300),
    )


def make_lines(number, split):
    """Write pictures into ``output/data/images``; return one line of JSON with their captions."""
    folder = FOLDER / "images" / split
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index, (picture, captions) in enumerate(zip(*make_pictures(number, split))):
        save_img(folder / f"{index}.png", picture, data_format="channels_last", scale=False)
        images.append({"id": index, "file_name": f"../images/{split}/{index}.png"})
        annotations += [{"image_id": index, "caption": caption} for caption in captions]
    return [to_json({"images": images, "annotations": annotations})]


def draw_picture(things, draw):
    """Draw shapes of colours and sizes at centres, on a light and noisy ground: (SIDE, SIDE, 3)."""
    noise = np.random.default_rng(draw.randrange(2**32))
    picture = np.full((SIDE, SIDE, 3), draw.randint(200, 255), "float32")
    y, x = np.mgrid[:SIDE, :SIDE]
    for shape, colour, size, (center_x, center_y) in things:
        radius = SIZES[size]
        inside = SHAPES[shape]((x - center_x) / radius, (y - center_y) / radius)
        picture[inside] = COLOURS[colour]
    return np.clip(picture + noise.normal(0, 8, picture.shape), 0, 255).astype("uint8")


def draw_pair(draw, split):
    """Draw two coloured shapes that may stand together in a set."""
    while True:
        two = [draw.choice(sorted(SHAPES)) + draw.choice(sorted(COLOURS)) for _ in range(2)]
        key = "".join(sorted(two))
        if two[0] != two[1] and (zlib.crc32(key.encode()) % 5 == 0) == (split == "valid"):
            return [(kind[:2], kind[2:]) for kind in two]


def make_pictures(number, split="train", seed=0):
    """Draw pictures of two shapes, side by side or one above the other.

    Args:
        number: how many.
        split: "train" or "valid".
        seed: the same seed gives the same pictures.

    Returns: arrays (number, 48, 48, 3) uint8, and for each a list of the captions that are true of
        it, the first in the order of reading.

    Example:
        >>> pictures, captions = make_pictures(2, "valid")
        >>> pictures.shape, len(captions[0])
        ((2, 48, 48, 3), 2)
    """
    draw = random.Random(f"pictures {split} {seed}")
    pictures, captions = [], []
    for _ in range(number):
        aside, near, far = draw.random() < 0.5, draw.randint(11, 13), draw.randint(34, 36)
        middle = draw.randint(18, 30)
        places = [(near, middle), (far, middle)] if aside else [(middle, near), (middle, far)]
        things = [
            (*x, draw.choice(sorted(SIZES)), at) for x, at in zip(draw_pair(draw, split), places)
        ]
        first, second = (f"{size}的{colour}{shape}" for shape, colour, size, _ in things)
        before, behind = ("左边", "右边") if aside else ("上面", "下面")
        pictures.append(draw_picture(things, draw))
        captions.append(
            [f"{before}是{first}，{behind}是{second}。", f"{behind}是{second}，{before}是{first}。"]
        )
    return np.array(pictures), captions
