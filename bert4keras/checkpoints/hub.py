"""Folders of Hugging Face's hub, by name."""

from pathlib import Path

HUB = "hf://"
SETTINGS = ["*.json", "*.txt", "*.model"]
WEIGHTS = ["model*.safetensors", "pytorch_model*.bin"]  # the second only where the first is not


def local(path):
    """A path as it is; of a name on the hub, the folder in the local cache that holds its files.

    Args:
        path: anything that names a configuration or checkpoint; ``"hf://organisation/name"`` is
            downloaded by ``huggingface_hub`` unless its cache holds it.

    Raises:
        ImportError: ``huggingface_hub`` is not installed.
        FileNotFoundError: the hub does not know the name, or cannot be reached.
    """
    if not isinstance(path, str) or not path.startswith(HUB):
        return path
    name = path.removeprefix(HUB)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            f"{path} is on Hugging Face's hub, which needs huggingface_hub: "
            'pip install "bert4keras[hub]"'
        ) from error
    try:
        for pattern in WEIGHTS:
            folder = Path(snapshot_download(name, allow_patterns=[*SETTINGS, pattern]))
            if any(folder.glob(pattern)):
                break
        return str(folder)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{path} is neither in the local cache nor to be had from the hub: {error}\n"
            "Check the name and the network, or download the folder elsewhere and give its path."
        ) from error
