"""Draws the README's picture of an evolving topology: the first layer of a trained network at several epochs, side by side.

`make pictures`, or `python docs/pictures.py [--epochs 0 5 30 100 300] [--out docs/images]`. The seed is fixed.
"""

import argparse
from pathlib import Path

import sparselab as sl

HERE = Path(__file__).parent
CONFIG = {
    "dataset": "digits", "hidden": (300, 300), "epsilon": 10.0, "weight_decay": 1e-3, "zeta_schedule": "cosine", "seed": 0
}  # fmt: skip


def kept(experiment, epochs):
    """{epoch: Topology of the first layer after that epoch}; 0 is before training."""
    layer, found = experiment.model.layers, {}
    if 0 in epochs:
        found[0] = layer[0].topology
    for record in experiment.train():
        if record.epoch in epochs:
            found[record.epoch] = layer[0].topology
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, nargs="+", default=[0, 5, 30, 100, 300], help="epochs that are drawn")
    parser.add_argument("--out", type=Path, default=HERE / "images", help="folder of the picture")
    options = parser.parse_args(arguments)
    experiment = sl.build(sl.ExperimentConfig(**CONFIG, epochs=max(1, *options.epochs)))
    figure = sl.figures.topology_stages(kept(experiment, set(options.epochs)), dataset=experiment.data)
    path = options.out / "evolution.png"
    path.write_bytes(sl.figures.png_bytes(figure, dpi=110))
    loss, accuracy = sl.evaluate(experiment.model, experiment.data.X_test, experiment.data.y_test)
    print(f"{path}: epochs {options.epochs}, test accuracy {accuracy:.3f}, {experiment.model.n_links:,} links")


if __name__ == "__main__":
    main()
