"""SparseMLP from this package to torch and back."""

import copy

import numpy as np
import pytest

import sparselab as sl

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402

pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for


@pytest.mark.parametrize("activation", ["relu", "all_relu", "tanh", "prelu", "leaky_relu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_are_the_same_there_and_back(activation, dtype):
    net = sl.SparseMLP.create((20, 30, 30, 4), density=0.3, activation=activation, dropout=0.25, seed=0, dtype=dtype)
    X = np.random.default_rng(0).standard_normal((50, 20)).astype(dtype)
    module = st.SparseMLP(net).eval()
    found = module(torch.from_numpy(X)).detach().numpy()
    back = copy.deepcopy(module).to_sparselab()
    for layer, other in zip(net.layers, back.layers, strict=True):
        assert layer.topology == other.topology
        assert np.array_equal(layer.w, other.w)
        assert np.array_equal(layer.b, other.b)
        assert np.array_equal(layer.values, other.values)
    assert (back.activation, back.dropout) == (net.activation, 0.25)
    h = X.T
    for layer, f in zip(net.layers, [*net.hidden, None], strict=True):
        h = layer.forward(h)
        h = h if f is None else f.forward(h)
    np.testing.assert_allclose(found, h.T, atol=1e-5)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_a_module_in_half_precision_becomes_a_net_in_float32(half):
    module = st.SparseMLP(sl.SparseMLP.create((20, 30, 4), density=0.3, activation="prelu", seed=0)).to(half)
    back = module.to_sparselab()
    assert {array.dtype for layer in back.layers for array in (layer.w, layer.b, layer.values)} == {np.dtype(np.float32)}
    assert np.array_equal(back.layers[0].values[0], module.layers[1].weight.detach().float().numpy())


def test_dropout_that_was_changed_is_taken_over():
    module = st.SparseMLP(sl.SparseMLP.create((20, 30, 30, 4), density=0.3, dropout=0.2, seed=0))
    dropouts = [part for part in module.layers if isinstance(part, torch.nn.Dropout)]
    for part in dropouts:
        part.p = 0.5
    assert module.to_sparselab().dropout == 0.5
    dropouts[0].p = 0.1
    with pytest.raises(ValueError, match=r"drop the shares \[0.1, 0.5\]"):
        module.to_sparselab()


def test_what_is_no_net_is_refused():
    with pytest.raises(TypeError):
        st.SparseMLP(3)
    with pytest.raises(ValueError, match="PyTorch"):
        st.SparseMLP(sl.SparseMLP.create((4, 8, 2), activation="srelu", seed=0))
