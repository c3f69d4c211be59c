"""Training loops of every style around sparse layers and their evolution, and what rules see of the passes in them."""

import copy
import pickle

import numpy as np
import pytest

import sparselab as sl

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for


def model_of(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(st.SparseLinear(20, 60, density=0.2), nn.ReLU(), st.SparseLinear(60, 4, density=0.5))


def samples(n=96):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.standard_normal((n, 20)).astype(np.float32)), torch.from_numpy(rng.integers(0, 4, n))


def loss_of(model, X, y):
    return nn.functional.cross_entropy(model(X), y)


class Asking:
    """A rule that changes nothing and notes what it is shown: the gradients of the links, or their average."""

    def __init__(self, n_batches=1, decay=1.0):
        self.n_batches, self.decay, self.seen = n_batches, decay, []

    def __call__(self, epoch, model, state, evidence, rng):
        evidence = evidence if self.n_batches == 1 else evidence.average(self.n_batches, self.decay)
        self.seen.append([evidence.gradient(layer) for layer in model.layers])
        return [None] * len(model.layers)


def gradients(model):
    return [layer.weight.grad.numpy().copy() for _, layer in st.sparse_layers(model)]


def close(found, wanted):
    return all(np.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(found, wanted, strict=True))


# what rules see


@pytest.mark.parametrize("zeroed", ["none", "zeros"])
def test_rules_see_the_gradient_that_has_been_accumulated(zeroed):
    model, (X, y) = model_of(), samples()
    optimizer, rule = torch.optim.SGD(model.parameters(), 0.1), Asking()
    evolution = st.Evolution(model, optimizer, rule, every=1)
    for _ in range(3):
        optimizer.zero_grad(set_to_none=zeroed == "none")
        for part in (slice(0, 40), slice(40, 56), slice(56, 96)):
            (loss_of(model, X[part], y[part]) / 3).backward()
        wanted = gradients(model)
        optimizer.step()
        evolution.step()
        assert close(rule.seen[-1], wanted)


def test_rules_see_all_uses_of_a_layer_in_a_pass():
    torch.manual_seed(0)
    layer, X = st.SparseLinear(20, 20, density=0.2), samples()[0]
    optimizer, rule = torch.optim.SGD(layer.parameters(), 0.1), Asking()
    evolution = st.Evolution(layer, optimizer, rule, every=1)
    for _ in range(2):
        optimizer.zero_grad()
        torch.tanh(layer(torch.tanh(layer(torch.tanh(layer(X)))))).square().mean().backward()
        wanted = gradients(layer)
        optimizer.step()
        evolution.step()
        assert close(rule.seen[-1], wanted)


def test_passes_of_another_loss_through_a_critic_are_not_counted():
    critic, X = model_of(), samples()[0]
    generator = nn.Linear(5, 20)
    optimizer, rule = torch.optim.SGD(critic.parameters(), 0.1), Asking()
    evolution = st.Evolution(critic, optimizer, rule, every=1)
    for _ in range(3):
        drawn = generator(torch.randn(30, 5))
        optimizer.zero_grad()
        (critic(drawn.detach()).mean() - critic(X).mean()).backward()
        wanted = gradients(critic)
        optimizer.step()
        evolution.step()
        assert close(rule.seen[-1], wanted)
        critic(drawn).mean().backward()  # the generator's turn: gradients of the critic that its optimizer never sees


@pytest.mark.parametrize(
    "other",
    [
        lambda model, X: torch.autograd.grad(model(X).sum(), X),
        lambda model, X: model(X).sum().backward(inputs=[X]),
        lambda model, X: torch.autograd.grad(model(X).sum(), [X, *model.parameters()]),
        lambda model, X: model(X).sum().backward(),
    ],
    ids=["grad", "inputs", "grad of all", "backward"],
)
def test_passes_count_where_their_gradient_is_in_grad(other):
    model, (X, y) = model_of(), samples()
    optimizer, rule = torch.optim.SGD(model.parameters(), 0.1), Asking()
    evolution = st.Evolution(model, optimizer, rule, every=1)
    X.requires_grad_()
    for _ in range(2):
        optimizer.zero_grad()
        other(model, X)
        loss_of(model, X, y).backward()
        wanted = gradients(model)
        optimizer.step()
        evolution.step()
        assert close(rule.seen[-1], wanted)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_passes_may_be_nested(use_reentrant):
    torch.manual_seed(0)
    layer, X = st.SparseLinear(20, 20, density=0.2), samples()[0].requires_grad_()
    optimizer, rule = torch.optim.SGD(layer.parameters(), 0.1), Asking()
    evolution = st.Evolution(layer, optimizer, rule, every=1)
    use = lambda X: torch.tanh(layer(X))
    for _ in range(2):
        optimizer.zero_grad()
        use(torch.utils.checkpoint.checkpoint(use, use(X), use_reentrant=use_reentrant)).square().mean().backward()
        wanted = gradients(layer)
        optimizer.step()
        evolution.step()
        assert close(rule.seen[-1], wanted)


def copied(whole):
    return copy.deepcopy(whole)


def pickled(whole):
    return pickle.loads(pickle.dumps(whole))


def written(whole):
    for buffer in whole[0].buffers():
        buffer.copy_(buffer.clone())
    return whole


def shallow(whole):
    copy.copy(whole[0][0])
    return whole


def loaded_elsewhere(whole):
    other = model_of(1)
    other.load_state_dict(whole[0].state_dict(), assign=True)
    other(torch.ones(3, 20)).sum().backward()
    return whole


def evolved_twice(whole):
    st.Evolution(whole[0], whole[1], sl.SET(0.3), every=1)
    return *whole[:2], whole[2], st.Evolution(whole[0], whole[1], Asking(), every=1)


@pytest.mark.parametrize("change", [copied, pickled, written, shallow, loaded_elsewhere, evolved_twice])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_passes_are_not_lost(change, moment):
    """The change comes before or after the backward pass that the rule asks for."""
    model, (X, y) = model_of(), samples()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    whole = model, optimizer, st.Evolution(model, optimizer, Asking(), every=1)
    if moment == "before":
        whole = change(whole)
    loss_of(whole[0], X, y).backward()
    wanted = gradients(whole[0])
    if moment == "after" and change is not evolved_twice:
        whole = change(whole)
    model, optimizer, *evolutions = whole
    optimizer.step()
    for evolution in evolutions:
        evolution.step()
        assert close(evolution.rule.seen[-1], wanted)


def test_a_weight_that_is_unfrozen_later():
    model, (X, y) = model_of(), samples()
    optimizer, rule = torch.optim.SGD(model.parameters(), 0.1), Asking()
    model[0].weight.requires_grad_(False)
    evolution = st.Evolution(model, optimizer, rule, every=1)
    model[0].weight.requires_grad_(True)
    for _ in range(3):
        loss_of(model, 2 * X, y).backward()
        optimizer.zero_grad()
        loss_of(model, X, y).backward()
        wanted = gradients(model)
        optimizer.step()
        evolution.step()
        assert close(rule.seen[-1], wanted)


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_averages_are_those_of_the_last_steps(decay):
    model, (X, y) = model_of(), samples()
    optimizer, rule, past = torch.optim.SGD(model.parameters(), 0.1), Asking(3, decay), []
    evolution = st.Evolution(model, optimizer, rule, every=4)
    for step in range(9):
        optimizer.zero_grad()
        loss_of(model, X[8 * step : 8 * step + 8], y[8 * step : 8 * step + 8]).backward()
        past.append(gradients(model))
        optimizer.step()
        evolution.step()
    weights = decay ** np.arange(3)
    for event, found in zip((4, 8), rule.seen, strict=True):
        last = past[event - 3 : event][::-1]
        assert close(found, [np.average(each, axis=0, weights=weights) for each in zip(*last, strict=True)])


def test_before_there_are_enough_steps_an_average_is_that_of_all():
    model, (X, y) = model_of(), samples()
    optimizer, rule, past = torch.optim.SGD(model.parameters(), 0.1), Asking(5), []
    evolution = st.Evolution(model, optimizer, rule, every=2)
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(model, X, y).backward()
        past.append(gradients(model))
        optimizer.step()
        evolution.step()
    assert close(rule.seen[0], [np.mean(each, axis=0) for each in zip(*past, strict=True)])


def test_more_steps_than_were_kept_are_refused():
    model = model_of()
    rule = lambda epoch, net, state, evidence, rng: evidence.average(2)
    evolution = st.Evolution(model, torch.optim.SGD(model.parameters(), 0.1), rule, every=1)
    with pytest.raises(ValueError, match="n_batches = 2: must be at most 1, the steps that were kept"):
        evolution.step()


def test_rules_with_averages_and_with_a_length_run():
    for rule in (sl.SNFS(0.3, n_batches=4), sl.GSE(0.3), sl.GMP(density=sl.schedules.Cubic(0.2, 0.1, 0, 3)), halve):
        model, (X, y) = model_of(), samples()
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        evolution = st.Evolution(model, optimizer, rule, every=3, stop=13, seed=0)
        for _ in range(12):
            optimizer.zero_grad()
            loss_of(model, X, y).backward()
            optimizer.step()
            evolution.step()
        assert len(evolution.events) == 4


def halve(epoch, model, state, evidence, rng):
    """CONTRIBUTING's rule that only prunes: half of the links are left in the end."""
    share = 1 - 0.5 ** (1 / max(1, evidence.epochs - 1))
    keep = [sl.criteria.magnitude(layer, None, evidence, rng, share) for layer in model.layers]
    return [sl.rewire(layer.topology, k) for layer, k in zip(model.layers, keep, strict=True)]


# averages of the weights


def matrices(model):
    return [layer.weight.detach() for layer in st.densify(copy.deepcopy(model)).modules() if isinstance(layer, nn.Linear)]


def test_an_average_of_the_weights_changes_with_its_model():
    model, (X, y) = model_of(), samples()
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    evolution = st.Evolution(model, optimizer, sl.SET(0.3), every=4, copies=[averaged], seed=0)
    for step in range(12):
        optimizer.zero_grad()
        loss_of(model, X, y).backward()
        optimizer.step()
        averaged.update_parameters(model)
        before, old = matrices(averaged.module), [layer.topology for _, layer in st.sparse_layers(model)]
        evolution.step()
        assert bool(evolution.events) == (step >= 3)
        pairs = zip(st.sparse_layers(model), st.sparse_layers(averaged.module), old, before, strict=True)
        for (_, layer), (_, other), topology, matrix in pairs:
            assert layer.topology == other.topology
            places = layer.topology.rows.astype(int), layer.topology.indices
            stayed = np.isin(places[0] * 1000 + places[1], topology.rows.astype(int) * 1000 + topology.indices)
            mine, its = other.weight.detach().numpy(), layer.weight.detach().numpy()
            same = mine == matrix.numpy()[places]
            assert same[stayed].mean() > 0.7
            assert (same | (mine == its))[stayed].all()  # a link that was removed and grown again at its place is new
            assert np.array_equal(mine[~stayed], its[~stayed])
    assert averaged(X).shape == (96, 4)


def test_a_copy_with_other_links_is_refused():
    model, other = model_of(0), model_of(1)
    evolution = st.Evolution(model, torch.optim.SGD(model.parameters(), 0.1), every=1, copies=[other])
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="copies: one has other links in '0'"):
        evolution.step()
    assert all(map(torch.equal, before.values(), model.state_dict().values()))


# loops


class Module(nn.Module):
    """A module in the style of Lightning: it says what a step is, and others run it."""

    def __init__(self):
        super().__init__()
        self.net, self.losses = model_of(), []

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), 1e-2)
        self.evolution = st.Evolution(self, optimizer, sl.RigL(0.3), every=3, seed=0)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=30)}

    def training_step(self, batch):
        loss = loss_of(self.net, *batch)
        self.losses.append(loss.item())
        return loss

    def on_train_batch_end(self):
        self.evolution.step()

    def on_save_checkpoint(self, checkpoint):
        checkpoint["evolution"] = self.evolution.state_dict()

    def on_load_checkpoint(self, checkpoint):
        self.evolution.load_state_dict(checkpoint["evolution"])


def fit(module, steps, checkpoint=None):
    """Run a module's steps; the checkpoint after them. The optimizer gets the loss in a closure."""
    made, (X, y) = module.configure_optimizers(), samples()
    optimizer, scheduler, first = made["optimizer"], made["lr_scheduler"], 0
    if checkpoint:
        module.load_state_dict(checkpoint["state_dict"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        module.on_load_checkpoint(checkpoint)
        first = checkpoint["step"]

    for step in range(first, first + steps):
        rows = torch.arange(96).roll(7 * step)[:32]

        def closure(rows=rows):
            optimizer.zero_grad()
            loss = module.training_step((X[rows], y[rows]))
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 0.5)
            return loss

        optimizer.step(closure)
        scheduler.step()
        module.on_train_batch_end()
    found = {"state_dict": module.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    found |= {"step": first + steps}
    module.on_save_checkpoint(found)
    return copy.deepcopy(found)


def test_a_loop_in_the_style_of_lightning():
    whole, first, second = Module(), Module(), Module()
    fit(whole, 20)
    fit(second, 10, fit(first, 10))
    assert whole.losses[-1] < whole.losses[0]
    assert whole.losses == first.losses + second.losses
    assert len(whole.evolution.events) == 6
    assert whole.evolution.events == second.evolution.events
    assert all(map(torch.equal, whole.state_dict().values(), second.state_dict().values()))


class Prepared(torch.optim.Optimizer):
    """An optimizer in the style of Accelerate: a wrapper that does nothing while gradients are accumulated."""

    def __init__(self, optimizer):
        self.optimizer, self.sync = optimizer, True

    state = property(lambda self: self.optimizer.state)
    param_groups = property(lambda self: self.optimizer.param_groups)

    def step(self):
        if self.sync:
            self.optimizer.step()

    def zero_grad(self):
        if self.sync:
            self.optimizer.zero_grad()


def test_a_loop_in_the_style_of_accelerate():
    """Wrapped, with three micro-batches a step, it is the loop with the three in one."""
    results = []
    for micro in (1, 3):
        model, (X, y) = model_of(), samples()
        optimizer = Prepared(torch.optim.Adam(model.parameters(), 1e-2))
        evolution = st.Evolution(model, optimizer, sl.RigL(0.3), every=4, seed=0)
        for step in range(8 * micro):
            optimizer.sync = (step + 1) % micro == 0
            part = slice(96 // micro * (step % micro), 96 // micro * (step % micro + 1))
            (loss_of(model, X[part], y[part]) / micro).backward()
            optimizer.step()
            if optimizer.sync:
                evolution.step()
            optimizer.zero_grad()
        results.append((model, optimizer, evolution))
    (one, _, whole), (other, kept, parts) = results
    assert len(whole.events) == len(parts.events) == 2
    for (_, a), (_, b) in zip(st.sparse_layers(one), st.sparse_layers(other), strict=True):
        assert a.topology == b.topology
        assert torch.allclose(a.weight, b.weight, atol=1e-4)
        assert kept.state[b.weight]["exp_avg"].shape == b.weight.shape


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_with_workers(workers):
    model, (X, y) = model_of(), samples()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, y), batch_size=32, num_workers=workers)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    evolution = st.Evolution(model, optimizer, every=2, seed=0)
    for _ in range(2):
        for batch in loader:
            optimizer.zero_grad()
            loss_of(model, *batch).backward()
            optimizer.step()
            evolution.step()
    by_hand, optimizer = model_of(), None
    optimizer = torch.optim.SGD(by_hand.parameters(), 0.1)
    evolution = st.Evolution(by_hand, optimizer, every=2, seed=0)
    for part in (0, 1, 2) * 2:
        optimizer.zero_grad()
        loss_of(by_hand, X[32 * part : 32 * part + 32], y[32 * part : 32 * part + 32]).backward()
        optimizer.step()
        evolution.step()
    assert all(map(torch.equal, model.state_dict().values(), by_hand.state_dict().values()))


class Through(torch.utils.data.Dataset):
    """Samples that a worker of the loader has sent through a sparse layer."""

    def __init__(self, layer, X):
        self.layer, self.X = layer, X

    def __len__(self):
        return len(self.X)

    def __getitem__(self, k):
        with torch.no_grad():
            return self.layer(self.X[k : k + 1])[0]


def test_layers_run_in_workers_of_a_loader():
    torch.manual_seed(0)
    layer, X = st.SparseLinear(20, 30, density=0.3), samples()[0]
    wanted = layer(X)  # before the workers are forked
    found = torch.cat(list(torch.utils.data.DataLoader(Through(layer, X), batch_size=16, num_workers=2)))
    assert torch.allclose(found, wanted, atol=1e-6)
