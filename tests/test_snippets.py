"""The inherited face."""

import builtins

from bert4keras import snippets


def test_every_name_of_the_face_is_there():
    assert sorted(set(snippets.__all__)) == sorted(snippets.__all__)
    for name in snippets.__all__:
        assert hasattr(snippets, name), name


def test_the_face_gives_what_scripts_ask_of_it():
    from bert4keras.snippets import DataGenerator, open, sequence_padding, uniout  # noqa: F401

    assert open is not builtins.open
    assert snippets.keras.backend.backend()
    assert snippets.np.ones(1) == 1
