"""Arguments given to and taken from constructors."""

import numpy as np
import pytest

from bert4keras.arguments import delete_arguments, insert_arguments, is_one_of


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


def test_inserted_arguments_are_there_before_the_body_and_not_passed_on():
    model = Inserted(3, scale=5, name="x")
    assert (model.area, model.parts, model.options) == (15, None, {"name": "x"})
    assert Inserted(3).area == 6


def test_deleted_arguments_are_refused_by_name():
    assert Deleted(3, name="x").options == {"name": "x"}
    with pytest.raises(TypeError, match="Deleted takes no argument 'with_mlm'; leave it out"):
        Deleted(3, with_mlm=False)


def test_decorated_constructors_keep_their_name():
    assert Inserted.__init__.__name__ == Deleted.__init__.__name__ == "__init__"


def test_one_of_means_the_same_object():
    x, twin = np.ones(2), np.ones(2)
    assert is_one_of(x, [twin, x])
    assert not is_one_of(x, [twin])
