"""The command line, every option of `train` and `demo`; run in one process, for what matters comes before any training."""

import contextlib
import dataclasses
import io
import tempfile
from itertools import chain
from pathlib import Path

from sparselab import cli
from sparselab.experiments.config import ExperimentConfig

from . import Refused, acceptances, for_field, refusals, without

CODE = 2


class Fixture:
    """A folder for files, which must stay as it is."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="sparselab-stress-")  # goes when this does
        self.folder = Path(self.temporary.name)

    def reset(self):
        """Nothing to bring back."""

    def fingerprint(self):
        return [(path.name, path.stat().st_size) for path in sorted(self.folder.rglob("*"))]


def run(*arguments, folder="."):
    """What the command line prints; Refused with its last line where it ends with code 2 and nothing else on stderr but usage."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([*arguments])
        except SystemExit as stop:  # argparse's way
            code = stop.code
    lines = err.getvalue().splitlines()
    if code == CODE and lines and (len(lines) == 1 or lines[0].startswith("usage: ")):
        raise Refused(lines[-1])
    return f"code {code}: {out.getvalue()[-100:]!r} {err.getvalue()[-300:]!r}"


def option(name, command="train"):
    """`command --name value …`; a list is several values."""
    flag = f"--{name.replace('_', '-')}"
    return lambda fixture, value: run(command, flag, *(value if isinstance(value, list) else [value]))


NUMBERS = {
    "NaN": "nan", "infinity": "inf", "minus infinity": "-inf", "text": "abc", "empty": "", "beyond float": "1e999",
    "complex": "1+2j",
    "comma": "0,1", "hexadecimal": "0x10", "500 digits": "9" * 500, "5000 digits": "9" * 5000, "blank": " ",
    "line break": "1\n2",
}  # fmt: skip
WHOLE = {key: NUMBERS[key] for key in ("text", "empty", "hexadecimal", "500 digits", "5000 digits", "blank", "line break")}
WHOLE |= {"fraction": "1.5", "NaN": "nan", "infinity": "inf", "exponent": "1e3"}
NAMES = {
    "misspelt": "relo",
    "empty": "",
    "number": "3",
    "module": "os.system",
    "path": "../../etc/passwd",
    "line break": "a\nb",
    "long": "x" * 10_000,
}


def kits():
    """Every kit of this entry point."""
    return chain(fields(), across(), commands(), accepted())


def fields():
    """Each field of the config as an option."""
    for one in dataclasses.fields(ExperimentConfig):
        m, name = one.metadata, one.name
        names = (name, f"--{name.replace('_', '-')}")
        how = {"names": names, "shows_value": False}
        if one.type is bool:
            yield from refusals(name, option(name), {"value for a flag": "yes"}, names=(*names, "yes"), shows_value=False)
        elif one.type is tuple:
            yield from refusals(
                name, option(name), WHOLE | {"zero": "0", "negative": "-1", "2^31": str(2**31), "10^400": "1" + "0" * 400}, **how
            )
            yield from refusals(name, option(name), {"zero among others": ["10", "0"], "text among others": ["10", "x"]}, **how)
        elif one.type in (int, int | str):
            beyond = {"below the lowest": str(m["low"] - 1), "above the highest": str(m["high"] + 1)}
            yield from refusals(name, option(name), WHOLE | beyond, **how)
        elif one.type is float:
            beyond = {"below the lowest": str(m["low"] - 1), "above the highest": str(m["high"] * 1.01)}
            yield from refusals(name, option(name), NUMBERS | beyond, **how)
        else:
            yield from refusals(name, option(name), for_field(name, NAMES), **how)
        yield from refusals(
            name, lambda s, v, name=name: run("train", v), {"no value": names[1]} if one.type not in (bool, tuple) else {}, **how
        )


def across():
    """Fields that do not fit together; the data must not even be looked at."""
    stops = {
        f"{mode}, before it starts": ["--pruning", mode, "--pruning-start", "20", "--pruning-stop", "10"]
        for mode in ("shrink", "links")
    } | {"shrink, before it starts, as it comes": ["--pruning", "shrink", "--pruning-start", "31"]}
    call = lambda s, v: run("train", "--dataset", "digits", "--hidden", "8", "--json", "out.json", *v, folder=s.folder)
    yield from refusals("pruning_stop", call, stops, words=("pruning_stop", "pruning_start"), shows_value=False)

    few = ["--dataset", "digits", "--hidden", "8", "--json", "out.json"]
    call = lambda s, v: run("train", *few, *v, folder=s.folder)
    many = {"one a mini-batch and one": ["--batch-size", "720", "--workers", "3"], "64": ["--workers", "64"]}
    yield from refusals("workers", call, many, words=("workers", "mini-batches"), shows_value=False)


def accepted():
    """Options of pruning, evolution and workers that work, in a training of three epochs."""
    quick = ("--dataset", "digits", "--hidden", "8", "--epochs", "3", "--pruning-start", "1", "--pruning-every", "1")
    ways = {
        "shrink": ["--pruning", "shrink", "--pruning-stop", "0"],
        "shrink to the end": ["--pruning", "shrink", "--pruning-stop", "2"],
        "all that can go": ["--pruning", "shrink", "--pruning-amount", "1"],
        "links": ["--pruning", "links", "--pruning-percentile", "100"],
        "by outgoing links": ["--pruning", "shrink", "--importance", "outgoing"],
        "gradient regrowth": ["--criterion", "sensitivity", "--regrowth", "gradient"],
        "zeta that stops": ["--zeta-schedule", "cosine", "--zeta-stop", "2"], "no zeta": ["--zeta", "0", "--zeta-stop", "2"],
    }  # fmt: skip
    call = lambda s, v: run("train", *quick, *v, folder=s.folder)
    finished = lambda result, fixture: result.startswith("code 0: ")
    yield from acceptances("pruning", call, ways, finished, "training runs to its end")
    ways = {
        "two": ["--workers", "2"], "one that waits for itself": ["--workers", "1", "--synchronous"],
        "no first phase": ["--workers", "2", "--async-fraction", "0"], "no second": ["--workers", "2", "--async-fraction", "1"],
        "one a mini-batch": ["--workers", "2", "--batch-size", "720"],
        "all in one push": ["--workers", "2", "--steps-per-push", "1000"],
        "with pruning": ["--workers", "2", "--pruning", "shrink", "--pruning-stop", "0"],
        "one of one, on processes": ["--backend", "processes"],
    }  # fmt: skip
    yield from acceptances("workers", call, ways, finished, "training runs to its end")


def commands():
    """What is not a field."""
    yield from refusals("paper", option("paper"), {"misspelt": "higs", "empty": "", "path": "../x"})
    files = {"missing": "missing.json", "folder": "/", "empty name": "", "NUL": "a\0b", "too long": "x" * 5000}
    how = {"names": ("config", "No such file"), "shows_value": False}
    yield from refusals("config", option("config"), files, **how)
    unwritable = {"missing folder": "no/such/folder/out", "folder": ".", "empty name": "", "NUL": "a\0b"}
    quick = ("--dataset", "digits", "--hidden", "8", "--epochs", "1")
    for name in ("json", "save"):
        call = lambda s, v, name=name: run("train", *quick, f"--{name}", v, folder=s.folder)
        yield from refusals(name, call, unwritable, names=(f"--{name}",), shows_value=False)
    quick = (*quick, "--checkpoint", "runs")
    for name in ("every", "keep"):
        call = lambda s, v, name=name: run("train", *quick, f"--{name}", v, folder=s.folder)
        faults = without(WHOLE, "500 digits") | {"zero": "0", "negative": "-1"}
        yield from refusals(name, call, faults, names=(f"--{name}",), shows_value=False)
    call = lambda s, v: run("demo", "--out", str(s.folder / "out"), "--epochs", v)
    yield from refusals("demo(epochs)", call, WHOLE | {"zero": "0", "negative": "-1"}, shows_value=False)
    words = {
        "unknown command": ["tran"],
        "no command": [],
        "unknown option": ["train", "--zeat", "0.3"],
        "stray value": ["train", "x"],
    }
    yield from refusals("command", lambda s, v: run(*v), words, names=("--zeat", "tran", "x", "required"), shows_value=False)
