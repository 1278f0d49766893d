# 用 UniLM 生成标题 / Titles for texts by a UniLM
# 文章 Article  https://kexue.fm/archives/6933
# 数据 Data     每行“正文<tab>标题”，前面可以有别的列（CSL）
#              a text, a tab and a title on each line, perhaps with columns before them (CSL)
# 结果 Expect   自带数据 ROUGE-L 0.999，约 2 分钟；CSL 的 1000 篇 0.148（12 层小模型，没有 MLM 头）
#              synthetic data: ROUGE-L 0.999, 2 minutes; 1,000 texts of CSL: 0.148, from a small
#              model without an MLM head

import settings

import keras
from data.small_model import make_checkpoint
from data.titles import make_files

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
maxlen = 256  # 正文和标题的最大总长度，以 token 计  of text and title, in tokens
max_title = 48  # 标题的最大长度  of the title
num_beams = 2
batch_size = 16
epochs = 2
learning_rate = 1e-4
output = "output/autotitle"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data = load_table(train_file, text=-2, label=-1)
valid_data = load_table(valid_file, text=-2, label=-1)
print(train_data[0])  # ("正文", "标题")

head_rate = 10 if new_head else 1  # 新的 MLM 头学得快 10 倍  a new head learns ten times as fast
if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("autotitle", (text + title for text, title in train_data))
    learning_rate *= 10
    new_head, head_rate = True, 1

# 精简词表：去掉中文 BERT 用不到的 token / tokens that a Chinese BERT never uses are left out
special_tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
tokens, keep_tokens = load_vocab(
    f"{checkpoint}/vocab.txt", simplified=True, startswith=special_tokens
)
tokenizer = Tokenizer(tokens, do_lower_case=True)


def encode(sample):
    """正文和标题，以及每个位置要预测的 token / Text, title and what each place predicts

    标题的 token 由前一个位置预测。新的 MLM 头还要学会认出读到的 token，这样很快就会复制。
    The place before predicts a token of the title. A new head also learns to name the token that it
    reads, so that it soon copies.
    """
    text, title = sample
    text_ids, _ = tokenizer.encode(text, maxlen=maxlen - max_title)
    title_ids = tokenizer.encode(title, maxlen=max_title)[0][1:]  # 不要 [CLS]  without [CLS]
    token_ids = text_ids + title_ids
    segment_ids = [0] * len(text_ids) + [1] * len(title_ids)
    labels = text_ids[:-1] + title_ids + [0]
    copy_weight = len(title_ids) / len(text_ids) if new_head else 0.0
    weights = [copy_weight] * (len(text_ids) - 1) + [1.0] * len(title_ids) + [0.0]
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
    application="unilm",  # 正文双向，标题单向  the text sees all of itself, the title its past
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

# 每轮结束用 ROUGE 和 BLEU 评分，最好的模型存到 output，按 Ctrl-C 也不会丢
# Each epoch ends with ROUGE and BLEU; the best model is in output, even after Ctrl-C
options = {"num_beams": num_beams, "max_new_tokens": max_title}
writer = TextWriter(model, tokenizer, maxlen=maxlen - max_title, truncate=True, generation=options)
best = BestPipeline(writer, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

writer = load_pipeline(output)
for text, title in valid_data[:3]:
    print(text, "->", writer(text)["generated_text"], "/", title)
