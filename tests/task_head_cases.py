"""Tiny models of transformers with task heads: the cases of golden numbers and of comparisons."""

import numpy as np

LABELS = {"id2label": {0: "A", 1: "B", 2: "C"}, "label2id": {"A": 0, "B": 1, "C": 2}}
SMALL = {
    "vocab_size": 16,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
}
_DISTILBERT = {"vocab_size": 16, "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 8}
_GPT = {"vocab_size": 16, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16}
_GPT = {**_GPT, "pad_token_id": 0}
_DEBERTA = {**SMALL, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
_DEBERTA |= {"pooler_hidden_act": "tanh", "pooler_hidden_size": 8}
_GROUPED = {**SMALL, "num_key_value_heads": 1}
_DECODER = {"is_decoder": True}
_ROBERTA = {**SMALL, "pad_token_id": 1}
CLASSIFIERS = ("ForSequenceClassification", "ForTokenClassification")
_ENCODER = (*CLASSIFIERS, "ForQuestionAnswering", "ForMaskedLM")
_CAUSAL = (*CLASSIFIERS, "ForQuestionAnswering", "ForCausalLM")
_FAMILIES = {  # beginning of the classes -> settings, ends of the classes
    "Bert": (SMALL, (*_ENCODER, "ForPreTraining", "ForNextSentencePrediction")),
    "Roberta": (_ROBERTA, _ENCODER),
    "XLMRoberta": (_ROBERTA, _ENCODER),
    "Camembert": (_ROBERTA, _ENCODER),
    "DistilBert": (_DISTILBERT, _ENCODER),
    "Albert": ({**SMALL, "embedding_size": 4}, (*_ENCODER, "ForPreTraining")),
    "Electra": ({**SMALL, "embedding_size": 4}, _ENCODER),
    "Ernie": (SMALL, (*_ENCODER, "ForPreTraining", "ForNextSentencePrediction")),
    "DebertaV2": (_DEBERTA, _ENCODER),
    "ModernBert": (SMALL, _ENCODER),
    "RoFormer": ({**SMALL, "hidden_act": "tanh"}, _ENCODER),
    "GPT2": (_GPT, (*_CAUSAL[:3], "LMHeadModel")),
    "OpenAIGPT": (_GPT, ("ForSequenceClassification", "LMHeadModel")),
    "Llama": (SMALL, _CAUSAL),
    "Mistral": ({**_GROUPED, "sliding_window": None}, _CAUSAL),
    "Qwen2": (_GROUPED, _CAUSAL),
}
CASES = {  # name -> class of transformers, its settings, what to build here
    f"{family}{end}": (f"{family}{end}", {**settings, **(LABELS if end in CLASSIFIERS else {})}, {})
    for family, (settings, ends) in _FAMILIES.items()
    for end in ends
} | {
    "BertLMHeadModel": ("BertLMHeadModel", {**SMALL, **_DECODER}, {}),
    "RobertaForCausalLM": ("RobertaForCausalLM", {**_ROBERTA, **_DECODER}, {}),
    "ErnieForCausalLM": ("ErnieForCausalLM", {**SMALL, **_DECODER}, {}),
    "RoFormerForCausalLM": ("RoFormerForCausalLM", {**SMALL, **_DECODER}, {}),
    "BertForPreTraining@sentences": (
        "BertForPreTraining",
        SMALL,
        {"task": "next-sentence-prediction"},
    ),
    "AlbertForPreTraining@sentences": (
        "AlbertForPreTraining",
        {**SMALL, "embedding_size": 4},
        {"task": "next-sentence-prediction"},
    ),
    "BertForSequenceClassification@decoder": (
        "BertForSequenceClassification",
        {**SMALL, **LABELS, **_DECODER},
        {},
    ),
    "BertForSequenceClassification@one": (
        "BertForSequenceClassification",
        {**SMALL, "num_labels": 1, "problem_type": "regression"},
        {},
    ),
    "ModernBertForSequenceClassification@mean": (
        "ModernBertForSequenceClassification",
        {**SMALL, **LABELS, "classifier_pooling": "mean", "classifier_bias": True},
        {},
    ),
    "ModernBertForMaskedLM@bias": (
        "ModernBertForMaskedLM",
        {**SMALL, "classifier_bias": True},
        {},
    ),
    "LlamaForSequenceClassification@end": (  # the padding id also ends texts
        "LlamaForSequenceClassification",
        {**SMALL, **LABELS, "pad_token_id": 2, "eos_token_id": 2},
        {},
    ),
}


def make_batches(pad):
    """Return two padded batches of ids, of two lengths, and their masks."""
    rng = np.random.default_rng(0)
    batches = []
    for length, counts in ((6, [6, 3]), (4, [2, 4])):
        ids = rng.integers(3, 16, (2, length))
        is_token = np.arange(length) < np.array(counts)[:, None]
        batches.append((np.where(is_token, ids, pad), is_token))
    return batches


def segments_of(ids):
    """Return segment ids: the second half of each row is the second text."""
    return np.broadcast_to(np.arange(ids.shape[1]) >= ids.shape[1] // 2, ids.shape).astype("int64")


def make_model(name):
    """Make a model of transformers with random weights that half precision holds exactly."""
    import torch
    import transformers

    class_name, settings, _ = CASES[name]
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**settings)).eval()
    torch.manual_seed(sum(map(ord, name)))
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            if "embed_positions" not in weight_name:  # sines and cosines
                weight.copy_((torch.randn(weight.shape) * 0.3).half().float())
    return model


def compute_logits(model, ids, is_token, task):
    """Return the logits of a model of transformers as an array."""
    import torch

    inputs = {"attention_mask": torch.tensor(is_token).long()}
    if (getattr(model.config, "type_vocab_size", None) or 0) > 1:
        inputs["token_type_ids"] = torch.tensor(segments_of(ids))
    with torch.no_grad():
        output = model(torch.tensor(ids), **inputs)
    if task == "question-answering":
        return torch.stack([output.start_logits, output.end_logits], -1).numpy()
    is_sentence = task == "next-sentence-prediction"
    names = ("seq_relationship_logits", "sop_logits") if is_sentence else ("prediction_logits",)
    return next(output[x] for x in (*names, "logits") if x in output).numpy()
