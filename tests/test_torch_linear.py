"""SparseLinear as a PyTorch module, against torch.nn.Linear with the same matrix."""

import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sparselab as sl

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402
from sparselab.torch import operators  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for


def layer_of(n_in=20, n_out=30, density=0.3, seed=0, **options):
    torch.manual_seed(seed)
    return st.SparseLinear(n_in, n_out, density=density, **options)


def twin(layer):
    """The torch.nn.Linear with the same matrix."""
    dense = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, dtype=layer.weight.dtype)
    rows = torch.repeat_interleave(torch.arange(layer.out_features), layer.indptr.diff())
    with torch.no_grad():
        dense.weight.zero_()
        dense.weight[rows, layer.indices.long()] = layer.weight
        if layer.bias is not None:
            dense.bias.copy_(layer.bias)
    return dense, rows


@pytest.mark.parametrize("shape", [(20,), (1, 20), (0, 20), (300, 20), (2, 3, 4, 20)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_a_dense_layer(shape, bias):
    layer = layer_of(bias=bias, dtype=torch.float64)
    dense, rows = twin(layer)
    X = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    ours, theirs = layer(X), dense(X)
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=1e-12)
    factors = torch.randn_like(theirs)
    (dX,) = torch.autograd.grad((theirs * factors).sum(), X, retain_graph=True)
    (theirs * factors).sum().backward()
    X.grad = None
    (ours * factors).sum().backward()
    assert torch.allclose(X.grad, dX, atol=1e-12)
    assert torch.allclose(layer.weight.grad, dense.weight.grad[rows, layer.indices.long()], atol=1e-12)
    if bias:
        assert torch.allclose(layer.bias.grad, dense.bias.grad, atol=1e-12)


def test_float32_is_that_of_a_dense_layer():
    layer = layer_of(200, 100, 0.1)
    dense, _ = twin(layer)
    X = torch.randn(150, 200)
    assert torch.allclose(layer(X), dense(X), atol=1e-6)


def test_gradients_are_those_of_differences():
    layer = layer_of(dtype=torch.float64)
    X = torch.randn(3, 5, 20, dtype=torch.float64, requires_grad=True)
    call = lambda X, weight, bias: torch.func.functional_call(layer, {"weight": weight, "bias": bias}, X)
    assert torch.autograd.gradcheck(call, (X, layer.weight, layer.bias))


def test_second_derivatives_are_refused():
    layer = layer_of(dtype=torch.float64)
    X = torch.randn(4, 20, dtype=torch.float64, requires_grad=True)
    with pytest.raises(NotImplementedError, match="second derivatives"):
        torch.autograd.gradgradcheck(layer, (X,))


@pytest.mark.parametrize("part", ["input", "weight", "bias"])
def test_derivatives_in_forward_mode_are_refused(part):
    layer, X = layer_of(), torch.randn(4, 20)
    own = {name: parameter.detach() for name, parameter in layer.named_parameters()}

    def output(value):
        return layer(value) if part == "input" else torch.func.functional_call(layer, own | {part: value}, (X,))

    value = X if part == "input" else own[part]
    with pytest.raises(NotImplementedError, match="forward mode"):
        torch.func.jvp(output, (value,), (value,))
    with pytest.raises(NotImplementedError, match="forward mode"):
        torch.func.jacfwd(output)(value)


def test_samples_may_be_mapped():
    layer, X = layer_of(), torch.randn(4, 20)
    assert torch.allclose(torch.func.vmap(lambda x: layer(x[None])[0])(X), layer(X), atol=1e-6)


@pytest.mark.parametrize("frozen", ["weight", "bias", "both", "input"])
def test_gradients_that_are_not_wanted_are_left_out(frozen):
    layer = layer_of()
    for name in ("weight", "bias"):
        getattr(layer, name).requires_grad_(frozen not in (name, "both"))
    X = torch.randn(5, 20, requires_grad=frozen != "input")
    layer(X).sum().backward()
    grads = {"weight": layer.weight.grad, "bias": layer.bias.grad, "input": X.grad}
    assert {name for name, grad in grads.items() if grad is None} == ({"weight", "bias"} if frozen == "both" else {frozen})


def test_operators_pass_the_checks_of_torch():
    layer = layer_of()
    weight, bias = (part.detach().requires_grad_() for part in (layer.weight, layer.bias))
    torch.library.opcheck(operators.linear, (torch.randn(7, 20), weight, bias, layer.indptr, layer.indices))


def test_compiled_and_exported_models_give_the_same():
    model = nn.Sequential(layer_of(), nn.ReLU(), layer_of(30, 4, 0.5))
    X = torch.randn(7, 20)
    wanted = model(X)
    wanted.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    compiled = torch.compile(model, fullgraph=True)
    found = compiled(X)
    found.square().sum().backward()
    assert torch.allclose(found, wanted, atol=1e-6)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)
    model[0].set_links(sl.erdos_renyi(30, 20, density=0.2, exact=True, seed=1), torch.randn(120))  # the graph is that of others
    assert torch.equal(compiled(X), model(X))
    exported = torch.export.export(model, (X,))
    assert torch.equal(exported.module()(X), model(X))


def test_exported_graphs_hold_the_operator():
    exported = torch.export.export(nn.Sequential(layer_of()), (torch.randn(7, 20),))
    assert "sparselab.linear" in str(exported.graph)


def test_two_models_in_two_threads():
    models = [nn.Sequential(layer_of(200, 300, seed=seed), nn.ReLU(), layer_of(300, 50, seed=seed)) for seed in range(2)]
    X = torch.randn(400, 200)

    def train(model):
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for _ in range(5):
            optimizer.zero_grad()
            model(X).square().mean().backward()
            optimizer.step()
        return [parameter.detach().clone() for parameter in model.parameters()]

    alone = [train(copy.deepcopy(model)) for model in models]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(train, models))
    for one, other in zip(alone, together, strict=True):
        assert all(map(torch.equal, one, other))


def test_threads_do_not_change_bits():
    layer, X, before = layer_of(300, 400), torch.randn(500, 300), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            layer.zero_grad()
            layer(X).square().sum().backward()
            found.append((layer(X), layer.weight.grad.clone(), layer.bias.grad.clone()))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for other in found[1:] for pair in zip(found[0], other, strict=True))


def test_copies_and_files_hold_the_same_layer():
    layer, X = layer_of(), torch.randn(3, 20)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    loaded = st.SparseLinear(20, 30, density=0.9)
    loaded.load_state_dict(torch.load(file))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        assert torch.equal(other(X), layer(X))
        assert other.topology == layer.topology
        assert other.indices.data_ptr() != layer.indices.data_ptr()
    assert list(layer.state_dict()) == ["weight", "bias", "indices", "indptr"]
    assert list(layer_of(bias=False).state_dict()) == ["weight", "indices", "indptr"]


@pytest.mark.parametrize("assign", [False, True])
def test_a_state_of_another_topology_takes_its_place(assign):
    layer, other, X = layer_of(), layer_of(density=0.1, seed=1), torch.randn(3, 20)
    layer(X).sum().backward()
    parameter = layer.weight
    layer.load_state_dict(other.state_dict(), assign=assign)
    assert torch.equal(layer(X), other(X))
    assert layer.weight.grad is None
    assert assign or layer.weight is parameter
    layer(X).sum().backward()
    assert layer.weight.grad.shape == (60,)
    empty = layer_of().to("meta")
    empty.load_state_dict(other.state_dict(), assign=True)
    assert torch.equal(empty(X), other(X))
    empty = layer_of().to("meta").to_empty(device="cpu")
    with pytest.raises(ValueError, match="no links since to_empty"):
        empty(X)
    empty.load_state_dict(layer_of(seed=2).state_dict(), assign=assign)
    assert torch.equal(empty(X), layer_of(seed=2)(X))


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("indices", torch.full((180,), 20, dtype=torch.int32), "must be in [0, 20)"),
        ("indptr", torch.zeros(31, dtype=torch.int64), "indptr[-1] = 0"),
        ("indptr", torch.zeros(3, dtype=torch.int64), "n_out + 1 = 31"),
        ("weight", torch.zeros(7), "must be of shape (180,)"),
        ("weight", None, "belong together"),
        ("bias", torch.zeros(7), "size mismatch for bias"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_before_anything_is_written(name, value, said):
    layer, X = layer_of(), torch.randn(3, 20)
    wanted = layer(X)
    state = layer_of(seed=1).state_dict() | {name: value}
    with pytest.raises(RuntimeError) as error:
        layer.load_state_dict({key: part for key, part in state.items() if part is not None}, strict=False)
    assert said in str(error.value)
    assert torch.equal(layer(X), wanted)


def test_a_state_of_another_width_is_refused():
    model, wider = nn.Sequential(layer_of(20)), nn.Sequential(layer_of(25))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="size mismatch for in_features: 20 in the state, 25 in the layer"):
        wider.load_state_dict(torch.load(file))


def test_layers_do_not_share_the_tensors_of_their_links():
    layer, other = layer_of(), layer_of(seed=1)
    other.load_state_dict(layer.state_dict(), assign=True)
    assert other.indices.data_ptr() != layer.indices.data_ptr()
    assert other.topology == layer.topology


@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("loaded", [True, False])
def test_indices_written_in_place_are_noticed(used, loaded):
    layer, other, X = layer_of(), layer_of(seed=1), torch.randn(3, 20)
    if loaded:
        layer.load_state_dict(layer_of().state_dict())
    before, kept = layer.topology, layer_of().topology
    if used:
        layer(X)
    with torch.no_grad():
        layer.indices.copy_(other.indices)
        layer.indptr.copy_(other.indptr)
        layer.weight.copy_(other.weight)
        layer.bias.copy_(other.bias)
    assert layer.topology == other.topology
    assert torch.equal(layer(X), other(X))
    assert torch.equal(st.densify(copy.deepcopy(layer)).weight, twin(other)[0].weight)
    assert before == kept  # a Topology never changes
    same = layer.topology
    layer.indices.copy_(other.indices)
    assert layer.topology is same


def test_dtypes():
    layer, X = layer_of(), torch.randn(3, 20)
    assert torch.equal(layer(X.bfloat16()), layer(X.bfloat16().float()))
    assert torch.allclose(copy.deepcopy(layer).double()(X.double()).float(), layer(X), atol=1e-6)
    half = copy.deepcopy(layer).to(torch.bfloat16)
    found = half(X.bfloat16().requires_grad_())
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), layer(X), atol=0.05)
    found.sum().backward()
    assert half.weight.grad.dtype == torch.bfloat16


def test_casts_keep_the_links():
    layer, X = layer_of(), torch.randn(3, 20)
    wanted, topology = layer(X), layer.topology
    for dtype in (torch.float64, torch.float16, torch.float32):
        layer.type(dtype)
        assert layer.topology == topology
        assert (layer.indptr.dtype, layer.indices.dtype, layer.weight.dtype) == (torch.int64, torch.int32, dtype)
    assert torch.allclose(layer(X), wanted, atol=1e-2)


def test_a_layer_on_the_meta_device():
    with torch.device("meta"):
        layer = layer_of()
    assert {part.device.type for part in layer.state_dict().values()} == {"meta"}
    for name in ("topology", "density"):
        with pytest.raises(ValueError, match="links on meta"):
            getattr(layer, name)
    layer.load_state_dict(layer_of(seed=1).state_dict(), assign=True)
    assert layer.topology == layer_of(seed=1).topology
    layer.to("meta").to_empty(device="cpu")
    with pytest.raises(ValueError, match="no links since to_empty"):
        assert layer.topology is None


def test_inputs_that_are_not_contiguous():
    layer, X = layer_of(), torch.randn(20, 7)
    assert torch.equal(layer(X.T), layer(X.T.contiguous()))
    assert torch.equal(layer(X.T[::2]), layer(X.T)[::2])
    (found,) = torch.autograd.grad(layer(X.T).sum(), layer.weight)  # the gradient of a sum has strides of 0
    (wanted,) = torch.autograd.grad((layer(X.T) * torch.ones(7, 30)).sum(), layer.weight)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    "wrong, error, said",
    [
        (lambda layer: layer(torch.ones(3, 20, dtype=torch.int64)), TypeError, "input is of torch.int64"),
        (lambda layer: layer(torch.ones(3, 20, dtype=torch.float64)), TypeError, "must be torch.float32"),
        (lambda layer: layer(np.ones((3, 20), np.float32)), TypeError, "input is a ndarray: must be a torch.Tensor"),
        (lambda layer: layer(torch.ones(3, 20).to_sparse()), TypeError, "must be dense; use .to_dense()"),
        (lambda layer: layer(torch.ones(3, 21)), ValueError, "must be (…, 20)"),
        (lambda layer: layer(torch.ones(())), ValueError, "must be (…, 20)"),
        (lambda layer: shortened(layer)(torch.ones(3, 20)), ValueError, "weight has the shape (7,): must be (180,)"),
        (lambda layer: shortened(layer, "bias")(torch.ones(3, 20)), ValueError, "bias is of torch.float32 and shape (7,)"),
        (lambda layer: operator_of(layer, weight=torch.ones(7)), ValueError, "weight is of torch.float32 and shape (7,)"),
        (lambda layer: operator_of(layer, bias=torch.ones(30).double()), ValueError, "bias is of torch.float64 and shape (30,)"),
        (lambda layer: operator_of(layer, X=torch.ones(3, 20).half()), ValueError, "X is of torch.float16"),
        (lambda layer: layer.set_links(3, torch.ones(3)), TypeError, "topology = 3"),
        (lambda layer: layer.set_links(layer.topology, torch.ones(3)), ValueError, "must be of shape (180,)"),
        (lambda layer: layer.type(torch.complex64)(torch.ones(3, 20)), TypeError, "weight is of torch.complex64"),
        (
            lambda layer: layer_of(bias=False).set_links(layer.topology, layer.weight, layer.bias),
            ValueError,
            "bias: the layer has",
        ),
        (lambda layer: st.SparseLinear(20, 30), ValueError, "exactly one"),
        (lambda layer: st.SparseLinear(20, 30, density=0.1, epsilon=1), ValueError, "exactly one"),
        (lambda layer: st.SparseLinear(20, 30, density=2), ValueError, "density = 2"),
        (lambda layer: st.SparseLinear(0, 30, density=0.1), ValueError, "n_in = 0"),
        (lambda layer: st.SparseLinear(30, 20, topology=layer.topology), ValueError, "of shape (20, 30)"),
        (lambda layer: st.SparseLinear(20, 30, topology=3), TypeError, "a sparselab.Topology"),
        (lambda layer: st.SparseLinear(20, 30, density=0.1, dtype=torch.int8), TypeError, "dtype = torch.int8"),
        (lambda layer: st.SparseLinear(20, 30, density=0.1, new_values="one"), ValueError, "new_values = 'one'"),
    ],
)
def test_what_does_not_fit_is_named(wrong, error, said):
    with pytest.raises(error) as found:
        wrong(layer_of())
    assert said in str(found.value)


def shortened(layer, name="weight"):
    getattr(layer, name).data = torch.zeros(7)
    return layer


def operator_of(layer, **other):
    """The operator itself, with other tensors than those of the layer."""
    tensors = {"X": torch.ones(3, 20), "weight": layer.weight, "bias": layer.bias} | other
    return operators.linear(*tensors.values(), layer.indptr, layer.indices)


def test_other_devices_are_refused_with_words():
    layer = layer_of()

    class OnCuda:  # stands for a tensor on a device that this machine does not have
        device, dtype, shape = torch.device("cuda", 0), torch.float32, (3, 20)

    with pytest.raises(ValueError, match="input is on cuda:0: SparseLinear runs on CPUs only"):
        layer(OnCuda())


def test_initial_values_are_those_of_a_dense_layer_with_as_many_inputs():
    layer = layer_of(400, 300, 0.25)
    limits = 1 / np.sqrt(layer.topology.fan_in)
    assert (np.abs(layer.weight.detach().numpy()) <= limits.repeat(layer.topology.fan_in) * (1 + 1e-6)).all()
    assert layer.weight.std().item() == pytest.approx(nn.Linear(100, 300).weight.std().item(), rel=0.02)
    assert torch.equal(layer_of(seed=3).weight, layer_of(seed=3).weight)
    assert not torch.equal(layer_of(seed=3).weight, layer_of(seed=4).weight)


def test_what_it_says_of_itself():
    assert repr(layer_of()) == "SparseLinear(in_features=20, out_features=30, links=180, density=0.3, bias=True)"
    assert st.SparseLinear(100, 100, epsilon=5).density == pytest.approx(0.1)
