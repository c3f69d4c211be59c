"""A net exported to scipy, NumPy, PyTorch or .npz comes back bit for bit; what does not fit is refused by name and number."""

import json
import pickle
import sys
import tracemalloc

import models
import naive
import numpy as np
import pytest
import scipy.sparse
import strategies
from hypothesis import given
from hypothesis import strategies as st

import sparselab as sl
from sparselab import export
from sparselab.export import matrices, parts
from sparselab.nn import activations
from sparselab.nn.linear import SparseLinear
from sparselab.topology.neuron_ids import Neurons
from sparselab.topology.topology import Topology
from sparselab.utils import resources

ACTIVATIONS = [
    sl.AllReLU(0.3), sl.ReLU(), sl.LeakyReLU(0.2), sl.AllNegative(0.9), sl.Identity(), sl.Tanh(), sl.FixedSlopes(0.2, 0.7),
]  # fmt: skip
NAN, INF = float("nan"), float("inf")


class Swish:
    """A plug-in that torch cannot know."""

    def forward(self, Z):
        return Z / (1 + np.exp(-Z))

    def gradient(self, Z):
        return np.ones_like(Z)


def net(**options):
    """A trained-looking net: biases that are not 0."""
    model = models.net(**options)
    for l, layer in enumerate(model.layers):
        layer.b = np.random.default_rng(l).standard_normal(len(layer.b)).astype(layer.dtype)
    return model


def logits(pairs, f, X):
    """X (n, features) through [(W, b)], W anything with @, in plain arithmetic; f(depth, Z)."""
    Y = np.asarray(X, float).T
    for depth, (W, b) in enumerate(pairs, 1):
        Z = W @ Y + np.asarray(b, float)[:, None]
        Y = f(depth, Z) if depth < len(pairs) else Z
    return Y.T


def of(activation):
    """f(depth, Z) of one of our activations."""
    return lambda depth, Z: activations.at(activation, depth).forward(Z)


def close(a, b, dtype):
    return np.allclose(a, b, rtol=0, atol=(1e-5 if dtype == np.float32 else 1e-12) * max(1, abs(b).max()))


@st.composite
def nets(draw):
    """Nets of 1 to 3 layers: any pattern of links, empty layers too, values with zeros of both signs."""
    widths = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    layers = []
    for n_in, n_out in zip(widths, widths[1:]):
        bits = draw(st.lists(st.booleans(), min_size=n_in * n_out, max_size=n_in * n_out))
        topology = strategies.topology_of(np.reshape(bits, (n_out, n_in)))
        w, b = draw(strategies.values_for(topology.nnz)), draw(strategies.values_for(n_out))
        layers.append(SparseLinear(topology, w.astype(dtype) / 3, b.astype(dtype) / 3))
    return sl.SparseMLP(layers, draw(st.sampled_from(ACTIVATIONS)), dropout=draw(st.sampled_from([0.0, 0.25])))


def options_of(model):
    return {"activation": model.activation, "dropout": model.dropout, "initializer": model.initializer}


def shares_memory(model, arrays):
    return any(np.may_share_memory(a, b) for a in arrays for layer in model.layers for b in (layer.w, layer.b))


# scipy


@given(nets())
def test_scipy_and_back_is_the_same_net(model):
    pairs = export.to_scipy(model)
    for (W, b), layer in zip(pairs, model.layers, strict=True):
        t = layer.topology
        assert W.format == "csr"
        np.testing.assert_array_equal(W.toarray(), naive.to_dense(t.indptr, t.indices, layer.w, t.n_in))
        np.testing.assert_array_equal(b, layer.b)
        assert (W.nnz, W.dtype) == (t.nnz, model.dtype)  # explicit zeros are stored
    back = export.from_scipy(pairs, **options_of(model))
    assert models.fingerprint(back) == models.fingerprint(model)
    assert (options_of(back), back.dtype) == (options_of(model), model.dtype)
    assert not shares_memory(back, [a for W, b in pairs for a in (W.data, b)])
    assert not shares_memory(model, [a for W, b in pairs for a in (W.data, b)])


@pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
def test_every_format_of_scipy_gives_the_same_net(format):
    model = net()
    pairs = [(W.asformat(format), b) for W, b in export.to_scipy(model)]
    assert models.fingerprint(export.from_scipy(pairs)) == models.fingerprint(model)


def test_unsorted_rows_are_sorted_and_values_go_along():
    W = scipy.sparse.csr_array((np.float32([1, 2, 3]), [2, 0, 1], [0, 2, 3]), shape=(2, 3))
    layer = export.from_scipy([W]).layers[0]
    assert (layer.topology.indices.tolist(), layer.w.tolist(), layer.b.tolist()) == ([0, 2, 1], [2, 1, 3], [0, 0])


@pytest.mark.parametrize(
    "dtypes, found",
    [
        (("float32",), "float32"), (("float64",), "float64"), (("float32", "float64"), "float64"), (("bool",), "float32"),
        (("int16",), "float32"), (("int32",), "float64"), (("uint8", "float32"), "float32"),
    ],
)  # fmt: skip
def test_dtype_is_the_smallest_that_holds_all_values(dtypes, found):
    square = [scipy.sparse.csr_array(np.eye(3, dtype=dtype)) for dtype in dtypes]
    assert export.from_scipy(square).dtype == found
    assert export.from_dense([W.toarray() for W in square]).dtype == found
    assert export.from_scipy(square, dtype="float32").dtype == np.float32
    assert export.from_scipy(square, dtype=np.float64).dtype == np.float64
    assert export.from_scipy([W.astype("float32") for W in square], [np.zeros(3)] * len(square)).dtype == np.float64


# dense


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_matrices_give_the_logits(activation, dtype):
    model, (X, _) = net(activation=activation, dtype=dtype, dropout=0.3), models.rows(dtype=dtype)
    expected = sl.predict(model, X)
    assert close(logits(export.to_dense(model), of(activation), X), expected, dtype)
    assert close(logits(export.to_scipy(model), of(activation), X), expected, dtype)


@given(nets())
def test_dense_and_back_is_the_same_net_without_its_zeros(model):
    pairs = export.to_dense(model)
    for (W, b), expected, layer in zip(pairs, models.dense(model), model.layers, strict=True):
        np.testing.assert_array_equal(W, expected)
        np.testing.assert_array_equal(b, layer.b)
        assert W.dtype == model.dtype
        assert not np.may_share_memory(b, layer.b)
    back = export.from_dense(pairs, **options_of(model))
    for (W, _), layer, b in zip(pairs, back.layers, [b for _, b in pairs], strict=True):
        places = [tuple(map(int, place)) for place in np.argwhere(W != 0)]
        assert strategies.places_of(layer.topology) == places
        assert layer.w.tolist() == [W[place] for place in places]
        np.testing.assert_array_equal(layer.b, b)
    if all(layer.w.all() for layer in model.layers):
        assert models.fingerprint(back) == models.fingerprint(model)


@given(strategies.masks(), st.sampled_from([0.0, 0.25, 0.5, 10.0]), st.integers(1, 9), st.data())
def test_links_are_what_is_larger_than_the_tolerance(mask, tolerance, piece, data):
    W = data.draw(strategies.values_for(mask.size)).reshape(mask.shape) * mask
    by_hand = [(j, i, W[j, i]) for j in range(len(W)) for i in range(W.shape[1]) if abs(float(W[j, i])) > tolerance]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PIECE", piece)
        layer = export.from_dense([np.asfortranarray(W)], tolerance=tolerance).layers[0]
    assert strategies.places_of(layer.topology) == [(j, i) for j, i, _ in by_hand]
    assert layer.w.tolist() == [w for _, _, w in by_hand]
    assert strategies.lawful(layer.topology)


def test_the_smallest_whole_number_is_a_link():
    assert export.from_dense([np.int8([[-128, 0]])], tolerance=127).layers[0].w.tolist() == [-128]


def test_beside_dense_matrices_only_links_take_memory():
    W = np.zeros((4000, 4000), np.float32)
    W[::40, ::40] = 1
    tracemalloc.start()
    try:
        assert export.from_dense([W]).n_links == 10_000
        assert tracemalloc.get_traced_memory()[1] < W.nbytes / 2
    finally:
        tracemalloc.stop()


def wide():
    """A net of few links between many neurons: 2 · 200,000² values if it were dense."""
    return models.net((200_000, 200_000, 200_000), density=1e-8)


def test_dense_matrices_that_do_not_fit_are_refused_before_they_are_made(monkeypatch):
    model = wide()
    monkeypatch.setattr(resources, "available", lambda: 8 * 2**30)
    monkeypatch.setattr(matrices, "dense", lambda layer: pytest.fail("a matrix was made"))
    with pytest.raises(sl.InsufficientMemoryError) as caught:
        export.to_dense(model)
    error = caught.value
    assert error.have == 8 * 2**30
    assert error.need == 2 * 4 * 200_000**2 + 20 * max(model.nnz)
    assert all(word in str(error) for word in ("to_dense", "298.0 GiB", "8.0 GiB", "W of layer 1 (200000 x 200000)", "to_scipy"))


def test_widths_of_200_000_neurons_cost_their_links_only():
    model = wide()
    back = export.from_scipy(export.to_scipy(model))
    assert models.fingerprint(back) == models.fingerprint(model)


# npz


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", [sl.AllReLU(0.3), sl.LeakyReLU(0.2)], ids=repr)
def test_a_file_is_read_with_numpy_and_scipy_alone(tmp_path, activation, dtype):
    model, (X, _) = net(activation=activation, dtype=dtype), models.rows(dtype=dtype)
    path = export.to_npz(model, tmp_path / "net")
    assert path.endswith("net.npz")
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(bytes(file["header"]))["model"]
        sizes, name, alpha = header["sizes"], header["activation"]["name"], header["activation"]["alpha"]
        pairs = []
        for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
            csr = file[f"{i}.w"], file[f"{i}.indices"], file[f"{i}.indptr"]
            pairs.append((scipy.sparse.csr_array(csr, shape=(n_out, n_in)), file[f"{i}.b"]))
    left = lambda depth: -alpha if name == "all_relu" and depth % 2 else alpha
    f = lambda depth, Z: np.where(Z > 0, Z, left(depth) * Z)
    assert [int(W.nnz) for W, _ in pairs] == header["nnz"] == list(model.nnz)
    assert all(W.dtype == np.dtype(dtype) == header["dtype"] for W, _ in pairs)
    assert close(logits(pairs, f, X), sl.predict(model, X), dtype)


@given(nets())
def test_a_file_gives_the_same_bits_back(tmp_path_factory, model):
    if isinstance(model.activation, sl.FixedSlopes):
        model.activation = sl.ReLU()  # a plug-in to the file
    back = export.from_npz(export.to_npz(model, tmp_path_factory.mktemp("npz") / "net.npz"))
    assert models.fingerprint(back) == models.fingerprint(model)
    assert (back.activation, back.dropout) == (model.activation, model.dropout)


def test_a_net_that_lost_neurons_leaves_with_the_widths_that_are_left(tmp_path):
    model, (X, _) = net(), models.rows()
    ids = np.arange(0, 2 * model.sizes[1], 2)
    model.neurons = Neurons((model.sizes[0], 2 * model.sizes[1] + 3, *model.sizes[2:]), (None, ids, None, None))
    for pairs, make in ((export.to_scipy(model), export.from_scipy), (export.to_dense(model), export.from_dense)):
        assert [W.shape for W, _ in pairs] == [layer.topology.shape for layer in model.layers]
        back = make(pairs)
        assert back.neurons.sizes == back.sizes == model.sizes
        assert close(sl.predict(back, X), sl.predict(model, X), np.float32)
    back = export.from_npz(export.to_npz(model, tmp_path / "net.npz"))
    assert back.neurons.sizes == model.neurons.sizes
    np.testing.assert_array_equal(back.neurons.ids(1), ids)
    with np.load(tmp_path / "net.npz") as file:
        np.testing.assert_array_equal(file["0.neurons"], ids)


# bad input


def csr(array, dtype=np.float32):
    return scipy.sparse.csr_array(np.array(array, dtype))


def broken():
    """A CSR with an invalid column."""
    W = csr([[1, 2], [0, 3]])
    W.indices[1] = 1_000_000
    return W


ONE = csr([[1.0, 2.0]])  # (1, 2)
COO_TWICE = scipy.sparse.coo_array((np.float32([1, 2]), ([0, 0], [1, 1])), shape=(1, 2))
BAD = {
    "model": (lambda: export.to_scipy([1]), TypeError, "model = [1]: must be a SparseMLP"),
    "dense model": (lambda: export.to_dense(None), TypeError, "model = None"),
    "no list": (lambda: export.from_scipy(ONE), TypeError, "matrices = "),
    "empty list": (lambda: export.from_scipy([]), TypeError, "matrices = []: must be a list of at least one matrix"),
    "no matrix": (lambda: export.from_scipy([np.eye(2)]), TypeError, "matrices[0]: matrix = 'ndarray'"),
    "invalid index": (lambda: export.from_scipy([ONE, broken()]), ValueError, "matrices[1]: matrix.indices[1] = 1000000"),
    "duplicates": (lambda: export.from_scipy([COO_TWICE]), ValueError, "matrices[0]: indices[1] = 1 in row 0"),
    "complex": (lambda: export.from_scipy([ONE.astype(complex)]), TypeError, "matrices[0]: matrix.data.dtype = "),
    "NaN": (lambda: export.from_scipy([csr([[1, NAN]])]), ValueError, "matrices[0][0, 1] = nan: must be a finite float32 number"),
    "too large": (
        lambda: export.from_scipy([csr([[0, 1e300]], float)], dtype="float32"),
        ValueError,
        "matrices[0][0, 1] = 1e+300: must be a finite float32",
    ),
    "widths": (lambda: export.from_scipy([ONE, ONE]), ValueError, "cannot follow"),
    "dtype": (lambda: export.from_scipy([ONE], dtype="float16"), TypeError, "dtype = 'float16': must be float32 or float64"),
    "long dtype": (lambda: export.from_dense([np.eye(2, dtype=np.longdouble)]), TypeError, "must be given: dtype="),
    "number of biases": (lambda: export.from_scipy([ONE], []), ValueError, "len(biases) = 0: must be 1"),
    "no biases": (lambda: export.from_scipy([ONE], 3), TypeError, "biases = 3: must be None or a list"),
    "length of a bias": (lambda: export.from_scipy([ONE], [np.zeros(2)]), ValueError, "biases[0].shape = (2,): must be (1,)"),
    "text bias": (lambda: export.from_scipy([ONE], [["a"]]), TypeError, "biases[0].dtype = "),
    "infinite bias": (lambda: export.from_scipy([ONE], [[INF]]), ValueError, "biases[0][0] = inf"),
    "activation": (lambda: export.from_scipy([ONE], activation="relo"), ValueError, "activation = 'relo'"),
    "dropout": (lambda: export.from_scipy([ONE], dropout=1), ValueError, "dropout = 1"),
    "initializer": (lambda: export.from_dense([np.eye(2)], initializer="he"), ValueError, "initializer = 'he'"),
    "one axis": (lambda: export.from_dense([np.ones(3)]), ValueError, "weights[0].shape = (3,): must be (n_out, n_in)"),
    "no rows": (lambda: export.from_dense([np.ones((0, 3))]), ValueError, "weights[0].shape = (0, 3)"),
    "text": (lambda: export.from_dense([[["a"]]]), TypeError, "weights[0].dtype = "),
    "array of layers": (lambda: export.from_dense(np.ones((2, 3, 3))), TypeError, "weights = "),
    "dense NaN": (lambda: export.from_dense([np.eye(2), np.array([[0, NAN]])]), ValueError, "weights[1][0, 1] = nan"),
    "dense NaN and tolerance": (
        lambda: export.from_dense([[[NAN, 0.1]]], tolerance=5),
        ValueError,
        "weights[0][0, 0] = nan: must be a finite float64 number",
    ),
    "tolerance below 0": (lambda: export.from_dense([np.eye(2)], tolerance=-1), ValueError, "tolerance = -1: must be"),
    "tolerance NaN": (lambda: export.from_dense([np.eye(2)], tolerance=NAN), ValueError, "tolerance = nan"),
    "tolerance text": (lambda: export.from_dense([np.eye(2)], tolerance="0"), TypeError, "tolerance = '0'"),
    "layout": (lambda: export.to_torch(net(), "cs"), ValueError, "layout = 'cs': must be one of ['dense', 'csr']"),
    "torch model": (lambda: export.to_torch(3), TypeError, "model = 3: must be a SparseMLP"),
    "plug-in to a file": (lambda: export.to_npz(net(activation=Swish()), "never"), ValueError, "a plug-in cannot be stored"),
    "no file": (lambda: export.from_npz("no such file.npz"), FileNotFoundError, "no such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, error, words = BAD[case]
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


@pytest.mark.parametrize("call", [lambda: export.to_torch(net()), lambda: export.from_torch(None)], ids=["to", "from"])
def test_without_torch_the_error_says_what_to_install(monkeypatch, call):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"needs PyTorch.*\[bench\].*to_scipy"):
        call()


def test_the_room_is_one_name_of_the_package():
    assert sl.export is export
    assert set(export.__all__) == {f"{way}_{kind}" for way in ("to", "from") for kind in ("scipy", "dense", "torch", "npz")}


# torch: `make test-slow` installs it


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="`make test-slow` installs PyTorch")


pytestmark = pytest.mark.filterwarnings("ignore:Sparse (CSR|invariant):UserWarning")


def outputs(torch, module, X):
    with torch.no_grad():
        return module(torch.from_numpy(X)).numpy()


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
@pytest.mark.slow
def test_torch_gives_the_same_logits_and_the_same_net_back(torch, activation, dtype, layout):
    model, (X, _) = net(activation=activation, dtype=dtype, dropout=0.25), models.rows(dtype=dtype)
    before = torch.random.get_rng_state()
    module = export.to_torch(model, layout)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not module.training
    assert close(outputs(torch, module, X), sl.predict(model, X), dtype)
    back = export.from_torch(module)
    assert models.fingerprint(back) == models.fingerprint(model)
    assert options_of(back) == options_of(model)
    dropped = outputs(torch, module.train(), np.tile(X, (20, 1)))
    assert not close(dropped, sl.predict(model, np.tile(X, (20, 1))), dtype)


@pytest.mark.slow
def test_torch_modules_are_torchs_own_where_it_has_them(torch):
    names = lambda activation, **options: [type(part).__name__ for part in export.to_torch(net(activation=activation), **options)]
    assert names("relu") == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert names("leaky_relu")[1] == "LeakyReLU"
    assert names("tanh")[1] == "Tanh"
    assert names("identity")[1] == "Identity"
    assert names("all_relu", layout="csr") == ["SparseLinear", "Slopes", "SparseLinear", "LeakyReLU", "SparseLinear"]
    assert "left=-0.6" in repr(export.to_torch(net()))


@given(model=nets(), layout=st.sampled_from(["dense", "csr"]))
@pytest.mark.slow
def test_any_net_goes_to_torch(torch, model, layout):
    X = np.random.default_rng(0).standard_normal((5, model.sizes[0])).astype(model.dtype)
    module = export.to_torch(model, layout)
    assert close(outputs(torch, module, X), sl.predict(model, X), model.dtype)
    assert not shares_memory(model, [p.detach().numpy() for p in module.parameters()])
    if layout == "csr":
        assert models.fingerprint(export.from_torch(module, activation="relu")) == models.fingerprint(model)


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.slow
def test_torch_modules_can_be_trained_saved_and_moved(torch, tmp_path, layout):
    model, (X, _) = net(), models.rows()
    module = export.to_torch(model, layout)
    module(torch.from_numpy(X).reshape(1, *X.shape)).square().mean().backward()
    gradients = [p.grad for p in module.parameters()]
    assert all(bool(g.abs().sum() > 0) for g in gradients)
    if layout == "csr":
        assert [len(module[0].values), len(module[0].bias)] == [model.nnz[0], model.sizes[1]]
    again = pickle.loads(pickle.dumps(module))
    assert np.array_equal(outputs(torch, again, X), outputs(torch, module, X))
    other = export.to_torch(net(seed=1), layout)
    other.load_state_dict(module.state_dict())
    assert np.array_equal(outputs(torch, other.double(), X.astype(float)), outputs(torch, module.double(), X.astype(float)))
    assert export.from_torch(module).dtype == np.float64


@pytest.mark.slow
def test_csr_gradients_are_those_of_the_dense_net_on_the_links(torch):
    model, (X, _) = net(dtype=np.float64), models.rows(dtype=np.float64)
    dense, sparse = export.to_torch(model), export.to_torch(model, "csr")
    for module in (dense, sparse):
        module(torch.from_numpy(X)).square().mean().backward()
    for a, b, layer in zip(dense[::2], sparse[::2], model.layers, strict=True):
        on_links = a.weight.grad.numpy()[layer.topology.rows, layer.topology.indices]
        assert close(b.values.grad.numpy(), on_links, np.float64)


@pytest.mark.slow
def test_a_pruned_module_comes_over_with_its_mask(torch):
    from torch.nn.utils import prune

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 12), torch.nn.LeakyReLU(0.1), torch.nn.Linear(12, 4))
    prune.l1_unstructured(module[1], "weight", 0.7)
    prune.random_unstructured(module[1], "bias", 0.5)
    with torch.no_grad():
        module[1].weight_orig[tuple(module[1].weight_mask.bool().nonzero()[0])] = 0.0  # kept, and 0
        module[3].weight[0, :] = 0.0
    X = models.rows()[0]
    expected = outputs(torch, module, X)
    model = export.from_torch(module)
    assert model.nnz == (72, 36)
    assert (model.layers[0].w == 0).sum() == 1
    assert model.activation == sl.LeakyReLU(float(module[2].negative_slope))
    assert close(sl.predict(model, X), expected, np.float32)
    with torch.no_grad():
        module[1].weight_orig *= 2  # as an optimizer would: the product `weight` is old until the next call
    assert np.array_equal(export.from_torch(module).layers[0].w, 2 * model.layers[0].w)
    assert export.from_torch(module, tolerance=0.0).nnz == (72, 36)
    assert export.from_torch(module, tolerance=1e-6).nnz == (71, 36)
    prune.remove(module[1], "weight")
    assert export.from_torch(module).nnz == (71, 36)


@pytest.mark.slow
def test_sparse_weights_and_half_precision_come_over(torch):
    W = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]])
    for made in (W.to_sparse_csr(), W.to_sparse_coo(), W.to_sparse_csc()):
        part = torch.nn.Linear(3, 2)
        part.weight = torch.nn.Parameter(made)
        model = export.from_torch(part, tolerance=1.5)
        assert (model.nnz, model.layers[0].w.tolist()) == ((1,), [2.0])
        assert export.from_torch(part).layers[0].w.tolist() == [2.0, 1.0]
    half = torch.nn.Linear(3, 2, bias=False).to(torch.bfloat16)
    model = export.from_torch(half, dtype="float64")
    np.testing.assert_array_equal(export.to_dense(model)[0][0], half.weight.detach().double().numpy())
    assert not model.layers[0].b.any()


@pytest.mark.slow
def test_what_stands_between_layers_is_read_or_replaced(torch):
    nn = torch.nn
    inner = nn.Sequential(nn.Linear(4, 4), nn.Identity(), nn.Dropout(0.2))
    model = export.from_torch(nn.Sequential(nn.Flatten(), nn.Dropout(0.0), inner, nn.Linear(4, 2), nn.Identity()))
    assert (model.activation, model.dropout) == (sl.Identity(), 0.2)
    named = type("Named", (nn.Sequential,), {})(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert export.from_torch(named).activation == sl.ReLU()
    gelu = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2))
    assert isinstance(export.from_torch(gelu, activation=Swish()).activation, Swish)
    assert export.from_torch(gelu, activation="tanh", dropout=0.1).dropout == 0.1
    for part in (nn.ReLU(), nn.LeakyReLU(0.2), nn.Identity()):  # the order of dropout and slopes makes no difference
        assert export.from_torch(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.2), part, nn.Linear(4, 2))).dropout == 0.2
    first = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.2), nn.Tanh(), nn.Linear(4, 2))
    assert export.from_torch(first, dropout=0.1).dropout == 0.1


def torch_cases(nn):
    import sparselab.torch as st

    class Twice(nn.Linear):
        def forward(self, X):
            return 2 * super().forward(X)

    class Net(nn.Sequential):
        def forward(self, X):
            return -super().forward(X)

    def own(kind, *arguments):
        return type("Own", (kind,), {"forward": lambda self, X: 2 * X})(*arguments)

    def hooked(part, register):
        getattr(part, register)(lambda *arguments: None)
        return part

    a, b, relu = nn.Linear(4, 3), nn.Linear(3, 2), nn.ReLU()
    changed = nn.Linear(4, 3)
    changed.forward = lambda X: 2 * X
    lazy, deaf = nn.LazyLinear(3), nn.Linear(4, 3)
    deaf.weight = nn.Parameter(deaf.weight * NAN)
    mixed = nn.Sequential(a, relu, nn.Linear(3, 3), nn.Tanh(), b)
    drops = nn.Sequential(a, nn.Dropout(0.1), nn.Linear(3, 3), nn.Dropout(0.2), b)
    return {
        "no module": (3, TypeError, "module = 'int'"),
        "no Sequential": (nn.ModuleList([a]), TypeError, "module = 'ModuleList'"),
        "empty": (nn.Sequential(relu.eval()), TypeError, "module[0] = 'ReLU': must be a linear layer or Flatten"),
        "nothing in it": (nn.Sequential(), ValueError, "of at least one linear layer"),
        "convolution": (nn.Sequential(nn.Conv1d(1, 1, 1), a), TypeError, "module[0] = 'Conv1d'"),
        "unknown": (nn.Sequential(a, nn.Sequential(nn.GELU()), b), TypeError, "module[1][0] = 'GELU': must be ReLU"),
        "softmax": (nn.Sequential(a, relu, b, nn.Softmax(1)), TypeError, "module[3] = 'Softmax'"),
        "behind the last": (nn.Sequential(a, relu, b, relu), ValueError, "module[2]: is the last linear layer"),
        "two activations": (nn.Sequential(a, relu, relu, b), ValueError, "module[0]: has 2 activations"),
        "mixed": (mixed, ValueError, "give activation="),
        "dropouts": (drops, ValueError, "drops 0.1 after hidden layer 1, 0.2 after 2"),
        "widths": (nn.Sequential(a, relu, a), ValueError, "module[2]: has 4 inputs, must have the 3 outputs of module[0]"),
        "lazy": (nn.Sequential(lazy), ValueError, "module[0]: weight = 'UninitializedParameter'"),
        "own layer": (nn.Sequential(Twice(4, 3)), TypeError, "module[0] = 'Twice'"),
        "own Sequential": (Net(a), TypeError, "module = 'Net'"),
        "flattens samples": (nn.Sequential(nn.Flatten(0), a), TypeError, "module[0] = 'Flatten'"),
        "drops inputs": (nn.Sequential(nn.Dropout(0.1), a), TypeError, "module[0] = 'Dropout'"),
        "NaN": (nn.Sequential(deaf), ValueError, "weights[0][0, 0] = nan"),
        "own Identity": (nn.Sequential(a, own(nn.Identity), b), TypeError, "module[1] = 'Own'"),
        "own LeakyReLU": (nn.Sequential(a, own(nn.LeakyReLU), b), TypeError, "module[1] = 'Own'"),
        "own Tanh": (nn.Sequential(a, own(nn.Tanh), b), TypeError, "module[1] = 'Own'"),
        "own Dropout": (nn.Sequential(a, own(nn.Dropout), b), TypeError, "module[1] = 'Own'"),
        "own Flatten": (nn.Sequential(own(nn.Flatten), a), TypeError, "module[0] = 'Own'"),
        "own forward": (nn.Sequential(changed), TypeError, "module[0] = 'Linear'"),
        "hook": (nn.Sequential(a, hooked(nn.ReLU(), "register_forward_hook"), b), ValueError, "module[1]: has forward hooks"),
        "hook before": (hooked(nn.Sequential(a), "register_forward_pre_hook"), ValueError, "module: has forward hooks"),
        "drops first": (nn.Sequential(a, nn.Dropout(0.1), nn.Tanh(), b), ValueError, "module[0]: drops before its activation"),
        "sparse": (nn.Sequential(st.SparseLinear(4, 3, density=0.5)), TypeError, "use sparselab.torch.densify first"),
        "one sparse": (st.SparseLinear(4, 3, density=0.5), TypeError, "use sparselab.torch.densify first"),
    }


TORCH_CASES = [
    "no module", "no Sequential", "empty", "nothing in it", "convolution", "unknown", "softmax", "behind the last",
    "two activations", "mixed", "dropouts", "widths", "lazy",
    "own layer", "own Sequential", "flattens samples", "drops inputs", "NaN",
    "own Identity", "own LeakyReLU", "own Tanh", "own Dropout", "own Flatten", "own forward", "hook", "hook before",
    "drops first", "sparse", "one sparse",
]  # fmt: skip


@pytest.mark.parametrize("case", TORCH_CASES)
@pytest.mark.slow
def test_modules_that_cannot_come_over_are_named(torch, case):
    cases = torch_cases(torch.nn)
    assert list(cases) == TORCH_CASES
    module, error, words = cases[case]
    with pytest.raises(error) as caught:
        export.from_torch(module)
    assert words in str(caught.value)


@pytest.mark.slow
def test_torch_bad_arguments(torch, monkeypatch):
    part = torch.nn.Linear(2, 2)
    for options, words in (({"tolerance": -1}, "tolerance = -1"), ({"activation": "relo"}, "activation = 'relo'")):
        with pytest.raises(ValueError, match=words):
            export.from_torch(part, **options)
    with pytest.raises(ValueError, match="a plug-in has to be written there too"):
        export.to_torch(net(activation=Swish()))
    normed = torch.nn.Sequential(part, torch.nn.BatchNorm1d(2), part)
    with pytest.raises(TypeError, match="BatchNorm1d"):
        export.from_torch(normed, activation="relu")
    model = wide()
    monkeypatch.setattr(resources, "available", lambda: 8 * 2**30)
    with pytest.raises(sl.InsufficientMemoryError, match='layout="csr"'):
        export.to_torch(model)
    assert len(export.to_torch(model, "csr")[0].values) == model.nnz[0]


def test_topologies_and_layers_singly():
    """What the docstring of the room points to."""
    layer = net().layers[0]
    topology, w = Topology.from_scipy(layer.to_scipy())
    assert topology == layer.topology
    np.testing.assert_array_equal(w, layer.w)
