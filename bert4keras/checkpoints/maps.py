"""Words for tables that say which variables of a checkpoint fill the weights of which layer.

A table is a dict: layer name -> names of variables, in the order of the layer's weights. `{i}` in
either stands for the number of the block. The tables themselves live with the model families.
"""

Table = dict[str, list[str]]


def dense(prefix: str) -> list[str]:
    """Kernel, then bias, of a dense layer.

    Example:
        >>> dense("bert/pooler/dense")
        ['bert/pooler/dense/kernel', 'bert/pooler/dense/bias']
    """
    return [f"{prefix}/kernel", f"{prefix}/bias"]


def norm(prefix: str) -> list[str]:
    """Beta, then gamma, of a normalization: the order people get wrong.

    Example:
        >>> norm("bert/embeddings/LayerNorm")
        ['bert/embeddings/LayerNorm/beta', 'bert/embeddings/LayerNorm/gamma']
    """
    return [f"{prefix}/beta", f"{prefix}/gamma"]


def attention(projections: str, output: str) -> list[str]:
    """Query, key, value and output of an attention layer, each kernel then bias.

    Args:
        projections: what stands before `/query`, `/key` and `/value`.
        output: the dense layer after the heads.

    Example:
        >>> attention("layer_{i}/attention/self", "layer_{i}/attention/output/dense")[-3:]
        ['layer_{i}/attention/self/value/bias', 'layer_{i}/attention/output/dense/kernel',
         'layer_{i}/attention/output/dense/bias']
    """
    parts = [f"{projections}/{part}" for part in ("query", "key", "value")]
    return [name for part in [*parts, output] for name in dense(part)]


def expand_blocks(table: Table, depth: int) -> Table:
    """The table with a row for every block in place of each row that says `{i}`.

    Rows keep their order; the rows of block 0 come before the rows of block 1. A row whose layer
    has no `{i}` stays one row. A format may follow the letter: `{i:03d}`.

    Args:
        table: layer name -> variable names.
        depth: number of blocks.

    Example:
        >>> expand_blocks({"Embedding": ["table"], "Block-{i}": ["block_{i:02d}/kernel"]}, 2)
        {'Embedding': ['table'], 'Block-0': ['block_00/kernel'], 'Block-1': ['block_01/kernel']}
    """
    single = {layer: list(names) for layer, names in table.items() if "{i" not in layer}
    blocks = {
        layer.format(i=i): [name.format(i=i) for name in names]
        for i in range(depth)
        for layer, names in table.items()
        if "{i" in layer
    }
    return single | blocks


def renamed(table: Table, *pairs: tuple[str, str]) -> Table:
    """The table with parts of the variables' names replaced; layers keep their names.

    Args:
        table: layer name -> variable names.
        *pairs: `(old, new)`, applied one after another.

    Example:
        >>> renamed({"Embedding-Norm": norm("bert/embeddings/LayerNorm")}, ("bert/", "electra/"))
        {'Embedding-Norm': ['electra/embeddings/LayerNorm/beta',
                            'electra/embeddings/LayerNorm/gamma']}
    """
    return {layer: [_replaced(name, pairs) for name in names] for layer, names in table.items()}


def _replaced(name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for old, new in pairs:
        name = name.replace(old, new)
    return name
