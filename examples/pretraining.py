# 预训练 BERT、语言模型或 UniLM / Pretraining of a BERT, a language model or a UniLM
# 文章 Article  https://arxiv.org/abs/1907.11692 （RoBERTa）
# 数据 Data     文本文件，每行一条，多大都行 / text files of any size, a text on each line
# 结果 Expect   自带数据的验证集损失 4.61，约 2 分钟；中断后重复同一条命令就接着训练
#              synthetic data: validation loss 4.61, 2 minutes; the same command resumes a run

import importlib
import math
import sys
from pathlib import Path

import settings

import keras
from data.corpora import make_files
from data.curves import write_history
from data.small_model import make_checkpoint

from bert4keras import optimizers
from bert4keras.data import (
    CausalLM,
    MaskedLM,
    PrefixLM,
    PretrainingDataset,
    ShardedDataset,
    find_text_files,
    pack_sequences,
    read_texts,
    write_shards,
)
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer, load_vocab
from bert4keras.training import BackupAndResume, RaiseOnNaN

corpus = ""  # 文件、文件夹或通配符；留空用自带数据  file, folder, pattern; empty: synthetic data
objective = "mlm"  # mlm（BERT）、lm（语言模型）或 unilm  of a BERT, a language model or a UniLM
word_segment = ""  # 全词掩码的分词函数，如 jieba:lcut  cuts words for whole-word masking
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
new_head = False  # 预训练模型没有 MLM 头时设为 True  True if the checkpoint has no MLM head
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 32
accumulate = 1  # 几批更新一次  batches of an update
epochs = 4
save_every = 100  # 每隔多少批保存一次  batches between two saves
learning_rate = 1e-4
weight_decay = 0.01  # 权重衰减  not of biases and norms
seed = 0  # 随机种子  of random numbers
output = "output/pretraining"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals(), predict=None)

# 数据 / Data -----------------------------------------------------------------------------------

files = find_text_files(corpus or make_files())


def read_split(is_heldout):
    """每一百条留出一条来验证 / One text of a hundred is held out for validation"""
    for number, text in enumerate(read_texts(files)):
        if (number % 100 == 1) == is_heldout:
            yield text


if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("pretraining", read_texts(files))
    learning_rate *= 10

# 精简词表：去掉中文 BERT 用不到的 token / tokens that a Chinese BERT never uses are left out
special_tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
vocab = f"{checkpoint}/vocab.txt"
tokens, keep_tokens = load_vocab(vocab, simplified=True, startswith=special_tokens)
tokenizer = Tokenizer(tokens, do_lower_case=True)
words = None
if word_segment:
    module, _, function = word_segment.partition(":")
    words = getattr(importlib.import_module(module), function or "lcut")

# 文本切成定长的 token 行，写入分片，只做一次
# Texts become rows of tokens in shards, which are written once
source = {"objective": objective, "tokens": len(tokens), "maxlen": maxlen, "words": word_segment}
source["files"] = [[file, Path(file).stat().st_size] for file in files]
join_texts = objective != "unilm"  # UniLM 每条文本单独一行  a row for each text


def load_rows(name, is_heldout):
    """打开分片，没有就先写 / Open the shards; write them if there are none"""
    folder = f"{output}/{name}"
    if not Path(folder, "index.json").is_file() or ShardedDataset(folder).metadata != source:
        texts = read_split(is_heldout)
        rows = pack_sequences(texts, tokenizer, maxlen, words, join_texts)
        write_shards(rows, folder, metadata=source)
    return ShardedDataset(folder, seed)


train_rows, valid_rows = load_rows("train", False), load_rows("valid", True)
steps = max(1, epochs * len(train_rows) // batch_size)
save_every = min(save_every, steps)
rounds = math.ceil(steps / save_every)
print(f"{len(train_rows)} rows of {maxlen} tokens; {rounds} rounds of {save_every} steps")

# 模型 / Model ----------------------------------------------------------------------------------

tasks = {"mlm": MaskedLM, "lm": CausalLM, "unilm": PrefixLM}
if objective not in tasks:
    raise ValueError(f"Expected objective to be one of {list(tasks)}, got {objective!r}.")
task = tasks[objective](tokenizer, seed)
options = {"with_mlm": "linear", "keep_tokens": keep_tokens, "ignore_invalid_weights": new_head}
options["return_keras_model"] = False
transformer = build_transformer_model(checkpoint, application=task.application, **options)
model = transformer.model
if (
    objective == "unilm"
):  # 权重和 BERT 一样，存成 BERT  its weights are those of a BERT: saved as one
    transformer = build_transformer_model(checkpoint, layers=transformer.layers, **options)

# 训练 / Training -------------------------------------------------------------------------------

# 权重衰减，不含偏置和 LayerNorm；梯度累积 / weight decay, but not of biases; gradient accumulation
Optimizer = optimizers.extend_with_weight_decay(optimizers.Adam)
optimizer = optimizers.extend_with_gradient_accumulation(Optimizer)(
    optimizers.WarmupCosineDecay(learning_rate, max(1, rounds * save_every // accumulate)),
    weight_decay_rate=weight_decay,
    exclude_from_weight_decay=["Norm", "bias"],
    grad_accum_steps=accumulate,
    clipnorm=1.0,
)
loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
model.compile(optimizer, loss, weighted_metrics=["sparse_categorical_accuracy"])

# 每轮结束保存整个训练的状态，设置不变就从那里接着训练
# Each round ends with a backup of the whole run, which goes on from there with the same settings
run = {**source, "checkpoint": checkpoint, "batch_size": batch_size, "accumulate": accumulate}
run |= {"rounds": rounds, "save_every": save_every, "seed": seed}
run |= {"learning_rate": learning_rate, "weight_decay": weight_decay}
resume = BackupAndResume(f"{output}/run.npz", seed, metadata=run)
rounds_done = resume.restore(model)
curve = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda *_: write_history(resume.history, output, save_every)
)
batches = PretrainingDataset(train_rows, task, batch_size, first_batch=rounds_done * save_every)
length = {"epochs": rounds, "steps_per_epoch": save_every, "initial_epoch": rounds_done}
try:
    model.fit(batches, **length, callbacks=[RaiseOnNaN(), resume, curve])
except KeyboardInterrupt:
    sys.exit(f"\nStopped after {len(resume.history)} of {rounds} rounds. Repeat the same command.")

# 使用 / Use ------------------------------------------------------------------------------------

transformer.save_pretrained(f"{output}/model", tokenizer=tokenizer)
batches = PretrainingDataset(valid_rows, task, batch_size)
count = max(1, len(valid_rows) // batch_size)
loss, accuracy = model.evaluate(batches, steps=count, verbose=0)
print(f"validation loss {loss:.3f}, perplexity {math.exp(loss):.2f}, accuracy {accuracy:.3f}")
print(f"build_transformer_model and transformers open {output}/model")
