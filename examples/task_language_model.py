# 用语言模型写诗 / Poems by a language model
# 文章 Article  https://kexue.fm/archives/6933
# 数据 Data     每行一首诗，或别的短文 / a poem, or any short text, on each line:
#              春山照古寒，夜水入秋间。晓月生孤酒，清风过远山。
# 结果 Expect   自带数据全部合格式，0.68 押韵，每个 token 的困惑度 8.04，约 3 分钟
#              synthetic data: all are regular, 0.68 rhyme, perplexity of a token 8.04, 3 minutes

import settings

import keras
import numpy as np
from data.poems import has_rhyme, is_regular, make_files
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, load_table, sequence_padding
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay, extend_with_parameter_wise_lr
from bert4keras.pipelines import TextWriter, load_pipeline
from bert4keras.tokenizers import Tokenizer, load_vocab
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
new_head = False  # 预训练模型没有 MLM 头时设为 True  True if the checkpoint has no MLM head
maxlen = 64  # 最大长度，以 token 计  in tokens
top_p = 0.9  # 采样时保留的概率  tokens are drawn from those that have this probability together
temperature = 1.0  # 越低越保守，越高越大胆  lower is more careful, higher is bolder
batch_size = 16
epochs = 6
learning_rate = 1e-4
output = "output/language_model"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data, valid_data = load_table(train_file, label=None), load_table(valid_file, label=None)
print(train_data[0])  # "春山照古寒，夜水入秋间。晓月生孤酒，清风过远山。"

head_rate = 10 if new_head else 1  # 新的 MLM 头学得快 10 倍  a new head learns ten times as fast
if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("language_model", train_data, dropout=0.0)
    learning_rate *= 10
    new_head, head_rate = True, 1

# 精简词表：去掉中文 BERT 用不到的 token / tokens that a Chinese BERT never uses are left out
special_tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
tokens, keep_tokens = load_vocab(
    f"{checkpoint}/vocab.txt", simplified=True, startswith=special_tokens
)
tokenizer = Tokenizer(tokens, do_lower_case=True)


class BatchGenerator(DataGenerator):
    """补齐成批；每个 token 由前一个位置预测 / Padded batches; the place before predicts a token"""

    def __iter__(self, random=False):
        for texts in self.batches(random):
            token_ids = [tokenizer.encode(text, maxlen=maxlen)[0] for text in texts]
            labels = sequence_padding([ids[1:] for ids in token_ids], multiple=16)
            token_ids = sequence_padding([ids[:-1] for ids in token_ids], multiple=16)
            yield [token_ids, np.zeros_like(token_ids)], labels


# 模型 / Model ----------------------------------------------------------------------------------

model = build_transformer_model(
    checkpoint,
    application="lm",  # 每个 token 只看得到前文  a token sees only those before it
    with_mlm="linear",
    keep_tokens=keep_tokens,
    ignore_invalid_weights=new_head,
)

# 训练 / Training -------------------------------------------------------------------------------

generator = BatchGenerator(train_data, batch_size, length_func=len)
valid_generator = BatchGenerator(valid_data, batch_size, length_func=len)
steps = len(generator)
optimizer = extend_with_parameter_wise_lr(Adam)(
    WarmupCosineDecay(learning_rate, steps * epochs),
    clipnorm=1.0,
    paramwise_lr_schedule={"MLM": head_rate},
)
# 0 是补齐的部分，不计 / 0 is padding, which does not count
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
model.compile(optimizer, cross_entropy)


def score_poems(beginnings, continuations):
    """合格式的比例，押韵的比例 / The share of regular poems, and of poems that rhyme"""
    poems = list(map("".join, zip(beginnings, continuations)))
    print("", *poems[:5], sep="\n")
    return {
        "regular": sum(map(is_regular, poems)) / len(poems),
        "rhyme": sum(map(has_rhyme, poems)) / len(poems),
    }


# 每轮结束续写 100 首诗；验证集上 loss 最小的模型存到 output，按 Ctrl-C 也不会丢
# Each epoch ends with 100 poems; the model of the least validation loss is in output, even after
# Ctrl-C
options = {"do_sample": True, "top_p": top_p, "temperature": temperature, "max_new_tokens": maxlen}
writer = TextWriter(model, tokenizer, generation=options)
beginnings = [(text[:2], text[:2]) for text in valid_data[:100]]
best = BestPipeline(writer, beginnings, output, "val_loss", mode="min", score=score_poems)
model.fit(
    generator.forfit(),
    steps_per_epoch=steps,
    epochs=epochs,
    validation_data=valid_generator.forfit(random=False),
    validation_steps=len(valid_generator),
    callbacks=[best],
)
print(f"perplexity: {np.exp(best.best):.2f}")

# 使用 / Use ------------------------------------------------------------------------------------

writer = load_pipeline(output)
for beginning in ("春山", "秋水", "明月"):
    print(beginning + writer(beginning)["generated_text"])
