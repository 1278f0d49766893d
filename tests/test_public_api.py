"""Public API of 0.x: inherited names, signatures, layer names, order of weights."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

import bert4keras
from bert4keras import backend, layers, models, optimizers, snippets, tokenizers
from bert4keras.backend import K
from bert4keras.models import build_transformer_model

TINY = {
    "vocab_size": 30,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
}
SIGNATURES = {
    backend.piecewise_linear: "(t, schedule, from_zero=True)",
    backend.search_layer: "(inputs, name, exclude_from=None)",
    backend.align: "(tensor, axes, ndim=None)",
    backend.reshape: "(tensor, *args)",
    backend.flatten: "(tensor, start=None, end=None)",
    backend.dtype: "(x)",
    backend.where: "(cond, x, y)",
    backend.sequence_masking: "(x, mask=None, value=0, axis=None, bias=None, return_mask=False)",
    backend.batch_gather: "(params, indices)",
    backend.pool1d: "(x, pool_size, strides=1, padding='valid', data_format=None, pool_mode='max')",
    backend.divisible_temporal_padding: "(x, n)",
    backend.root_mean_square: "(x, axis=None, keepdims=False)",
    backend.leaky_relu: "(x, alpha=0.2)",
    backend.attention_normalize: "(a, mask=None, axis=-1, method='softmax', bias=None)",
    backend.sinusoidal_embeddings: "(pos, dim, base=10000)",
    backend.apply_rotary_position_embeddings: "(sinusoidal, *tensors)",
    backend.multilabel_categorical_crossentropy: "(y_true, y_pred)",
    backend.sparse_multilabel_categorical_crossentropy: "(y_true, y_pred, mask_zero=False)",
    backend.set_gelu: "(version)",
    backend.recompute_grad: "(call)",
    layers.ScaleOffset: "(scale=True, offset=True, conditional=False, hidden_units=None, "
    "hidden_activation='linear', hidden_initializer='glorot_uniform', **kwargs)",
    layers.LayerNormalization: "(zero_mean=True, unit_variance=True, epsilon=None, **kwargs)",
    layers.PositionEmbedding: "(input_dim, output_dim, merge_mode='add', hierarchical=None, "
    "embeddings_initializer='zeros', custom_position_ids=False, **kwargs)",
    layers.GatedAttentionUnit: "(units, key_size, activation='swish', use_bias=True, "
    "normalization='squared_relu', self_attention=True, attention_scale=True, "
    "attention_dropout=None, kernel_initializer='glorot_uniform', **kwargs)",
    layers.RelativePositionEmbedding: "(input_dim, output_dim, embeddings_initializer='zeros', "
    "**kwargs)",
    layers.RelativePositionEmbeddingT5: "(input_dim, output_dim, max_distance=128, "
    "bidirectional=True, embeddings_initializer='zeros', **kwargs)",
    layers.GlobalPointer: "(heads, head_size, RoPE=True, use_bias=True, tril_mask=True, "
    "kernel_initializer='lecun_normal', **kwargs)",
    layers.EfficientGlobalPointer: "(heads, head_size, RoPE=True, use_bias=True, tril_mask=True, "
    "kernel_initializer='lecun_normal', **kwargs)",
    layers.FeedForward: "(units, activation='relu', use_bias=True, "
    "kernel_initializer='glorot_uniform', **kwargs)",
    layers.Loss: "(output_axis=None, **kwargs)",
    layers.BatchSplit: "(parts, **kwargs)",
    layers.ConditionalRandomField: "(lr_multiplier=1, **kwargs)",
    layers.ConditionalRandomField.dense_loss: "(self, y_true, y_pred)",
    layers.ConditionalRandomField.log_norm_step: "(self, inputs, states)",
    layers.ConditionalRandomField.target_score: "(self, y_true, y_pred)",
    layers.MaximumEntropyMarkovModel: "(lr_multiplier=1, hidden_dim=None, **kwargs)",
    layers.MaximumEntropyMarkovModel.basic_loss: "(self, y_true, y_pred, go_backwards=False)",
    layers.MaximumEntropyMarkovModel.reverse_sequence: "(self, inputs, mask=None)",
    models.build_transformer_model: "(config_path=None, checkpoint_path=None, model=None, "
    "application=None, return_keras_model=True, **kwargs)",
    models.extend_with_language_model: "(BaseModel)",
    models.extend_with_unified_language_model: "(BaseModel)",
    models.Transformer.build: "(self, attention_caches=None, layer_norm_cond=None, "
    "layer_norm_cond_hidden_size=None, layer_norm_cond_hidden_act=None, "
    "additional_input_layers=None)",
    models.Transformer.apply: "(self, inputs=None, layer=None, arguments=None, **kwargs)",
    models.Transformer.load_weights_from_checkpoint: "(self, checkpoint, mapping=None)",
    models.Transformer.save_weights_as_checkpoint: "(self, filename, mapping=None, dtype=None)",
    optimizers.AdaFactor: "(learning_rate=0.001, beta1=0.0, beta2=None, epsilon1=1e-30, "
    "epsilon2=0.001, multiply_by_parameter_scale=True, clipping_threshold=1.0, "
    "min_dim_size_to_factor=128, exclude_from_parameter_scale=None, **kwargs)",
    optimizers.Adam: "(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-06, "
    "bias_correction=True, **kwargs)",
    optimizers.Lion: "(learning_rate=0.0003, beta_1=0.95, beta_2=0.98, **kwargs)",
    tokenizers.load_vocab: "(dict_path, encoding='utf-8', simplified=False, startswith=None)",
    tokenizers.save_vocab: "(dict_path, token_dict, encoding='utf-8')",
    snippets.to_array: "(*args)",
    snippets.is_string: "(s)",
    snippets.strQ2B: "(s)",
    snippets.string_matching: "(s, keywords)",
    snippets.convert_to_unicode: "(text, encoding='utf-8', errors='ignore')",
    snippets.text_segmentate: "(text, maxlen, seps='\\n', strips=None)",
    snippets.truncate_sequences: "(maxlen, indices, *sequences)",
    snippets.softmax: "(x, axis=-1)",
    snippets.AutoRegressiveDecoder: "(start_id, end_id, maxlen, minlen=1)",
    snippets.AutoRegressiveDecoder.wraps: "(default_rtype='probas', use_states=False)",
    snippets.AutoRegressiveDecoder.last_token: "(self, model)",
    snippets.AutoRegressiveDecoder.beam_search: "(self, inputs, topk, states=None, temperature=1, "
    "min_ends=1)",
    snippets.AutoRegressiveDecoder.random_sample: "(self, inputs, n, topk=None, topp=None, "
    "states=None, temperature=1, min_ends=1)",
    snippets.ViterbiDecoder: "(trans, starts=None, ends=None)",
    snippets.ViterbiDecoder.decode: "(self, nodes)",
    # 0.x listens to the whole network: host='0.0.0.0'
    snippets.WebServing: "(host='127.0.0.1', port=8000, server='paste')",
    snippets.WebServing.wraps: "(self, func, arguments, method='GET')",
    snippets.WebServing.route: "(self, path, func, arguments, method='GET')",
    snippets.WebServing.start: "(self)",
    snippets.orthogonally_resize: "(a, new_shape, window=2)",
}
BEGINNINGS = {  # signatures that grew: what is inherited still comes first
    layers.Embedding: "(input_dim, output_dim",
    layers.MultiHeadAttention: "(heads, head_size, out_dim=None, key_size=None, use_bias=True, "
    "normalization='softmax', attention_scale=True, attention_dropout=None, "
    "return_attention_scores=False, kernel_initializer='glorot_uniform'",
    layers.SinusoidalPositionEmbedding: "(output_dim, merge_mode='add', custom_position_ids=False",
    models.Transformer: "(vocab_size, hidden_size, num_hidden_layers, num_attention_heads, "
    "intermediate_size, hidden_act, dropout_rate=None, attention_dropout_rate=None, "
    "embedding_size=None, attention_head_size=None, attention_key_size=None, "
    "sequence_length=None, keep_tokens=None, compound_tokens=None, "
    "residual_attention_scores=False, ignore_invalid_weights=False, autoresize_weights=False, "
    "layers=None, prefix=None, name=None",
    tokenizers.TokenizerBase: "(token_start='[CLS]', token_end='[SEP]', pre_tokenize=None, "
    "token_translate=None",
    tokenizers.Tokenizer: "(token_dict, do_lower_case=False, word_maxlen=200, ",
    tokenizers.SpTokenizer: "(sp_model_path, ",
    tokenizers.TokenizerBase.encode: "(self, first_text, second_text=None, maxlen=None, "
    "pattern='S*E*E', truncate_from='right'",
    tokenizers.TokenizerBase.tokenize: "(self, text, maxlen=None",
    snippets.open: "(name, mode='r', encoding=None, errors='strict', indexable=False",
    snippets.DataGenerator: "(data, batch_size=32, buffer_size=None",
    snippets.sequence_padding: "(inputs, length=None, value=0, seq_dims=1, mode='post'",
    snippets.DataGenerator.to_dataset: "(self, types, shapes, names=None, padded_batch=False",
    snippets.parallel_apply: "(func, iterable, workers, max_queue_size, callback=None, "
    "dummy=False, random_seeds=True, unordered=True",
    snippets.parallel_apply_generator: "(func, iterable, workers, max_queue_size, dummy=False, "
    "random_seeds=True",
}
K_FUNCTIONS = """
arange argmax batch_get_value batch_set_value binary_crossentropy cast categorical_crossentropy
clip concatenate constant cumsum dot dtype epsilon equal eval exp expand_dims flatten floatx
function gather get_session get_value gradients greater in_train_phase int_shape l2_normalize log
logsumexp max maximum mean minimum ndim not_equal one_hot ones_like permute_dimensions pow prod
random_binomial random_uniform relu repeat_elements reshape rnn set_value shape sigmoid softmax
sparse_categorical_crossentropy sqrt square stack stop_gradient sum switch symbolic tanh tile
transpose update variable where zeros zeros_like
""".split()
BACKEND = """
K Sinusoidal align apply_rotary_position_embeddings attention_normalize batch_gather custom_objects
divisible_temporal_padding do_recompute dtype flatten gelu_erf gelu_tanh get_available_gpus
graph_mode_decorator is_tf_keras keras leaky_relu multilabel_categorical_crossentropy np
piecewise_linear pool1d recompute_grad reshape root_mean_square search_layer sequence_masking
set_gelu sinusoidal_embeddings sparse_multilabel_categorical_crossentropy swish symbolic tf where
""".split()
EXTENSIONS = {  # extend_with_..., and the arguments that the new class takes beside the base's
    "exponential_moving_average": "ema_momentum=0.999",
    "gradient_accumulation": "grad_accum_steps=2",
    "layer_adaptation": "exclude_from_layer_adaptation=()",
    "lazy_optimization": "include_in_lazy_optimization=()",
    "lookahead": "steps_per_slow_update=5, slow_step_size=0.5",
    "parameter_wise_lr": "paramwise_lr_schedule=None",
    "piecewise_linear_lr": "lr_schedule=None",
    "weight_decay": "weight_decay_rate=0.01, exclude_from_weight_decay=()",
}
HOOKS = """
apply apply_embeddings apply_final_layers apply_main_layers build call compute_attention_bias
compute_position_bias create_variable get_inputs load_embeddings load_variable
load_weights_from_checkpoint save_weights_as_checkpoint set_inputs set_outputs simplify
variable_mapping
""".split()
BERT_LAYERS = """
Input-Token Input-Segment Embedding-Token Embedding-Segment Embedding-Token-Segment
Embedding-Position Embedding-Norm Embedding-Dropout
Transformer-0-MultiHeadSelfAttention Transformer-0-MultiHeadSelfAttention-Dropout
Transformer-0-MultiHeadSelfAttention-Add Transformer-0-MultiHeadSelfAttention-Norm
Transformer-0-FeedForward Transformer-0-FeedForward-Dropout Transformer-0-FeedForward-Add
Transformer-0-FeedForward-Norm
Transformer-1-MultiHeadSelfAttention Transformer-1-MultiHeadSelfAttention-Dropout
Transformer-1-MultiHeadSelfAttention-Add Transformer-1-MultiHeadSelfAttention-Norm
Transformer-1-FeedForward Transformer-1-FeedForward-Dropout Transformer-1-FeedForward-Add
Transformer-1-FeedForward-Norm
Pooler Pooler-Dense NSP-Proba MLM-Dense MLM-Norm MLM-Bias MLM-Activation
""".split()


def format_signature(thing):
    """Return the signature of a function or of a constructor, without annotations."""
    if isinstance(thing, type):  # Python 3.11.2 shows Keras' __new__ in place of __init__
        thing = thing.__init__.__get__(object())
    signature = inspect.signature(thing)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def name_case(value):
    """Return the name of a case, the same in every process that collects it."""
    return getattr(value, "__qualname__", "as-written")


@pytest.mark.parametrize("thing, signature", SIGNATURES.items(), ids=name_case)
def test_a_signature_is_the_inherited_one(thing, signature):
    assert format_signature(thing) == signature


@pytest.mark.parametrize("thing, beginning", BEGINNINGS.items(), ids=name_case)
def test_a_grown_signature_begins_with_the_inherited_one(thing, beginning):
    if thing is layers.Embedding:
        thing = keras.layers.Embedding
    assert format_signature(thing).startswith(beginning)


@pytest.mark.parametrize("word, arguments", EXTENSIONS.items())
def test_an_extension_of_optimizers_has_its_names_and_arguments(word, arguments):
    extend = getattr(optimizers, f"extend_with_{word}")
    assert getattr(optimizers, f"extend_with_{word}_v2") is extend
    assert format_signature(extend) == "(BaseOptimizer, name=None)"
    assert format_signature(extend(optimizers.Adam)) == f"(*args, {arguments}, **kwargs)"


def test_averages_of_an_optimizer_have_their_methods():
    averaging_class = optimizers.extend_with_exponential_moving_average(optimizers.Adam)
    assert format_signature(averaging_class.apply_ema_weights) == "(self, bias_correction=True)"
    assert format_signature(averaging_class.reset_old_weights) == "(self)"


def test_names_of_the_backend_are_there():
    assert [name for name in BACKEND if not hasattr(backend, name)] == []
    assert [name for name in K_FUNCTIONS if not hasattr(K, name)] == []
    assert isinstance(bert4keras.__version__, str)
    assert backend.keras is keras


def test_hooks_of_the_transformer_are_there():
    assert [name for name in HOOKS if not callable(getattr(models.Transformer, name, None))] == []


def test_a_star_import_gives_all_of_keras_layers_and_ours():
    names = {}
    exec("from bert4keras.layers import *", names)
    assert names["Dense"] is keras.layers.Dense
    assert names["LayerNormalization"] is layers.LayerNormalization
    assert {"keras", "K", "np", "tf", "is_tf_keras", "Lambda", "Input", "Loss"} <= names.keys()
    names = {}
    exec("from bert4keras.models import *", names)
    assert names["Model"] is keras.Model
    assert {"Dense", "build_transformer_model", "LM_Mask", "BERT"} <= names.keys()
    exec("from bert4keras.snippets import uniout, K, keras, tf, np, open", names)


def test_layers_of_bert_have_their_inherited_names_and_order():
    model = build_transformer_model(TINY, with_nsp=True, with_mlm=True)
    assert [layer.name for layer in model.layers] == sorted(
        BERT_LAYERS, key=[layer.name for layer in model.layers].index
    )
    assert len(model.layers) == len(BERT_LAYERS)
    assert [layer.name for layer in model.layers][:3] == ["Input-Token", "Input-Segment"] + [
        "Embedding-Token"
    ]


def test_weights_stand_in_their_inherited_order():
    attention = layers.MultiHeadAttention(2, 3, key_size=5, out_dim=7)
    attention.build([(None, None, 4)] * 3)
    shapes = [tuple(w.shape) for w in attention.weights]
    assert shapes == [(4, 10), (10,), (4, 10), (10,), (4, 6), (6,), (6, 7), (7,)]
    norm = layers.LayerNormalization(conditional=True, hidden_units=3)
    norm.build([(None, None, 4), (None, 5)])
    names = ["/".join(w.path.split("/")[1:]) for w in norm.weights]
    assert names == [
        "beta",
        "gamma",
        "hidden_dense/kernel",
        "beta_dense/kernel",
        "gamma_dense/kernel",
    ]
    feed = layers.FeedForward(6, ["gelu", "linear"])
    feed.build((None, None, 4))
    shapes = [tuple(w.shape) for w in feed.weights]
    assert shapes == [(4, 6), (6,), (4, 6), (6,), (6, 4), (4,)]
    gau = layers.GatedAttentionUnit(6, 3)
    gau.build((None, None, 4))
    names = ["/".join(w.path.split("/")[1:]) for w in gau.weights]
    assert names[:2] == ["i_dense/kernel", "i_dense/bias"]
    assert names[2:4] == ["q_scaleoffset/beta", "q_scaleoffset/gamma"]
    assert names[4:6] == ["k_scaleoffset/beta", "k_scaleoffset/gamma"]
    assert names[6:] == ["o_dense/kernel", "o_dense/bias"]
    cross = layers.GatedAttentionUnit(6, 3, self_attention=False)
    cross.build([(None, None, 4)] * 3)
    shapes = [tuple(w.shape) for w in cross.weights]
    assert shapes == [(4, 9), (9,), (4, 3), (3,), (4, 6), (6,), (6, 4), (4,)]
    pointer = layers.EfficientGlobalPointer(3, 2)
    pointer.build((None, None, 5))
    assert [tuple(w.shape) for w in pointer.weights] == [(5, 4), (4,), (4, 6), (6,)]


def test_the_transformer_object_shows_what_it_built():
    bert = build_transformer_model(TINY, with_pool=True, with_mlm=True, return_keras_model=False)
    assert isinstance(bert.model, keras.Model)
    assert [x.name for x in bert.inputs] == ["Input-Token", "Input-Segment"]
    assert bert.input == bert.inputs and len(bert.outputs) == 2 and bert.built
    assert bert.layers["Embedding-Token"] is bert.model.get_layer("Embedding-Token")
    assert isinstance(bert.initializer, keras.initializers.TruncatedNormal)
    assert bert.apply(name="MLM-Dense") is bert.layers["MLM-Dense"]


def test_k_keeps_the_meaning_of_keras_2():
    x = K.constant([[1.0, 2.0], [3.0, 4.0]])
    assert K.dtype(K.constant([1, 2])) == "float32"
    assert K.eval(K.mean(K.greater(x, 1.5))) == 0.75
    assert K.eval(K.gather(x, K.constant([1.0]))).tolist() == [[3.0, 4.0]]
    assert K.eval(K.concatenate([x, x])).shape == (2, 4)
    assert K.eval(K.sparse_categorical_crossentropy(K.constant([[1.0]]), x[:1] / 3)) == (
        pytest.approx(-np.log(2 / 3), rel=1e-5)
    )
    if keras.backend.backend() == "tensorflow":  # elsewhere Keras tries other sizes than 1
        entropy = keras.layers.Lambda(lambda y: K.sparse_categorical_crossentropy(*y))
        labels, scores = keras.Input((None,)), keras.Input((3,))  # (B, 1) whose 1 nobody has said
        assert entropy([labels, scores]).shape == (None,)
    last, outputs, _ = K.rnn(lambda t, s: (t + s[0], [t + s[0]]), x[None], [K.zeros((1, 2))])
    assert K.eval(outputs)[0].tolist() == [[1.0, 2.0], [4.0, 6.0]]
    assert K.eval(last)[0].tolist() == [4.0, 6.0]
    variable = K.variable([1.0])
    K.update(variable, variable + 1)
    assert K.get_value(variable).tolist() == [2.0]
    assert K.eval(K.switch(K.constant([1.0, 0.0]), x, -x)).tolist() == [[1, 2], [-3, -4]]


def test_k_works_on_symbolic_tensors():
    x = keras.Input((None, 4))
    y = K.sum(K.flatten(K.reshape(x, (2, 2), 2), 2), axis=-1, keepdims=True)
    assert K.int_shape(y) == (None, None, 1) and K.ndim(y) == 3
    model = keras.Model(x, y)
    assert model.predict(np.ones((1, 3, 4)), verbose=0).tolist() == [[[4.0]] * 3]


def test_in_train_phase_knows_whether_a_layer_trains():
    class Phase(layers.Layer):
        def call(self, inputs):
            return K.in_train_phase(inputs * 2, inputs)

    x = ops.ones((1,))
    assert K.eval(Phase()(x, training=True)).tolist() == [2.0]
    assert K.eval(Phase()(x)).tolist() == [1.0]


@pytest.mark.parametrize(
    "name, remedy",
    [("gradients", "tf.GradientTape"), ("function", "keras.Model"), ("get_session", "K.get_value")],
)
def test_what_keras_3_lacks_names_its_replacement(name, remedy):
    with pytest.raises(NotImplementedError, match=rf"K.{name} has no equivalent.*{remedy}"):
        getattr(K, name)(None)


def test_an_unknown_function_of_k_points_to_keras_ops():
    with pytest.raises(AttributeError, match=r"K has no function 'einsum'. Use keras.ops.einsum"):
        _ = K.einsum


def test_search_layer_looks_into_nested_models():
    inner = build_transformer_model(TINY)
    outer = keras.Model(inner.inputs, keras.layers.Dense(2, name="head")(inner(inner.inputs)))
    assert backend.search_layer(outer.output, "head").name == "head"
    layer = backend.search_layer(outer.output, "Embedding-Token")
    assert layer is inner.get_layer("Embedding-Token")
    assert backend.search_layer(outer.output, "no such layer") is None


@pytest.mark.parametrize("backend_name", ["jax", pytest.param("torch", marks=pytest.mark.slow)])
def test_tensorflow_stays_unimported_under_another_backend(backend_name):
    pytest.importorskip(backend_name)
    code = (
        f"import os; os.environ['KERAS_BACKEND'] = '{backend_name}'; import sys; import bert4keras;"
        "from bert4keras import backend, checkpoints, data, layers, models, optimizers, snippets;"
        "from bert4keras import tokenizers;"
        "from bert4keras.layers import *; print('tensorflow' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout.strip() == "False", process.stderr
