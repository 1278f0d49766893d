"""Learning rates that fall with the distance from the head."""

import re

BLOCK = re.compile(r"[\w.-]*?Transformer-(\d+)-")
EMBEDDING = "Embedding"


def layer_wise_decay(model, decay=0.9):
    """Rates for ``extend_with_parameter_wise_lr``: the nearer to the ids, the smaller.

    The head has the whole rate, the last block ``decay`` of it, the block before decay^2, and so on
    down to the embeddings (Howard & Ruder, arXiv:1801.06146; Clark et al., arXiv:2003.10555).

    Args:
        model: a Keras model with blocks named as here, such as ``Transformer-0-FeedForward``; of a
            T5, encoder and decoder each count their own. Blocks that share weights have no number,
            and the head's rate.
        decay: above 0, at most 1.

    Returns:
        {part of a path: multiplier}, the ``paramwise_lr_schedule``.

    Raises:
        ValueError: another ``decay``; a model without numbered blocks.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.optimizers import Adam, extend_with_parameter_wise_lr, layer_wise_decay
        >>> config = dict(vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> rates = layer_wise_decay(build_transformer_model(config), 0.5)
        >>> rates
        {'Transformer-0-': 0.25, 'Transformer-1-': 0.5, 'Embedding': 0.125}
        >>> optimizer = extend_with_parameter_wise_lr(Adam)(2e-5, paramwise_lr_schedule=rates)
    """
    if not 0 < decay <= 1:
        raise ValueError(
            f"decay is the share of the rate that a block passes down, above 0 and at most 1, got "
            f"{decay!r}. 0.9 or 0.8 is usual"
        )
    paths = [variable.path for variable in model.trainable_variables]
    blocks = sorted({x[0]: int(x[1]) for x in map(BLOCK.match, paths) if x}.items(), key=_by_number)
    blocks = [x for x in blocks if not any(y[0] != x[0] and y[0] in x[0] for y in blocks)]
    if not blocks:
        raise ValueError(
            "layer_wise_decay needs blocks with numbers, such as 'Transformer-0-FeedForward', and "
            f"the paths are {paths[:5]} and so on. Write the paramwise_lr_schedule by hand"
        )
    count = 1 + max(number for _, number in blocks)
    rates = {part: decay ** (count - number) for part, number in blocks}
    embedded = any(EMBEDDING in path for path in paths)
    return {**rates, **({EMBEDDING: decay ** (count + 1)} if embedded else {})}


def _by_number(item):
    return item[1], item[0]
