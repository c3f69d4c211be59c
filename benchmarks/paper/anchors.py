"""What the paper's tables say (arXiv 2102.01732 v1): mean of the best epoch on the test rows over 5 runs of 500 epochs.

Keys are the data sets that stand for the paper's here. Accuracies in percent, times in minutes.
"""

TABLE2 = {  # (accuracy, links at the end, minutes): ReLU, ReLU with pruning, All-ReLU, All-ReLU with pruning
    "tumor11": ((85.98, 1_684_944, 375), (85.40, 312_900, 266.5), (86.42, 1_582_518, 375), (85.69, 313_047, 266.5)),
    "higgs_35k": ((73.59, 50_244, 216.7), (73.50, 10_065, 182.3), (73.67, 50_165, 216.7), (73.76, 9_992, 140.3)),
    "madelon": ((68.50, 19_000, 3.6), (75.00, 2_739, 3.2), (71.33, 19_011, 3.6), (77.00, 2_737, 3.2)),
    "fashion_mnist": ((90.48, 126_302, 137.5), (89.43, 26_111, 96.3), (91.38, 126_302, 137.5), (90.12, 25_759, 96.3)),
    "cifar10_jpeg": ((67.05, 381_758, 590), (65.21, 238_114, 530), (69.83, 381_425, 590), (68.55, 221_323, 530)),
}
TABLE2["mll"] = TABLE2["tumor11"]
TABLE2["cifar10_jpeg_augmented"] = TABLE2["cifar10_jpeg"]
PRUNED = ("links", "shrink")
SRELU = {"fashion_mnist": 90.10, "cifar10_jpeg": 70.30, "cifar10_jpeg_augmented": 70.30}  # in the text
DENSE = {  # (accuracy, minutes or None): dense ReLU, dense All-ReLU
    "higgs_35k": ((70.59, 182.3), (70.10, 140.1)),
    "madelon": ((59.66, None), (62.00, 3.6)),
    "fashion_mnist": ((90.85, None), (90.73, 95.1)),
    "cifar10_jpeg": ((64.94, None), (67.96, 530.7)),
}
TABLE3 = {  # {way: (accuracy, minutes)}, with pruning in mode "links" where the name says so; memory in MB
    "higgs_35k": {
        "sequential": (73.67, 216.7), "sequential, links": (73.76, 182.3), "WASSP": (74.26, 142.5),
        "WASSP, links": (74.16, 113.3), "WASAP": (74.47, 138.5), "WASAP, links": (74.88, 108.3), "MB": (1700, 2800),
    },
    "fashion_mnist": {
        "sequential": (91.38, 137.5), "sequential, links": (90.12, 96.3), "WASSP": (90.52, 90.6), "WASSP, links": (89.96, 77.6),
        "WASAP": (91.23, 87.3), "WASAP, links": (90.15, 74.9), "MB": (1900, 3300),
    },
    "cifar10_jpeg": {
        "sequential": (69.83, 590), "sequential, links": (68.55, 530), "WASSP": (67.13, 309.9), "WASSP, links": (66.88, 279.9),
        "WASAP": (69.03, 281.9), "WASAP, links": (68.51, 246.5), "MB": (2200, 6500),
    },
}  # fmt: skip
TABLE4 = {"higgs_35k": (350, 191.7), "fashion_mnist": (316, 135.6), "cifar10_jpeg": (1000, 530.7)}  # one core, all cores
TABLE5 = {  # name: hidden layers, neurons a layer, ε, links, workers, minutes: init, an epoch, test, evolution
    "1 M": (2, 500_000, 10, 20.6e6, 16, 1, 6, 2.5, 1),
    "5 M": (2, 2_500_000, 5, 50.3e6, 16, 2, 10, 6, 2),
    "10 M": (2, 5_000_000, 5, 100.3e6, 16, 3, 20, 11, 5),
    "20 M": (4, 5_000_000, 1, 40.3e6, 8, 5, 26, 18, 6),
    "50 M": (10, 5_000_000, 1, 100.3e6, 8, 9, 52, 20, 6),
}
TABLE6 = {
    0.0: 90.48, 0.05: 90.86, 0.1: 90.87, 0.2: 90.75, 0.25: 91.00, 0.5: 91.08, 0.6: 91.38, 0.75: 91.09, 0.8: 91.16, 0.9: 91.02,
}  # fmt: skip
TABLE7 = {  # accuracy before pruning and at each percentile
    "tumor11": (86.42, 86.89, 86.69, 85.84, 85.84, 85.69),
    "higgs_35k": (73.67, 73.00, 73.16, 72.61, 72.27, 71.51),
    "madelon": (71.33, 71.33, 72.00, 70.33, 69.16, 65.33),
    "fashion_mnist": (91.38, 90.66, 90.12, 89.37, 88.70, 85.97),
    "cifar10_jpeg": (69.83, 69.53, 68.61, 68.38, 67.35, 66.57),
}
PERCENTILES = (5, 10, 15, 20, 25)


def table2(dataset, method):
    """(accuracy, links, minutes) of a method of table 2, None for what the paper does not give."""
    activation, _, pruning = method.removeprefix("PyTorch, ").partition(", ")
    if activation == "dense" and dataset in DENSE and pruning in ("ReLU", "All-ReLU"):
        accuracy, minutes = DENSE[dataset][pruning == "All-ReLU"]
        return accuracy, None, minutes
    if activation in ("ReLU", "All-ReLU") and dataset in TABLE2 and pruning in ("", *PRUNED):
        return TABLE2[dataset][2 * (activation == "All-ReLU") + (pruning in PRUNED)]
    return (SRELU.get(dataset) if method == "SReLU" else None), None, None
