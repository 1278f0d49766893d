"""The command ``bert4keras convert``: weights from one format to another, through their model.

Keras is imported inside the functions, so that ``--help`` need not wait for it.
"""

import argparse
import errno
import shutil
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from bert4keras.checkpoints import (
    Checkpoint,
    CheckpointError,
    LayerCheckpoint,
    MismatchError,
    open_checkpoint,
    to_google_names,
)
from bert4keras.checkpoints.checkpoint import StrPath
from bert4keras.checkpoints.hub import resolve_hub_path

if TYPE_CHECKING:
    from bert4keras.models import Transformer

__all__ = ["Converted", "add_parser", "convert"]

_EXAMPLES = """
examples:
  bert4keras convert chinese_L-12_H-768_A-12/bert_model.ckpt chinese_bert
  bert4keras convert chinese_bert new/bert_model.ckpt
  bert4keras convert best_model.weights best.weights.h5 --config bert_config.json
"""
_HEADS = {  # argument -> layers; the first that the family has shows that a file has the head
    "with_pool": ("Pooler-Dense",),
    "with_nsp": ("NSP-Proba",),
    "with_mlm": ("MLM-Norm", "Output-Mapping"),
    "with_discriminator": ("Discriminator-Prediction",),
    "with_generator": ("MLM-Norm",),
}
_WEIGHTS = "model.weights.h5"  # inside a *.keras
_ZIP_DAMAGE = (
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,  # an encrypted entry
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def add_parser(commands: Any) -> None:
    """Add the parser of this command.

    Args:
        commands: the subparsers of ``bert4keras``.
    """
    parser = commands.add_parser(
        "convert",
        help="convert weights from one format to another",
        description="Read the weights of a model in one format and write them in another.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES,
    )
    add = parser.add_argument
    add(
        "old",
        metavar="OLD",
        help="checkpoint to read: a TensorFlow prefix (bert_model.ckpt), a Hugging Face folder or "
        "hf://name, a .keras, .weights.h5, .safetensors or .h5 file, or a file that Keras 2 saved "
        "under any name",
    )
    add(
        "new",
        metavar="NEW",
        help="checkpoint to write: a name that ends in .ckpt becomes a TensorFlow checkpoint; "
        ".safetensors, .weights.h5, .keras and .h5 such files; other names a Hugging Face folder",
    )
    add("--config", help="configuration (bert_config.json); default: the one next to OLD")
    add("--model", help="family, such as albert; default: the one in the configuration")
    add("--application", choices=["encoder", "lm", "unilm"], help="use of the model")
    add("--force", action="store_true", help="replace NEW if it exists")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> Iterator[str]:
    result = convert(
        options.old, options.new, options.config, options.model, options.application, options.force
    )
    heads = f" ({', '.join(result.heads)})" if result.heads else ""
    yield f"Read {result.weights} weights of {result.family}{heads} from {options.old}"
    yield f"Wrote {result.target}"
    names = result.unused_names
    if names:
        ending = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"Left out, for the model has no place for it: {', '.join(names[:3])}{ending}"
    yield from (f"Note: {note}" for note in result.notes)


class Converted(NamedTuple):
    """Result of ``convert``.

    Attributes:
        family: name of the model's class.
        heads: arguments that it was built with, such as ``with_mlm``.
        weights: number of its weights.
        target: what was written.
        unused_names: layers or tensors of the old file that the model has no place for.
        notes: further remarks.
    """

    family: str
    heads: list[str]
    weights: int
    target: str
    unused_names: list[str]
    notes: list[str]


class TrackingCheckpoint(Checkpoint):
    """Checkpoint that tracks which of its tensors are used.

    Args:
        checkpoint: an open checkpoint.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint.path, checkpoint)
        self._checkpoint = checkpoint
        self._used_names: set[str] = set()
        self.has_checksums: bool = checkpoint.has_checksums

    @property
    def unused_names(self) -> list[str]:
        """Names of the tensors that nobody has read."""
        return [name for name in self if name not in self._used_names]

    def _read(self, name: str) -> Any:
        self._used_names.add(name)
        return self._checkpoint[name]

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._checkpoint.shape(name)


def convert(
    old: StrPath,
    new: StrPath,
    config: Any = None,
    model: Any = None,
    application: str | None = None,
    force: bool = False,
) -> Converted:
    """Convert the weights of a model from one format to another.

    Args:
        old: a TensorFlow prefix, a folder of Hugging Face or its name on the hub, a ``*.keras``,
            ``*.weights.h5`` or other file of weights, an HDF5 file of Keras 2 under any name.
        new: ``*.ckpt`` becomes a TensorFlow checkpoint; ``*.safetensors``, ``*.weights.h5``,
            ``*.keras`` and ``*.h5`` (with Google's names) such files; any other name a folder of
            Hugging Face.
        config: the configuration; by default the one next to ``old``.
        model, application: as for ``build_transformer_model``.
        force: replace existing files.

    Returns:
        A ``Converted``. Layers that a script added, such as its own Dense, are left out and listed.

    Raises:
        FileExistsError: ``new`` exists already.
        FileNotFoundError: no configuration was found.
        ValueError: ``old`` does not fit its configuration, or ``new`` cannot hold the model.
    """
    from bert4keras.cli.formats import NAMES, check_free, format_of, write

    target, kind = Path(new), format_of(new)
    check_free(target, kind, force)
    with (
        warnings.catch_warnings(record=True) as records,
        _find_source(resolve_hub_path(old)) as (path, folder),
        open_checkpoint(path) as checkpoint,
    ):
        warnings.simplefilter("always")
        settings = _read_settings(config, folder)
        notes = _correct_vocab_size(settings, checkpoint)
        transformer, heads, unused_names = _load(checkpoint, settings, model, application)
        write(transformer, settings, target, kind, folder, force)
    notes += [str(x.message) for x in records if issubclass(x.category, UserWarning)]
    family, count = type(transformer).__name__, len(transformer.model.weights)
    return Converted(family, heads, count, f"{target} ({NAMES[kind]})", unused_names, notes)


@contextmanager
def _find_source(old: StrPath) -> Iterator[tuple[Path, Path]]:
    """Find the file to read, and the folder of its configuration and vocabulary."""
    path = Path(old)
    if not path.exists() and not path.with_name(f"{path.name}.index").exists():
        raise FileNotFoundError(f"No checkpoint at {old}. Check the path.")
    folder = path if path.is_dir() else path.parent
    if path.suffix != ".keras":
        yield path, folder
        return
    with TemporaryDirectory() as temporary:
        weights = Path(temporary, _WEIGHTS)
        _extract_weights(path, weights)
        try:
            yield weights, folder
        except (CheckpointError, MismatchError) as error:  # names the temporary file
            text = str(error).replace(str(weights), f"{path} ({_WEIGHTS} in it)")
            raise type(error)(text) from error


def _extract_weights(path: Path, weights: Path) -> None:
    """Copy the weights out of a ``*.keras``.

    Raises:
        CheckpointError: the file is damaged, or not as Keras writes it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(_WEIGHTS)
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > path.stat().st_size:
                raise KeyError("its weights are compressed, as Keras does not write them")
            with archive.open(entry) as source, weights.open("wb") as file:
                shutil.copyfileobj(source, file)
    except _ZIP_DAMAGE as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise OSError(error.errno, error.strerror, str(weights.parent)) from error
        raise CheckpointError(
            f"{path} is not a model that Keras 3 saved: {error}. Save it again, or convert its "
            "*.weights.h5."
        ) from error


def _read_settings(config: Any, folder: Path) -> dict[str, Any]:
    from bert4keras.models.config import read_config

    try:
        return read_config(resolve_hub_path(config) or folder)
    except FileNotFoundError as error:
        if config is not None:
            raise
        raise FileNotFoundError(
            f"{error}. Give it as config, on a command line --config."
        ) from error


def _correct_vocab_size(settings: dict[str, Any], checkpoint: Checkpoint) -> list[str]:
    """Correct the size of the vocabulary by a file of Keras, and return a note about it."""
    layer = "Embedding-Token"
    if not isinstance(checkpoint, LayerCheckpoint) or layer not in checkpoint.layer_names:
        return []
    (table,) = checkpoint.layer_tensors(layer, ["0"])[:1]
    rows, size = checkpoint.shape(table)[0], settings.get("vocab_size")
    settings["vocab_size"] = rows
    return [] if rows == size else [f"vocab_size is {rows} in the file, {size} in its config"]


def _load(
    checkpoint: Checkpoint, settings: dict[str, Any], model: Any, application: str | None
) -> tuple["Transformer", list[str], list[str]]:
    """Build and fill the model; return it, its heads, and the parts of the file it does not use."""
    from bert4keras.models.build import build_transformer_model, family_of

    family, _ = family_of(model, settings)
    heads = list(_find_heads(family, checkpoint))
    options = {"return_keras_model": False, **dict.fromkeys(heads, True)}
    if isinstance(checkpoint, LayerCheckpoint):
        transformer = build_transformer_model(settings, checkpoint, model, application, **options)
        unused_names = [x for x in checkpoint.layer_names if x not in transformer.layers]
        return transformer, heads, unused_names
    tracker = TrackingCheckpoint(checkpoint)
    transformer = build_transformer_model(settings, tracker, model, application, **options)
    return transformer, heads, tracker.unused_names


def _find_heads(family: type["Transformer"], checkpoint: Checkpoint) -> Iterator[str]:
    """Iterate over the arguments of a family whose heads are in a file."""
    from bert4keras.models.config import parameters

    spec, weights = family.config_spec, family.checkpoint_spec.weights
    arguments = {*parameters(family, "__init__")} - {*spec.unsupported_args, *spec.ignored_args}
    dialects = family.checkpoint_spec.readable_dialects
    views = [checkpoint, *(to_google_names(checkpoint, dialect) for dialect in dialects)]
    file_layers: Sequence[str] = getattr(checkpoint, "layer_names", ())
    for argument, layers in _HEADS.items():
        layer = next((name for name in layers if name in weights), None)
        if argument in arguments and layer:
            variables = weights[layer]
            if layer in file_layers or any(all(x in view for x in variables) for view in views):
                yield argument
