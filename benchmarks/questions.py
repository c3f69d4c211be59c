"""Two open questions, with several seeds each.

`python -m benchmarks.questions [--seeds 5] [--epochs 15] [--only NAME ...] [--fields NAME ...] [--threads N] [--out FILE]`

1. slopes: is it the alternation or the negative slope in All-ReLU? All-ReLU, leaky ReLU, ReLU and all layers −α, with SET.
2. topology: SET against a static topology and against links regrown where a batch's gradient is large (SampledGradient); both
   with a constant ζ and with one that falls to 0 along half a cosine, so that no link is new in the last epochs; and with new
   links that start at 0 instead of at a value from the initializer.

On complete FashionMNIST with the authors' demo settings at three densities (first values scaled by width or by links), and on
madelon_like with the paper's settings for Madelon. A seed gives every variant the same first links, weights and mini-batches,
so differences to the first variant are paired. Only the accuracy after the last epoch is looked at, and nothing is chosen by
it. Rows are kept as they come; a run that was stopped continues.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

import sparselab as sl
from benchmarks.common import table
from benchmarks.kept import Kept, spread

DEMO = {
    "fan": "width",
    "dataset": "fashion_mnist", "hidden": (1000, 1000, 1000), "alpha": 0.6, "dropout": 0.3, "zeta": 0.3, "learning_rate": 0.01,
    "weight_decay": 2e-4, "batch_size": 128, "initializer": "he_uniform", "new_values": "initializer",
}  # fmt: skip
# Madelon's rows are few: as many epochs of it take seconds. Fan-ins below ten need first values scaled by links.
FIELDS = {
    "FashionMNIST, ε = 20": DEMO | {"epsilon": 20.0},
    "FashionMNIST, ε = 20, by links": DEMO | {"epsilon": 20.0, "fan": "links"},
    "FashionMNIST, ε = 5": DEMO | {"epsilon": 5.0, "fan": "links"},
    "FashionMNIST, ε = 2": DEMO | {"epsilon": 2.0, "fan": "links"},
    "madelon_like, ε = 10": asdict(sl.ExperimentConfig.paper("madelon")) | {"dataset": "madelon_like"},
}
EPOCHS = {"madelon_like, ε = 10": 5}  # times --epochs
SLOPES = {
    "All-ReLU": {"activation": "all_relu"},
    "leaky ReLU": {"activation": "leaky_relu"},
    "ReLU": {"activation": "relu"},
    "all layers −α": {"activation": "all_negative"},
}
TOPOLOGY = {
    "SET": {"rule": "set"},
    "static": {"rule": "static"},
    "gradient-sampled regrowth": {"rule": "set", "regrowth": "gradient"},
    "SET, ζ falls to 0": {"rule": "set", "zeta_schedule": "cosine"},
    "gradient-sampled, ζ falls to 0": {"rule": "set", "regrowth": "gradient", "zeta_schedule": "cosine"},
    "SET, new links from 0": {"rule": "set", "new_values": "zero"},
    "gradient-sampled, new links from 0": {"rule": "set", "regrowth": "gradient", "new_values": "zero"},
}
QUESTIONS = {"slopes": SLOPES, "topology": TOPOLOGY}


def config_of(field, changes, seed, epochs):
    """The ExperimentConfig of one run."""
    changes = FIELDS[field] | changes | {"seed": seed, "epochs": epochs * EPOCHS.get(field, 1), "threads": 0}
    return sl.ExperimentConfig(**changes)


def measured(config, data, threads):
    """{accuracy after the last epoch in percent, links, seconds of training} of one run."""
    experiment = sl.build(config, data=data)
    records = list(experiment.train(threads=threads, evaluate_every=config.epochs))
    last = records[-1]
    seconds = sum(record.seconds for record in records)
    return {"accuracy %": 100 * last.test_accuracy, "links": last.links, "seconds": seconds, "source": data.source}


def scores(kept, field, changes, seeds, epochs, *, data, threads=None, bar=None):
    """[accuracy in percent after the last epoch of each seed], from the file or computed now. data: name -> Dataset."""
    found = []
    for seed in range(seeds):
        config = config_of(field, changes, seed, epochs)
        row = kept.row(asdict(config), lambda config=config: measured(config, data(config.dataset), threads))
        found.append(row["accuracy %"])
        if bar is not None:
            bar.update()
    return found


def rows_of(question, field, found, epochs):
    """Rows of the table: mean ± deviation of each variant, and of its paired differences to the first one."""
    first = next(iter(found.values()))
    return [
        {
            "question": question, "data": field, "variant": name, "epochs": epochs * EPOCHS.get(field, 1), "n": len(values),
            "accuracy %": spread(values),
            "to the first": "" if values is first else spread([a - b for a, b in zip(values, first, strict=True)]),
            "each": " ".join(f"{value:.2f}" for value in values),
        }
        for name, values in found.items()
    ]  # fmt: skip


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=15, help="of FashionMNIST; five times as many of madelon_like")
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--fields", nargs="+", choices=FIELDS, default=list(FIELDS))
    parser.add_argument("--threads", type=int, help="default: all cores; results do not depend on it")
    parser.add_argument("--out", type=Path, help="default: the kept file of this benchmark")
    chosen = parser.parse_args(argv)
    kept, datasets, rows = Kept("questions", chosen.out), {}, []

    def data(name):
        if name not in datasets:
            datasets[name] = sl.datasets.load(name)
        return datasets[name]

    plan = [(question, field) for field in chosen.fields for question in chosen.only]
    with tqdm(total=chosen.seeds * sum(len(QUESTIONS[question]) for question, _ in plan)) as bar:
        for question, field in plan:
            bar.set_description(f"{question}, {field}")
            found = {
                name: scores(kept, field, changes, chosen.seeds, chosen.epochs, data=data, threads=chosen.threads, bar=bar)
                for name, changes in QUESTIONS[question].items()
            }
            rows += rows_of(question, field, found, chosen.epochs)
    print(table(rows, ["question", "data", "variant", "epochs", "n", "accuracy %", "to the first", "each"]))


if __name__ == "__main__":
    main()
