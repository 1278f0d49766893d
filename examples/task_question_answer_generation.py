# 用 UniLM 从段落生成问答对 / Questions with answers, generated from passages by a UniLM
# 文章 Article  https://kexue.fm/archives/7630
# 数据 Data     WebQA 的 JSON，一个问题有若干段落 / WebQA's JSON: a question with its passages
#              {"Q1": {"question": "谁写了《春山》？", "evidences":
#               {"Q1#0": {"evidence": "《春山》，李明著。", "answer": ["李明"]}}}}
# 结果 Expect   自带数据 0.79 的问答对完全正确，问题 F1 0.94，约 5 分钟
#              synthetic data: 0.79 of the pairs are right, F1 of the questions 0.94, 5 minutes

import settings

import keras
from data.reading import make_files
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, load_webqa, sequence_padding
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay, extend_with_parameter_wise_lr
from bert4keras.pipelines import QuestionWriter, load_pipeline
from bert4keras.tokenizers import Tokenizer, load_vocab
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
new_head = False  # 预训练模型没有 MLM 头时设为 True  True if the checkpoint has no MLM head
maxlen = 256  # 段落和答案的最大总长度，以 token 计  of passage and answer, in tokens
max_question = 48  # 问题的最大长度，以 token 计  of the question, in tokens
num_beams = 2
batch_size = 32
epochs = 5
learning_rate = 2e-4
output = "output/question_answer_generation"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals(), predict="PASSAGE")

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files(8000, 300, passages=2, has_all_wordings=True)


def load_pairs(path):
    """各段落的问答对 / The pairs of each passage: [("段落", [("问题", "答案"), ...]), ...]"""
    passages = {}
    for row in load_webqa(path):
        for passage, answers in zip(row["passages"], row["passage_answers"]):
            if answers:
                passages.setdefault(passage, []).append((row["question"], answers[0]))
    return list(passages.items())


train_data, valid_data = load_pairs(train_file), load_pairs(valid_file)
print(train_data[0])

# 每个样本读一段，写一段：先由段落写答案，再由段落和答案写问题，知道了答案就容易提问
# A sample is what to read and what to write: a passage gives an answer, both give a question, which
# is easier to ask when its answer is known
samples = []
for passage, pairs in train_data:
    for question, answer in pairs:
        samples += [((passage,), answer), ((passage, answer), question)]

head_rate = 10 if new_head else 1  # 新的 MLM 头学得快 10 倍  a new head learns ten times as fast
if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    texts = ("".join(source) + target for source, target in samples)
    checkpoint = make_checkpoint("question_answer_generation", texts, dropout=0.0)
    learning_rate *= 10
    new_head, head_rate = True, 1

# 精简词表：去掉中文 BERT 用不到的 token / tokens that a Chinese BERT never uses are left out
special_tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
tokens, keep_tokens = load_vocab(
    f"{checkpoint}/vocab.txt", simplified=True, startswith=special_tokens
)
tokenizer = Tokenizer(tokens, do_lower_case=True)


def encode(sample):
    """读到的和要写的 token，以及每个位置要预测的 token / Tokens, and what each place predicts

    要写的 token 由前一个位置预测。新的 MLM 头还要学会认出读到的 token，这样很快就会复制。
    The place before predicts a token of the target. A new head also learns to name the token that
    it reads, so that it soon copies.
    """
    source, target = sample
    source_ids, _ = tokenizer.encode(*source, maxlen=maxlen)
    target_ids = tokenizer.encode(target, maxlen=max_question)[0][1:]  # 不要 [CLS]  without [CLS]
    token_ids = source_ids + target_ids
    segment_ids = [0] * len(source_ids) + [1] * len(target_ids)
    labels = source_ids[:-1] + target_ids + [0]
    copy_weight = len(target_ids) / len(source_ids) if new_head else 0.0
    weights = [copy_weight] * (len(source_ids) - 1) + [1.0] * len(target_ids) + [0.0]
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
    application="unilm",  # 读到的双向，要写的单向  the target sees its past, the source all of it
    with_mlm="linear",
    keep_tokens=keep_tokens,
    ignore_invalid_weights=new_head,
)

# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(samples, batch_size, length_func=lambda sample: sum(map(len, sample[0])))
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

# 与验证集中任何一个问答对相同才算正确；每轮结束评分，最好的模型存到 output，按 Ctrl-C 也不会丢
# A pair is right if it is one of those of its passage. Each epoch ends with scores; the best model
# is in output, even after Ctrl-C
options = {"num_beams": num_beams, "max_new_tokens": max_question}
writer = QuestionWriter(model, tokenizer, maxlen=maxlen, truncate=True, generation=options)
best = BestPipeline(writer, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

# 答案随机采样，一个段落就有不同的问答对  answers drawn at random give several pairs of a passage
writer = load_pipeline(output)
sampling = {"do_sample": True, "num_beams": 1, "top_p": 0.9, "num_return_sequences": 3}
passages = [passage for passage, _ in valid_data[:3]]
for passage, records in zip(passages, writer(passages, **sampling)):
    print(passage)
    for record in records:
        print("   ", record["question"], record["answer"])
