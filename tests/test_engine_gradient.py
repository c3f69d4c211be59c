"""`gradient` of both engines: what a step would have applied, bit for bit, and nothing is changed."""

import models
import numpy as np
import pytest

from sparselab.engines import select
from sparselab.engines.base import Outcome
from sparselab.nn.losses import SoftmaxCrossEntropy
from sparselab.nn.optimizers import MomentumSGD
from sparselab.training.loop import TrainingState, steps


@pytest.mark.parametrize("kind", ["fused", "layerwise"])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 13, 32, 101, 700])
def test_gradient_then_update_is_a_step(kind, threads, batch_size):
    data, optimizer = models.dataset(1500), MomentumSGD(0.05, weight_decay=1e-3)
    model, twin = models.net(dropout=0.3), models.net(dropout=0.3)
    state, other = (TrainingState.start(net, optimizer, 3) for net in (model, twin))
    with models.engine_is(kind):
        engine = select.create(twin, SoftmaxCrossEntropy(), optimizer, batch_size, threads)
        records = steps(model, data, optimizer=optimizer, state=state, batch_size=batch_size, threads=threads, epochs=1)
    order = state.stream(1).permutation(1500)
    for step in range(3 if batch_size > 1 else 20):
        before = models.fingerprint(twin)
        batch, outcome = order[step * batch_size : (step + 1) * batch_size], None
        outcome = Outcome.of(len(batch), batch_size)
        dw, db = engine.gradient(outcome, data.X_train, data.y_train, batch, other.dropout_key, step)
        assert models.fingerprint(twin) == before
        for l, layer in enumerate(twin.layers):
            optimizer.update(layer, other.optimizer[l], dw[l], db[l], 0.05)
        record = next(records)
        assert (record.loss, record.accuracy) == (outcome.losses[0], outcome.hits[0] / len(batch))
        assert models.fingerprint(model, state) == models.fingerprint(twin, other)
    records.close()
    engine.close()


@pytest.mark.parametrize("kind", ["fused", "layerwise"])
def test_a_gradient_that_is_not_finite_is_none(kind):
    model, data = models.net(), models.dataset()
    model.layers[1].w[3] = np.inf
    with models.engine_is(kind):
        engine = select.create(model, SoftmaxCrossEntropy(), MomentumSGD(), 32, 1)
    outcome = Outcome.of(32, 32)
    assert engine.gradient(outcome, data.X_train, data.y_train, np.arange(32), 0, 0) == (None, None)
    assert outcome.failed
    assert outcome.done == 0
    engine.close()
