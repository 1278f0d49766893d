"""Decoding: seconds for the same beam search on the same random weights, in turns with peers.

GPT-2 124M beside transformers, and a UniLM on BERT base: by `TextGenerator`, by a decoder as old
scripts write it, from the cache and without, and by bert4keras 0.x if its Python is given. Needs
the `bench` extra.
"""

import argparse
import statistics
import subprocess
import time
from tempfile import TemporaryDirectory

import numpy as np
from loading import BERT_BASE

PROMPT, NEW, BEAMS = 128, 32, 4
GPT2 = {
    **BERT_BASE,
    "vocab_size": 50257,
    "hidden_act": "gelu_tanh",
    "max_position": 1024,
    "pad_token_id": None,
}
SCRIPT = """
import time
import numpy as np
from bert4keras.models import build_transformer_model
from bert4keras.snippets import AutoRegressiveDecoder

model = build_transformer_model(
    folder + "/config.json", folder + "/bert_model.ckpt", application="unilm", with_mlm="linear"
)


class Decoder(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype="logits")
    def predict(self, inputs, output_ids, states):
        token_ids, segment_ids = inputs
        token_ids = np.concatenate([token_ids, output_ids], 1)
        segment_ids = np.concatenate([segment_ids, np.ones_like(output_ids)], 1)
        return self.last_token(model).predict([token_ids, segment_ids])


decoder = Decoder(start_id=None, end_id=-1, maxlen=NEW)
ids = np.random.default_rng(0).integers(200, 20000, PROMPT)
"""
TIMED = """
decoder.beam_search([ids, ids * 0], topk=BEAMS)
begin = time.perf_counter()
decoder.beam_search([ids, ids * 0], topk=BEAMS)
print(time.perf_counter() - begin)
"""


def seconds(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def gpt2_jobs(folder, batch):
    """{who: a call that decodes a batch of prompts}."""
    import torch
    from transformers import GPT2LMHeadModel

    from bert4keras.models import TextGenerator, build_transformer_model

    options = {"return_keras_model": False, "final_activation": "linear"}
    build_transformer_model(GPT2, model="gpt2", **options).save_pretrained(folder)
    write = TextGenerator(build_transformer_model(folder, **options))
    theirs = GPT2LMHeadModel.from_pretrained(folder).eval()
    ids = np.random.default_rng(0).integers(0, 50000, (batch, PROMPT))
    search = {"num_beams": BEAMS, "max_new_tokens": NEW, "eos_token_id": None}
    return {
        "bert4keras": lambda: write.generate(list(ids), **search),
        "transformers": lambda: theirs.generate(
            torch.tensor(ids), do_sample=False, pad_token_id=0, **search
        ),
    }


def unilm_jobs(folder, original):
    """{who: a call that decodes one source}."""
    from bert4keras.models import TextGenerator, build_transformer_model

    model = build_transformer_model(BERT_BASE, with_mlm=True, return_keras_model=False)
    model.save_weights_as_checkpoint(f"{folder}/bert_model.ckpt")
    model.save_pretrained(folder)
    names = {"folder": folder, "PROMPT": PROMPT, "NEW": NEW, "BEAMS": BEAMS}
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    exec(SCRIPT, names)
    write, decoder, ids = TextGenerator(names["model"]), names["decoder"], names["ids"]
    last = decoder.last_token(names["model"])
    graph = last.graph

    def old(cached):
        last.graph = graph if cached else None
        decoder.beam_search([ids, ids * 0], topk=BEAMS)

    jobs = {
        "bert4keras, TextGenerator": lambda: write.generate(
            [ids], num_beams=BEAMS, max_new_tokens=NEW, eos_token_id=None
        ),
        "bert4keras, an old decoder": lambda: old(True),
        "bert4keras, an old decoder without the cache": lambda: old(False),
    }
    if original:
        jobs["bert4keras 0.x"] = lambda: float(
            subprocess.run(
                [original, "-c", given + SCRIPT + TIMED],
                cwd=folder,  # and so not this library
                env={"TF_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()[-1]
        )
    return jobs


def compare(title, jobs, pairs):
    """Run all in turns and print a table."""
    cold = {name: seconds(job) for name, job in jobs.items()}
    times = {name: [] for name in jobs}
    for _ in range(pairs):
        for name, job in jobs.items():
            begin = time.perf_counter()
            inside = job()  # a process of its own measures itself
            taken = time.perf_counter() - begin
            times[name].append(inside if isinstance(inside, float) else taken)
    first = next(iter(jobs))
    print(f"\n| {title} | first call, s | median, s | to ours in a round, median |")
    print("|---|---:|---:|---:|")
    for name, own in times.items():
        ratio = statistics.median(t / ours for t, ours in zip(own, times[first]))
        print(f"| {name} | {cold[name]:.2f} | {statistics.median(own):.2f} | {ratio:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3, help="rounds in which all take turns")
    parser.add_argument("--original", help="the python of an environment with bert4keras 0.11.5")
    args = parser.parse_args()
    print(f"Prompt or source of {PROMPT} tokens, {NEW} new ones, {BEAMS} beams, float32.")
    for batch in (1, 8):
        with TemporaryDirectory() as folder:
            compare(f"GPT-2 124M, batch {batch}", gpt2_jobs(folder, batch), args.pairs)
    with TemporaryDirectory() as folder:
        compare("UniLM on BERT base", unilm_jobs(folder, args.original), args.pairs)


if __name__ == "__main__":
    main()
