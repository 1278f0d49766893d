"""From one format of weights to another, through the model that they belong to."""

import shutil
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bert4keras.checkpoints import (
    Checkpoint,
    CheckpointError,
    Keras2Checkpoint,
    keras_layers,
    open_checkpoint,
    to_google_names,
)
from bert4keras.checkpoints.hub import local
from bert4keras.cli.formats import NAMES, check_free, format_of, write
from bert4keras.models.build import build_transformer_model, family_of
from bert4keras.models.config import parameters, read_config

HEADS = {  # argument -> layers, of which the first that a family has tells if a file has the head
    "with_pool": ("Pooler-Dense",),
    "with_nsp": ("NSP-Proba",),
    "with_mlm": ("MLM-Norm", "Output-Mapping"),
    "with_discriminator": ("Discriminator-Prediction",),
    "with_generator": ("MLM-Norm",),
}
WEIGHTS = "model.weights.h5"  # inside a *.keras


class Converted(NamedTuple):
    """What ``convert`` did.

    Attributes:
        family: name of the model's class.
        heads: what it was built with, as ``with_mlm``.
        weights: how many it has.
        wrote: what was written.
        left: layers or tensors of the old file that the model has no place for.
        notes: what else is to be known.
    """

    family: str
    heads: list
    weights: int
    wrote: str
    left: list
    notes: list


class Noted(Checkpoint):
    """A checkpoint that notes which of its tensors were asked for."""

    def __init__(self, checkpoint):
        super().__init__(checkpoint.path, checkpoint)
        self.checkpoint = checkpoint
        self.asked = set()

    def _read(self, name):
        self.asked.add(name)
        return self.checkpoint[name]

    def close(self):
        self.checkpoint.close()


def convert(old, new, config=None, model=None, application=None, force=False):
    """Read the weights of a model in one format and write them in another.

    Args:
        old: a TensorFlow prefix, a folder of Hugging Face or its name on the hub, a ``*.keras``,
            ``*.weights.h5`` or other file of weights, an HDF5 file of Keras 2 under any name.
        new: ``*.ckpt`` becomes a TensorFlow checkpoint; ``*.safetensors``, ``*.weights.h5``,
            ``*.keras`` and ``*.h5`` (with Google's names) such files; any other name a folder of
            Hugging Face.
        config: the configuration; by default that beside ``old``.
        model, application: as for ``build_transformer_model``.
        force: replace what is there.

    Returns:
        A ``Converted``. Layers that a script added, such as its own Dense, are left out and told.

    Raises:
        FileExistsError: ``new`` is there already.
        FileNotFoundError: no configuration was found.
        ValueError: ``old`` does not fit its configuration, or ``new`` cannot hold the model.
    """
    target, kind = Path(new), format_of(new)
    check_free(target, kind, force)
    with warnings.catch_warnings(record=True) as caught, _source(local(old)) as (path, home):
        warnings.simplefilter("always")
        settings = _settings(config, home)
        rows = _rows(path)
        notes = []
        if rows not in (None, settings.get("vocab_size")):
            notes = [
                f"vocab_size is {rows} in the file, {settings.get('vocab_size')} in its config"
            ]
            settings["vocab_size"] = rows
        transformer, heads, left = _loaded(path, settings, model, application)
        write(transformer, settings, target, kind, home, force)
    notes += [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
    wrote = f"{target} ({NAMES[kind]})"
    family, count = type(transformer).__name__, len(transformer.model.weights)
    return Converted(family, list(heads), count, wrote, left, notes)


@contextmanager
def _source(old):
    """The file to read, and the folder where its configuration and vocabulary may be."""
    path = Path(old)
    if not path.exists() and not path.with_name(f"{path.name}.index").exists():
        raise FileNotFoundError(f"No checkpoint at {old}. Check the path.")
    home = path if path.is_dir() else path.parent
    if path.suffix != ".keras":
        yield path, home
        return
    with TemporaryDirectory() as folder:
        inside = Path(folder, WEIGHTS)
        try:
            with zipfile.ZipFile(path) as archive:
                entry = archive.getinfo(WEIGHTS)
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise KeyError("its weights are compressed, as Keras does not write them")
                with archive.open(entry) as source, inside.open("wb") as file:
                    shutil.copyfileobj(source, file)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{path} is not a model that Keras 3 saved: {error}") from error
        yield inside, home


def _settings(config, home):
    try:
        return read_config(local(config) or home)
    except FileNotFoundError as error:
        if config is not None:
            raise
        raise FileNotFoundError(
            f"{error}. Give it as config, on a command line --config."
        ) from error


def _stored(path):
    """Layer name -> names of its data sets in a file of Keras 2 or 3; empty for any other."""
    with open_checkpoint(path) as opened:
        if isinstance(opened, Keras2Checkpoint):
            return opened.flat
    if path.name.endswith(".weights.h5"):
        return {layer: list(places.values()) for layer, places in keras_layers(path).items()}
    return {}


def _rows(path):
    """How many ids the vocabulary of a file of Keras has; None for any other file."""
    tables = _stored(path).get("Embedding-Token")
    with open_checkpoint(path) as opened:
        return len(opened[tables[0]]) if tables else None


def _loaded(path, settings, model, application):
    """The filled model, the heads it has, and what of the file has no place in it."""
    family, _ = family_of(model, settings)
    stored = _stored(path)
    with open_checkpoint(path) as opened:
        heads = dict.fromkeys(_heads(family, opened, stored), True)
        source = opened if stored else Noted(opened)
        transformer = build_transformer_model(
            settings, source, model, application, return_keras_model=False, **heads
        )
        if stored:
            return transformer, heads, [name for name in stored if name not in transformer.layers]
        return transformer, heads, [name for name in opened if name not in source.asked]


def _heads(family, opened, stored):
    """The arguments of a family whose heads are in a file."""
    config_spec, checkpoint_spec = family.config_spec, family.checkpoint_spec
    takes = {*parameters(family, "__init__")}
    takes -= {*config_spec.unsupported_args, *config_spec.ignored_args}
    dialects = checkpoint_spec.readable_dialects
    views = [opened, *(to_google_names(opened, dialect) for dialect in dialects)]
    for argument, layers in HEADS.items():
        layer = next((name for name in layers if name in checkpoint_spec.weights), None)
        if argument in takes and layer:
            variables = checkpoint_spec.weights[layer]
            held = any(all(name in view for name in variables) for view in views)
            if layer in stored or held:
                yield argument
