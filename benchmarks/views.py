"""Tables of the report that are computed from kept rows: means over seeds, paired differences, slopes, break-even densities."""

from dataclasses import asdict

from benchmarks import (
    both_ends,
    growth,
    importance,
    kept,
    peer_report,
    questions,
    repertoire,
    scale,
    torch_layers,
    torch_training,
)
from benchmarks.paper import claims
from benchmarks.paper import views as paper

EPOCHS, SEEDS = 15, 5  # of the runs of benchmarks.questions that documents show


def raw(benchmark):
    """The kept rows of a benchmark."""
    return [row for row in kept.read(kept.file_of(benchmark)) if row["benchmark"] == benchmark]


def rows(benchmark):
    """The rows of a table: those of a view, else the kept ones; an empty list if it was not run."""
    return VIEWS[benchmark]() if benchmark in VIEWS else raw(benchmark)


def importance_rows(job, part):
    """Means over the seeds of each variant, with differences to the same seeds of SET alone."""
    found = {}
    for row in raw("importance"):
        settings = row["settings"]
        if settings["part"] == part and settings["config"]["dataset"] == importance.JOBS[job]["dataset"]:
            found.setdefault(importance.name_of(settings["pruning"]), {})[settings["config"]["seed"]] = row
    base = found.get("SET alone", {})
    lines = []
    for name, by_seed in found.items():
        seeds = sorted(by_seed.keys() & base.keys())
        reference = [base[seed] for seed in seeds]
        if seeds:
            mine = reference if by_seed is base else [by_seed[seed] for seed in seeds]
            lines.append(importance.line(job, name, mine, reference))
    return lines


def question_rows(question):
    """Means over the seeds of each variant, with differences to the first one."""
    measured, lines = kept.Kept("questions").rows, []
    for field in questions.FIELDS:
        found = {}
        for name, changes in questions.QUESTIONS[question].items():
            configs = [questions.config_of(field, changes, seed, EPOCHS) for seed in range(SEEDS)]
            some = [measured.get(kept.key_of(asdict(config))) for config in configs]
            if None not in some:
                found[name] = [row["accuracy %"] for row in some]
        if next(iter(questions.QUESTIONS[question])) in found:
            lines += questions.rows_of(question, field, found, EPOCHS)
    return lines


def default_rows():
    """A line for each data set: mean ± deviation of the accuracies of the peer and of each ε, over the seeds."""
    found = {}
    for row in raw("defaults"):
        settings = row["settings"]
        found.setdefault(settings["data"], {}).setdefault(str(settings["epsilon"]), []).append(row["accuracy %"])
    return [{"data": name} | {column: kept.spread(values) for column, values in by.items()} for name, by in found.items()]


def growth_slopes():
    """Slope of log time against log links, and bytes a link, of each family."""
    found = []
    for family in ("density", "fan-in"):
        part = [row for row in raw("growth") if row["same"] == family]
        if len(part) > 1:
            weights = [row["bytes a link"] for row in part]
            found.append({"same": family, "slope": growth.slope(part), "least": min(weights), "most": max(weights)})
    return found


def scale_rows():
    """The kept rows by size, with bytes a neuron."""
    found = sorted(raw("scale"), key=lambda row: row["neurons"])
    return scale.with_bytes(found) if found else []


def scale_slopes():
    """Slope of log time against log links, mean bytes a neuron and the largest distance from that in per cent."""
    found = scale_rows()
    if len(found) < 3 or scale.slope(found) is None:
        return []
    mean, off = scale.spread(found)
    return [{"slope": scale.slope(found), "bytes a neuron": mean, "off %": 100 * off}]


def peer_rows(what, **values):
    """The latest rows of a part of peers that were timed, with times ours."""
    chosen = [r for r in peer_report.latest(raw("peers")) if r["what"] == what and all(r[k] == v for k, v in values.items())]
    ours = next((row["seconds"] for row in chosen if row["peer"] == "ours"), None)
    return [
        {
            **row, "ms": 1e3 * row["seconds"], "times ours": row["seconds"] / ours, "MiB": row["memory"] / 2**20,
            "leaves out": ", ".join(row["leaves_out"]),
        }
        for row in chosen if row["seconds"] and ours
    ]  # fmt: skip


def interrupt_extremes():
    """How many tries, the slowest of them, and how many checkpoints were whole or not yet there."""
    found = raw("interrupts")
    whole = sum(row["checkpoint"].startswith(("whole", "none")) for row in found)
    return [{"tries": len(found), "slowest": max(row["seconds"] for row in found), "whole": whole}] if found else []


def layer_rows(**where):
    """The rows of layers in PyTorch with these values, by shape, rows and density."""
    found = [row for row in raw("torch_layers") if all(row[name] == value for name, value in where.items())]
    return sorted(found, key=lambda row: (row["shape"], row["rows"], -row["density"]))


VIEWS = {
    "importance: higgs": lambda: importance_rows("higgs", "test"),
    "importance: fashion_mnist": lambda: importance_rows("fashion_mnist", "test"),
    "importance: higgs, chosen": lambda: importance_rows("higgs", "validation"),
    "importance: fashion_mnist, chosen": lambda: importance_rows("fashion_mnist", "validation"),
    "questions: slopes": lambda: question_rows("slopes"),
    "questions: topology": lambda: question_rows("topology"),
    "repertoire": lambda: repertoire.rows_of(kept.Kept("repertoire")),
    "both_ends": lambda: both_ends.rows_of(kept.Kept("both_ends")),
    "both_ends: tried": lambda: both_ends.rows_of(kept.Kept("both_ends"), "held out"),
    "paper: table2": paper.table2_rows,
    "paper: table3": paper.table3_rows,
    "paper: table4": paper.table4_rows,
    "paper: table5": paper.table5_rows,
    "paper: table6": paper.table6_rows,
    "paper: table7": paper.table7_rows,
    "paper: figure5": paper.figure5_rows,
    "paper: features": paper.feature_rows,
    "paper: challenge": paper.challenge_rows,
    "paper: claims": claims.rows,
    "defaults": default_rows,
    "growth: slopes": growth_slopes,
    "scale": scale_rows,
    "scale: slopes": scale_slopes,
    "torch_layers": layer_rows,
    "torch_layers: feed-forward": lambda: layer_rows(shape="768x3072", rows=1024),
    "torch_layers: break-even": lambda: torch_layers.break_even_rows(layer_rows()),
    "torch_training: accuracy": lambda: torch_training.accuracy_rows(kept.Kept("torch_training: accuracy")),
    "peers: standard": lambda: peer_rows("standard"),
    "peers: 1 sample": lambda: peer_rows("inference", samples=1),
    "peers: 10,000 samples": lambda: peer_rows("inference", samples=10_000),
    "interrupts: all": interrupt_extremes,
}
