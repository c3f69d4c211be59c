"""Linear layers of torch modules become sparse, and dense again."""

import copy

import numpy as np
import pytest

import sparselab as sl

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for


def block(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Sequential(nn.Linear(60, 40, bias=False), nn.Tanh()), nn.Linear(40, 3))


def test_all_linear_layers_become_sparse_in_place():
    model = block()
    biases = model[0].bias.clone()
    assert st.sparsify(model, density=0.1) is model
    assert [name for name, _ in st.sparse_layers(model)] == ["0", "2.0", "3"]
    assert model[0].weight.shape == (240,)
    assert torch.equal(model[0].bias, biases)
    assert model[2][0].bias is None
    model(torch.randn(5, 40)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_largest_weights_stay():
    model = block()
    dense = model[0].weight.detach().numpy().copy()
    st.sparsify(model, density=0.25, layers=["0"], from_weights="magnitude")
    kept = np.zeros_like(dense, bool)
    kept.reshape(-1)[np.argsort(-np.abs(dense), axis=None)[:600]] = True
    assert np.array_equal(st.to_masks(model)["0.weight"].numpy(), kept)
    assert np.array_equal(st.densify(model[0]).weight.detach().numpy(), dense * kept)


@pytest.mark.parametrize(
    "layers, names", [(["2.0", "3"], ["2.0", "3"]), ("0", ["0"]), (lambda name, layer: "." in name, ["2.0"])]
)
def test_layers_are_chosen(layers, names):
    model = st.sparsify(block(), density=0.1, layers=layers)
    assert [name for name, _ in st.sparse_layers(model)] == names


def test_density_1_is_the_dense_layer():
    model, X = block(), torch.randn(5, 40)
    wanted = model(X)
    st.sparsify(model, density=1, from_weights="magnitude")
    assert torch.allclose(model(X), wanted, atol=1e-6)


def test_densify_keeps_the_outputs_and_the_names():
    model, X = st.sparsify(block(), density=0.1), torch.randn(5, 40)
    model[0].weight.requires_grad_(False)
    wanted, masks = model(X), st.to_masks(model)
    assert st.densify(model) is model
    assert not list(st.sparse_layers(model))
    assert torch.allclose(model(X), wanted, atol=1e-6)
    assert not model[0].weight.requires_grad
    state = model.state_dict()
    for name, mask in masks.items():
        assert not state[name][~mask].any()
        assert mask.sum() == round(0.1 * mask.numel())


def test_a_layer_itself():
    layer = st.sparsify(nn.Linear(30, 20), density=0.1)
    assert isinstance(layer, st.SparseLinear)
    assert isinstance(st.densify(layer), nn.Linear)
    assert list(st.to_masks(layer)) == ["weight"]


@pytest.mark.parametrize("from_weights", ["random", "magnitude"])
def test_layers_stay_where_they_are(from_weights):
    model, X = block(), torch.randn(5, 40)
    with torch.device("meta"):
        st.sparsify(model, density=0.1, from_weights=from_weights)
        wanted = model(X)
        st.densify(model)
    assert torch.allclose(model(X), wanted, atol=1e-6)


def test_a_layer_at_two_places_stays_one():
    shared = nn.Linear(10, 10)
    model = st.sparsify(nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)}), density=0.2)
    assert model["a"] is model["b"][0]
    assert isinstance(model["a"], st.SparseLinear)


def test_a_transformer_layer_trains_and_predicts():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0, batch_first=True)
    st.sparsify(layer, density=0.2, layers=["linear1", "linear2"])
    X = torch.randn(2, 5, 32)
    trained = layer(X)
    trained.sum().backward()
    layer.eval()
    with torch.no_grad():
        assert torch.allclose(layer(X), trained, atol=1e-6)


def test_a_transformer_encoder_masks_padding():
    torch.manual_seed(0)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, dropout=0, batch_first=True), 2)
    st.sparsify(encoder, density=0.2, layers=lambda name, layer: "linear" in name)
    X, padding = torch.randn(2, 5, 32), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    trained = encoder(X, src_key_padding_mask=padding)
    with torch.no_grad():
        found = encoder.eval()(X, src_key_padding_mask=padding)
    assert torch.allclose(found[~padding], trained[~padding], atol=1e-5)


def tied():
    model = nn.ModuleDict({"embedding": nn.Embedding(10, 4), "out": nn.Linear(4, 10)})
    model["out"].weight = model["embedding"].weight
    return model


def tied_biases():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].bias = model[0].bias
    return model


@pytest.mark.parametrize(
    "wrong, error, said",
    [
        (lambda: st.sparsify(block(), density=0), ValueError, "density = 0"),
        (lambda: st.sparsify(block(), density=0.1, layers=["1"]), ValueError, "layers = '1'"),
        (lambda: st.sparsify(block(), density=0.1, layers=[]), ValueError, "at least one"),
        (lambda: st.sparsify(nn.ReLU(), density=0.1), ValueError, "at least one"),
        (lambda: st.sparsify(block(), density=0.1, from_weights="large"), ValueError, "from_weights = 'large'"),
        (lambda: st.sparsify(3, density=0.1), TypeError, "module = 'int'"),
        (lambda: st.densify(3), TypeError, "module = 'int'"),
        (lambda: st.sparsify(tied(), density=0.1), ValueError, "out: its weight is also that of embedding"),
        (lambda: st.sparsify(tied_biases(), density=0.1), ValueError, "0: its bias is also that of 1"),
    ],
)
def test_what_cannot_be_is_named(wrong, error, said):
    with pytest.raises(error) as found:
        wrong()
    assert said in str(found.value)


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"])
def test_hooks_are_not_lost_silently(register):
    model = block()
    handle = getattr(model[0], register)(lambda *arguments: None)
    with pytest.raises(ValueError, match="^0: has hooks, which would be lost"):
        st.sparsify(model, density=0.1)
    assert not [*st.sparse_layers(model)]
    handle.remove()
    st.sparsify(model, density=0.1)
    getattr(model[3], register)(lambda *arguments: None)
    with pytest.raises(ValueError, match="^3: has hooks"):
        st.densify(model)
    assert len([*st.sparse_layers(model)]) == 3


@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("register", ["register_hook", "register_post_accumulate_grad_hook"])
def test_hooks_of_parameters_are_not_lost_silently(part, register):
    model = block()
    handle = getattr(getattr(model[0], part), register)(lambda *arguments: None)
    with pytest.raises(ValueError, match="^0: has hooks"):
        st.sparsify(model, density=0.1)
    handle.remove()
    st.sparsify(model, density=0.1)
    evolution = st.Evolution(model, torch.optim.SGD(model.parameters(), 0.1), sl.RigL(0.3), every=1)
    model(torch.ones(3, 40)).sum().backward()  # hooks of ours are no obstacle
    evolution.step()
    getattr(getattr(model[3], part), register)(lambda *arguments: None)
    with pytest.raises(ValueError, match="^3: has hooks"):
        st.densify(model)
    assert len([*st.sparse_layers(model)]) == 3


def test_a_refusal_changes_nothing():
    model = nn.Sequential(block(), tied())
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError):
        st.sparsify(model, density=0.1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
