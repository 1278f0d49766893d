"""bert4keras: BERT and related transformers on Keras 3, for Chinese NLP.

=================  =============================================================================
``backend``        activations, masks, rotary embedding, gradient checkpointing; ``K`` for scripts
``text``           string functions: full width to half width, normalization, splitting
``files``          atomic writes of files
``layers``         attention, Conditional LayerNorm, positions, CRF, GlobalPointer, losses
``checkpoints``    readers and writers of TF1, safetensors, torch and HDF5; name tables; load plan
``tokenizers``     WordPiece and SentencePiece, with offsets into the text
``data``           padding, batch generators, shards, pretraining objectives, parallel maps
``optimizers``     Adam, Lion, Tiger, AdaFactor; extensions of any Keras optimizer class
``generation``     greedy, sampling and beam search with a KV cache; ``TextGenerator``
``training``       callbacks; adversarial training with FGM, PGD, VAT, R-Drop
``models``         ``build_transformer_model`` and one file for each family
``serving``        HTTP server for functions
``cli``            the command ``bert4keras``, which converts weights between formats
``snippets``       helpers under the import path of 0.x
``legacy``         compatibility mode for scripts of 0.x and Keras 2
=================  =============================================================================

A room (package or module) imports only from rooms above it. ``docs/architecture.md`` draws the
floors, ``docs/glossary.md`` explains the terms.
"""

__version__ = "1.0.0.dev0"
