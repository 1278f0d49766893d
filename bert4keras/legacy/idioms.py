"""The old idioms: what they are, and what to write today. ``docs/migration.md`` shows each."""

IDIOMS = {
    # modules and names
    "keras.backend": (
        "`keras.backend` as K",
        "from bert4keras.backend import K, or keras.ops",
    ),
    "tensorflow.keras": ("`tensorflow.keras`", "import keras: they are the same"),
    "old module": ("a module of Keras 1 or 2 that has moved", "keras.layers, keras.utils, ..."),
    "old name": ("a name that has changed", "the new name, see the migration page"),
    "old bert4keras": (
        "a module or name of bert4keras before 0.6",
        "bert4keras.models.build_transformer_model and bert4keras.tokenizers.Tokenizer",
    ),
    "tf1 name": ("a name of TensorFlow 1", "keras.ops, or TensorFlow 2's name"),
    "tf function": (
        "a function of TensorFlow on a symbolic tensor",
        "keras.ops, or a layer that calls it",
    ),
    "strategy": (
        "a strategy for several GPUs, of which there are not two",
        "leave it out: one device needs none",
    ),
    "tf1 session": (
        "a session or graph of TensorFlow 1",
        "leave it out: models compute at once, K.get_value reads a variable",
    ),
    "tf1 file": (
        "a graph of TensorFlow 1 that is saved",
        "model.export(folder), which TensorFlow Serving reads",
    ),
    "numpy name": ("a name that NumPy or Python has dropped", "int, float, bool, ..."),
    "ragged array": (
        "numpy.array of rows of unequal lengths",
        "numpy.array(rows, dtype=object), or bert4keras.snippets.sequence_padding(rows)",
    ),
    # arguments
    "keras 1 argument": (
        "an argument of Keras 1",
        "units, rate, filters, kernel_initializer, epochs, steps_per_epoch, ...",
    ),
    "unknown argument": (
        "an argument that build_transformer_model does not know",
        "leave it out: it never had any effect",
    ),
    "keep_words": ("`keep_words`", "keep_tokens"),
    "seq2seq": ("`application='seq2seq'`", "application='unilm'"),
    "albert": ("`albert=True`", "model='albert'"),
    "max_length": (
        "`max_length`, `first_length`, `first` of tokenizers",
        "maxlen, first_text, second_text",
    ),
    "padding": ("`padding` of sequence_padding", "value"),
    "lr": ("`lr` of an optimizer", "learning_rate"),
    "decay": (
        "`decay` of an optimizer",
        "learning_rate=keras.optimizers.schedules.InverseTimeDecay(rate, 1, decay)",
    ),
    "add_weight": ("add_weight(name, shape) by position", "add_weight(name=..., shape=...)"),
    "period": ("`period` of ModelCheckpoint", "save_freq"),
    "single output": ("Model(inputs, [x])", "Model(inputs, x): its output is x, no list"),
    # training
    "fit_generator": ("fit_generator", "fit"),
    "evaluate_generator": ("evaluate_generator", "evaluate"),
    "predict_generator": ("predict_generator", "predict"),
    "predict_classes": ("predict_classes, predict_proba", "predict(x).argmax(axis=-1)"),
    "generator items": (
        "a generator of lists",
        "yield tuples: (inputs, targets), with tuples of arrays; or use DataGenerator.forfit()",
    ),
    "endless": (
        "a generator without its number of steps",
        "fit(generator, steps_per_epoch=number), and steps=number of evaluate and predict",
    ),
    "nested lists": ("Python lists as data", "NumPy arrays: numpy.array(x)"),
    "compile argument": (
        "target_tensors or sample_weight_mode of compile",
        "leave it out",
    ),
    "one optimizer": ("one optimizer for several models", "an optimizer for each model"),
    "metrics of outputs": (
        "one list of metrics for several outputs",
        "metrics=[[...], [...]], a list for each output",
    ),
    "class_weight": (
        "a class_weight that is no dict",
        "{class: weight}; anything else never had any effect",
    ),
    "add_metric": (
        "add_metric",
        "metrics=[...] of compile; or a keras.metrics.Mean of the layer, updated in its call",
    ),
    "add_loss": (
        "add_loss of a tensor outside of a layer",
        "a subclass of bert4keras.layers.Loss, which defines compute_loss",
    ),
    "acc": ("`acc` in the logs", "the name given in metrics=[...], such as 'accuracy'"),
    "optimizer.lr": ("optimizer.lr", "optimizer.learning_rate"),
    "callback.model": ("a callback that sets self.model", "another name: Keras sets model itself"),
    # files
    "weights name": ("a weights file of any name", "a name that ends in .weights.h5"),
    "model name": ("a model file of any name", "a name that ends in .keras"),
    "whole model": (
        "a whole model of Keras 2",
        "bert4keras.models.load_keras2_model(path, custom_objects)",
    ),
    "Lambda": (
        "a Lambda that another run has saved",
        "custom_objects={'name of the layer': function} of load_model, or safe_mode=False if you "
        "trust the file: it may hold any program",
    ),
    "by_name": ("load_weights(by_name=True)", "bert4keras.checkpoints, or load into a part"),
    # layers and graphs
    "get_output_at": ("layer.get_output_at(i)", "bert4keras.backend.output_at(layer, i)"),
    "_keras_shape": ("_keras_shape, get_shape()", "tensor.shape"),
    "output_mask": (
        "output_mask of a layer, the layer Sequence-Mask",
        "keras.ops.not_equal(token_ids, 0)",
    ),
    "inbound_layers": ("inbound_layers of a node", "tensor._keras_history.operation"),
    "metrics_tensors": ("metrics_tensors of a model", "metrics=[...] of compile"),
    "total_loss": (
        "the total_loss of a model",
        "train with bert4keras.training.AdversarialModel, or override train_step",
    ),
    "train_step": (
        "a train_step of one's own",
        "compute_loss of one's own, or train_step(self, state, data) as Keras has it on JAX",
    ),
    "compiled_loss": (
        "compiled_loss, compiled_metrics of a model in its train_step",
        "self.compute_loss(x, y, y_pred), self.compute_metrics(x, y, y_pred)",
    ),
    "minimize": (
        "optimizer.minimize",
        "optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))",
    ),
    "scaled weight": (
        "a weight of a layer that is set to a multiple of itself, to learn faster",
        "bert4keras.optimizers.extend_with_parameter_wise_lr(Adam)",
    ),
    "a_mask": (
        "compute_attention_mask, a_mask of an attention, of ones and zeros",
        "compute_attention_bias, a_bias of booleans, or of what is added to scores",
    ),
    "K.gradients": (
        "K.gradients",
        "bert4keras.training.FGM or GradientPenalty in an AdversarialModel, or tf.GradientTape",
    ),
    "K.function": ("K.function", "keras.Model(inputs, outputs) and its predict"),
    "K.learning_phase": ("K.learning_phase", "training=True of the call of a layer or model"),
    "_make_train_function": (
        "model._make_train_function and train_function",
        "bert4keras.training.AdversarialModel(model, FGM('Embedding-Token', 0.5))",
    ),
    "multi_gpu_model": (
        "multi_gpu_model",
        "keras.distribution.DataParallel on JAX, tf.distribute.MirroredStrategy on TensorFlow",
    ),
    "tf1 optimizer": (
        "an optimizer of TensorFlow 1, keras.optimizers.TFOptimizer",
        "keras.optimizers.Adam, or another of keras.optimizers",
    ),
    "weight decay": (
        "add_weight_decay_into",
        "bert4keras.optimizers.extend_with_weight_decay(Adam)(rate, weight_decay_rate=0.01)",
    ),
    "scikit-learn": (
        "a model of Keras as one of scikit-learn",
        "keras.wrappers.SKLearnClassifier, or fit and predict of the model",
    ),
    "own optimizer": (
        "an optimizer of one's own by get_updates",
        "a subclass of keras.optimizers.Optimizer with build and update_step",
    ),
    # decoding
    "set_rtype": ("AutoRegressiveDecoder.set_rtype", "AutoRegressiveDecoder.wraps"),
    "whole predict": (
        "model.predict(...)[:, -1] in a decoder",
        "self.last_token(model).predict(...), which this line is given anyway",
    ),
}
