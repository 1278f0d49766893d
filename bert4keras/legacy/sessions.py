"""Sessions and graphs of TensorFlow 1: settings are let pass, what would run in them is refused."""

import keras

from bert4keras.backend import K, tf
from bert4keras.legacy.report import met, refused


class Session:
    """A session of TensorFlow 1, as far as settings go; nothing runs in it."""

    def __init__(self, target="", graph=None, config=None):
        met("tf1 session")
        self.graph = graph or (self if isinstance(self, Graph) else Graph())

    def run(self, fetches=None, feed_dict=None, **_unused):
        """Nothing for nothing, such as an initializer of variables; else an error."""
        if fetches is None or (
            isinstance(fetches, list) and not any(x is not None for x in fetches)
        ):
            return fetches
        if isinstance(fetches, keras.Variable):
            return K.get_value(fetches)
        raise refused("tf1 session", "models compute at once, and no graph is kept")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        return False

    def as_default(self):
        """Itself."""
        return self

    def close(self):
        """Nothing."""


class Graph(Session):
    """The default graph, as far as threads ask for it."""

    def finalize(self):
        """Nothing."""

    def as_graph_def(self, *_unused):
        """An error: there is no graph to save."""
        raise refused("tf1 file", "models compute at once, and no graph is kept")


def get_session():
    """A session in which nothing runs."""
    return Session()


def set_session(session):
    """Nothing: there are no sessions."""
    met("tf1 session")


def convert_variables_to_constants(session, graph_def=None, *args, **kwargs):
    """An error: there is no graph to freeze."""
    raise refused("tf1 file", "models compute at once, and no graph is kept")


def simple_save(session, export_dir, inputs, outputs, legacy_init_op=None):
    """The model from some tensors to others, for TensorFlow Serving, under their names."""
    met("tf1 file")
    model = keras.Model(list(inputs.values()), dict(outputs))
    signature = {name: tf.TensorSpec(x.shape, x.dtype, name) for name, x in inputs.items()}
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default", lambda given: model([given[name] for name in inputs]), [signature]
    )
    archive.write_out(export_dir, verbose=False)
