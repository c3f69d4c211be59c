"""Views of what a net predicts for test samples: functions of a ViewModel that return a Figure, or None where there is nothing.

Predictions are computed at most once an epoch, and only while such a view is open. Without test samples the training samples
take their place.
"""

import weakref

import numpy as np

from .. import figures
from ..experiments.experiment import loss_of
from ..figures.style import limit_height
from ..nn import losses
from ..training import loop
from .pictures.predictions import class_content, number_content
from .trade_off import consistent_copy, with_test_set

NO_PREDICTIONS = "Press Start: right and wrong predictions appear here. Not for samples with several labels."
NO_IMAGES = "Press Start: images with their predictions appear here. Only for images of one class each."
NO_NEURON = "Nothing to see yet: the net is not made before Start."
SAMPLES = 10_000  # of which the ones that drive a neuron most are sought
_predicted = weakref.WeakKeyDictionary()  # model -> (epoch, what it predicted then)


def confusion(view_model):
    """Predicted against true classes, or numbers."""
    found = current(view_model)
    if found is None:
        return None
    data, predictions, title = found
    if data.n_classes:
        return figures.confusion_matrix(data.y_test, predictions, title=title, dataset=data)
    return limit_height(figures.predicted_numbers(data.y_test, predictions, title=title, dataset=data), 4.6)


def confusion_in_browser(view_model, choices):
    """The same for the browser."""
    found = current(view_model)
    if found is None:
        return None
    data, predictions, title = found
    if data.n_classes:
        return class_content(data.y_test, predictions, data.classes, title)
    return number_content(data.y_test, predictions, title)


def images(view_model):
    """Test images with their predicted classes."""
    found = current(view_model)
    if found is None or found[0].image_shape is None or not found[0].n_classes:
        return None
    data, predictions, title = found
    rows = 1 if view_model.large else None
    return figures.predicted_images(data.X_test, data.y_test, predictions, rows=rows, title=title, dataset=data)


def neuron(view_model):
    """The neuron of the first layer at the slider, as it is now."""
    if view_model.model is None or view_model.data is None:
        return None
    net, data = consistent_copy(view_model.model), with_test_set(view_model.data)
    number, X = min(view_model.neuron, net.sizes[1] - 1), data.X_test[:SAMPLES]
    return figures.one_neuron(net, number, X, labels(data, X.shape[0]), dataset=data)


def current(view_model):
    """(data, what the net predicts for their test part, a title); None before a run and for several labels a sample."""
    run, model, data = view_model.current, view_model.model, view_model.data
    if not run.history or data.has_labels:
        return None
    epoch, samples = run.history[-1].epoch, "training" if data.X_test is None else "test"
    data = with_test_set(data)
    if _predicted.get(model, (None,))[0] != epoch:
        _predicted[model] = epoch, predicted(consistent_copy(model), data, run.config)
    return data, _predicted[model][1], f"{samples} samples after epoch {epoch}"


def predicted(net, data, config):
    """Numbers of the classes (n,) that a net predicts for the test part of a Dataset, or its numbers (n, outputs)."""
    threads = config.threads or None
    if data.n_classes:
        return loop.predict_topk(net, data.X_test, 1, threads=threads)[0][:, 0]
    loss, outputs = loss_of(config, data), loop.predict(net, data.X_test, threads=threads)
    response = getattr(None if loss is None else losses.get(loss), "response", None)
    return outputs if response is None else response(outputs)


def labels(data, n):
    """What is written beside the first n test samples: their class or number; None where there are several."""
    y = data.y_test[:n]
    if data.n_classes:
        return data.decode(y)
    return None if data.has_labels or y.shape[1] > 1 else np.array([f"y = {value:.3g}" for value in y[:, 0]])
