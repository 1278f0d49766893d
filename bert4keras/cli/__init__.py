"""The command ``bert4keras``."""

from bert4keras.cli.main import main

__all__ = ["main"]
