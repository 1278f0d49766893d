# 用 GPT-2 续写：采样、流式输出、集束搜索 / GPT-2 goes on writing: sampling, streaming, beam search
# 文章 Article  Radford et al. 2019: Language Models are Unsupervised Multitask Learners
# 数据 Data     不需要；没有预训练模型时，先让小 GPT-2 学几首诗，约 0.5 分钟
#              none; without a checkpoint a small GPT-2 learns poems first, half a minute
# 结果 Expect   四种解码方式各写一首  a poem by each way of decoding

import settings

import keras
from data.poems import make_files

from bert4keras.data import load_table, sequence_padding
from bert4keras.generation import TextGenerator
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.tokenizers import Tokenizer, load_tokenizer

checkpoint = ""  # GPT-2 的文件夹；留空用小模型  folder of a GPT-2; empty: a small model
text = "春山"  # 续写的开头  what it goes on from
number = 3  # 采样几篇  how many texts are drawn
max_new_tokens = 48  # 最多续写多少 token  tokens that are written at most
top_p = 0.9  # 采样时保留的概率  tokens are drawn from those that have this probability together
num_beams = 4
epochs = 2  # 小模型学几轮  of the small model
settings.override(globals())

# 小模型 / A small model ------------------------------------------------------------------------

if not checkpoint:  # 训练后按 Hugging Face 的格式保存  trained, then saved as Hugging Face does
    checkpoint = "output/small_models/gpt2"
    poems = load_table(make_files()[0], label=None)
    characters = sorted(set("".join(poems)))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters]
    tokenizer = Tokenizer({token: number for number, token in enumerate(tokens)})
    config = {
        "vocab_size": len(tokens),
        "hidden_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 384,
        "hidden_act": "gelu_tanh",
        "max_position": 128,
    }
    gpt = build_transformer_model(
        config, model="gpt2", final_activation="linear", return_keras_model=False
    )
    token_ids = sequence_padding([tokenizer.encode(poem)[0] for poem in poems])
    # 每个 token 由前一个位置预测，0 是补齐的部分 / The place before predicts a token; 0 is padding
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    gpt.model.compile(Adam(2e-3, clipnorm=1.0), loss)
    gpt.model.fit(token_ids[:, :-1], token_ids[:, 1:], batch_size=32, epochs=epochs)
    gpt.save_pretrained(checkpoint, tokenizer=tokenizer)

# 续写 / Writing --------------------------------------------------------------------------------

model = build_transformer_model(checkpoint)
tokenizer = load_tokenizer(checkpoint)
generate = TextGenerator(model, tokenizer)

# 采样 / Sampling
options = {"do_sample": True, "top_p": top_p, "max_new_tokens": max_new_tokens}
for continuation in generate(text, num_return_sequences=number, **options):
    print(text + continuation)

# 流式输出，一次一段 / Streaming, piece by piece
print(text, end="")
for piece in generate.stream(text, **options):
    print(piece, end="", flush=True)
print()

# 集束搜索；分数是每个 token 的平均对数概率 / Beam search; scores are mean log probabilities
result = generate.generate([text], num_beams=num_beams, max_new_tokens=max_new_tokens)
print(text + tokenizer.decode(result.tokens[0][0]), f"{result.scores[0][0]:.3f}")
