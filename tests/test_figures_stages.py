"""A topology step by step: the picture's numbers are those of the topologies, and what was grown is told from what stayed."""

import io

import numpy as np
import pytest
from PIL import Image

import sparselab as sl
from sparselab import figures
from sparselab.figures import topology_snapshots


def layer(rows, columns, n_out=3, n_in=4):
    return sl.Topology.from_links(n_out, n_in, np.array(rows), np.array(columns))


START, LATER = layer([0, 1, 2], [1, 0, 3]), layer([0, 1, 1], [1, 2, 3])


def test_links_are_told_apart_by_whether_they_were_there():
    assert topology_snapshots.grown(START, START).tolist() == [False, False, False]
    assert topology_snapshots.grown(START, LATER).tolist() == [False, True, True]
    assert topology_snapshots.kinds(START, LATER).tolist() == [[0, 1, 0, 0], [0, 0, 2, 2], [0, 0, 0, 0]]


def test_the_table_is_the_links_of_each_pixel():
    frame = figures.topology_stages({0: START, 7: LATER}, (2, 2)).to_frame()
    assert frame[frame["epoch"] == 0]["links"].tolist() == START.fan_out.tolist()
    assert frame[frame["epoch"] == 7]["links"].tolist() == LATER.fan_out.tolist() == [0, 1, 1, 1]


def test_a_training_gives_a_picture_with_words():
    experiment = sl.build(sl.ExperimentConfig(dataset="digits", hidden=(70, 20), epochs=3, threads=1))
    found = {0: experiment.model.layers[0].topology}
    found |= {record.epoch: experiment.model.layers[0].topology for record in experiment.train()}
    figure = figures.topology_stages(found, dataset=experiment.data)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[0] == "before training\n0% grown since"
    assert titles[3].startswith("after epoch 3\n")
    start, end = (set(zip(one.rows.tolist(), one.indices.tolist())) for one in (found[0], found[3]))
    assert titles[3].endswith(f"\n{len(end - start) / len(end):.0%} grown since")
    assert len(end - start) > 0.2 * len(end)
    assert {"row", "hidden neuron"} <= {ax.get_ylabel() for ax in figure.axes}
    image = Image.open(io.BytesIO(figures.png_bytes(figure)))
    assert image.size[0] > 700


@pytest.mark.parametrize(
    ("topologies", "word"),
    [([START], "dict"), ({}, "1 to 6"), (dict.fromkeys(range(7), START), "1 to 6"), ({0: START, 1: layer([0], [0], 2)}, "shape")],
)
def test_what_cannot_be_drawn_is_named(topologies, word):
    with pytest.raises((TypeError, ValueError), match=word):
        figures.topology_stages(topologies, (2, 2))


def test_an_empty_layer_is_drawn():
    nothing = layer([], [])
    assert figures.topology_stages({0: nothing}, (2, 2)).to_frame()["links"].sum() == 0
