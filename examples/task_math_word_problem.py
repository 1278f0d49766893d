# 用 UniLM 解数学应用题 / Equations for math word problems by a UniLM
# 文章 Article  https://kexue.fm/archives/7809
# 数据 Data     每行一个 JSON（Ape210K、Math23K）/ one JSON record on each line:
#              {"original_text": "小明有8个苹果，又买来3个，这时小明有多少个苹果？",
#               "equation": "x=8+3", "ans": "11"}
# 结果 Expect   自带数据的题做对 0.91，约 5 分钟
#              synthetic data: 0.91 of the answers are right, 5 minutes

import settings

import keras
from data.arithmetic import make_files
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, load_math_problems, sequence_padding
from bert4keras.metrics import score_equations
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay, extend_with_parameter_wise_lr
from bert4keras.pipelines import TextWriter, load_pipeline
from bert4keras.tokenizers import Tokenizer, load_vocab
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
new_head = False  # 预训练模型没有 MLM 头时设为 True  True if the checkpoint has no MLM head
maxlen = 192  # 题目和算式的最大总长度，以 token 计  of problem and equation, in tokens
max_equation = 48  # 算式的最大长度  of the equation
num_beams = 3
batch_size = 32
epochs = 6
learning_rate = 1e-4
output = "output/math_word_problem"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data, valid_data = load_math_problems(train_file), load_math_problems(valid_file)
print(train_data[0])  # ("小明有8个苹果，又买来3个，这时小明有多少个苹果？", "8+3")

head_rate = 10 if new_head else 1  # 新的 MLM 头学得快 10 倍  a new head learns ten times as fast
if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("math_word_problem", map("".join, train_data))
    learning_rate *= 10
    new_head, head_rate = True, 1

# 精简词表：去掉中文 BERT 用不到的 token / tokens that a Chinese BERT never uses are left out
special_tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
tokens, keep_tokens = load_vocab(
    f"{checkpoint}/vocab.txt", simplified=True, startswith=special_tokens
)
tokenizer = Tokenizer(tokens, do_lower_case=True)


def encode(sample):
    """题目和算式，以及每个位置要预测的 token / Problem, equation and what each place predicts

    算式的 token 由前一个位置预测。新的 MLM 头还要学会认出读到的 token，这样很快就会复制。
    The place before predicts a token of the equation. A new head also learns to name the token that
    it reads, so that it soon copies.
    """
    text, equation = sample
    text_ids, _ = tokenizer.encode(text, maxlen=maxlen - max_equation)
    equation_ids = tokenizer.encode(equation, maxlen=max_equation)[0][1:]  # 不要 [CLS]  without
    token_ids = text_ids + equation_ids
    segment_ids = [0] * len(text_ids) + [1] * len(equation_ids)
    labels = text_ids[:-1] + equation_ids + [0]
    copy_weight = len(equation_ids) / len(text_ids) if new_head else 0.0
    weights = [copy_weight] * (len(text_ids) - 1) + [1.0] * len(equation_ids) + [0.0]
    return token_ids, segment_ids, labels, weights


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            columns = zip(*map(encode, samples))
            token_ids, segment_ids, labels, weights = [
                sequence_padding(column, multiple=16) for column in columns
            ]
            yield [token_ids, segment_ids], labels, weights.astype("float32")


# 模型 / Model ----------------------------------------------------------------------------------

model = build_transformer_model(
    checkpoint,
    application="unilm",  # 题目双向，算式单向  the problem sees itself, the equation its past
    with_mlm="linear",
    keep_tokens=keep_tokens,
    ignore_invalid_weights=new_head,
)

# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
optimizer = extend_with_parameter_wise_lr(Adam)(
    WarmupCosineDecay(learning_rate, steps * epochs),
    clipnorm=1.0,
    paramwise_lr_schedule={"MLM": head_rate},
)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True, reduction="mean_with_sample_weight"
)
model.compile(optimizer, cross_entropy)

# 算式的值对就算对，形式可以不同；最好的模型存到 output，按 Ctrl-C 也不会丢
# An equation is right if its value is, in any form; the best model is in output, even after Ctrl-C
options = {"num_beams": num_beams, "max_new_tokens": max_equation}
max_text = maxlen - max_equation
writer = TextWriter(model, tokenizer, maxlen=max_text, truncate=True, generation=options)
best = BestPipeline(writer, valid_data, output, score=score_equations)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

writer = load_pipeline(output)
for text, equation in valid_data[:3]:
    print(text, "->", writer(text)["generated_text"], "/", equation)
