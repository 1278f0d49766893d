# 用 T5 生成：读一段，写一段 / T5: reads a text and writes another one
# 文章 Article  https://kexue.fm/archives/7867
# 数据 Data     不需要；没有预训练模型时，先让小 T5 学会把“三百二十五”写成 325，约 0.5 分钟
#              none; without a checkpoint a small T5 first learns to write 三百二十五 as 325, half a
#              minute
# 结果 Expect   把“三百二十五”写成 325  writes 三百二十五 as 325

import settings

import keras
import numpy as np

from bert4keras.data import sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.tokenizers import Tokenizer, load_tokenizer

checkpoint = ""  # T5 的文件夹；留空用小模型  folder of a T5; empty: a small model
text = "三百二十五"  # 读的文字  what it reads
num_beams = 4
max_new_tokens = 48  # 最多写多少 token  tokens that are written at most
epochs = 6  # 小模型学几轮  of the small model
settings.override(globals())

# 小模型 / A small model ------------------------------------------------------------------------

digits, units = "零一二三四五六七八九", ["千", "百", "十", ""]


def to_chinese(number):
    """10000 以内的数的中文读法 / A number below 10,000 in Chinese"""
    spoken, needs_zero = "", False
    for digit, unit in zip(f"{number:04d}", units):
        if digit != "0":
            spoken += "零" * needs_zero + digits[int(digit)] + unit
        needs_zero = digit == "0" and spoken != ""
    return spoken or "零"


if not checkpoint:  # 训练后按 Hugging Face 的格式保存  trained, then saved as Hugging Face does
    checkpoint = "output/small_models/t5"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *digits, *"十百千", *"0123456789"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(vocabulary, token_start=None)
    numbers = np.random.permutation(10000)[:6000]
    source = sequence_padding([tokenizer.encode(to_chinese(n))[0] for n in numbers])
    target = sequence_padding([tokenizer.tokens_to_ids([*str(n), "[SEP]"]) for n in numbers])
    start = np.zeros_like(target[:, :1])  # 解码从 0 开始  the decoder starts with 0
    decoder_input = np.concatenate([start, target[:, :-1]], axis=1)
    config = {
        "vocab_size": len(tokens),
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "hidden_act": "relu",
        "cross_position_bias": False,
    }
    t5 = build_transformer_model(config, model="t5.1.0", with_lm="linear", return_keras_model=False)
    # 0 是补齐的部分，不计 / 0 is padding, which does not count
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    t5.model.compile(Adam(1e-3, clipnorm=1.0), loss)
    t5.model.fit([source, decoder_input], target, batch_size=32, epochs=epochs)
    t5.save_pretrained(checkpoint, tokenizer=tokenizer)

# 生成 / Writing --------------------------------------------------------------------------------

model = build_transformer_model(checkpoint)
tokenizer = load_tokenizer(checkpoint)
generate = TextGenerator(model, tokenizer)
answer = generate(text, num_beams=num_beams, max_new_tokens=max_new_tokens)
print(text, "->", answer.replace(" ", ""))
