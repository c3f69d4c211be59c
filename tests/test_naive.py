"""The twins themselves, against published numbers and against each other: a yardstick is measured first."""

import math

import naive
import numpy as np
import pytest


def test_keys_are_the_published_splitmix64_sequence():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [naive.key64(1234567, i) for i in range(5)] == published


def test_mix32_is_a_bijection_on_a_sample():
    assert len({naive.mix32(x) for x in range(1 << 12)}) == 1 << 12
    assert naive.mix32(0) == 0


def test_dense_gradient_is_the_slope_of_the_loss():
    rng = np.random.default_rng(0)
    net = naive.DenseMLP([rng.normal(size=(5, 3)), rng.normal(size=(2, 5))], [np.ones(5), np.ones(2)], [(-0.3, 1.0)])
    X, labels, h = rng.normal(size=(4, 3)), [0, 1, 1, 0], 1e-6
    _, dW, db = net.gradient(X, labels)
    for arrays, gradients in ((net.W, dW), (net.b, db)):
        for array, gradient in zip(arrays, gradients, strict=True):
            for place in np.ndindex(array.shape):
                old = array[place]
                array[place] = old + h
                up = net.gradient(X, labels)[0]
                array[place] = old - h
                down = net.gradient(X, labels)[0]
                array[place] = old
                assert (up - down) / (2 * h) == pytest.approx(gradient[place], abs=1e-8)


def test_softmax_of_one_sample_by_hand():
    loss, hits, gradient = naive.softmax_loss(np.array([[0.0], [math.log(3)]]), [0])
    assert loss == pytest.approx(math.log(4))
    assert hits == 0
    assert gradient.ravel() == pytest.approx([-0.75, 0.75])


def test_set_cut_by_hand():
    assert naive.set_cut([3, -1, 1, -2, 1, 0, 2, -3], 0.5) == {5, 2, 1}  # the zero, and 3/7 of each sign


def test_faults_sees_each_broken_law():
    assert not naive.faults(2, 3, [0, 1, 3], [2, 0, 1])
    for indptr, indices in (
        ([1, 1, 3], [2, 0, 1]),
        ([0, 2, 1], [0, 1]),
        ([0, 1, 2], [2, 0, 1]),
        ([0, 1, 3], [3, 0, 1]),
        ([0, 1, 3], [-1, 0, 1]),
        ([0, 1, 3], [2, 1, 0]),
        ([0, 1, 3], [2, 1, 1]),
        ([0, 3], [0, 1, 2]),
    ):
        assert naive.faults(2, 3, indptr, indices)
