#! -*- coding: utf-8 -*-
# Names and arguments of 0.2 to 0.5: Sequence-Mask, cls and sep, first and second, startwith
import json, pickle
from bert4keras.backend import set_gelu
from bert4keras.bert import build_bert_model, Bert4LM, Bert4Seq2seq
from bert4keras.layers import *
from bert4keras.layers import FactorizedEmbedding
from bert4keras.models import BiasAdd
from bert4keras.optimizers import PiecewiseLinearLearningRate
from bert4keras.snippets import sequence_padding
from bert4keras.tokenizer import Tokenizer, load_vocab
from bert4keras.utils import SimpleTokenizer
from keras.optimizers import Adam

set_gelu("tanh")
token_dict, keep_words = load_vocab(
    "bert/vocab.txt", simplified=True, startwith=["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
)
tokenizer = Tokenizer(token_dict, do_lower_case=True)
assert tokenizer._token_cls == "[CLS]" and tokenizer._token_sep_id == 3
simple = pickle.loads(pickle.dumps(SimpleTokenizer(token_dict)))
assert simple.encode(first="北京", second="天气") == simple.encode("北京", "天气")

c_in = Input(shape=(1,))
c = Reshape((8,))(Embedding(2, 8)(c_in))
model = build_bert_model(
    "bert/bert_config.json",
    "bert/bert_model.ckpt",
    application="lm",
    keep_words=keep_words,
    layer_norm_cond=c,
    additional_input_layers=c_in,
)
y_in = model.input[0][:, 1:]
y_mask = model.get_layer("Sequence-Mask").output_mask[:, 1:]
cross_entropy = K.sparse_categorical_crossentropy(y_in, model.output[:, :-1])
cross_entropy = K.sum(cross_entropy * y_mask) / K.sum(y_mask)
model.add_loss(cross_entropy)
model.compile(optimizer=PiecewiseLinearLearningRate(Adam(1e-3), {2: 1, 4: 0.1}))
batch = [tokenizer.encode(t, max_length=6) for t in ["天气好", "我爱北京"]]
ids, segments = [sequence_padding(x, padding=0) for x in zip(*batch)]
history = model.fit([ids, segments, np.array([[0], [1]])], epochs=2, verbose=0)
alone = model.evaluate([ids[:1, :5], segments[:1, :5], np.array([[0]])], verbose=0)
padded = model.evaluate([ids[:1], segments[:1], np.array([[0]])], verbose=0)
assert abs(alone - padded) < 1e-5, (alone, padded)
target = [[tokenizer._token_cls_id]]
assert model.predict([target, [[0]], [[1]]]).shape == (1, 1, len(keep_words))
config = json.load(open("bert/bert_config.json"))
for family in (Bert4LM, Bert4Seq2seq):
    bert = family(**config)
    bert.build()
    assert bert.model.output.shape[-1] == config["vocab_size"]
