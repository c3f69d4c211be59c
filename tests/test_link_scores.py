"""Cannistraci-Hebb scores against two twins: walks written out one by one, and the dense formula."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import mask_of, masks, topologies, topology_of

from sparselab.topology import link_scores
from sparselab.topology.random_graph import erdos_renyi

STEPS = link_scores._steps_of_blocks
KINDS = ["CH2-L3n", "CH3-L3n", "CH2-L3p", "CH3-L3p"]


def by_matrices(mask, kind):
    """The same matrix of scores from A Aᵀ and Aᵀ A; 0 where there is a link or no walk."""
    A = mask.astype(float)
    UU, VV = A @ A.T, A.T @ A
    above = (lambda i: 1 + i) if kind.startswith("CH2") else np.ones_like
    with np.errstate(divide="ignore"):
        E = np.where(UU > 0, above(UU) / (A.sum(axis=1) - UU), 0)  # [u, z2]
        F = np.where(VV > 0, above(VV) / (A.sum(axis=0) - VV), 0)  # [v, z1]
    np.fill_diagonal(E, 0)
    np.fill_diagonal(F, 0)
    E[~np.isfinite(E)] = F[~np.isfinite(F)] = 0  # z has no other links: all ends that it leads to are linked already
    if kind.endswith("p"):
        scores = np.einsum("uz,vz,yz,uy,yv->uv", A, np.sqrt(F), A, np.sqrt(E), A, optimize=True)
    else:
        scores = E @ A + (F @ A.T).T
    return np.where(mask, 0, scores)


def found_in(topology, kind, **options):
    """{(row, column): score}; no place twice."""
    found, n = {}, 0
    for scores, places in link_scores.scored_rows(topology, kind, **options):
        assert (scores > 0).all()
        n += len(places)
        found |= {divmod(int(place), topology.n_in): float(score) for place, score in zip(places, scores, strict=True)}
    assert len(found) == n
    return found


@pytest.fixture(autouse=True, params=["row by row", "rows together"], scope="module")
def way(request):
    """Every test in both ways of scoring; those by walks have one only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link_scores, "_steps_of_blocks", lambda topology: 1e9 if request.param == "row by row" else -1)
        yield


@pytest.mark.parametrize("kind", KINDS)
@given(mask=masks(), block=st.sampled_from([1, 5, 2**18]))
def test_scores_are_those_of_the_walks(kind, mask, block):
    found, wanted = found_in(topology_of(mask), kind, block=block), naive.link_scores(mask, kind)
    assert found == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 1000), density=st.sampled_from([0.05, 0.2, 0.6]))
def test_scores_are_those_of_the_matrices(kind, seed, density):
    topology = erdos_renyi(30, 20, density=density, exact=True, seed=seed)
    scores = np.zeros(topology.shape)
    for place, score in found_in(topology, kind).items():
        scores[place] = score
    np.testing.assert_allclose(scores, by_matrices(mask_of(topology), kind), rtol=2e-7)


@given(topology=topologies, cut=st.integers(0, 8))
def test_rows_can_be_scored_one_after_the_other(topology, cut):
    cut = min(cut, topology.n_out)
    whole = found_in(topology, "CH2-L3p")
    assert found_in(topology, "CH2-L3p", end=cut) | found_in(topology, "CH2-L3p", begin=cut) == whole


@given(topology=topologies)
def test_walks_are_counted(topology):
    A = mask_of(topology).astype(int)
    assert link_scores.walks(topology).tolist() == (A @ A.T @ A).sum(axis=1).tolist()


def test_an_unknown_score_is_named():
    with pytest.raises(ValueError, match="score = 'CH3_L3p': must be one of.*did you mean 'CH3-L3p'"):
        next(link_scores.scored_rows(erdos_renyi(3, 3, density=0.5, seed=0), "CH3_L3p"))


def test_the_cheaper_way_is_taken():
    sparse, dense = (erdos_renyi(500, 400, density=density, exact=True, seed=0) for density in (0.01, 0.5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link_scores, "_steps_of_blocks", STEPS)
        assert link_scores.operations(sparse, "CH2-L3n") == link_scores.walks(sparse).sum()
        assert link_scores.operations(dense, "CH2-L3n") == STEPS(dense) < link_scores.walks(dense).sum() / 50
        assert link_scores.operations(dense, "CH2-L3p") == link_scores.walks(dense).sum()
