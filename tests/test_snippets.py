"""Snippets: the names of 0.x under their old import path."""

import builtins

import numpy as np
import pytest

from bert4keras import snippets
from bert4keras.snippets import delete_arguments, insert_arguments, is_one_of


def test_snippets_have_all_names_of_their_list():
    assert sorted(set(snippets.__all__)) == sorted(snippets.__all__)
    for name in snippets.__all__:
        assert hasattr(snippets, name), name


def test_snippets_give_the_names_that_scripts_import():
    from bert4keras.snippets import DataGenerator, open, sequence_padding, uniout  # noqa: F401

    assert open is not builtins.open
    assert snippets.keras.backend.backend()
    assert snippets.np.ones(1) == 1


class Base:
    def __init__(self, size, **options):
        self.size = size
        self.options = options


class Inserted(Base):
    @insert_arguments(scale=2, parts=None)
    def __init__(self, size, **options):
        self.area = size * self.scale
        super().__init__(size, **options)


class Deleted(Base):
    @delete_arguments("with_pool", "with_mlm")
    def __init__(self, size, **options):
        super().__init__(size, **options)


def test_insert_arguments_sets_attributes_before_the_body_and_passes_nothing_on():
    model = Inserted(3, scale=5, name="x")
    assert (model.area, model.parts, model.options) == (15, None, {"name": "x"})
    assert Inserted(3).area == 6


def test_delete_arguments_refuses_them_by_name():
    assert Deleted(3, name="x").options == {"name": "x"}
    with pytest.raises(TypeError, match="Deleted takes no argument 'with_mlm'; leave it out"):
        Deleted(3, with_mlm=False)


def test_insert_and_delete_arguments_keep_the_name_of_the_constructor():
    assert Inserted.__init__.__name__ == Deleted.__init__.__name__ == "__init__"


def test_is_one_of_means_the_same_object():
    x, twin = np.ones(2), np.ones(2)
    assert is_one_of(x, [twin, x])
    assert not is_one_of(x, [twin])
