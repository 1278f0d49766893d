"""Task models compared with transformers: its folders open here, ours open there."""

import pytest
from support import assert_close, compute_outputs, load_record
from task_head_cases import CASES, compute_logits, make_batches, make_model, segments_of

from bert4keras.models import build_task_model

NO_CLASS = ("AlbertForPreTraining@sentences",)  # transformers reads it with both heads only


def logits_of(task_model, ids):
    inputs = [ids if "Token" in x.name else segments_of(ids) for x in task_model.model.inputs]
    return compute_outputs(task_model.model, inputs)[0]


@pytest.mark.parametrize("name", [name for name in CASES if name not in NO_CLASS])
def test_folders_of_both_libraries_give_equal_logits(name, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the bench extra")
    hf_model = make_model(name)
    hf_model.save_pretrained(tmp_path / "hf")
    model = build_task_model(tmp_path / "hf", **CASES[name][2])
    model.save_pretrained(tmp_path / "copy")
    (class_name,) = load_record(tmp_path / "copy/config.json")["architectures"]
    hf_copy, report = getattr(transformers, class_name).from_pretrained(
        tmp_path / "copy", output_loading_info=True
    )
    missing = [key for key in report["missing_keys"] if "embed_positions" not in key]  # sines
    assert not missing and not report["unexpected_keys"]
    copy = build_task_model(tmp_path / "copy")
    assert (copy.task, copy.labels, copy.problem_type) == (
        model.task,
        model.labels,
        model.problem_type,
    )
    for ids, is_token in make_batches(hf_model.config.pad_token_id):
        want = compute_logits(hf_model, ids, is_token, model.task)
        results = [logits_of(model, ids), logits_of(copy, ids)]
        results.append(compute_logits(hf_copy.eval(), ids, is_token, model.task))
        visible = is_token if want.shape[:2] == ids.shape else slice(None)
        for got in results:
            assert_close(got[visible], want[visible], 1e-5)
