"""The family that CONTRIBUTING.md shows is one: a file, a row, and nothing else."""

import re
from pathlib import Path

import pytest
from models import test_families as recipes

from bert4keras.models import FAMILIES

PAPER = Path(__file__).parents[2] / "CONTRIBUTING.md"
NAME = "pre_roformer"


@pytest.fixture(scope="module", autouse=True)
def row():
    """The row in ``FAMILIES`` that the paper speaks of."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAPER.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, str(PAPER), "exec"), names)
    FAMILIES[NAME] = names["PreRoFormer"]
    yield
    del FAMILIES[NAME]


@pytest.mark.parametrize(
    "recipe",
    [
        recipes.test_every_weight_has_a_name_in_the_checkpoint,
        recipes.test_one_training_step_moves_every_weight,
        recipes.test_several_lengths_and_dtypes_work_on_one_model,
    ],
)
def test_it_keeps_what_every_family_keeps(recipe):
    recipe(NAME)


@pytest.mark.parametrize("application", ["encoder", "lm", "unilm"])
def test_its_padding_changes_nothing(application):
    recipes.test_padding_changes_nothing(NAME, application)


def test_it_is_written_and_opened_again(tmp_path):
    recipes.test_a_saved_folder_opens_in_one_argument(NAME, tmp_path)
    recipes.test_written_and_read_back_it_is_the_same_to_the_bit(NAME, "model.ckpt", tmp_path)
