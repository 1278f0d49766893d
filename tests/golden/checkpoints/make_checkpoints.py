"""Makes the files of this folder: `python make_checkpoints.py SNIPPETS.json ALBERT_INDEX_PREFIX`.

`views.bin`, `legacy.bin`: the tensors of views.npz in both layouts of `torch.save` (torch 2.13).
`resize.json`: the cases of `orthogonally_resize` among the golden functions (bert4keras 0.11.5).
`albert_zh_names.json`: name -> shape in brightmart's albert_tiny_zh (TensorFlow 2.21).
"""

import json
import sys

import numpy as np


def make_torch_files():
    import torch

    table = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "whole": table,
        "turned": table.T,
        "cut": table[1:3, ::2],
        "row": table[2],
        "parameter": torch.nn.Parameter(table[:2] + 0.5),
        "half": table[0].half(),
        "brain": table[:2, :2].bfloat16().T,
        "count": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
    }
    torch.save(tensors, "views.bin")
    torch.save(tensors, "legacy.bin", _use_new_zipfile_serialization=False)
    arrays = {name: tensor.detach().float().numpy() for name, tensor in tensors.items()}
    np.savez_compressed("views.npz", **arrays)


def copy_resize(snippets):
    with open(snippets, encoding="utf-8") as file:
        cases = [c for c in json.load(file)["cases"] if c["function"] == "orthogonally_resize"]
    rows = [
        {"array": c["args"][0]["array"], "shape": c["args"][1], "result": c.get("result")}
        for c in cases
    ]
    with open("resize.json", "w", encoding="utf-8") as file:
        json.dump(rows, file)


def list_albert(prefix):
    import tensorflow as tf

    shapes = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    with open("albert_zh_names.json", "w", encoding="utf-8") as file:
        json.dump(dict(sorted(shapes.items())), file, indent=0)


if __name__ == "__main__":
    make_torch_files()
    copy_resize(sys.argv[1])
    list_albert(sys.argv[2])
