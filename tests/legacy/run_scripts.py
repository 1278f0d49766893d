"""Run scripts in compatibility mode, one after another in one process, and print the results.

``python run_scripts.py FOLDER script.py ...`` writes a tiny vocabulary, configuration and
checkpoint into FOLDER. Each script runs in its own folder next to them.
"""

import contextlib
import io
import json
import os
import runpy
import sys
import time
import traceback
from pathlib import Path

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] [unused1]".split()
CHARACTERS = "我爱北京今天气不好你李明的是在人大小上下，。a b"
CONFIG = {
    "vocab_size": len(TOKENS) + len(CHARACTERS.replace(" ", "")),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
}
FAMILIES = {  # folder -> name of the model, and settings
    "bert": ("bert", {}),
    "albert": ("albert", {"num_hidden_layers": 2, "embedding_size": 6}),
}


def prepare(folder):
    """Write vocabulary, configuration and random weights for each family."""
    import keras

    from bert4keras.models import build_transformer_model

    keras.utils.set_random_seed(0)
    for name, (model, settings) in FAMILIES.items():
        (folder / name).mkdir(parents=True)
        vocabulary = TOKENS + list(CHARACTERS.replace(" ", ""))
        (folder / name / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
        config = {**CONFIG, **settings}
        (folder / name / "bert_config.json").write_text(json.dumps(config))
        heads = {"with_pool": True, "with_mlm": True, "return_keras_model": False}
        built = build_transformer_model(config, model=model, **heads)
        built.save_weights_as_checkpoint(str(folder / name / "bert_model.ckpt"))


def run(script, folder):
    """Run one script in its own folder, and return the result."""
    script_folder = folder / Path(script).stem
    script_folder.mkdir()
    for name in FAMILIES:
        (script_folder / name).symlink_to(folder / name)
    os.chdir(script_folder)
    output, error, start = io.StringIO(), None, time.time()
    sys.argv = [script]
    try:
        with contextlib.redirect_stdout(output):
            runpy.run_path(script, run_name="__main__")
    except BaseException as raised:  # the test reads the error of the script
        error = f"{type(raised).__name__}: {raised}"
        print(traceback.format_exc(), file=sys.stderr)
    os.chdir(folder)
    return {
        "script": Path(script).name,
        "error": error,
        "printed": output.getvalue(),
        "seconds": round(time.time() - start, 2),
    }


def main(folder, *scripts):
    """Run scripts, and print a line of JSON for each."""
    import keras

    import bert4keras.legacy  # noqa: F401
    from bert4keras.legacy.report import usage_report

    folder = Path(folder)
    prepare(folder)
    for script in scripts:
        keras.config.disable_traceback_filtering()
        keras.utils.set_random_seed(1)
        usage_report.clear()
        keras.config.set_dtype_policy("float32")
        result = run(script, folder)
        result["report"] = usage_report.lines()
        print("RESULT " + json.dumps(result), flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    main(*sys.argv[1:])
