# 用 UniLM 做阅读理解，答案逐字写出 / Reading comprehension by a UniLM, which writes the answers
# 文章 Article  https://kexue.fm/archives/7115
# 数据 Data     WebQA 的 JSON，一个问题有若干段落 / WebQA's JSON: a question with its passages
#              {"Q1": {"question": "谁写了《春山》？", "evidences":
#               {"Q1#0": {"evidence": "《春山》，李明著。", "answer": ["李明"]}}}}
# 结果 Expect   自带数据准确率 0.88，F1 0.89，约 6 分钟
#              synthetic data: accuracy 0.88, F1 0.89, 6 minutes

import settings

import keras
from data.reading import make_files
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, load_webqa, sequence_padding
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay, extend_with_parameter_wise_lr
from bert4keras.pipelines import SequenceReader, load_pipeline
from bert4keras.tokenizers import Tokenizer, load_vocab
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
new_head = False  # 预训练模型没有 MLM 头时设为 True  True if the checkpoint has no MLM head
maxlen = 256  # 答案、问题和段落的最大总长度，以 token 计  of answer, question, passage, in tokens
max_answer = 16  # 答案的最大长度  of the answer
num_beams = 2
batch_size = 32
epochs = 4
learning_rate = 2e-4
output = "output/reading_by_seq2seq"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals(), predict="QUESTION PASSAGE")

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data, valid_data = load_webqa(train_file), load_webqa(valid_file)
print(train_data[0])  # {"question": "问题", "passages": ["段落", ...], "answers": ["答案"], ...}

# 每个段落是一个样本；没有答案的段落，答案是空的
# Each passage is a sample; a passage without an answer has an empty one
samples = []
for row in train_data:
    for passage, answers in zip(row["passages"], row["passage_answers"]):
        samples.append((row["question"], passage, answers[0] if answers else ""))

head_rate = 10 if new_head else 1  # 新的 MLM 头学得快 10 倍  a new head learns ten times as fast
if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    texts = (question + passage for question, passage, _ in samples)
    checkpoint = make_checkpoint("reading_by_seq2seq", texts, dropout=0.0)
    learning_rate *= 10
    new_head, head_rate = True, 1

# 精简词表：去掉中文 BERT 用不到的 token / tokens that a Chinese BERT never uses are left out
special_tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
tokens, keep_tokens = load_vocab(
    f"{checkpoint}/vocab.txt", simplified=True, startswith=special_tokens
)
tokenizer = Tokenizer(tokens, do_lower_case=True)


def encode(sample):
    """[CLS] 段落 [SEP] 问题 [SEP] 答案 [SEP]，以及每个位置要预测的 token

    Tokens as above (passage, question, answer), and what each place predicts. The place before
    predicts a token of the answer. A new head also learns to name the token that it reads, so that
    it soon copies.
    """
    question, passage, answer = sample
    question_ids, _ = tokenizer.encode(question)
    passage_ids, _ = tokenizer.encode(passage, maxlen=maxlen - len(question_ids) - max_answer)
    prompt_ids = passage_ids + question_ids[1:]  # 不要 [CLS]  without [CLS]
    answer_ids = tokenizer.encode(answer, maxlen=max_answer)[0][1:]
    token_ids = prompt_ids + answer_ids
    segment_ids = [0] * len(prompt_ids) + [1] * len(answer_ids)
    labels = prompt_ids[:-1] + answer_ids + [0]
    copy_weight = len(answer_ids) / len(prompt_ids) if new_head else 0.0
    weights = [copy_weight] * (len(prompt_ids) - 1) + [1.0] * len(answer_ids) + [0.0]
    return token_ids, segment_ids, labels, weights


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for batch in self.batches(random):
            token_ids, segment_ids, labels, weights = [
                sequence_padding(rows, multiple=16) for rows in zip(*map(encode, batch))
            ]
            yield [token_ids, segment_ids], labels, weights.astype("float32")


# 模型 / Model ----------------------------------------------------------------------------------

model = build_transformer_model(
    checkpoint,
    application="unilm",  # 段落和问题双向，答案单向  the answer sees its past, the rest all of it
    with_mlm="linear",
    keep_tokens=keep_tokens,
    ignore_invalid_weights=new_head,
)

# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(samples, batch_size, length_func=lambda sample: len(sample[1]))
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

# 答案只能是段落里的片段，各段落投票；每轮结束评分，最好的模型存到 output，按 Ctrl-C 也不会丢
# Answers are n-grams of the passages, which vote on each token. Each epoch ends with scores; the
# best model is in output, even after Ctrl-C
reader = SequenceReader(model, tokenizer, max_answer, num_beams, maxlen=maxlen, truncate=True)
best = BestPipeline(reader, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

reader = load_pipeline(output)
for row in valid_data[:3]:
    record = reader({"question": row["question"], "passages": row["passages"]})
    print(row["question"], "->", record["text"] or "（没有答案）", "/", *row["answers"])
