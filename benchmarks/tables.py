"""What a marker in a document may call: `table`, `value`, `machine`, `peers`; all say "not run" without rows, and `moved`.

COLUMNS names the tables and their columns: {table: {column: format}}, or (heading, format) where the heading is not the column's
name; a column with an empty heading is for `value` alone.
"""

from benchmarks import kept, peer_report, views
from sparselab.utils.moved import MOVED

MISSING = "not run"
SECONDS = {
    "seconds": ("seconds, median", ".3g"),
    "min": ".3g",
    "max": ".3g",
    "times ours": ".2f",
}
PARALLEL = {
    "job": "", "backend": "", "workers": "d", "kind": "",
    "steps_per_push": ("steps a push", ""), "epochs": "d", "sequential s": ".2f",
    "seconds": ".2f", "start s": ".2f", "ratio": ".2f", "ratios": ("of all rounds", ""),
}  # fmt: skip
PEERS = {
    "peer": "", "ms": ".3g", "rounds": "d", "times ours": ".1f", "links": ",d", "MiB": ".0f", "leaves out": "",
}  # fmt: skip
IMPORTANCE = {
    "variant": "", "n": ("seeds", "d"), "links": "", "neurons": ("hidden neurons", ""),
    "links gone %": "", "neurons gone %": "", "accuracy %": "",
    "points": "",
}  # fmt: skip
QUESTIONS = {
    "data": "", "epochs": "d", "variant": "", "accuracy %": ("test accuracy %", ""),
    "to the first": ("difference to the first", ""), "each": "",
}  # fmt: skip
SELECTION = {"n": ("seeds", "d"), "mean": ".1f", "deviation": ".2f", "each": ""}
TORCH_LAYER = {
    "density": "g", "ours ms": ".1f", "nn.Linear ms": ".1f", "times nn.Linear": ".1f", "times masked": ".1f",
    "times torch CSR": ".1f", "times torch CSR in rows": ".1f", "times SparseProp": ".1f",
}  # fmt: skip
EXTREME = {
    "neurons": ("hidden neurons", ",d"), "links": ",d", "init_seconds": ("init s", ".3g"),
    "step_seconds": ("step s", ".3g"), "evolve_seconds": ("evolution s", ".3g"), "peak_gib": ("peak GiB", ".2f"),
    "gather_gb_per_second": ("random rows GB/s", ".1f"),
}  # fmt: skip

COLUMNS = {
    "kernels": {
        "kernel": "", "ms": ".3f", "spread": ".2f", "GF/s": ".1f",
        "of sgemm": ".2f", "of scipy": ("of scipy's SpMM", ".1f"),
    },
    "training": {"epoch of": ("one epoch", ""), **SECONDS},
    "training: phases": {"threads": ""} | {
        name: ".3f" for name in ("gather", "forward", "backward", "wait", "update", "evolve")
    },
    "accuracy": {
        "data": "", "variant": "", "epochs": "d", "n": ("seeds", "d"),
        "mean %": ".2f", "deviation": ".2f", "each": "",
    },
    "defaults": {
        "data": "", "peer": ("MLPClassifier", ""), "2": ("ε = 2", ""), "5": ("ε = 5", ""), "20": ("ε = 20", ""),
    },
    "startup": {
        "what": "", "seconds": ".2f", "peak GiB": ("", ".2f"), "dense GiB": ("", ".0f"), "links": ("", ",d"),
    },
    "first_curve": {"what": "", "seconds": ("seconds since make lab", ".1f")},
    "small": {
        "what": "", "how": "", "microseconds": ("µs", ",.0f"), "min": ",.0f",
        "times ours": ("times the first", ".2f"),
    },
    "rule_speed": {"what": "", "seconds": ".3f", "value": ("beside its goal", ".3g"), "unit": "", "goal": ("goal: at most", "g")},
    "sparse_inputs": {
        "features": ",d", "epsilon": ("ε", ""), "links": ",d", "fit s": ".3f", "fit s, scikit-learn": ".2f",
        "fit, times faster": ".0f", "predict s": ".4f", "predict s, scikit-learn": ".4f", "predict, times faster": ".1f",
        "peak MiB": ".0f", "bytes a link and entry": ".0f",
    },
    "both_ends": {
        "data": "", "measure": "", "model": "", "n": ("seeds", "d"), "score": "", "asked": ("asked for", ""), "links": ",d",
        "output density %": ("output layer's density %", ".0f"),
    },
    "both_ends: tried": {"data": "", "measure": "", "model": "", "changed": "", "score": ""},
    "large_outputs": {
        "labels": ",d", "links": ",d", "epoch s": ",.0f", "SET s": ".2f", "RigL s": ".2f",
        "top 5 ms": ("top 5, ms a sample", ".2f"), "peak GiB": ".2f", "dense weights GiB": ("dense weights, GiB", ".2f"),
        "P@1 %": ".1f", "P@5 %": ".1f", "PSP@5 %": ".1f",
    },
    "torch_layers": {"shape": "", "rows": ",d", **TORCH_LAYER},
    "torch_layers: feed-forward": TORCH_LAYER,
    "torch_layers: break-even": {
        "shape": "", "rows": ",d", "nn.Linear": "", "masked": "", "torch CSR": "", "torch CSR in rows": "", "SparseProp": "",
    },
    "torch_training": {
        "density": "g", "sparse ms": ("sparse, ms a step", ".0f"), "dense ms": ("dense, ms a step", ".0f"), "times faster": ".2f",
        "sparse parameters": ("parameters, sparse", ",d"), "dense parameters": ("parameters, dense", ",d"),
    },
    "torch_training: accuracy": {
        "data": "", "test": ("tested on", ""), "epochs": "d", "density": "g", "lr": ("rate of dense layers", "g"), "model": "",
        "n": ("seeds", "d"), "accuracy %": ("test accuracy %", ""), "mean %": ("", ".2f"), "links": ",d",
        "MiB": ("MiB in training", ".1f"),
    },
    "evolution": {
        "net": "", "links": ",d", "make": ("making s", ".3f"), "make / 10^7": ("a 10^7 links", ".2f"),
        "evolve": ("evolution s", ".3f"), "min": ".3f", "evolve / 10^7": ("a 10^7 links", ".2f"),
    },
    "growth": {
        "same": "", "links": ",d", "neurons": ",d", "seconds to make": ".3f",
        "ms a step": ".3g", "spread": ".2f", "ns a link": ".1f",
        "bytes a link": ".1f", "GiB": ".3f",
    },
    "growth: slopes": {
        "same": "", "slope": ("slope of log time", ".2f"), "least": ("least bytes a link", ".1f"), "most": ".1f",
    },
    "parallel: times": PARALLEL,
    "parallel: accuracy": {
        "way": ("training", ""), "epochs": "d", "n": ("seeds", "d"), "accuracy %": ("test accuracy %", ""),
        "workers' own %": ("the workers' own %", ""), "each": "",
    },
    "parallel: traffic": {
        "net": "", "links": ",d", "bytes a push": ",d", "compute ms": ".2f",
        "server ms": ".3f", "pull ms": ("copy ms", ".3f"), "workers at saturation": ".1f",
    },
    "simulation: validated": {
        "workers": "d", "phase 1": ("phase", ""), "measured": ("measured s", ".3f"), "simulated": ("simulated s", ".3f"),
        "ratio": ".2f", "ratios": ("of all rounds", ""),
    },
    "simulation": {
        "workers": "d", "phase 1": ("first phase", ""), "damping": ".1f", "accuracy": ".3f",
        "staleness": ".1f", "speed-up": ".1f", "server busy": ".2f", "note": ("", ""),
    },
    "machines": {
        "net": "", "Gbit/s": "d", "sent": "", "MB a push": ("MB a push, both ways", ".2f"), "steps": ("steps a push", "d"),
        "server ms": ".2f", "one machine": ("speed of one machine", ".1f"), "machines": ("machines that pay", ".0f"),
        "speed-up": ("their speed", ".0f"),
    },
    "throttled": {
        "Mbit/s": "g", "ms a message": "g", "measured s": ("measured s an epoch", ".2f"),
        "simulated s": ("simulated s an epoch", ".2f"), "ratio": ".2f",
    },
    "split_net": {
        "neurons": ",d", "links": ",d", "batch": "d", "processes": "", "limit GiB": ("GiB each, at most", "g"),
        "step s": ("s a step", ".1f"), "peak GiB": ("peak GiB", ""), "loss": ".6f", "refused": "",
    },
    "selection: hits of 20": {"ranked by": "", **SELECTION, "noise / the 20": ".3f"},
    "selection: accuracy": {"features": "", "trained": "", **SELECTION},
    "selection: missed": {
        "column": "d", "kind": "", "missed": "d", "|correlation|": ("correlation", ".3f"),
        "rank by mutual information": "d",
    },
    "selection: other draws": {"ranked by": "", **SELECTION},
    "selection: search": {
        "zeta": ("ζ", "g"), "weight_decay": ("weight decay", "g"), "dropout": "g", "learning_rate": ("rate", "g"),
        "epsilon": ("ε", "g"), "loss": ("log loss", ".3f"), "accuracy": ("accuracy %", ".2f"),
        "hits (not used)": ".1f",
    },
    "importance: higgs": IMPORTANCE,
    "importance: fashion_mnist": IMPORTANCE,
    "importance: higgs, chosen": IMPORTANCE,
    "importance: fashion_mnist, chosen": IMPORTANCE,
    "importance: speed": {
        "first epochs": ("first epochs s", ".3f"), "last epochs": ("last epochs s", ".3f"), "times faster": ".2f",
        "links before": ",d", "links": ("links after", ",d"),
    },
    "repertoire": {
        "data": "", "density %": "g", "method": "", "epochs": "d", "n": ("seeds", "d"), "accuracy %": ("test accuracy %", ""),
        "published %": ".2f", "best %": ("best epoch %", ""), "mean links": ("links, mean of the epochs", ",.0f"),
        "active neurons %": ".0f", "ms an event": ".0f", "seconds an epoch": ("s an epoch", ".2f"),
    },
    "paper: claims": {"claim": "", "answer": ("what the rows say", "")},
    "paper: table2": {
        "data": "", "method": "", "epochs": "d", "n": ("seeds", ""), "last": "", "validation": ("by validation", ""),
        "bias": ("best − by validation", ""), "last, all rows": "", "best, all rows": "", "paper": ".2f",
        "difference": ("best, all rows − paper", ""), "links": ",.0f", "paper's links": ",d", "minutes": ("core-minutes", ".1f"),
        "paper's minutes": ".1f", "ratio": ".1f",
    },
    "paper: table3": {
        "data": "", "way": "", "epochs": "d", "last": "", "best": "", "paper": ".2f", "minutes": ".1f", "speed-up": ".2f",
        "paper's minutes": ".1f", "paper's speed-up": ".2f", "MiB": ".0f",
    },
    "paper: table4": {
        "data": "", "threads": "d", "ours": ("ours, s an epoch", ".2f"), "masked": ("masked PyTorch, s an epoch", ".2f"),
        "times": ("times ours", ".1f"), "MiB": ".0f", "masked MiB": ".0f", "minutes": ("ours, min for 500 epochs", ".1f"),
        "paper's minutes": ("the paper's masked Keras, min", ".1f"), "cores": ("on cores", ""),
    },
    "paper: table5": {
        "net": ("neurons", ""), "method": "", "links": ",d", "init s": ".1f", "steps": ("steps timed", "d"), "epoch s": ".0f",
        "test s": ".0f", "evolve s": ".1f", "GiB": ".1f", "accuracy %": ("test accuracy %", ".1f"),
        "nearest mean %": ("nearer class mean %", ".1f"), "core-minutes": ".1f", "paper's core-minutes": ".0f", "ratio": ".1f",
    },
    "paper: table6": {"α": "", "epochs": "d", "n": ("seeds", "d"), "last": "", "best": "", "paper": ".2f", "difference": ""},
    "paper: table7": {
        "data": "", "percentile": "d", "n": ("seeds", "d"), "before": ("last epoch", ""), "points": "",
        "gone": ("links gone %", ".1f"), "paper": ("the paper, points", ".2f"),
    },
    "paper: figure5": {
        "data": "",
        **{f"{name}, {part}": (f"{name}, {part} tenth", ".2g") for name in ("ReLU", "All-ReLU") for part in ("first", "last")},
    },
    "paper: features": {
        "data": "", "K": "d", "n": ("seeds", "d"), "strength": "", "attribution, SET": "", "published": "",
    },
    "paper: challenge": {
        "net": "", "threads": "d", "samples": ",d", "links": ",d", "G links/s": ".1f",
        "G links/s, all samples": ("G links/s, every product computed", ".1f"), "published": ".1f",
        "alive": ("not 0 at the end", ",d"), "differ": ("other than float64", "d"), "differ, all samples": ("", "d"),
    },
    "questions: slopes": QUESTIONS,
    "questions: topology": QUESTIONS,
    "peers: standard": PEERS,
    "peers: 1 sample": PEERS,
    "peers: 10,000 samples": PEERS,
    "scale": {**EXTREME, "bytes a neuron": ("bytes a neuron beyond the smallest", ".0f")},
    "scale: slopes": {
        "slope": ("slope of log time", ".2f"), "bytes a neuron": ".0f", "off %": ("largest distance %", ".0f"),
    },
    "record": {
        "net": "", **EXTREME, "batch": "d", "first_step_seconds": ("first step s", ".3g"),
        "estimated_gib": ("estimated GiB", ".2f"), "plan": "", "connected_share": ("", ".1%"), "test %": ("", ".1f"),
        "first losses": ("", ".2f"), "last losses": ("", ".2f"), "test_samples": ("", "d"),
    },
    "interrupts: all": {"tries": "d", "slowest": ("slowest way back s", ".2f"), "whole": ("checkpoint whole", "d")},
}  # fmt: skip


def value(name, column, where, form=None):
    """One cell as text: of the first row of a table that has the values of `where`.

    form: a format specification, by default the column's. KeyError for a table or column that COLUMNS does not name.
    """
    columns = COLUMNS[name]
    unknown = {column, *where} - columns.keys()
    if unknown:
        raise KeyError(f"columns of {name!r} are {sorted(columns)}, not {sorted(unknown)}")
    for row in views.rows(name):
        if all(row.get(key) == wanted for key, wanted in where.items()):
            return shown(row.get(column), heading_and_format(column, columns[column])[1] if form is None else form)
    return MISSING


def table(name):
    """A table as Markdown, with the columns that have a heading."""
    rows = views.rows(name)
    columns = {column: heading_and_format(column, about) for column, about in COLUMNS[name].items()}
    columns = {column: about for column, about in columns.items() if about[0]}
    if not rows:
        return f"\n{MISSING}\n"
    lines = ["| " + " | ".join(heading for heading, _ in columns.values()) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = (shown(row.get(column), form) for column, (_, form) in columns.items())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n" + "\n".join(lines) + "\n"


def heading_and_format(column, about):
    """The heading of a column, and the format of its values."""
    return (column, about) if isinstance(about, str) else about


def shown(value, form):
    """A value of a row as text; nothing for None and NaN."""
    if isinstance(value, str):
        return value
    return "" if value is None or value != value else format(value, form)


def machine(name):
    """Where, with what and when the rows in the file of a benchmark were measured."""
    places = {}
    for row in kept.read(kept.file_of(name)):
        m = row["machine"]
        text = f"{m['cores']} cores ({m['cpu']}), Python {m['python']}, numpy {m['numpy']}, numba {m['numba']}"
        places.setdefault(f"{text}, commit {row['commit']}", []).append(row["date"])
    return "; ".join(f"{text}, {max(dates)}" for text, dates in places.items()) or MISSING


def peers(part):
    """A part of the report of benchmarks.peers as a code block."""
    rows = [row for row in peer_report.latest(views.raw("peers")) if row["what"] in (part, "peer")]
    return f"\n```\n{peer_report.report(rows)}\n```\n" if any(row["what"] == part for row in rows) else f"\n{MISSING}\n"


def moved():
    """The modules with new names, for the changelog."""
    lines = [f"| `{old}` | {new} |" for old, new in sorted(MOVED.items())]
    return "\n" + "\n".join(["| old | new, below `sparselab.` |", "|---|---|", *lines]) + "\n"


FUNCTIONS = {"value": value, "table": table, "machine": machine, "peers": peers, "moved": moved}
