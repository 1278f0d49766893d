#! -*- coding:utf-8 -*-
# FGM as everybody pasted it: a training function around the training function
import numpy as np
from bert4keras.backend import keras, search_layer, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.snippets import DataGenerator
from keras.layers import Lambda, Dense

data = [([2, 6, 7, 3], 0), ([2, 8, 9, 3], 1), ([2, 7, 7, 3], 1), ([2, 10, 6, 3], 0)]


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch = []
        for is_end, d in self.sample(random):
            batch.append(d)
            if len(batch) == self.batch_size or is_end:
                ids = np.array([d[0] for d in batch])
                yield [ids, np.zeros_like(ids)], np.array([[d[1]] for d in batch])
                batch = []


bert = build_transformer_model(
    "bert/bert_config.json", "bert/bert_model.ckpt", return_keras_model=False
)
output = Lambda(lambda x: x[:, 0])(bert.model.output)
output = Dense(units=2, activation="softmax", kernel_initializer=bert.initializer)(output)
model = keras.models.Model(bert.model.input, output)
model.compile(
    loss="sparse_categorical_crossentropy",
    optimizer=Adam(1e-3),
    metrics=["sparse_categorical_accuracy"],
)
moved = []


def adversarial_training(model, embedding_name, epsilon=1):
    """给模型添加对抗训练"""
    if model.train_function is None:  # 如果还没有训练函数
        model._make_train_function()  # 手动make
    old_train_function = model.train_function  # 备份旧的训练函数

    # 查找Embedding层
    for output in model.outputs:
        embedding_layer = search_layer(output, embedding_name)
        if embedding_layer is not None:
            break
    if embedding_layer is None:
        raise Exception("Embedding layer not found")

    # 求Embedding梯度
    embeddings = embedding_layer.embeddings  # Embedding矩阵
    gradients = K.gradients(model.total_loss, [embeddings])  # Embedding梯度
    gradients = K.zeros_like(embeddings) + gradients[0]  # 转为dense tensor

    # 封装为函数
    inputs = model._feed_inputs + model._feed_targets + model._feed_sample_weights  # 所有输入层
    embedding_gradients = K.function(
        inputs=inputs,
        outputs=[gradients],
        name="embedding_gradients",
    )  # 封装为函数

    def train_function(inputs):  # 重新定义训练函数
        grads = embedding_gradients(inputs)[0]  # Embedding梯度
        delta = epsilon * grads / (np.sqrt((grads**2).sum()) + 1e-8)  # 计算扰动
        before = K.eval(embeddings)
        K.set_value(embeddings, K.eval(embeddings) + delta)  # 注入扰动
        moved.append(np.sqrt(((K.eval(embeddings) - before) ** 2).sum()))
        outputs = old_train_function(inputs)  # 梯度下降
        K.set_value(embeddings, K.eval(embeddings) - delta)  # 删除扰动
        return outputs

    model.train_function = train_function  # 覆盖原训练函数


adversarial_training(model, "Embedding-Token", 0.5)
train_generator = data_generator(data, 2)
history = model.fit(
    train_generator.forfit(),
    steps_per_epoch=2,
    epochs=2,
    validation_data=([np.array([[2, 6, 3]]), np.array([[0, 0, 0]])], np.array([0])),
)
assert len(moved) == 4 and np.allclose(moved, 0.5, atol=1e-3), moved
assert "sparse_categorical_accuracy" in history.history and "val_loss" in history.history
assert len(history.history["loss"]) == 2
assert model.predict([np.array([[2, 6, 3]]), np.zeros((1, 3))]).shape == (1, 2)
