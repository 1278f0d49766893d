"""Reader of captions of images in the form of COCO."""

from pathlib import Path

from bert4keras.backend.types import StrPath
from bert4keras.data.records import check_some, read_json, refuse


def load_captions(
    path: StrPath, folder: StrPath | None = None, encoding: str = "utf-8"
) -> list[tuple[str, list[str]]]:
    """Read captions of images: one JSON object in the form of COCO (arXiv:1504.00325).

    Args:
        path: the file, or a ``.gz`` of it: ``{"images": [{"id", "file_name"}], "annotations":
            [{"image_id", "caption"}]}``.
        folder: folder of the images; that of the file by default.
        encoding: encoding of the file.

    Returns:
        Pairs of the path of an image and its captions. Images without captions are left out.

    Raises:
        ValueError: the file has another form, or a caption is of an image that it does not name.

    Example:
        >>> import json, os, tempfile
        >>> from bert4keras.data import atomic_write, load_captions
        >>> record = {"images": [{"id": 7, "file_name": "7.png"}],
        ...           "annotations": [{"image_id": 7, "caption": "左边是圆形"}]}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "captions.json")
        ...     with atomic_write(path) as file:
        ...         json.dump(record, file, ensure_ascii=False)
        ...     load_captions(path, "images")
        [('images/7.png', ['左边是圆形'])]
    """
    record = read_json(path, encoding)
    folder = Path(path).parent if folder is None else Path(folder)
    try:
        names = {image["id"]: str(folder / image["file_name"]) for image in record["images"]}
        captions: dict[str, list[str]] = {name: [] for name in names.values()}
        for item in record["annotations"]:
            captions[names[item["image_id"]]].append(item["caption"])
    except (KeyError, TypeError):
        refuse(path, None, "captions in the form of COCO", record)
    samples = [(name, texts) for name, texts in captions.items() if texts]
    check_some(samples, path, "an image with a caption")
    return samples
