"""Decoding: seconds of the same beam search with the same random weights, in turns with peers.

GPT-2 124M is compared with transformers, ctranslate2 and keras-hub, as far as they are installed. A
UniLM on BERT base is decoded by ``TextGenerator``, by an ``AutoRegressiveDecoder`` with and without
its KV cache, and by bert4keras 0.x if its Python is given. Needs the extra ``bench``, and ``peers``
for ctranslate2 and keras-hub.
"""

import argparse
import os
import statistics
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from tempfile import TemporaryDirectory

import numpy as np
from loading import BERT_BASE

PROMPT, NEW, BEAMS = 128, 32, 4
SEARCH = {"num_beams": BEAMS, "max_new_tokens": NEW, "eos_token_id": None}
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
tokens = decoder.beam_search([ids, ids * 0], topk=BEAMS)
print(time.perf_counter() - begin, *tokens)
"""


def measure_job(job):
    """Return the seconds of a job and its tokens; a job that measures itself returns the pair."""
    time.sleep(0.3)  # the threads of the previous job end first
    start = time.perf_counter()
    result = job()
    return result if isinstance(result, tuple) else (time.perf_counter() - start, result)


def gpt2_jobs(folder, batch, peers):
    """Return {name: function that decodes a batch of prompts}."""
    from bert4keras.models import build_transformer_model

    build_transformer_model(GPT2, model="gpt2", return_keras_model=False).save_pretrained(folder)
    ids = np.random.default_rng(0).integers(0, 50000, (batch, PROMPT))
    jobs = {"bert4keras": by_us(folder, ids)}
    for name in peers:
        try:
            jobs[name] = PEERS[name](folder, ids)
        except ImportError as error:
            print(f"Without {name}: {error}")
    return jobs


def by_us(folder, ids):
    from bert4keras.generation import TextGenerator
    from bert4keras.models import build_transformer_model

    write = TextGenerator(build_transformer_model(folder, final_activation="linear"))
    return lambda: write.generate(list(ids), **SEARCH).tokens


def by_transformers(folder, ids):
    import torch
    from transformers import GPT2LMHeadModel

    model, prompts = GPT2LMHeadModel.from_pretrained(folder).eval(), torch.tensor(ids)
    search = {**SEARCH, "do_sample": False, "pad_token_id": 0}
    return lambda: model.generate(prompts, **search)[:, PROMPT:]


def by_ctranslate2(folder, ids):
    """Return a function that decodes in float32; the names of tokens are their ids."""
    from ctranslate2 import Generator
    from ctranslate2.converters import TransformersConverter
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    names = Tokenizer(models.WordLevel({str(i): i for i in range(GPT2["vocab_size"])}, "0"))
    special = {"unk_token": "0", "bos_token": "0", "eos_token": "0"}
    PreTrainedTokenizerFast(tokenizer_object=names, **special).save_pretrained(folder)
    converted_folder = TransformersConverter(folder).convert(f"{folder}/ctranslate2", force=True)
    threads = {"inter_threads": 1, "intra_threads": os.cpu_count()}
    generator = Generator(converted_folder, compute_type="float32", **threads)
    prompts = [[str(i) for i in row] for row in ids]
    search = {"beam_size": BEAMS, "max_length": NEW, "min_length": NEW}  # it never stops early
    return lambda: [
        result.sequences_ids[0]
        for result in generator.generate_batch(prompts, include_prompt_in_result=False, **search)
    ]


def by_keras_hub(folder, ids):
    """Return a function that decodes with keras-hub on the running backend."""
    from keras_hub.models import GPT2Backbone, GPT2CausalLM
    from keras_hub.samplers import BeamSampler

    model = GPT2CausalLM(backbone=GPT2Backbone.from_preset(folder), preprocessor=None)
    model.compile(sampler=BeamSampler(num_beams=BEAMS))
    room = [[0, 0], [0, NEW]]
    prompts = {"token_ids": np.pad(ids, room), "padding_mask": np.pad(np.ones_like(ids), room)}
    return lambda: model.generate(prompts, stop_token_ids=None)["token_ids"][:, PROMPT:]


def on_jax(make, folder, ids):
    """Return a function that decodes on JAX in a separate process, which measures itself."""
    process = ProcessPoolExecutor(1, get_context("spawn"))
    process.submit(start_on_jax, make, folder, ids).result()
    return lambda: process.submit(decode_on_jax).result()


def start_on_jax(make, *args):
    global job_on_jax
    os.environ["KERAS_BACKEND"] = "jax"
    job_on_jax = make(*args)


def decode_on_jax():
    return measure_job(job_on_jax)


PEERS = {
    "transformers": by_transformers,
    "ctranslate2": by_ctranslate2,
    "keras-hub": by_keras_hub,
    "keras-hub-on-jax": partial(on_jax, by_keras_hub),
    "bert4keras-on-jax": partial(on_jax, by_us),
}


def unilm_jobs(folder, original):
    """Return {name: function that decodes one source}."""
    from bert4keras.generation import TextGenerator
    from bert4keras.models import build_transformer_model

    model = build_transformer_model(BERT_BASE, with_mlm=True, return_keras_model=False)
    model.save_weights_as_checkpoint(f"{folder}/bert_model.ckpt")
    model.save_pretrained(folder)
    names = {"folder": folder, "PROMPT": PROMPT, "NEW": NEW, "BEAMS": BEAMS}
    definitions = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    exec(SCRIPT, names)
    write, decoder, ids = TextGenerator(names["model"]), names["decoder"], names["ids"]
    last = decoder.last_token(names["model"])
    cached_model = last.cached_model

    def run_decoder(use_cache):
        last.cached_model = cached_model if use_cache else None
        return decoder.beam_search([ids, ids * 0], topk=BEAMS)

    jobs = {
        "bert4keras, TextGenerator": lambda: write.generate([ids], **SEARCH).tokens,
        "bert4keras, an old decoder": lambda: run_decoder(True),
        "bert4keras, an old decoder without the cache": lambda: run_decoder(False),
    }
    if original:
        jobs["bert4keras 0.x"] = lambda: in_original(original, definitions, folder)
    return jobs


def in_original(python, definitions, folder):
    result = subprocess.run(
        [python, "-c", definitions + SCRIPT + TIMED],
        cwd=folder,  # where this library is not importable
        env={"TF_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()[-1]
    seconds, *tokens = result.split()
    return float(seconds), [int(i) for i in tokens]


def compare(title, jobs, pairs):
    """Run all jobs in turns and print a table."""
    cold, times = (
        {name: measure_job(job) for name, job in jobs.items()},
        {name: [] for name in jobs},
    )
    for _ in range(pairs):
        for name, job in jobs.items():
            times[name].append(measure_job(job)[0])
    reference, *_ = jobs
    print(f"\n| {title} | first call, s | median, s | to ours in a round, median | same tokens |")
    print("|---|---:|---:|---:|---:|")
    for name, seconds in times.items():
        ratio = statistics.median(t / o for t, o in zip(seconds, times[reference]))
        share = np.mean(np.ravel(cold[name][1]) == np.ravel(cold[reference][1]))
        print(
            f"| {name} | {cold[name][0]:.2f} | {statistics.median(seconds):.2f} | {ratio:.2f} | "
            f"{share:.0%} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3, help="rounds in which all take turns")
    parser.add_argument(
        "--peers", nargs="*", default=list(PEERS), choices=PEERS, help="by default all installed"
    )
    parser.add_argument("--original", help="the python of an environment with bert4keras 0.11.5")
    args = parser.parse_args()
    print(f"Prompt or source of {PROMPT} tokens, {NEW} new ones, {BEAMS} beams, float32.")
    for batch in (1, 8):
        with TemporaryDirectory() as folder:
            jobs = gpt2_jobs(folder, batch, args.peers)
            compare(f"GPT-2 124M, batch {batch}", jobs, args.pairs)
    with TemporaryDirectory() as folder:
        compare("UniLM on BERT base", unilm_jobs(folder, args.original), args.pairs)


if __name__ == "__main__":
    main()
