"""Embedding: roles of its ids."""

import pytest

from bert4keras.layers import Embedding


class TestEmbedding:
    def test_its_ids_are_token_ids_unless_it_is_said(self):
        assert Embedding(4, 2).input_roles == ("token_ids",)
        assert Embedding(4, 2, input_role="segment_ids").input_roles == ("segment_ids",)

    def test_the_role_is_saved(self):
        table = Embedding(4, 2, input_role="segment_ids")
        assert Embedding.from_config(table.get_config()).input_roles == ("segment_ids",)

    @pytest.mark.parametrize("name", ["Embedding-Segment", "student-Embedding-Segment"])
    def test_a_segment_embedding_of_an_older_file_has_its_role(self, name):
        config = Embedding(4, 2, name=name).get_config()
        assert Embedding.from_config(config).input_roles == ("segment_ids",)
