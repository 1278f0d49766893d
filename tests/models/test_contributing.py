"""The family that CONTRIBUTING.md shows is one: a file, a row, and nothing else."""

import re
from pathlib import Path

import pytest
from models import test_families as properties

from bert4keras.models import FAMILIES

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
NAME = "pre_roformer"


@pytest.fixture(scope="module", autouse=True)
def example_family():
    """Add the row to ``FAMILIES`` that the page speaks of."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    FAMILIES[NAME] = names["PreRoFormer"]
    yield
    del FAMILIES[NAME]


class TestExampleFamily:
    def test_every_weight_has_a_name_in_the_checkpoint(self):
        properties.TestVariableMapping().test_every_weight_has_a_name_in_the_checkpoint(NAME)

    def test_one_training_step_moves_every_weight(self):
        properties.TestTraining().test_one_training_step_moves_every_weight(NAME, run_eagerly=True)

    def test_several_lengths_work_on_one_model(self):
        properties.TestInputs().test_several_lengths_work_on_one_model(NAME, is_compiled=False)

    @pytest.mark.parametrize("application", ["encoder", "lm", "unilm"])
    def test_padding_changes_nothing(self, application):
        properties.TestMasks().test_padding_changes_nothing(NAME, application)

    def test_it_is_written_and_read_again(self, tmp_path):
        checkpoints = properties.TestCheckpoints()
        checkpoints.test_a_saved_folder_opens_in_one_argument(NAME, tmp_path)
        checkpoints.test_weights_written_and_read_are_equal_to_the_bit(NAME, "model.ckpt", tmp_path)
