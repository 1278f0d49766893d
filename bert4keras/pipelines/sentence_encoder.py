"""Sentence embedding: a vector of each text, whose similarity says how near two texts are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray, StrPath
from bert4keras.checks import (
    check_boolean,
    check_choice,
    check_integer,
    check_string,
    describe,
)
from bert4keras.metrics import pearson, spearman
from bert4keras.pipelines.base import Pipeline, check_text
from bert4keras.pipelines.program import check_model
from bert4keras.pipelines.sentence_graph import PROMPT_INPUT, build_sentence_model, check_pooling
from bert4keras.pipelines.sentence_modules import write_sentence_transformers
from bert4keras.tokenizers import Encoding

_TINY = 1e-12  # the least norm of a vector that is divided by it


def _dot(first, second):
    return first @ second.T


def _cosine(first, second):
    return normalize_vectors(first) @ normalize_vectors(second).T


def _euclidean(first, second):
    squares = (first**2).sum(-1)[:, None] + (second**2).sum(-1) - 2 * first @ second.T
    return -np.sqrt(np.maximum(squares, 0))


SIMILARITIES: dict[str, Callable[..., NDArray[Any]]] = {
    "cosine": _cosine,
    "dot": _dot,
    "euclidean": _euclidean,
}


class SentenceEncoder(Pipeline):
    """Embeds texts: one vector each.

    Sentence-BERT (arXiv:1908.10084). ``load_pipeline`` also opens folders of
    ``sentence-transformers``.

    Args:
        model: a functional Keras model of token vectors (B, L, D), or one of vectors (B, D) that
            needs no pooling. Pass the object that ``build_transformer_model`` gives with
            ``return_keras_model=False`` to write folders of ``sentence-transformers``.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        pooling: how token vectors make one: "cls", "mean", "max", "last" (token),
            "mean_sqrt_len", "weighted_mean", or several, whose vectors are concatenated; or
            "first-last", the mean of the first and the last block's outputs over all tokens. None
            for a model of vectors.
        normalize: True divides each vector by its length (L2).
        dimensions: number of first dimensions that are kept, for models that were trained so
            (Matryoshka, arXiv:2205.13147). The rest is cut before ``normalize``.
        prompts: {name: text put before each text}, such as ``{"query": "查询：", "passage": ""}``.
        default_prompt_name: name of the prompt of a call without ``prompt_name``.
        include_prompt: False leaves the tokens of the prompt, and those before it, out of pooling.
        similarity_function: "cosine", "dot" or "euclidean" (negative distance).
        dense: Keras layers that are applied to the pooled vector.
        **options: ``maxlen`` and ``truncate`` of ``Pipeline``. A text has one vector, so there are
            no windows.

    Raises:
        ValueError: the pooling does not fit the output of the model.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import SentenceEncoder
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 很 好 不".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config)
        >>> encode = SentenceEncoder(model, tokenizer, pooling="mean", normalize=True)
        >>> encode("很好").shape, encode(["很好", "不"]).shape
        ((8,), (2, 8))
        >>> encode.similarity(encode(["很好", "不"]), encode("很好")).shape
        (2, 1)
    """

    task = "sentence-similarity"
    can_use_windows = False

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        pooling: str | Sequence[str] | None = None,
        normalize: bool = False,
        dimensions: int | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        include_prompt: bool = True,
        similarity_function: str = "cosine",
        dense: Sequence[Any] = (),
        **options: Any,
    ) -> None:
        self.pooling: list[str] = check_pooling(pooling)
        self.dense: list[Any] = list(dense)
        self.include_prompt: bool = check_boolean("include_prompt", include_prompt, "", False)
        self.transformer: Any = model if hasattr(model, "save_pretrained") else None
        super().__init__(model, tokenizer, **options)
        self.normalize: bool = check_boolean("normalize", normalize, "", False)
        self.dimensions: int | None = self._check_dimensions(dimensions)
        self.prompts: dict[str, str] = check_prompts(prompts)
        self.default_prompt_name: str | None = default_prompt_name
        self.similarity_function: str = check_choice(
            "similarity_function", similarity_function, SIMILARITIES
        )
        self._check_options()

    def _check_model(self, model: Any) -> Any:
        model = check_model("model", model)
        has_prompt_input = model.inputs[-1].name == PROMPT_INPUT
        if not has_prompt_input:
            super()._check_model(model)
        if not self.pooling and has_prompt_input == self.include_prompt:
            raise ValueError(
                f"Expected include_prompt={not has_prompt_input} for a model "
                f"{'with' if has_prompt_input else 'without'} the input {PROMPT_INPUT}, got "
                f"{self.include_prompt}. Pass it as the model was built."
            )
        return build_sentence_model(model, self.pooling, self.dense, self.include_prompt)

    def _check_dimensions(self, dimensions: int | None) -> int | None:
        if dimensions is None:
            return None
        return check_integer("dimensions", dimensions, 1, self.model.outputs[0].shape[-1])

    def _check_options(self, prompt_name: str | None = None) -> dict[str, Any]:
        """Return the options of a call.

        Args:
            prompt_name: name of the prompt that is put before each text.
        """
        name = self.default_prompt_name if prompt_name is None else prompt_name
        if name is None:
            return {"prompt": "", "prompt_length": 0}
        remedy = "Add it to prompts, or pass another name."
        prompt = self.prompts[check_choice("prompt_name", name, self.prompts, remedy)]
        length = len(self.tokenizer.encode(prompt)[0]) - (self.tokenizer.end_id is not None)
        return {"prompt": prompt, "prompt_length": length if prompt else 0}

    def __call__(self, texts: Any, **options: Any) -> NDArray[Any]:
        """Compute the vectors of texts.

        Args:
            texts: an iterable of N texts, or one text.
            **options: ``prompt_name``, and those of ``stream``.

        Returns:
            Array (N, D) in float32; (D,) for one text.
        """
        if isinstance(texts, str):
            return next(self.stream([texts], **options))
        size = self.dimensions or self.model.outputs[0].shape[-1]
        return np.array(list(self.stream(texts, **options)), "float32").reshape(-1, size)

    def _encode(self, item: Any, name: str, options: Mapping[str, Any]) -> list[Encoding]:
        text = options["prompt"] + check_text(name, item)
        return self._encode_texts(text, name=name, options=options)

    def _compute(self, batch: Any, options: Mapping[str, Any]) -> Sequence[NDArray[Any]]:
        inputs = [batch.token_ids, batch.segment_ids]
        inputs = inputs[: len(self.model.inputs) - (not self.include_prompt)]
        if not self.include_prompt:
            inputs.append(np.full((len(batch.token_ids), 1), options["prompt_length"], "int32"))
        vectors = self.programs["model"](*inputs)[0][: len(batch.encodings), : self.dimensions]
        return list(normalize_vectors(vectors) if self.normalize else vectors)

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Encoding],
        results: Sequence[NDArray[Any]],
        options: Mapping[str, Any],
    ) -> NDArray[Any]:
        """Return the vector of a text."""
        return results[0]

    def evaluate(self, samples: Iterable[tuple[Any, float]], **options: Any) -> dict[str, Any]:
        """Compute the correlation of similarities with true numbers.

        Args:
            samples: pairs of two texts and their similarity, as a number.
            **options: as for a call.

        Returns:
            ``{"spearman", "pearson"}``.
        """
        pairs, numbers = check_pairs(samples)
        first, second = (self(list(texts), **options) for texts in zip(*pairs))
        compare = SIMILARITIES[self.similarity_function]
        scores = [float(compare(x[None], y[None])[0, 0]) for x, y in zip(first, second)]
        return {"spearman": spearman(numbers, scores), "pearson": pearson(numbers, scores)}

    def similarity(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        """Compute the similarity of vectors by ``similarity_function``.

        Args:
            first: vectors (N, D), or one (D,).
            second: vectors (M, D), or one (D,).

        Returns:
            Array (N, M).
        """
        arrays = [np.atleast_2d(np.asarray(x, "float32")) for x in (first, second)]
        if any(x.ndim != 2 for x in arrays) or arrays[0].shape[1] != arrays[1].shape[1]:
            raise ValueError(
                "Expected vectors of one size as first and second, got "
                f"{' and '.join(str(x.shape) for x in arrays)}. Encode both with one encoder."
            )
        return SIMILARITIES[self.similarity_function](*arrays)

    def save_sentence_transformers(self, folder: StrPath, dtype: str | None = None) -> None:
        """Write a folder that ``sentence-transformers`` opens, and ``load_pipeline``.

        Args:
            folder: the folder, created if it is missing.
            dtype: type of the weights in the files, such as "float16"; their own by default.

        Raises:
            ValueError: the encoder was not made of a ``Transformer`` object, or
                ``sentence-transformers`` cannot compute what it does.
        """
        write_sentence_transformers(self, folder, dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the class; the saved model contains the pooling."""
        return {
            **super().get_config(),
            "normalize": self.normalize,
            "dimensions": self.dimensions,
            "prompts": self.prompts,
            "default_prompt_name": self.default_prompt_name,
            "include_prompt": self.include_prompt,
            "similarity_function": self.similarity_function,
        }


def check_pairs(samples: Any) -> tuple[list[Any], list[Any]]:
    """Return the pairs of texts of samples and what is true of them; raise if there are none."""
    samples = list(samples)
    for i, sample in enumerate(samples):
        is_pair = isinstance(sample, tuple | list) and len(sample) == 2
        if not is_pair or not isinstance(sample[0], tuple | list) or len(sample[0]) != 2:
            raise ValueError(
                f"Expected samples[{i}] to be ((first, second), number or label), got "
                f"{describe(sample)}. Pass pairs of texts with what is true of them."
            )
    if not samples:
        raise ValueError("Expected samples, got none. Pass pairs of texts.")
    return [pair for pair, _ in samples], [value for _, value in samples]


def normalize_vectors(vectors: NDArray[Any]) -> NDArray[Any]:
    """Divide vectors (..., D) by their lengths; a vector of zeros stays."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _TINY)


def check_prompts(prompts: Any) -> dict[str, str]:
    """Return prompts by name; raise unless names and prompts are strings."""
    if not isinstance(prompts, Mapping | None):
        raise TypeError(f"Expected prompts to be a dict, got {describe(prompts)}.")
    for name, prompt in (prompts or {}).items():
        check_string("the names of prompts", name)
        check_string(f"prompts[{name!r}]", prompt, "Pass '' for none.")
    return dict(prompts or {})
