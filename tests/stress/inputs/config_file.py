"""The config file: ExperimentConfig.from_json of a text, and `train --config` of a file with it; both must refuse alike."""

import dataclasses
import json
from itertools import chain

from sparselab.experiments.config import ExperimentConfig
from sparselab.experiments.experiment import build

from . import for_field, refusals
from .command import Fixture as Fixture  # noqa: PLC0414 (the same fixture)
from .command import run

RAW = {"NaN": "NaN", "infinity": "Infinity", "minus infinity": "-Infinity"}  # what Python's JSON reader takes
JUNK = {"nothing": "null", "text": '"abc"', "list": "[1]", "object": '{"a": 1}', "bool": "true", "nested list": "[[[]]]"}
NUMBERS = RAW | JUNK | {"500 digits": "9" * 500, "5000 digits": "9" * 5000, "beyond float": "1e999"}
WHOLE = NUMBERS | {"fraction": "1.5", "whole float": "2.0"}
NAMES = (
    JUNK
    | RAW
    | {
        "number": "3",
        "empty text": '""',
        "module": '"os.system"',
        "path": '"../x"',
        "NUL": '"a\\u0000b"',
        "half a surrogate": '"\\ud800"',
    }
)


def in_file(fixture, content):
    """Both ways in; the file's is the one whose answer counts, if the text's refuses too."""
    path = fixture.folder / "config.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        if not isinstance(content, bytes):
            try:
                ExperimentConfig.from_json(content)
            except (ValueError, TypeError):
                return run("train", "--config", str(path))
            return "from_json accepted it"
        return run("train", "--config", str(path))
    finally:
        path.unlink()


def field(name):
    return lambda fixture, value: in_file(fixture, f'{{"{name}": {value}}}')


def kits():
    """Every kit of this entry point."""
    return chain(fields(), across(), files())


def fields():
    """Each field of the config with values of wrong types and beyond its bounds."""
    for one in dataclasses.fields(ExperimentConfig):
        m, name = one.metadata, one.name
        how = {"names": (name, "preset"), "shows_value": False}
        if one.type is bool:
            faults = {key: value for key, value in NUMBERS.items() if key != "bool"} | {"0": "0", "1": "1"}
        elif one.type is tuple:
            faults = {key: value for key, value in NUMBERS.items() if key != "list"} | {
                "number": "3",
                "not whole": "[1.5]",
                "text in it": '["a"]',
            }
            faults |= {
                "zero": "[0]",
                "negative": "[-1]",
                "2^31": "[2147483648]",
                "nothing in it": "[null]",
                "bool in it": "[true]",
                "NaN in it": "[NaN]",
            }
        elif one.type in (int, int | str):
            faults = WHOLE | {"below the lowest": json.dumps(m["low"] - 1), "above the highest": json.dumps(m["high"] + 1)}
        elif one.type is float:
            faults = NUMBERS | {"below the lowest": json.dumps(m["low"] - 1), "above the highest": json.dumps(m["high"] * 1.01)}
        else:
            faults = for_field(name, NAMES)
        yield from refusals(name, field(name), faults, **how)


def across():
    """Fields that are good alone and not together: `build` refuses them, before anything is trained."""
    texts = {
        f"{mode}, before it starts": json.dumps({"dataset": "digits", "pruning": mode, "pruning_start": 20, "pruning_stop": 10})
        for mode in ("shrink", "links")
    }
    words = {"words": ("pruning_stop", "pruning_start"), "shows_value": False}
    yield from refusals("pruning_stop", built, texts, **words)
    yield from refusals("pruning_stop", by_command, {f"command, {fault}": text for fault, text in texts.items()}, **words)


def built(fixture, text):
    return build(ExperimentConfig.from_json(text))


def by_command(fixture, text):
    path = fixture.folder / "config.json"
    path.write_text(text)
    try:
        return run("train", "--config", str(path))
    finally:
        path.unlink()


def files():
    """What is no config at all."""
    texts = {
        "empty": "", "blank": " \n", "not JSON": "epsilon: 3", "cut off": '{"epsilon": 3', "list": "[1]", "number": "3",
        "text": '"digits"',
        "null": "null", "NaN": "NaN", "single quotes": "{'epsilon': 3}", "trailing comma": '{"epsilon": 3,}',
        "comment": '{"epsilon": 3} // ε',
        "two objects": "{}{}", "nested 100 000 deep": "[" * 100_000, "objects nested 100 000 deep": '{"a":' * 100_000,
        "not UTF-8": b'{"dataset": "\xff\xfe"}', "UTF-16": '{"epsilon": 3}'.encode("utf-16"), "NUL bytes": b"\0" * 100,
        "binary": bytes(range(256)),
    }  # fmt: skip
    yield from refusals("config", in_file, texts, names=("--config", "preset"), shows_value=False)
    keys = {
        "unknown": '{"epsilom": 3}', "empty": '{"": 3}', "capital": '{"Epsilon": 3}', "with a blank": '{"epsilon ": 3}',
        "of Python": '{"__class__": 3}', "long": json.dumps({"x" * 10_000: 3}), "self": '{"self": 3}',
        "twice": '{"epsilon": 3, "epsilon": 4}',
    }  # fmt: skip
    yield from refusals("field", in_file, keys, names=("field", "epsilon"), shows_value=False)
