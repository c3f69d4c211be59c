"""Which runs there are, the most valuable first, and how long they take."""

from benchmarks.paper import anchors, methods
from benchmarks.paper.dense import TorchRun
from benchmarks.paper.runs import Run

EPOCHS, ALPHA_EPOCHS, TORCH_EPOCHS, TIMED = 500, 200, 60, 3
HELD_OUT = 0.1
SLOPES = ("ReLU", "All-ReLU", "leaky ReLU", "SReLU", "all negative")
MODES = ("", ", links", ", shrink")
SMALL = ("madelon", "higgs_35k")
STAND_INS = ("tumor11", "mll")
IMAGES = ("fashion_mnist", "cifar10_jpeg", "cifar10_jpeg_augmented")


def every(activations, modes=MODES):
    """Names of methods: activations with and without pruning."""
    return [name + mode for name in activations for mode in modes]


def seed_by_seed(dataset, names, seeds, epochs=EPOCHS, *, validation_seeds=None):
    """Runs of table 2, so that a part of them is a fair comparison: each seed with all training rows, then without a tenth."""
    n = seeds if validation_seeds is None else validation_seeds
    return [
        Run("table2", dataset, name, seed, epochs, share)
        for seed in range(seeds) for share in (0.0, HELD_OUT) if not share or seed < n for name in names
    ]  # fmt: skip


def table2(datasets, seeds=None, epochs=None):
    """Runs of table 2. seeds, epochs: other numbers than planned."""
    length, runs = epochs or EPOCHS, []
    few = lambda planned: planned if seeds is None else seeds
    main, best = every(("ReLU", "All-ReLU")), list(methods.BEST)
    for dataset in datasets:
        if dataset in ("digits", "madelon"):
            runs += seed_by_seed(dataset, every(SLOPES), few(5), length)
        elif dataset == "higgs_35k":  # SReLU takes sixteen times as long as the others there
            runs += seed_by_seed(dataset, every([name for name in SLOPES if name != "SReLU"]), few(5), length)
        elif dataset == "fashion_mnist":
            runs += seed_by_seed(dataset, best, few(1), length)  # `--method NAME --seeds 3` for the one that validation chooses
            runs += seed_by_seed(dataset, main, few(3), length)
        elif dataset == "cifar10_jpeg":
            runs += seed_by_seed(dataset, every(("All-ReLU", "ReLU"), MODES[:2]), few(2), length, validation_seeds=1)
        elif dataset == "cifar10_jpeg_augmented":
            runs += seed_by_seed(dataset, ["All-ReLU", *best[1:]], few(2), length, validation_seeds=0)
        elif dataset in STAND_INS:
            runs += seed_by_seed(dataset, main, few(3), length)
    if "fashion_mnist" in datasets:
        runs += seed_by_seed("fashion_mnist", every(("leaky ReLU", "all negative")), 1, length)
    runs += [
        Run("table2", dataset, "SReLU", 0, length, HELD_OUT) for dataset in ("higgs_35k", "fashion_mnist") if dataset in datasets
    ]
    for dataset, n in (("digits", 1), ("madelon", 5), ("higgs_35k", 1)):
        if dataset in datasets:
            runs += seed_by_seed(dataset, [f"dense, {name}" for name in SLOPES[:2]], few(n), length, validation_seeds=0)
    torch = {"fashion_mnist": min(TORCH_EPOCHS, length), "cifar10_jpeg": TIMED, "higgs_35k": TIMED, "madelon": TIMED}
    return runs + [
        TorchRun("table2", dataset, "PyTorch, dense, ReLU", 0, n) for dataset, n in torch.items() if dataset in datasets
    ]  # fmt: skip


def table3(datasets, seeds=None, epochs=None):
    """Runs of table 3: sequential and with workers, each alone on the machine; CIFAR-10 for a few epochs."""
    threads = {"sequential": 1, "sequential, 2 threads": 2}
    return [
        Run("table3", dataset, way + mode, seed, TIMED if dataset in IMAGES[1:] else epochs or EPOCHS, 0.0, threads.get(way, 0))
        for dataset in datasets if dataset in ("digits", *anchors.TABLE3)
        for seed in range(seeds or 1) for mode in MODES[:2] for way in methods.WAYS
        if not (dataset in IMAGES[1:] and mode)
    ]  # fmt: skip


def table4(datasets, seeds=None, epochs=None):
    """Runs of table 4: a few epochs of our net and of PyTorch's with masks, on one thread and on two."""
    ways = ((Run, "All-ReLU"), (TorchRun, "PyTorch, masked, All-ReLU"))
    return [
        kind("table4", dataset, name, 0, epochs or TIMED, 0.0, threads)
        for dataset in datasets if dataset in ("digits", *anchors.TABLE4) for kind, name in ways for threads in (1, 2)
    ]  # fmt: skip


def table6(datasets, seeds=None, epochs=None):
    """Runs of table 6: slopes of All-ReLU on FashionMNIST."""
    return [
        Run("table6", dataset, f"α, {alpha:g}", seed, epochs or ALPHA_EPOCHS)
        for dataset in datasets if dataset in ("digits", "fashion_mnist")
        for seed in range(seeds or 2) for alpha in anchors.TABLE6
    ]  # fmt: skip


def table7(datasets, seeds=None, epochs=None):
    """Runs of table 7: those of table 2 with All-ReLU and no pruning, on all training rows; their rows hold what it shows."""
    return [run for run in table2(datasets, seeds, epochs) if run.method == "All-ReLU" and not run.held_out]


def figure5(datasets, seeds=None, epochs=None):
    """Runs of figure 5: those of table 2 with ReLU or All-ReLU and no pruning, on all training rows."""
    return [run for run in table2(datasets, seeds, epochs) if run.method in ("ReLU", "All-ReLU") and not run.held_out]


MAKERS = {"table2": table2, "table3": table3, "table4": table4, "table6": table6, "table7": table7, "figure5": figure5}
ORDER = (  # the most valuable first
    ("table2", "madelon"), ("table2", "fashion_mnist"), ("table2", "higgs_35k"), ("table4", None), ("table6", "fashion_mnist"),
    ("table3", "fashion_mnist"), ("table2", "cifar10_jpeg"), ("table3", "higgs_35k"), ("table2", "cifar10_jpeg_augmented"),
    ("table2", "tumor11"), ("table2", "mll"), ("table3", "cifar10_jpeg"),
)  # fmt: skip
DATASETS = (*SMALL, *IMAGES, *STAND_INS)


def is_slow(run):
    """Whether a run takes many times as long as others of its table, so that it comes last."""
    return run.dataset in ("higgs_35k", "fashion_mnist") and run.method.startswith(("dense", "SReLU", "PyTorch"))


def planned(table=None, datasets=None, seeds=None, epochs=None):
    """The runs of a table, or of all; of all data sets but digits, or of some."""
    if table is None:
        groups = [(name, [one] if one else list(DATASETS)) for name, one in ORDER if not (datasets and one) or one in datasets]
    else:
        groups = [(table, list(datasets or DATASETS))]
    return sorted((run for name, chosen in groups for run in MAKERS[name](chosen, seeds, epochs)), key=is_slow)


def key_of_time(run):
    """What the duration of an epoch depends on: slopes cost the same, and pruning comes late and only shortens it."""
    first, *others = (part for part in run.method.split(", ") if part not in ("links", "shrink"))
    if first in ("ReLU", "leaky ReLU", "all negative", "α", "sequential"):
        first, others = "All-ReLU", []
    return run.dataset, ", ".join([first, *others]).replace("dense, All-ReLU", "dense, ReLU"), run.threads or 1


def hours(run, times):
    """Estimated hours of a run, None where its epoch was not timed. times: {key_of_time: seconds an epoch}."""
    seconds = times.get(key_of_time(run))
    return None if seconds is None else run.epochs * (1 - run.held_out) * seconds / 3600
