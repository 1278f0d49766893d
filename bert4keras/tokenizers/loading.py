"""Loading of a tokenizer: ``load_tokenizer`` picks the class from the files of a folder."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bert4keras.checks import check_choice, describe
from bert4keras.files import StrPath
from bert4keras.tokenizers.base import TokenizerBase
from bert4keras.tokenizers.folders import (
    open_gpt2,
    open_huggingface,
    open_saved_huggingface,
    open_saved_sentencepiece,
    open_saved_wordpiece,
    open_sentencepiece,
    open_wordpiece,
)
from bert4keras.tokenizers.inputs import check_path
from bert4keras.tokenizers.tokenizer_config import (
    FILE,
    OUR_KEY,
    check_pre_tokenize,
    read_tokenizer_config,
)


class _Format(NamedTuple):
    """Files of a tokenizer in a folder, and the functions that open them.

    ``open_saved(file, config, settings)`` opens what ``save`` wrote, ``open_foreign(file, config)``
    a folder of a checkpoint. Both take ``pre_tokenize`` as keyword.
    """

    class_name: str
    file_names: tuple[str, ...]
    open_saved: Callable[..., TokenizerBase]
    open_foreign: Callable[..., TokenizerBase]

    def find_file(self, folder: Path) -> Path | None:
        """Return the first file that is in a folder; None if there is none."""
        paths = (folder / name for name in self.file_names)
        return next((path for path in paths if path.is_file()), None)


_FORMATS = (
    _Format("HuggingFaceTokenizer", ("tokenizer.json",), open_saved_huggingface, open_huggingface),
    _Format("Tokenizer", ("vocab.txt",), open_saved_wordpiece, open_wordpiece),
    _Format(
        "SpTokenizer",
        ("spiece.model", "tokenizer.model", "sentencepiece.model", "spm.model"),
        open_saved_sentencepiece,
        open_sentencepiece,
    ),
    _Format("", ("vocab.json",), open_saved_huggingface, open_gpt2),  # and merges.txt
)


def load_tokenizer(
    folder: StrPath, pre_tokenize: Callable[[str], Iterable[str]] | None = None
) -> TokenizerBase:
    """Load the tokenizer of a folder; its files decide the class.

    The folder is one that ``save`` of a tokenizer wrote, or that of a checkpoint. The first of
    these files that is there decides: ``tokenizer.json`` (``HuggingFaceTokenizer``), ``vocab.txt``
    (``Tokenizer``), ``spiece.model``, ``tokenizer.model``, ``sentencepiece.model`` or ``spm.model``
    (``SpTokenizer``), ``vocab.json`` with ``merges.txt`` of a GPT-2 (``HuggingFaceTokenizer``).
    ``tokenizer_config.json`` has the settings. No file of a folder is executed.

    Args:
        folder: path of the folder.
        pre_tokenize: function that cuts a text into words. A tokenizer that was saved with one
            needs it again, because a function cannot be stored.

    Returns:
        The tokenizer. One that ``save`` wrote is equal to the saved one.

    Raises:
        FileNotFoundError: no such folder, or none of these files in it.
        ValueError: a damaged file; a setting that would change ids and that we do not have; a
            tokenizer that was saved with ``pre_tokenize``, and the function is not given.

    Example:
        >>> import tempfile
        >>> from bert4keras.tokenizers import Tokenizer, load_tokenizer
        >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "深"]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Tokenizer({token: i for i, token in enumerate(tokens)}).save(folder)
        ...     load_tokenizer(folder).encode("深")
        ([2, 4, 3], [0, 0, 0])
    """
    path = Path(check_path("folder", folder))
    if not path.is_dir():
        raise FileNotFoundError(
            f"Expected folder to be the folder of a tokenizer, got {path}, which is none. Pass the "
            "folder that has its files."
        )
    config = read_tokenizer_config(path)
    settings = config.get(OUR_KEY)
    if settings is not None:
        return _load_saved(path, config, settings, pre_tokenize)
    for format in _FORMATS:
        file = format.find_file(path)
        if file is not None:
            return format.open_foreign(file, config, pre_tokenize=pre_tokenize)
    names = ", ".join(name for format in _FORMATS for name in format.file_names)
    raise FileNotFoundError(
        f"No tokenizer in {path}: looked for {names}. Put the file that comes with the checkpoint "
        "there."
    )


def _load_saved(path: Path, config: dict[str, Any], settings: Any, pre_tokenize: Any):
    """Load what ``save`` wrote."""
    if not isinstance(settings, dict):
        raise ValueError(
            f"Expected {OUR_KEY} in {path / FILE} to be an object of settings, got "
            f"{describe(settings)}. Save the tokenizer again."
        )
    formats = {format.class_name: format for format in _FORMATS}
    class_name = str(settings.get("class"))
    check_choice(f"the class of the tokenizer in {path / FILE}", class_name, formats)
    file = formats[class_name].find_file(path)
    if file is None:
        raise FileNotFoundError(
            f"No {' or '.join(formats[class_name].file_names)} in {path}: {FILE} has the settings "
            f"of a {class_name}. Copy the file, or remove {OUR_KEY!r} from {FILE}."
        )
    check_pre_tokenize(settings.get("pre_tokenize"), pre_tokenize, path)
    return formats[class_name].open_saved(file, config, settings, pre_tokenize=pre_tokenize)
