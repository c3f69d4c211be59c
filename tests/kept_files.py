"""The files in kept/: how each is written, what it holds, and what a run goes on to from there.

WRITE has a function for each, which makes it in a folder; CONTENTS a function that tells what a file holds, as plain values;
GO_ON a function that goes on with a run (a copy: it is written to) and gives the hash of its end.
"""

import dataclasses
import importlib.metadata
import itertools
import json
import platform
import shutil
from pathlib import Path

import hashes
import llvmlite.binding
import numpy as np
import public_api

import sparselab as sl

KEPT = Path(__file__).parent / "kept"
SIZES = (hashes.FEATURES, 12, 8, hashes.CLASSES)
DIGITS = {"fan": "width",
    "dataset": "digits", "hidden": (10, 8), "epsilon": 1.0, "epochs": 4, "batch_size": 64, "seed": 2, "threads": 1,
    "zeta": 0.25, "dropout": 0.1, "learning_rate": 0.0625, "new_values": "initializer", "importance": "incoming",
}  # fmt: skip
EXTREME = (
    "--neurons", 24, "--layers", 2, "--epsilon", 1.5, "--batch", 8, "--steps", 2, "--steps-after", 1, "--features", 12,
    "--min-fan-in", 1, "--learning-rate", 0.0625, "--momentum", 0.875, "--alpha", 0.25, "--zeta", 0.25, "--separation", 4.0,
    "--seed", 1, "--threads", 1, "--test", 8,
)  # fmt: skip


def net(**changes):
    """A net so small that its files are."""
    return hashes.net(SIZES, **{"density": 0.25, "dropout": 0.25} | changes)


def run_options(folder=None, **changes):
    """Every argument of train, SET after every epoch, one file in the folder."""
    return hashes.train_options(checkpoint=folder, keep=1, rules=[hashes.set_rule()], threads=1, **changes)


def parallel_options(folder):
    """Every argument of train_parallel: two epochs together, two alone."""
    return hashes.parallel_options(checkpoint=folder, keep=1)


def end_of(folder):
    """The hash of what the newest checkpoint in a folder holds."""
    saved = sl.load_checkpoint(folder)
    return hashes.fingerprint(saved.model, saved.state.optimizer)


def stop_after(stream, n_records):
    """Pull so many records, then close the stream."""
    records = list(itertools.islice(stream, n_records))
    stream.close()
    return records


# one net


def write_model(path):
    """A float64 net with an activation, an initializer and biases that are not the usual ones."""
    model = net(dtype=np.float64, activation=sl.LeakyReLU(alpha=0.125), initializer=sl.Normal(deviation=0.25))
    for layer in model.layers:
        layer.b[:] = np.arange(len(layer.b)) / 8
    sl.save(model, path)


def write_shrunk_model(path):
    """A net that importance pruning has made smaller."""
    model = net(activation=sl.AllReLU(alpha=0.5), initializer=sl.XavierUniform(fan="links"))
    rule = hashes.pruning(start=1, stop=None, amount=0.5)
    sl.save(hashes.trained(model, hashes.labelled(), rules=[rule], epochs=2, threads=1).model, path)


def contents_of_model(path, load=sl.load):
    """What a model file holds."""
    return {"parts": parts_of(path), **described_model(load(path))}


def contents_as_npz(path):
    """The same by the room of formats, which reads the same files."""
    return contents_of_model(path, sl.export.from_npz)


ADDED = {"optimizer_kind", "epoch_of"}  # names in headers that the kept files have not yet


def parts_of(path):
    """The arrays of a file as NumPy sees them, and the names in its JSON header: how it is written, whatever reads it."""
    with np.load(path) as file:
        header = json.loads(bytes(file["header"]))
        arrays = {name: f"{file[name].dtype}{list(file[name].shape)}" for name in file.files if name != "header"}
    names = {name: sorted(value.keys() - ADDED) for name, value in header.items() if isinstance(value, dict) and name != "about"}
    return {"arrays": arrays, "header": sorted(header), **names}


def described_model(model):
    """Everything about a net as plain values, its arrays as a digest; what it computes, too."""
    X = hashes.eighths(np.random.default_rng(13), (7, model.sizes[0]), model.dtype)
    return {
        "sizes": list(model.sizes),
        "original_sizes": list(model.neurons.sizes),
        "nnz": list(model.nnz),
        "dtype": str(model.dtype),
        "dropout": model.dropout,
        "activation": described_object(model.activation),
        "initializer": described_object(model.initializer),
        "arrays": hashes.fingerprint(model),
        "outputs": hashes.digest_of([sl.predict(model, X, threads=1)]),
    }


def described_object(value):
    """The class and the fields of a dataclass."""
    return {"type": type(value).__name__, **dataclasses.asdict(value)}


# one checkpoint


def write_checkpoint(path):
    """A run that stands in the middle of its second epoch: two of four mini-batches are done."""
    model, optimizer = net(), hashes.momentum_sgd()
    state = sl.TrainingState.start(model, optimizer, 5)
    stream = sl.steps(model, hashes.labelled(), optimizer=optimizer, state=state, pace=0.0, **run_options())
    records = stop_after(stream, 5 + 2)
    history = [record for record in records if isinstance(record, sl.EpochRecord)]
    sl.save_checkpoint(model, state, path, history, about={"note": "the user's own", "numbers": [1, 2.5, None]})


def contents_of_checkpoint(path):
    """What a checkpoint file holds, but for the versions that it names."""
    saved = sl.load_checkpoint(path)
    state = saved.state
    return {
        "parts": parts_of(saved.path),
        "model": described_model(saved.model),
        "optimizer": hashes.fingerprint(saved.model, state.optimizer),
        "position": [state.epoch, state.batch, state.evolved],
        "seeds": [state.seeds.entropy, list(state.seeds.spawn_key)],
        "history": hashes.plain_records(saved.history),
        "about": {name: value for name, value in saved.about.items() if name != "versions"},
    }


def go_on_from_checkpoint(path):
    """Train what is left of four epochs from the state in the file."""
    saved = sl.load_checkpoint(path)
    options = run_options(epochs=4 - saved.state.epoch)
    list(sl.train(saved.model, hashes.labelled(), optimizer=hashes.momentum_sgd(), state=saved.state, **options))
    return hashes.fingerprint(saved.model, saved.state.optimizer)


# runs in folders


def write_run(folder):
    """A run of train at epoch 2 of 4."""
    stream = sl.train(net(), hashes.labelled(), optimizer=hashes.momentum_sgd(), state=None, **run_options(folder))
    stop_after(stream, 2)


def go_on_with_run(folder):
    """The same call again, with a net of other numbers."""
    model = net(seed=2)
    list(sl.train(model, hashes.labelled(), optimizer=hashes.momentum_sgd(), state=None, **run_options(folder)))
    return hashes.fingerprint(model, sl.load_checkpoint(folder).state.optimizer)


def write_parallel_run(folder):
    """A run of train_parallel after the first of its two local epochs: a file for each worker stands beside the run's own.

    In these the biases are moved: the end then tells whether they were read, or that epoch trained again.
    """
    stop_after(sl.train_parallel(net(), hashes.labelled(), **parallel_options(folder)), 3)
    for path in Path(folder).glob("local-*.npz"):
        saved = sl.load_checkpoint(path)
        for layer in saved.model.layers:
            layer.b += layer.dtype.type(0.125)
        sl.save_checkpoint(saved.model, saved.state, path, saved.history, about=saved.about)


def go_on_with_parallel_run(folder):
    """The same call again, with a net of other numbers."""
    model = net(seed=2)
    list(sl.train_parallel(model, hashes.labelled(), **parallel_options(folder)))
    return hashes.fingerprint(model)


def fitted(folder, epochs):
    """A SparseMLPClassifier that keeps its fit in a folder."""
    X, y, *_ = hashes.labelled()
    settings = hashes.classifier_settings(hidden_layer_sizes=SIZES[1:-1], epsilon=2, epochs=epochs, checkpoint=str(folder))
    return sl.SparseMLPClassifier(**settings).fit(X, y)


def write_classifier_run(folder):
    """Two epochs of a fit with early stopping, which keeps its best epoch in a file of its own."""
    fitted(folder, 2)
    only_newest(folder)


def go_on_with_classifier_run(folder):
    """Two epochs more."""
    return hashes.fingerprint(fitted(folder, 4).model_)


def contents_of_folder(folder):
    """What each file of a folder holds, and which is the newest."""
    files = {path.name: contents_of_checkpoint(path) for path in sorted(Path(folder).glob("*.npz"))}
    return {"newest": Path(sl.load_checkpoint(folder).path).name, "files": files}


# what the command line writes


def write_extreme_run(folder):
    """What `python -m sparselab extreme` keeps of a trial."""
    public_api.run_command("extreme", *EXTREME, "--checkpoint", folder)


def go_on_with_extreme_run(folder):
    """The same command again trains one epoch more."""
    code, _ = public_api.run_command("extreme", *EXTREME, "--checkpoint", folder)
    return end_of(folder) if code == 0 else f"exit code {code}"


def write_config(path):
    """A preset with every field."""
    Path(path).write_text(sl.ExperimentConfig(**hashes.SETTINGS).to_json() + "\n", encoding="utf-8")


def contents_of_config(path):
    """The fields of a preset, as they are read."""
    config = sl.ExperimentConfig.from_json(Path(path).read_text(encoding="utf-8"))
    return json.loads(json.dumps(dataclasses.asdict(config)))


def go_on_with_config(path):
    """Train as `--config` says, by the command line; the hash of the net it saves."""
    saved = Path(path).with_name("saved.npz")
    code, _ = public_api.run_command("train", "--config", path, "--epochs", 2, "--save", saved)
    return hashes.fingerprint(sl.load(saved)) if code == 0 else f"exit code {code}"


# what the workbench page keeps


def write_workbench(folder):
    """A run that was stopped after epoch 2 of 4 with a setting that was changed by hand, as the page keeps it."""
    store = sl.widgets.Workbench(sl.ExperimentConfig(**DIGITS), folder=folder).store
    diary = store.new(sl.ExperimentConfig(**DIGITS), "first try")
    run = sl.widgets.Run(sl.ExperimentConfig(**DIGITS), checkpoint=diary.folder, resume=False)

    def changed():
        diary.note(run)
        if len(run.history) == 1:
            run.set_live(run.config.replace(momentum=0.875))
        elif len(run.history) == 2:
            run.stop(0)

    run.changed = changed
    run.pull()
    only_newest(diary.folder)
    about = json.loads((diary.folder / "run.json").read_text(encoding="utf-8"))
    about["environment"]["numba_cache"] = "left out"  # a path of the machine it was made on
    (diary.folder / "run.json").write_text(json.dumps(about), encoding="utf-8")


def only_newest(folder):
    """Remove all checkpoints but the last, to keep the repository small."""
    for path in sorted(Path(folder).glob("0*-epoch*.npz"))[:-1]:
        path.unlink()


def contents_of_workbench(folder):
    """The rows of the page's list, and the runs as they are opened."""
    store = sl.widgets.Workbench(folder=folder).store
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in store.rows()]
    runs = [store.open(name) for name in store.names()]
    return {
        "rows": rows,
        "runs": [
            {
                "name": run.name,
                "label": run.label,
                "state": run.state,
                "error": run.error,
                "changes": [list(change) for change in run.changes],
                "config": json.loads(run.config.to_json()),
                "history": hashes.plain_records(run.history),
                "checkpoint": contents_of_checkpoint(run.folder),
            }
            for run in runs
        ],
    }


def go_on_with_workbench(folder):
    """The button Resume of the tab Runs."""
    page = sl.widgets.Workbench(folder=folder)
    (name,) = page.store.names()
    page.runs.actions.resume([name])
    page.train.wait(120)
    if page.store.open(name).state != "finished":
        return f"not finished: {page.train.screen.message.value}"
    return hashes.fingerprint(page.train.model)


def go_on_by_command(folder):
    """The run of the page by the command line, which takes the settings from the run's folder."""
    run, saved = next(Path(folder).glob("0001-*")), Path(folder) / "saved.npz"
    code, _ = public_api.run_command("train", "--checkpoint", run, "--save", saved)
    return hashes.fingerprint(sl.load(saved)) if code == 0 else f"exit code {code}"


WRITE = {
    "model.npz": write_model,
    "shrunk_model.npz": write_shrunk_model,
    "checkpoint_in_epoch_2.npz": write_checkpoint,
    "config.json": write_config,
    "run_at_epoch_2": write_run,
    "parallel_run_in_local_phase": write_parallel_run,
    "classifier_run": write_classifier_run,
    "extreme_run": write_extreme_run,
    "workbench": write_workbench,
}
CONTENTS = {
    "model.npz": contents_of_model,
    "shrunk_model.npz": contents_as_npz,
    "checkpoint_in_epoch_2.npz": contents_of_checkpoint,
    "config.json": contents_of_config,
    "run_at_epoch_2": contents_of_folder,
    "parallel_run_in_local_phase": contents_of_folder,
    "classifier_run": contents_of_folder,
    "extreme_run": contents_of_folder,
    "workbench": contents_of_workbench,
}
GO_ON = {  # (kept file, way to go on)
    ("checkpoint_in_epoch_2.npz", "train"): go_on_from_checkpoint,
    ("config.json", "command"): go_on_with_config,
    ("run_at_epoch_2", "train"): go_on_with_run,
    ("parallel_run_in_local_phase", "train_parallel"): go_on_with_parallel_run,
    ("classifier_run", "fit"): go_on_with_classifier_run,
    ("extreme_run", "command"): go_on_with_extreme_run,
    ("workbench", "page"): go_on_with_workbench,
    ("workbench", "command"): go_on_by_command,
}


def machine():
    """What the bits of a result may depend on."""
    names = ("numpy", "scipy", "numba", "llvmlite", "scikit-learn")
    return {
        "machine": platform.machine(),
        "processor": llvmlite.binding.get_host_cpu_name(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def copied(name, folder):
    """The path of a copy of a kept file or folder in `folder`."""
    source, target = KEPT / name, Path(folder) / name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    return target
