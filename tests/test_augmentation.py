"""Images changed at random in training, and noise, against a twin in plain loops: what happens, when, and by which seed."""

import cmath
import dataclasses
import math
from itertools import islice

import models
import naive
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

import sparselab as sl
from sparselab.checkpoints import run_description
from sparselab.checkpoints.container import CheckpointError
from sparselab.datasets import Augmentation
from sparselab.engines import tiling
from sparselab.engines.augmented import AugmentedRows, start_epoch
from sparselab.kernels import JIT
from sparselab.training.loop import TrainingState

needs_jit = pytest.mark.skipif(not JIT, reason="the fused engine needs compiled code")
WHOLE = Augmentation((5, 4), pad_crop=2, flip=True)  # copies pixels, so that results are exact
FULL = Augmentation((5, 2, 2), pad_crop=1, flip=True, rotation=40, shift=0.3)
NOISE = Augmentation(noise=0.5)


# one image


def twin(image, augmentation, black, key, sample):
    """The image (height, width, channels) as the epoch with this key shows it, in float64."""
    height, width, channels = image.shape
    own = naive.key64(naive.mix64(key), sample)
    draws = [(naive.key64(own, number) >> 11) / 2**53 for number in range(6)]
    if augmentation.flip and draws[0] < 0.5:
        image = image[:, ::-1]
    angle = math.radians(augmentation.rotation) * (2 * draws[1] - 1)
    moves = [
        math.floor(draws[2 + 2 * axis] * (2 * augmentation.pad_crop + 1)) - augmentation.pad_crop
        + augmentation.shift * side * (2 * draws[3 + 2 * axis] - 1)
        for axis, side in enumerate((height, width))
    ]  # fmt: skip
    middle, out = complex((width - 1) / 2, (height - 1) / 2), np.empty(image.shape)
    for y, x, channel in np.ndindex(image.shape):
        place = (complex(x - moves[1], y - moves[0]) - middle) * cmath.exp(1j * angle) + middle
        out[y, x, channel] = 0
        for row in (math.floor(place.imag), math.floor(place.imag) + 1):
            for column in (math.floor(place.real), math.floor(place.real) + 1):
                share = max(0, 1 - abs(row - place.imag)) * max(0, 1 - abs(column - place.real))
                inside = 0 <= row < height and 0 <= column < width
                out[y, x, channel] += share * (image[row, column, channel] if inside else black[y, x, channel])
    return out


def noise(deviation, key, samples, n):
    """(samples, n): the noise of the twin, in pairs that are complex numbers of normal parts."""
    found = np.empty((len(samples), n + 1))
    for row, sample in zip(found, samples, strict=True):
        own = naive.key64(naive.mix64(key), sample)
        draws = [(naive.key64(own, 6 + number) >> 11) / 2**53 for number in range(n + 1)]
        for j in range(0, n, 2):
            pair = cmath.rect(math.sqrt(-2 * math.log(1 - draws[j])), 2 * math.pi * draws[j + 1])
            row[j : j + 2] = deviation * pair.real, deviation * pair.imag
    return found[:, :n]


def changed(X, augmentation, key, samples):
    """(n, features): what the twin makes of the samples."""
    shape = (*augmentation.shape, 1)[:3]
    black = X.min(axis=0) if augmentation.black is None else np.broadcast_to(augmentation.black, X.shape[1])
    images = [twin(X[s].reshape(shape), augmentation, black.reshape(shape), int(key), s) for s in samples]
    return np.array(images).reshape(len(samples), -1)


def gathered(X, augmentation, key, samples, width=8):
    """The same by the kernel, in tiles."""
    rows, tiles = AugmentedRows(X, augmentation), []
    start_epoch(rows, np.uint64(key))
    for first in range(0, len(samples), width):
        count = min(width, len(samples) - first)
        tile = np.full((X.shape[1], width), 9, X.dtype)
        rows.gather(np.asarray(samples), first, count, tile)
        assert not tile[:, count:].any()
        tiles.append(tile[:, :count].T)
    return np.concatenate(tiles)


@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 3)), st.integers(0, 3), st.booleans(),
    st.sampled_from([0, 10, 90, 180]), st.sampled_from([0, 0.1, 1]), st.integers(0, 2**64 - 1),
    st.sampled_from([np.float32, np.float64]), st.booleans(),
)  # fmt: skip
@settings(max_examples=60)
def test_images_are_those_of_the_twin(shape, pad_crop, flip, rotation, shift, key, dtype, own_black):
    random = np.random.default_rng(key % 1000)
    X = random.standard_normal((5, math.prod(shape))).astype(dtype)
    black = random.standard_normal(X.shape[1]).astype(dtype).tolist() if own_black else None
    augmentation = Augmentation(shape, pad_crop, flip, rotation, shift, black)
    samples = [3, 0, 4, 4, 1, 2, 0, 1, 3]
    found, wanted = gathered(X, augmentation, key, samples), changed(X, augmentation, key, samples)
    assert found.dtype == dtype
    noisy = gathered(X, dataclasses.replace(augmentation, noise=0.3), key, samples)
    np.testing.assert_allclose(noisy, found + noise(0.3, key, samples, X.shape[1]), rtol=1e-5, atol=1e-5)
    if rotation or shift:
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_array_equal(found, wanted)


def test_a_move_cuts_a_window_out_of_the_padded_image_and_all_windows_and_both_sides_occur():
    image = np.arange(1, 21, dtype=np.float32).reshape(5, 4)
    found = gathered(np.tile(image.ravel(), (1000, 1)), Augmentation((5, 4), pad_crop=1, flip=True, black=0), 3, range(1000))
    padded = [np.pad(side, 1) for side in (image, image[:, ::-1])]
    windows = {side[y : y + 5, x : x + 4].tobytes(): 0 for side in padded for y in range(3) for x in range(3)}
    for one in found:
        windows[one.tobytes()] += 1
    assert len(windows) == 18
    assert min(windows.values()) > 1000 / 18 / 2  # 4 deviations below the mean


def test_angles_and_shifts_stay_within_their_bounds_on_both_sides():
    ramp = np.tile(np.arange(21.0), (21, 1))  # a pixel says in which column it was
    X = np.tile(ramp.ravel(), (300, 1))
    moved = gathered(X, Augmentation((21, 21), shift=0.1), 5, range(300)).reshape(-1, 21, 21)[:, 10, 10] - 10
    assert np.abs(moved).max() <= 2.1
    assert moved.min() < -2
    assert moved.max() > 2
    turned = gathered(X, Augmentation((21, 21), rotation=30), 5, range(300)).reshape(-1, 21, 21)
    sines = (turned[:, 15, 10] - turned[:, 5, 10]) / 10
    assert np.abs(sines).max() <= 0.5 + 1e-6
    assert sines.min() < -0.48
    assert sines.max() > 0.48
    np.testing.assert_allclose(turned[:, 10, 10], 10)


def test_what_happens_depends_on_epoch_and_sample_alone():
    X, _ = models.rows()
    there, back = gathered(X, FULL, 1, range(101), 64), gathered(X, FULL, 1, range(100, -1, -1), 8)
    np.testing.assert_array_equal(there, back[::-1])
    assert (gathered(X, FULL, 2, range(101)) != there).any(axis=1).all()


def test_noise_is_normal_and_independent():
    X = np.random.default_rng(0).standard_normal((400, 101))
    found = (gathered(X, NOISE, 7, range(400)) - X) / 0.5
    assert scipy.stats.kstest(found.ravel(), "norm").pvalue > 1e-3
    correlations = np.corrcoef(found.T) - np.eye(101)
    assert np.abs(correlations).max() < 5 / 20  # 5 deviations
    assert np.abs(np.corrcoef(found) - np.eye(400)).max() < 6 / 10
    again = (gathered(X, NOISE, 8, range(400)) - X) / 0.5
    assert abs(np.corrcoef(found.ravel(), again.ravel())[0, 1]) < 5 / 200
    np.testing.assert_allclose(gathered(X, Augmentation(noise=2), 7, range(400)) - X, 2 * found)


# the border


def test_the_border_is_a_black_pixel_of_each_column():
    raw = sl.datasets.load("fashion_mnist_small", standardise=False).X_train
    factor = np.divide(1, raw.std(axis=0, dtype=float), where=raw.std(axis=0) > 0, out=np.zeros(784))
    wanted = {
        False: np.zeros(784), "published": np.full(784, -0.2860 / 0.3530), True: -raw.mean(axis=0, dtype=float) * factor
    }  # fmt: skip
    for standardise, black in wanted.items():
        data = sl.datasets.load("fashion_mnist_small", standardise=standardise).with_augmentation(Augmentation())
        np.testing.assert_allclose(AugmentedRows(data.X_train, data.augmentation).black, black, rtol=1e-4, atol=1e-6)


# training


def images(n=101, augmentation=WHOLE, **options):
    return models.dataset(n, **options).with_augmentation(augmentation)


def trained(augmentation, kind="fused", *, dtype=np.float32, threads=1, n=101, **options):
    """(records, fingerprint) of two epochs with SET in between."""
    options = {"optimizer": sl.MomentumSGD(0.02), "rules": [sl.SET(0.3)], "epochs": 2, "batch_size": 48} | options
    model = models.net(dropout=0.3, dtype=dtype)
    return models.run(model, images(n, augmentation, dtype=dtype), kind=kind, threads=threads, **options)


@pytest.mark.parametrize("kind, dtype", [("fused", np.float32), ("layerwise", np.float32), ("layerwise", np.float64)])
def test_training_is_training_on_the_changed_images(kind, dtype):
    found, model, data = (
        trained(WHOLE, kind, dtype=dtype, rules=(), epochs=3),
        models.net(dropout=0.3, dtype=dtype),
        images(dtype=dtype),
    )
    state, optimizer = TrainingState.start(model, sl.MomentumSGD(0.02), 5), sl.MomentumSGD(0.02)
    for _ in range(3):
        X = changed(data.X_train, WHOLE, state.dropout_key, range(101)).astype(dtype)
        plain = dataclasses.replace(data, X_train=X, augmentation=None)
        with models.engine_is(kind):
            list(sl.steps(model, plain, optimizer=optimizer, state=state, epochs=1, batch_size=48, threads=1))
    assert models.fingerprint(model, state) == found[1]


@needs_jit
@pytest.mark.parametrize("augmentation", [WHOLE, FULL, NOISE])
def test_both_engines_and_any_number_of_threads_give_the_same_bits(augmentation, monkeypatch):
    alone = trained(augmentation, n=300, batch_size=130)
    assert alone[1] != trained(None, n=300, batch_size=130)[1]
    for kind in models.ENGINES:
        for threads in (1, 2, 3):
            assert trained(augmentation, kind, threads=threads, n=300, batch_size=130) == alone
    monkeypatch.setattr(tiling, "WORTH_MEETING", 0)
    monkeypatch.setattr(tiling, "LARGE_TILE", 0)  # all threads go through each tile together
    for threads in (2, 3):
        assert trained(augmentation, threads=threads, n=300, batch_size=130) == alone


def test_no_change_is_plain_training():
    assert trained(Augmentation((5, 4))) == trained(None)


def test_evaluation_and_evidence_are_without_changes():
    seen, data, model = [], images(), models.net()

    def rule(epoch, model, state, evidence, rng):
        seen.append(evidence.of(model.layers[0]).X.T.copy())
        return [None] * len(model.layers)

    records = list(sl.train(model, data, rules=[rule], epochs=2, batch_size=20, seed=0))
    rows = {row.tobytes() for row in data.X_train}
    assert len(seen[0]) == 20
    assert all(row.tobytes() in rows for row in seen[0])
    assert (records[-1].test_loss, records[-1].test_accuracy) == sl.evaluate(model, data.X_test, data.y_test)


@pytest.mark.parametrize("kind", models.ENGINES)
def test_a_run_cut_in_the_middle_of_an_epoch_goes_on_to_the_same_end(tmp_path, kind):
    def run(folder, augmentation=FULL):
        options = {"optimizer": sl.MomentumSGD(0.05), "rules": [sl.SET(0.3)], "batch_size": 32, "seed": 5, "threads": 1}
        model = models.net(dropout=0.3)
        return model, sl.steps(model, images(augmentation=augmentation), epochs=3, checkpoint=folder, **options)

    with models.engine_is(kind):
        whole, records = run(tmp_path / "whole")
        losses = [record.train_loss for record in records if hasattr(record, "train_loss")]
        _, first = run(tmp_path / "cut")
        assert len(list(islice(first, 7))) == 7  # of 5 records an epoch
        first.close()
        for other in (None, WHOLE, dataclasses.replace(FULL, black=0.5)):
            with pytest.raises(CheckpointError, match="augmentation = "):
                next(run(tmp_path / "cut", other)[1])
        model, rest = run(tmp_path / "cut")
        assert [record.train_loss for record in rest if hasattr(record, "train_loss")] == losses
        assert models.fingerprint(model) == models.fingerprint(whole)


# everything that trains


def test_a_run_from_before_there_was_noise_goes_on(tmp_path, monkeypatch):
    options = {"batch_size": 32, "seed": 5, "threads": 1, "checkpoint": tmp_path}
    describe = run_description.describe
    without = lambda value: {name: one for name, one in value.items() if name != "noise"} if isinstance(value, dict) else value
    monkeypatch.setattr(run_description, "describe", lambda value: without(describe(value)))
    list(sl.train(models.net(), images(augmentation=FULL), epochs=1, **options))
    monkeypatch.undo()
    noisy = dataclasses.replace(FULL, noise=0.5)
    with pytest.raises(CheckpointError, match="augmentation"):
        next(sl.train(models.net(), images(augmentation=noisy), epochs=2, **options))
    assert list(sl.train(models.net(), images(augmentation=FULL), epochs=2, **options))[-1].epoch == 2


def parallel(**options):
    model, data = models.net(dropout=0.3), images(200)
    options = {"rules": [sl.SET(0.3)], "epochs": 3, "batch_size": 25, "seed": 5, "optimizer": sl.MomentumSGD(0.02)} | options
    return [r.train_loss for r in options.pop("call", sl.train_parallel)(model, data, **options)], models.fingerprint(model)


def test_workers_change_images_too():
    alone = parallel(call=sl.train)
    for backend, synchronous in (("serial", True), ("processes", True), ("threads", False)):  # the last one in compiled code
        assert parallel(backend=backend, n_jobs=1, synchronous=synchronous, async_fraction=1.0) == alone
    two = {"n_jobs": 2, "synchronous": True, "async_fraction": 0.5}
    assert parallel(backend="serial", **two) == parallel(backend="threads", **two)


def test_estimators_change_images_too():
    X, y = models.rows(120)
    make = lambda augmentation, **options: sl.SparseMLPClassifier(
        (20,), epochs=3, random_state=0, standardise=False, augmentation=augmentation, **options
    ).fit(X, y)
    found = make(FULL)
    assert models.fingerprint(found.model_) != models.fingerprint(make(None).model_)
    assert models.fingerprint(clone(found).set_params(n_jobs=2).fit(X, y).model_) == models.fingerprint(found.model_)
    stopping = [models.fingerprint(make(one, early_stopping=True).model_) for one in (FULL, None)]
    assert stopping[0] != stopping[1]


def test_a_config_with_data_changes_images_too():
    config = sl.ExperimentConfig(hidden=(20,), epochs=2, threads=1)
    losses = [[r.train_loss for r in sl.build(config, data=images(augmentation=one)).train()] for one in (WHOLE, None, WHOLE)]
    assert losses[0] == losses[2] != losses[1]


def test_parts_of_a_data_set_keep_the_augmentation():
    data = sl.datasets.load("digits").with_augmentation(Augmentation(pad_crop=1))
    assert data.augmentation == Augmentation((8, 8), pad_crop=1)
    for part in (data.head(50), data.split_validation(), data.with_class_names(list("abcdefghij"))):
        assert part.augmentation == data.augmentation
    assert data.with_augmentation(None).augmentation is None


# what is refused


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pad_crop": -1}, "pad_crop = -1: must be a whole number >= 0"),
        ({"pad_crop": 1.5}, "pad_crop = 1.5"),
        ({"flip": 1}, "flip = 1: must be True or False"),
        ({"rotation": -1}, "rotation = -1: must be an angle in \\[0, 180\\]"),
        ({"rotation": float("nan")}, "rotation = nan"),
        ({"shift": -0.1}, "shift = -0.1: must be a number in \\[0, 1\\]"),
        ({"shift": 2}, "shift = 2"),
        ({"noise": -0.1}, "noise = -0.1: must be a finite float32 number >= 0"),
        ({"noise": float("inf")}, "noise = inf"),
        ({"noise": "0.2"}, "noise = '0.2'"),
        ({"shape": (5,)}, r"shape = \(5,\): must be \(height, width\)"),
        ({"shape": (5, -4)}, r"shape = \(5, -4\)"),
        ({"shape": 20}, "shape = 20"),
        ({"black": "dark"}, "black = 'dark': must be a number"),
        ({"black": [[0.0]]}, "black = "),
        ({"black": [0.0, float("inf")]}, "black = "),
        ({"black": float("nan")}, "black = nan"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        Augmentation(**arguments)


@pytest.mark.parametrize(
    "augmentation, message",
    [
        (Augmentation(), "shape = None: must be"),
        (Augmentation(noise=0.2, flip=True), "shape = None: must be"),
        (Augmentation((5, 5)), r"shape = \(5, 5\): must be of 20 pixels"),
        (Augmentation((5, 4), pad_crop=5), "pad_crop = 5: must be at most 4"),
        (Augmentation((5, 4), black=[0, 0]), "black = .*20 of them"),
        ("flip", "augmentation = 'flip': must be an Augmentation"),
        (Augmentation, "augmentation = "),
    ],
)
def test_what_does_not_fit_the_data_is_refused(augmentation, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        images(augmentation=augmentation)


def test_sparse_rows_are_refused():
    for augmentation in (WHOLE, NOISE):
        with pytest.raises(TypeError, match="^augmentation = .*must be None for sparse features"):
            images(augmentation=augmentation, as_csr=True)
    X, y = models.rows()
    with pytest.raises(TypeError, match="^augmentation = .*must be None for sparse features"):
        sl.SparseMLPClassifier(augmentation=WHOLE).fit(models.dataset(as_csr=True).X_train, y)
