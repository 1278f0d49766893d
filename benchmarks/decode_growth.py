"""Cost of a token as outputs grow longer, batches and beams wider.

Decodes with GPT-2 124M, or a UniLM on BERT base, with random weights. One of three numbers grows,
the others are constant. Prints a table, and plots it if a file is named (needs the extra ``plot``).
"""

import argparse
import statistics

import numpy as np
from decode import GPT2, measure_job
from loading import BERT_BASE
from tqdm import tqdm

PROMPT = 32  # 480 new tokens fit in BERT's 512 positions
START = {"new tokens": 32, "prompts": 1, "beams": 4}
GROWING = {
    "new tokens": (32, 64, 128, 240, 480),
    "prompts": (1, 2, 4, 8, 16),
    "beams": (1, 2, 4, 8),
}
SMALL = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
}


def writer(unilm, small):
    """Return a text generator with random weights."""
    from bert4keras.generation import TextGenerator
    from bert4keras.models import build_transformer_model

    config = {**(BERT_BASE if unilm else GPT2), **(SMALL if small else {})}
    kind = {"application": "unilm", "with_mlm": "linear"} if unilm else {"model": "gpt2"}
    options = {} if unilm else {"final_activation": "linear"}
    return TextGenerator(build_transformer_model(config, **kind, **options))


def settings():
    """Return {number that grows: its settings, (new tokens, prompts, beams)}."""
    return {
        name: [tuple({**START, name: value}.values()) for value in values]
        for name, values in GROWING.items()
    }


def measure(write, rounds):
    """Return {setting: milliseconds for a token of one prompt}, without the first call."""
    times = {setting: [] for name in GROWING for setting in settings()[name]}
    with tqdm(total=len(times) * (1 + rounds)) as bar:
        for _ in range(1 + rounds):
            for (new, prompts, beams), milliseconds in times.items():
                bar.set_postfix_str(f"new tokens {new}, prompts {prompts}, beams {beams}")
                ids = np.random.default_rng(0).integers(200, 20000, (prompts, PROMPT))
                search = {"max_new_tokens": new, "num_beams": beams, "eos_token_id": None}
                seconds, _ = measure_job(lambda: write(list(ids), **search))  # noqa: B023
                milliseconds.append(1000 * seconds / (new * prompts))
                bar.update()
    return {setting: statistics.median(milliseconds[1:]) for setting, milliseconds in times.items()}


def show(title, costs):
    print(f"\n| {title} | | a token, ms | to the first |")
    print("|---|---:|---:|---:|")
    for name, settings_of_name in settings().items():
        first = costs[settings_of_name[0]]
        for value, setting in zip(GROWING[name], settings_of_name):
            print(f"| {name} | {value} | {costs[setting]:.1f} | {costs[setting] / first:.2f} |")


def draw(title, costs, file):
    """Plot a panel for each number that grows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(10, 3.2), layout="constrained", sharey=True)
    for panel, (name, settings_of_name) in zip(panels, settings().items()):
        panel.plot(GROWING[name], [costs[setting] for setting in settings_of_name], marker="o")
        constants = ", ".join(f"{key} {value}" for key, value in START.items() if key != name)
        panel.set(xlabel=f"{name} ({constants})", xscale="log")
        panel.set_xticks(GROWING[name], GROWING[name])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set(ylabel="ms for a token of one prompt", ylim=(0, None))
    figure.suptitle(title)
    figure.savefig(file, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="in which all settings take turns")
    parser.add_argument("--unilm", action="store_true", help="a UniLM on BERT base, not GPT-2")
    parser.add_argument("--small", action="store_true", help="a model of two layers, for a check")
    parser.add_argument("--plot", metavar="FILE", help="a picture, as docs/decoding_growth.png")
    args = parser.parse_args()
    title = "UniLM on BERT base" if args.unilm else "GPT-2 124M"
    title = f"{title}, {'two small layers' if args.small else 'float32'}"
    costs = measure(writer(args.unilm, args.small), args.rounds)
    show(title, costs)
    if args.plot:
        draw(title, costs, args.plot)


if __name__ == "__main__":
    main()
