"""A script as users write it, for `mypy` alone: it must see classes, arguments and results through the lazily loaded names."""

from typing import assert_type

import numpy as np

import sparselab as sl


def trains(data: sl.datasets.Dataset) -> None:
    model = sl.SparseMLP.create((784, 100, 10), epsilon=20, activation=sl.AllReLU(0.6), seed=0)
    assert_type(model, sl.SparseMLP)
    assert_type(model.layers[0].topology, sl.Topology)
    sl.SparseMLP.create((784, 10), activation=sl.SReLU())
    sl.SparseMLP.create((784, 10), activation=sl.TAAF(sl.LeakyReLU(0.1)))
    for record in sl.train(model, data, optimizer=sl.MomentumSGD(0.01), rules=[sl.SET(0.3)], epochs=2):
        assert_type(record, sl.EpochRecord)
    assert_type(sl.load(sl.save(model, "model.npz")), sl.SparseMLP)
    assert_type(sl.figures.memory(model), sl.figures.TableFigure)
    assert_type(sl.estimate_memory((100, 200, 2), epsilon=2), sl.MemoryEstimate)
    sl.figures.connectivity(model, bins="many")  # type: ignore[arg-type]
    sl.SparseMLP.create((784, 10), epsilom=20)  # type: ignore[call-arg]


def runs_configs() -> None:
    config = sl.ExperimentConfig(dataset="digits", epochs=2).replace(zeta=0.2)
    assert_type(config, sl.ExperimentConfig)
    experiment = sl.build(config)
    assert_type(experiment.model, sl.SparseMLP)
    history = sl.History(experiment.train())
    sl.figures.learning_curves({"SET": history}, x="seconds")
    sl.ExperimentConfig(epochs="two")  # type: ignore[arg-type]
    print(sl.no_such_name)  # type: ignore[attr-defined]


def takes_topologies(rng: np.random.Generator) -> None:
    topology = sl.erdos_renyi(100, 50, epsilon=4, seed=rng)
    assert_type(topology, sl.Topology)
    sl.figures.topology_stages({0: topology}, (10, 5))


assert_type(sl.__version__, str)
