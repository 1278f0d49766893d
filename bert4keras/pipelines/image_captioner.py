"""Image captions: a sentence for each image, by a language model with a condition."""

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import Any

import keras
import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.checks import describe
from bert4keras.pipelines.batching import check_stream, make_bar, split_chunks
from bert4keras.pipelines.text_writer import TextWriter


class ImageCaptioner(TextWriter):
    """Writes a caption for each image.

    Image captioning by Conditional LayerNorm: https://kexue.fm/archives/7124.

    Args:
        model: a functional Keras model, as for ``TextGenerator``, with one further input: images
            (B, height, width, channels) of numbers from 0 to 255.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        **options: ``generation``, ``input_roles`` and ``start_id`` of ``TextWriter``.

    Records: ``{"generated_text", "score"}``, as of ``TextWriter``.

    Raises:
        ValueError: the model has no input of images, or several.
    """

    task = "image-to-text"

    def __init__(self, model: Any, tokenizer: Any, **options: Any) -> None:
        super().__init__(model, tokenizer, **options)
        shapes = [tuple(x.shape[1:]) for x in self.model.inputs if len(x.shape) == 4]
        if len(shapes) != 1 or None in shapes[0]:
            raise ValueError(
                "Expected model to have one input of images (B, height, width, channels), got "
                f"{[tuple(x.shape) for x in self.model.inputs]}. Build it with "
                "additional_input_layers=keras.Input((height, width, channels))."
            )
        self.image_shape: tuple[int, ...] = shapes[0]

    def _is_one(self, texts: Any) -> bool:
        return isinstance(texts, str | PathLike) or getattr(texts, "ndim", 4) == 3

    def stream(
        self,
        texts: Iterable[Any],
        batch_size: int = 32,
        buffer_size: int = 256,
        progress: bool | None = None,
        truncate: bool | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """Iterate over the captions of images, in their order. Memory holds one batch.

        Args:
            texts: any iterable of images: arrays (height, width, channels), or paths of files,
                which are resized to the model's size.
            batch_size: number of images that are captioned together.
            buffer_size: without effect: images are not sorted.
            progress: True shows a progress bar, False none; None shows it on a terminal when the
                work takes a while.
            truncate: None; there is no text to cut.
            **options: options of ``GenerationConfig``.

        Raises:
            ValueError: an array has another shape, or a number that is not from 0 to 255.
            FileNotFoundError: a path leads nowhere.
        """
        check_stream(texts, batch_size=batch_size, buffer_size=buffer_size)
        if truncate is not None:
            raise ValueError(f"Expected truncate None for images, got {truncate!r}. Remove it.")
        return self._caption(texts, batch_size, progress, self._make_config(options))

    def _caption(self, images, batch_size, progress, config):
        total, count = len(images) if hasattr(images, "__len__") else None, 0
        prompt = self.generator.encode("")
        with make_bar(progress, total) as bar:
            for chunk in split_chunks(images, batch_size):
                arrays = [self._read(x, f"images[{count + i}]") for i, x in enumerate(chunk)]
                yield from self.write([prompt] * len(chunk), config, [np.stack(arrays)])
                count += len(chunk)
                bar.update(len(chunk))

    def _read(self, image: Any, name: str) -> NDArray[Any]:
        """Return the array of an image, which is one or the path of a file."""
        if isinstance(image, str | PathLike):
            height, width, channels = self.image_shape
            mode = "grayscale" if channels == 1 else "rgb"
            file = keras.utils.load_img(image, color_mode=mode, target_size=(height, width))
            image = keras.utils.img_to_array(file, data_format="channels_last")
        array = np.asarray(image)
        if array.shape != self.image_shape or array.dtype.kind not in "uif":
            raise ValueError(
                f"Expected {name} to be an array of shape {self.image_shape}, or the path of a "
                f"file, got {describe(array)}. Resize it, or pass its path."
            )
        if not np.all((array >= 0) & (array <= 255)):
            raise ValueError(
                f"Expected {name} to have numbers from 0 to 255, got {array.min()} to "
                f"{array.max()}. Multiply fractions by 255."
            )
        return array.astype("float32")

    def evaluate(
        self, samples: Iterable[tuple[Any, Sequence[str]]], **options: Any
    ) -> dict[str, Any]:
        """Compute the share of captions that are equal to one of the true ones, in lower case.

        Args:
            samples: pairs of an image and its captions.
            **options: as for a call.
        """
        samples = list(samples)
        records = self([image for image, _ in samples], **options)
        pairs = zip((captions for _, captions in samples), records)
        hits = [x["generated_text"].lower() in map(str.lower, captions) for captions, x in pairs]
        return {"exact_match": sum(hits) / max(len(hits), 1)}
