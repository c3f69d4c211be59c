"""The methods of tables 2, 3 and 6 as settings: what each changes of the paper's settings for a data set.

A name is an activation, "dense" or "best", followed by what else differs: "All-ReLU, links" is All-ReLU with importance pruning
in the paper's mode. Pruning begins at two fifths of the epochs (the paper: 200 of 500) and happens every fiftieth of them; its
percentile, 20, is that of the authors' code, for the paper does not say it. Mode "shrink" removes 60 % of the neurons until three
fifths of the epochs.
"""

import sparselab as sl

ACTIVATIONS = {
    "ReLU": "relu", "All-ReLU": "all_relu", "leaky ReLU": "leaky_relu", "SReLU": "srelu", "all negative": "all_negative",
}  # fmt: skip
PRESETS = {  # the paper's settings for a data set; its stand-ins have the same
    "fashion_mnist": "fashion_mnist", "madelon": "madelon", "higgs_35k": "higgs", "cifar10_jpeg": "cifar10",
    "cifar10_jpeg_augmented": "cifar10", "tumor11": "leukemia", "mll": "leukemia",
}  # fmt: skip
# What is best today is not known beforehand: candidates, between which the validation rows decide.
RECIPE = {
    "fan": "auto", "optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 5e-4, "schedule": "linear", "new_values": "zero",
    "zeta_schedule": "cosine",
}  # fmt: skip
BEST = {
    "best, SET": RECIPE | {"rule": "set"},
    "best, RigL": RECIPE | {"rule": "rigl"},
    "best, CHTs": RECIPE | {"rule": "chts", "activation": "relu", "replaces_update": True, "zeta_schedule": "constant"},
}
# There the rate 0.05 diverges in the second epoch, and augmentation does what dropout is for.
BEST_OF = {"cifar10_jpeg_augmented": {"learning_rate": 0.02, "dropout": 0.1}}
WAYS = {  # of table 3; a share of workers' epochs is local, as in the library's default
    "sequential": {}, "sequential, 2 threads": {}, "WASAP, 1 worker": {"workers": 1}, "WASAP": {"workers": 2},
    "WASSP": {"workers": 2, "synchronous": True}, "simulated WASAP": {"workers": 2},
}  # fmt: skip


def pruning(mode, epochs):
    """Fields of an ExperimentConfig for importance pruning in a mode; {} where a training is too short for it."""
    start, every = max(1, round(0.4 * epochs)), max(1, round(0.02 * epochs))
    if mode == "links":
        return {"pruning": "links", "pruning_percentile": 20.0, "pruning_start": start, "pruning_stop": 0, "pruning_every": every}
    stop = max(start, round(0.6 * epochs))
    shrink = {"importance": "outgoing", "pruning_fold": "mean", "pruning_amount": 0.6}
    return {"pruning": "shrink", "pruning_start": start, "pruning_stop": stop, "pruning_every": every} | shrink


def preset(dataset, **changes):
    """The paper's settings for a data set; for digits, small ones for trials."""
    if dataset == "digits":
        small = {"hidden": (40, 30), "epsilon": 6.0, "batch_size": 64, "alpha": 0.5}
        return sl.ExperimentConfig(dataset="digits", fan="width", new_values="initializer").replace(**small | changes)
    return sl.ExperimentConfig.paper(PRESETS[dataset], **changes)


def config_of(dataset, method, seed, epochs):
    """The ExperimentConfig of a run."""
    first, *others = method.split(", ")
    changes = {"seed": seed, "epochs": epochs}
    if method in BEST:
        changes |= BEST[method] | BEST_OF.get(dataset, {})
    elif first == "dense":
        changes |= {"activation": ACTIVATIONS[others[0]], "density": 1.0, "rule": "static"}
    elif first == "α":
        changes |= {"alpha": float(others[0])} if float(others[0]) else {"activation": "relu"}
    else:
        way = first if len(others) == 0 or others[0] in ("links", "shrink") else f"{first}, {others[0]}"
        changes |= WAYS[way] if way in WAYS else {"activation": ACTIVATIONS[first]}
        changes |= pruning(others[-1], epochs) if others and others[-1] in ("links", "shrink") else {}
    return preset(dataset, **changes)
