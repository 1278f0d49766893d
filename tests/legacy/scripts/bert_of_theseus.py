#! -*- coding:utf-8 -*-
# BERT-of-Theseus: a predecessor, a model in which modules are replaced by chance, and the successor
import json
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.layers import Layer
from bert4keras.models import build_transformer_model
from bert4keras.snippets import sequence_padding, DataGenerator
from bert4keras.tokenizers import Tokenizer
from keras.layers import Lambda, Dense
from keras.models import Model

num_labels = 2
maxlen = 16
batch_size = 2
epochs = 1
learning_rate = 1e-3
config_path = 'bert/bert_config.json'
checkpoint_path = 'bert/bert_model.ckpt'
dict_path = 'bert/vocab.txt'

train_data = [(u'今天天气好', 1), (u'今天不好', 0), (u'我爱北京', 1), (u'我不爱你', 0)]
valid_data = train_data[:2]
tokenizer = Tokenizer(dict_path, do_lower_case=True)
num_layers = json.load(open(config_path))['num_hidden_layers']
half = max(num_layers // 2, 1)
share = num_layers // half


class data_generator(DataGenerator):
    """数据生成器"""
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_labels = [], [], []
        for is_end, (text, label) in self.sample(random):
            token_ids, segment_ids = tokenizer.encode(text, maxlen=maxlen)
            batch_token_ids.append(token_ids)
            batch_segment_ids.append(segment_ids)
            batch_labels.append([label])
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids)
                batch_segment_ids = sequence_padding(batch_segment_ids)
                batch_labels = sequence_padding(batch_labels)
                yield [batch_token_ids, batch_segment_ids], batch_labels
                batch_token_ids, batch_segment_ids, batch_labels = [], [], []


train_generator = data_generator(train_data, batch_size)
valid_generator = data_generator(valid_data, batch_size)


class EitherOne(Layer):
    """训练时随机取其一，预测时取后者"""
    def call(self, inputs):
        first, second = inputs
        chosen = K.random_binomial(shape=[1], p=0.5)
        return K.in_train_phase(chosen * first + (1 - chosen) * second, second)

    def compute_mask(self, inputs, mask=None):
        if mask is not None:
            return mask[1]

    def compute_output_shape(self, input_shape):
        return input_shape[1]


def bert_of(prefix, layers):
    """前若干层的BERT"""
    return build_transformer_model(
        config_path=config_path,
        checkpoint_path=checkpoint_path,
        return_keras_model=False,
        num_hidden_layers=layers,
        prefix=prefix,
    )


predecessor = bert_of('Predecessor-', num_layers)
successor = bert_of('Successor-', half)
classifier = Dense(num_labels, activation='softmax', name='classifier')


def model_of(inputs, x):
    """取CLS分类"""
    model = Model(inputs, classifier(Lambda(lambda x: x[:, 0])(x)))
    model.compile(
        loss='sparse_categorical_crossentropy',
        optimizer=keras.optimizers.Adam(learning_rate),
        metrics=['sparse_categorical_accuracy'],
    )
    return model


def frozen(model):
    """不再训练"""
    for layer in model.layers:
        layer.trainable = False


class Evaluator(keras.callbacks.Callback):
    """评估与保存"""
    def __init__(self, path):
        self.path = path
        self.best_val_acc = -1.

    def on_epoch_end(self, epoch, logs=None):
        total, right = 0., 0.
        for x_true, y_true in valid_generator:
            y_pred = self.model.predict(x_true).argmax(axis=1)
            total += len(y_true)
            right += (y_true[:, 0] == y_pred).sum()
        if right / total > self.best_val_acc:
            self.best_val_acc = right / total
            self.model.save_weights(self.path)
        print(u'val_acc: %.5f, best_val_acc: %.5f' % (right / total, self.best_val_acc))


def train(model, path):
    """训练一步"""
    model.fit(
        train_generator.forfit(),
        steps_per_epoch=len(train_generator),
        epochs=epochs,
        callbacks=[Evaluator(path)],
        verbose=0,
    )
    model.load_weights(path)


# 第一步：前辈
predecessor_model = model_of(predecessor.model.inputs, predecessor.model.output)
train(predecessor_model, 'predecessor.weights.h5')
frozen(predecessor_model)

# 第二步：随机替换，后辈的每一层替换前辈的若干层
for layer in successor.model.layers:
    twin = predecessor.model.get_layer(layer.name.replace('Successor-', 'Predecessor-'))
    layer.set_weights(twin.get_weights())
x = predecessor.apply_embeddings(predecessor.model.inputs)
for i in range(half):
    first = x
    for j in range(i * share, (i + 1) * share):
        first = predecessor.apply_main_layers(first, j)
    second = successor.apply_main_layers(x, i)
    x = EitherOne()([first, second])
theseus_model = model_of(predecessor.model.inputs, x)
train(theseus_model, 'theseus.weights.h5')

# 第三步：后辈自己
classifier.trainable = True
successor_model = model_of(successor.model.inputs, successor.model.output)
train(successor_model, 'successor.weights.h5')
assert np.allclose(successor_model.predict(next(iter(valid_generator))[0]).sum(axis=1), 1)
