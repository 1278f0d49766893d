"""Specifications of families: copies with changes, and rules that each family keeps."""

import pytest

from bert4keras.checkpoints import hugging_face
from bert4keras.models import BERT, FAMILIES
from bert4keras.models.config import parameters

FAMILY_CLASSES = sorted({*FAMILIES.values()}, key=lambda family: family.__name__)
every_family = pytest.mark.parametrize("family", FAMILY_CLASSES, ids=lambda x: x.__name__)


class TestCheckpointSpec:
    def test_replace_returns_a_copy_with_changes(self):
        spec = BERT.checkpoint_spec.replace(vocabulary=("a",))
        assert spec.vocabulary == ("a",) and spec.weights is BERT.checkpoint_spec.weights
        assert BERT.checkpoint_spec.vocabulary[0] == "bert/embeddings/word_embeddings"

    def test_the_dialect_of_transformers_is_read_last(self):
        dialects = [hugging_face(prefix="a."), hugging_face(prefix="b.")]
        spec = BERT.checkpoint_spec.replace(hugging_face=dialects[1], dialects=(dialects[0],))
        assert list(spec.readable_dialects) == dialects
        assert spec.replace(hugging_face=None).readable_dialects == (dialects[0],)

    @every_family
    def test_variables_with_a_special_layout_are_in_the_table(self, family):
        spec = family.checkpoint_spec
        names = {name for row in spec.weights.values() for name in row}
        for special in (spec.transposed_variables, spec.vocabulary):
            assert not special or names & {*special}
        assert {*spec.optional} <= {*spec.weights}


class TestConfigSpec:
    @every_family
    def test_model_type_opens_the_family(self, family):
        names = {name for name, row in FAMILIES.items() if row is family}
        name = family.config_spec.model_type.replace("-", "_")
        special = {"openai_gpt": "gpt", "roberta": "xlm_roberta"}  # "roberta" is a BERT in Chinese
        assert special.get(name, name) in names or names & {f"{name}_encoder", f"{name}_decoder"}

    @every_family
    def test_arguments_that_are_written_can_be_given(self, family):
        names = parameters(family, "__init__")
        spec = family.config_spec
        keys = {*spec.keys} - {"is_encoder_decoder"}
        assert keys <= {*names}
        assert not keys & {*spec.unsupported_args} - {"projection_bias", "mlp_bias"}

    @every_family
    def test_messages_of_unsupported_properties_differ(self, family):
        messages = [x.message for x in family.config_spec.hf_unsupported]
        assert len({*messages}) == len(messages)
