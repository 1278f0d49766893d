"""bert4keras: transformers for Chinese NLP on Keras 3.

=================  =============================================================================
``backend``        ``keras`` and ``K`` for scripts; activations, masks, losses on ``keras.ops``
``text``           strings: width, normal form, cutting, common substrings
``layers``         attention, Conditional LayerNorm, positions, losses as layers
``checkpoints``    TF1, safetensors, torch and HDF5 files, read lazily and safely, and written
``tokenizers``     WordPiece and SentencePiece, with offsets into the text
``data``           padding, generators, files, parallel work
``optimizers``     Adam, Lion, Tiger, AdaFactor; extensions; FGM, R-Drop and other recipes
``generation``     greedy, sampling and beam search over a cached step; the inherited decoder
``models``         ``build_transformer_model`` and one file for each family
``serving``        functions that answer over HTTP
``cli``            the command ``bert4keras``: weights from one format to another
``snippets``       the inherited face of small helpers
=================  =============================================================================

Each room imports only from those above it; ``docs/architecture.md`` draws the floors.
"""

__version__ = "1.0.0.dev0"
