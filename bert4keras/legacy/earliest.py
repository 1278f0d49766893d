"""Names of releases up to 0.4 that later ones have in no form."""

from bert4keras.legacy import running
from bert4keras.legacy.report import met, refused
from bert4keras.models import build_transformer_model


def get_bert_encoder_from_config(config):
    """An encoder by its configuration, without weights (0.1)."""
    met("old bert4keras")
    transformer = build_transformer_model(config, return_keras_model=False)
    running.notes(transformer.model)["transformer"] = transformer
    return transformer.model


def load_weights_from_checkpoint(model, checkpoint_file, config=None):
    """Fill an encoder that ``get_bert_encoder_from_config`` has made (0.1)."""
    met("old bert4keras")
    running.notes(model)["transformer"].load_weights_from_checkpoint(checkpoint_file)


def add_weight_decay_into(model, weight_decay_rate, exclude_from=None):
    """An error: a model has no optimizer's rate (0.4)."""
    raise refused("weight decay", "weights decay where they are updated")


def wrapper(*args, **kwargs):
    """An error: KerasClassifier and KerasRegressor asked scikit-learn of its time."""
    raise refused("scikit-learn", "keras.wrappers.scikit_learn is gone")


def tf_optimizer(*args, **kwargs):
    """An error: TFOptimizer wrapped an optimizer of a session."""
    raise refused("tf1 optimizer", "it belongs to a graph, and none is kept")
