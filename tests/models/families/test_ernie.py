"""ERNIE: BERT with tasks."""

import pytest
from support import load_record

from bert4keras.models import build_transformer_model

CONFIG = load_record("hf/ernie/config.json")


def names(**options):
    return [x.name for x in build_transformer_model(CONFIG, **options).inputs]


def test_tasks_are_an_input_only_when_asked_for():
    assert names() == ["Input-Token", "Input-Segment"]
    assert names(task_id=None) == ["Input-Token", "Input-Segment", "Input-Task"]
    inputs = ["Input-Token", "Input-Segment", "Input-Position", "Input-Task"]
    assert names(task_id=None, custom_position_ids=True) == inputs
    assert names(task_id=None, use_task_id=False) == ["Input-Token", "Input-Segment"]


@pytest.mark.parametrize("task", [3, -1])
def test_a_task_that_there_is_not_is_refused(task):
    with pytest.raises(ValueError, match=f"task_id must be from 0 to 2, or None(?s:.*)got {task}"):
        build_transformer_model(CONFIG, task_id=task)


def test_without_tasks_it_has_no_vectors_of_them():
    built = build_transformer_model(CONFIG, use_task_id=False, return_keras_model=False)
    assert "Embedding-Task" not in built.layers
