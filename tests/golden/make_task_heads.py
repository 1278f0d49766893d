"""Record the logits of tiny models of transformers with task heads: ``task_heads.npz.xz``.

Run it once, from ``tests/golden``: ``PYTHONPATH=.. python make_task_heads.py``. It needs
``transformers`` and PyTorch.
"""

import io
import json
import lzma
from pathlib import Path

import numpy as np
import transformers
from task_head_cases import CASES, compute_logits, make_batches, make_model

TASKS = {"QuestionAnswering": "question-answering", "@sentences": "next-sentence-prediction"}


def record(name):
    """Return the configuration, weights and logits of a case."""
    model = make_model(name)
    task = next((task for end, task in TASKS.items() if name.endswith(end)), "")
    config = {"architectures": [CASES[name][0]], **model.config.to_diff_dict()}
    arrays = {f"{name}/config": np.array(json.dumps(config))}
    tied_keys = set(model.all_tied_weights_keys)
    for key, tensor in model.state_dict().items():
        if key not in tied_keys:
            arrays[f"{name}/weights/{key}"] = tensor.numpy().astype("float16")
    for i, (ids, is_token) in enumerate(make_batches(model.config.pad_token_id)):
        arrays[f"{name}/logits/{i}"] = compute_logits(model, ids, is_token, task)
    return arrays


arrays = {"versions": np.array(f"transformers {transformers.__version__}")}
for name in CASES:
    arrays |= record(name)
file = io.BytesIO()
np.savez(file, **arrays)
Path(__file__).with_name("task_heads.npz.xz").write_bytes(lzma.compress(file.getvalue(), preset=9))
