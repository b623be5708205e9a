"""Aggregates, graph, cliques, personas, decomposition: by hand, by brute force and against the paper."""

from __future__ import annotations

import itertools
import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasktransfer.analysis.cliques import find_cliques, joined_names, split_names
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.graph import transfer_edges, transfer_graph, write_graphml
from tasktransfer.analysis.personas import assign_personas, consistent_personas
from tasktransfer.analysis.transferability import aggregate_transfer
from tests.studies import square

PAPER_ORDER = ["VS", "AS", "VC", "RD", "RR", "SR", "JG", "CN", "FC", "SC", "MR", "OL", "FD"]


def labels(names) -> list[str]:
    from tasktransfer.tasks import find_task

    return [find_task(name).abbreviation for name in names]


def test_aggregates_by_hand():
    m = square([[0.9, 0.2, 0.4, -0.1], [0.3, 0.9, 0.0, np.nan], [-0.2, -0.4, 0.9, 1e-12], [np.nan] * 3 + [0.5]])
    a = aggregate_transfer(m)
    assert a.loc["t0", "transferability_pos"] == pytest.approx((1 - math.exp(-2 / 3)) / 2 * 0.6)
    assert a.loc["t0", "transferability_neg"] == pytest.approx((1 - math.exp(-1 / 3)) * -0.1)
    assert a.loc["t1", "transferability_pos"] == pytest.approx(
        (1 - math.exp(-1 / 2)) * 0.3
    )  # the hole is not counted
    assert a.loc["t1", "transferability_neg"] == 0.0
    assert a.loc["t2", "transferability_pos"] == 0.0  # 1e-12 is zero, but a defined cell
    assert a.loc["t2", "transferability_neg"] == pytest.approx((1 - math.exp(-2 / 3)) / 2 * -0.6)
    assert math.isnan(a.loc["t3", "transferability_pos"])  # no cell at all
    assert a.loc["t1", "malleability_pos"] == pytest.approx((1 - math.exp(-1 / 2)) * 0.2)
    with_self = aggregate_transfer(m, include_self=True)
    assert with_self.loc["t0", "transferability_pos"] == pytest.approx((1 - math.exp(-3 / 4)) / 3 * 1.5)
    assert with_self.loc["t3", "transferability_pos"] == pytest.approx((1 - math.exp(-1)) * 0.5)


def test_the_zero_rule_holds_at_its_boundary():
    m = square([[0, 1e-9, -1e-9], [0.99e-9, 0, -0.99e-9], [1e-9, 0.2, 0]])
    a = aggregate_transfer(m)
    assert a.loc["t0", "transferability_pos"] == pytest.approx((1 - math.exp(-1 / 2)) * 1e-9, rel=1e-9)
    assert a.loc["t0", "transferability_neg"] == pytest.approx((1 - math.exp(-1 / 2)) * -1e-9, rel=1e-9)
    assert (a.loc["t1", ["transferability_pos", "transferability_neg"]] == 0).all()
    assert len(transfer_edges(m, top_share=1.0)) == 4
    assert find_cliques(m, "positive").cliques == []
    assert find_cliques(m + np.array([[0, 0, 0], [1e-9, 0, 0], [0, 0, 0]]), "positive").cliques == [("t0", "t1")]


def test_no_aggregate_is_minus_zero():
    a = aggregate_transfer(square([[0, 0.0, -0.1], [0.0, 0, 0.0], [-0.0, 0.0, 0]]))
    assert not np.signbit(a["transferability_pos"]).any()
    assert not np.signbit(a.loc[["t1", "t2"], "transferability_neg"]).any()


def test_aggregates_of_the_paper(published):
    donors = published.tasks.set_index(["model", "task"])["transferability_pos"]
    golden = {"3B": (0.05930, 0.04323), "7B": (0.08063, 0.04518), "32B": (0.15840, 0.12726)}
    for model, (semantic, mean) in golden.items():
        assert donors[model, "Semantic_Correspondence"] == pytest.approx(semantic, abs=5e-6)
        assert donors[model].mean() == pytest.approx(mean, abs=5e-6)
    sponges = published.tasks.groupby("model", sort=False)["malleability_pos"].mean()
    assert sponges.to_numpy() == pytest.approx([0.03842, 0.04382, 0.11265], abs=5e-6)
    negative = published.tasks.groupby("model", sort=False)["transferability_neg"].mean()
    assert negative.to_numpy() == pytest.approx([-0.0336, -0.0854, -0.0263], abs=5e-5)


def test_signs_of_the_paper_count_exact_zeros_out(published):
    counted = {m: (s["n_positive"], s["n_negative"]) for m, s in published.summary["models"].items()}
    assert counted == {"3B": (77, 78), "7B": (81, 74), "32B": (110, 45)}


def test_edges_by_hand_keep_ties():
    m = square([[0, 0.5, 0.4], [0.4, 0, 0.1], [-0.3, -0.2, 0]])
    edges = transfer_edges(m, top_share=0.25)  # of 4 positive: rank 1 -> 0.4, twice; of 2 negative: rank 0 -> 0.3
    assert list(zip(edges["source"], edges["target"], edges["sign"], strict=True)) == [
        ("t0", "t1", "positive"),
        ("t0", "t2", "positive"),
        ("t1", "t0", "positive"),
        ("t2", "t0", "negative"),
    ]
    assert len(transfer_edges(m, top_share=1.0)) == 6


def test_teaser_graph(published):
    edges = published.edges
    counts = edges.groupby(["model", "sign"]).size()
    assert (counts["32B", "positive"], counts["32B", "negative"]) == (23, 10)
    weakest = edges[edges["model"] == "32B"].groupby("sign")["pgf"].agg(["min", "max"])
    assert weakest.loc["positive", "min"] == pytest.approx(0.4449, abs=5e-5)
    assert weakest.loc["negative", "max"] == pytest.approx(-0.1444, abs=5e-5)
    for model, positive, negative in (("3B", 0.1696, -0.1389), ("7B", 0.1563, -0.3438)):
        rows = edges[edges["model"] == model]
        assert rows.loc[rows["sign"] == "positive", "pgf"].min() == pytest.approx(positive, abs=6e-5)
        assert rows.loc[rows["sign"] == "negative", "pgf"].max() == pytest.approx(negative, abs=6e-5)


def test_graphml_holds_every_edge_and_hostile_names(tmp_path):
    names = ["a", "<b>&\"'", "c\x01d", "c\\u0001d"]
    edges = transfer_edges(
        square([[0, 0.5, 0.4, 0], [0.4, 0, 0.1, 0], [-0.3, -0.2, 0, 0], [0] * 4], names), top_share=1.0
    )
    edges = pd.concat([edges.assign(model="m"), edges.assign(model="n")])
    write_graphml(transfer_graph(edges, {"m": names, "n": names}), tmp_path / "g.graphml")
    back = nx.read_graphml(tmp_path / "g.graphml", force_multigraph=True)
    assert set(back) == {"a", "<b>&\"'", "c\\u0001d", "c\\\\u0001d"}
    assert back.number_of_edges() == 12
    found = {(a, b, d["model"], d["pgf"]) for a, b, d in back.edges(data=True)}
    assert ("a", "<b>&\"'", "m", 0.5) in found


def brute_force_cliques(m: np.ndarray, sign: int) -> set[frozenset[int]]:
    n = len(m)
    fits = [
        set(group)
        for size in range(2, n + 1)
        for group in itertools.combinations(range(n), size)
        if all(m[i, j] * sign > 1e-9 for i, j in itertools.permutations(group, 2))
    ]
    return {frozenset(group) for group in fits if not any(group < other for other in fits)}


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_cliques_are_those_of_brute_force(n, seed):
    rng = np.random.default_rng(seed)
    values = rng.choice([-0.5, -1e-12, 0.2, 0.3, np.nan], size=(n, n), p=[0.2, 0.05, 0.4, 0.3, 0.05])
    m = square(values)
    for sign, factor in (("positive", 1), ("negative", -1)):
        found = find_cliques(m, sign)
        assert found.complete
        ours = [frozenset(int(name[1:]) for name in clique) for clique in found.cliques]
        assert len(ours) == len(set(ours))
        assert set(ours) == brute_force_cliques(values, factor)
        assert [len(c) for c in found.cliques] == sorted((len(c) for c in found.cliques), reverse=True)


def test_cliques_of_the_paper(published):
    sizes = {
        m: {s: v["size"] for s, v in x["largest_clique"].items()} for m, x in published.summary["models"].items()
    }
    assert {m: s["positive"] for m, s in sizes.items()} == {"3B": 3, "7B": 4, "32B": 9}
    assert {m: s["negative"] for m, s in sizes.items()} == {"3B": 4, "7B": 3, "32B": 4}
    largest = published.summary["models"]["32B"]["largest_clique"]
    assert [labels(c) for c in largest["positive"]["cliques"]] == [PAPER_ORDER[:9]]
    assert [labels(c) for c in largest["negative"]["cliques"]] == [["SC", "MR", "OL", "FD"]]
    of_3b = published.cliques[(published.cliques["model"] == "3B") & (published.cliques["size"] == 3)]
    assert (of_3b["sign"] == "positive").sum() == 7


def test_clique_search_is_cut_and_says_so():
    rng = np.random.default_rng(0)
    values = np.where(rng.random((200, 200)) < 0.9, 0.1, -0.1)  # astronomically many maximal cliques
    search = find_cliques(square(values), "positive", limit=2000)
    assert not search.complete
    assert len(search.cliques) == 2000
    group = [int(name[1:]) for name in search.cliques[0]]
    assert all(values[i, j] > 0 for i, j in itertools.permutations(group, 2))
    assert not any(all(values[k, i] > 0 and values[i, k] > 0 for i in group) for k in range(200) if k not in group)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_joined_names_come_back(names):
    assert split_names(joined_names(tuple(names))) == tuple(names)


def test_personas_of_the_paper(published):
    found = {p: labels(tasks) for p, tasks in published.summary["personas_in_every_model"].items()}
    assert found == {"donor": ["SC"], "pirate": ["FC"], "sponge": ["VS", "RD", "RR"], "sieve": ["FD"]}


def test_persona_is_strictly_beyond_the_mean_of_those_that_have_one():
    columns = ["transferability_pos", "transferability_neg", "malleability_pos", "malleability_neg"]
    a = pd.DataFrame(
        [[0.3, -0.1, 0.2, 0.0], [0.1, -0.1, 0.2, 0.0], [np.nan, np.nan, 0.2, -0.3]],
        index=list("abc"), columns=columns,
    )  # fmt: skip
    assert assign_personas(a).tolist() == ["donor", "", "sieve"]
    everywhere = consistent_personas({"m": assign_personas(a), "n": pd.Series({"a": "donor;pirate", "c": ""})})
    assert everywhere == {"donor": ["a"], "pirate": [], "sponge": [], "sieve": []}


def test_decomposition_of_the_paper(published):
    shares = published.decomposition.set_index(["model", "component"])["share"]
    for model, target in (("3B", 0.542), ("7B", 0.268), ("32B", 0.904)):
        assert shares[model, "target"] == pytest.approx(target, abs=5e-4)
        assert shares[model].drop("noise").sum() == pytest.approx(1)
        assert shares[model, "noise"] > 0


def test_decomposition_is_the_least_squares_of_dummies():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(6, 6))
    values[0, 3] = values[4, 2] = np.nan
    m = square(values)
    rows = [(i, j) for i in range(6) for j in range(6) if i != j and not np.isnan(values[i, j])]
    y = np.array([values[cell] for cell in rows])
    by_target = np.array([[j == t for t in range(6)] for _, j in rows], dtype=float)
    by_source = np.array([[i == s for s in range(6)] for i, _ in rows], dtype=float)

    def residual(design):
        return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]

    total = ((y - y.mean()) ** 2).sum()
    after_target = (residual(by_target) ** 2).sum()
    both = residual(np.hstack([by_target, by_source]))
    result = decompose(m)
    expected = [1 - after_target / total, (after_target - (both**2).sum()) / total, (both**2).sum() / total]
    assert result.shares["share"].to_numpy() == pytest.approx(expected)
    assert result.shares["df"].tolist() == [5, 5, len(y) - 11]
    assert [result.interaction.to_numpy()[cell] for cell in rows] == pytest.approx(both, abs=1e-12)
    assert np.isnan(np.diag(result.interaction)).all()
    assert np.isnan(result.interaction.to_numpy()[0, 3])


def test_decomposition_without_variation_or_cells():
    assert decompose(square(np.full((3, 3), 0.2))).shares["share"].isna().all()
    assert decompose(square(np.full((3, 3), np.nan))).shares["share"].isna().all()


def test_no_share_is_left_for_pairs_without_degrees_of_freedom():
    """Three tasks have six cells and five free effects; with a hole the effects fit any cells."""
    values = np.random.default_rng(0).normal(size=(3, 3))
    assert decompose(square(values)).shares.loc["interaction", "df"] == 1
    values[0, 1] = np.nan
    shares = decompose(square(values)).shares
    assert shares.loc["interaction", "df"] == 0
    assert shares["share"].isna().tolist() == [False, False, True]
    assert shares["share"].sum() == pytest.approx(1)


def test_decomposition_survives_sources_that_are_no_targets():
    values = np.full((5, 5), np.nan)
    values[:2] = np.random.default_rng(0).normal(size=(2, 5))
    result = decompose(square(values))
    assert result.shares["share"].sum() == pytest.approx(1)
    assert result.source_effect.isna().tolist() == [False, False, True, True, True]
