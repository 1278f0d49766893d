"""Hugging Face's hub: folders by name, downloaded into the local cache."""

from pathlib import Path
from typing import Any

_PREFIX = "hf://"
_SETTINGS = ["*.json", "*.txt", "*.model", "*.jinja"]
_PARTS = ["*/model.safetensors", "*_model.safetensors"]  # further models of a pipeline
_WEIGHTS = ["model*.safetensors", "pytorch_model*.bin"]  # the second only without the first


def resolve_hub_path(path: Any) -> Any:
    """Resolve a name on the hub to the folder of its files in the local cache.

    Args:
        path: anything that names a configuration or checkpoint; ``"hf://organisation/name"`` is
            downloaded by ``huggingface_hub`` unless its cache has it.

    Returns:
        The path of the folder; anything else than a name on the hub as it is.

    Raises:
        ImportError: ``huggingface_hub`` is not installed.
        FileNotFoundError: the hub does not know the name, or cannot be reached.
    """
    if not isinstance(path, str) or not path.startswith(_PREFIX):
        return path
    name = path.removeprefix(_PREFIX)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            f"{path} is on Hugging Face's hub, which needs huggingface_hub: "
            'pip install "bert4keras[hub]"'
        ) from error
    try:
        folder = Path()
        for pattern in _WEIGHTS:
            folder = Path(snapshot_download(name, allow_patterns=[*_SETTINGS, *_PARTS, pattern]))
            if any(folder.glob(pattern)):
                break
        return str(folder)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{path} is not in the local cache, and the hub does not give it: {error}\n"
            "Check the name and the network, or download the folder elsewhere and give its path."
        ) from error
