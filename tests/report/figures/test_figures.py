"""Figures: what is written is what was analysed, the same each time, and odd input does not break the drawing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.analysis.cliques import split_names
from tasktransfer.analysis.settings import Settings
from tasktransfer.drawing import style as look
from tasktransfer.drawing.label_places import place_labels, spread_apart
from tasktransfer.errors import InputError, OutputError
from tasktransfer.report.figures.certainty import certainty_numbers
from tasktransfer.report.figures.cliques import cliques_numbers
from tasktransfer.report.figures.graph import transfer_graph_numbers
from tasktransfer.report.figures.matrix import constant_answers_numbers, matrix_numbers, net_of_control_numbers
from tasktransfer.report.figures.write import (
    draw_by_taxonomy,
    draw_figures,
    draw_matrix,
    draw_net_of_control,
    draw_personas,
    draw_scale_trend,
    draw_transfer_graph,
    write_figures,
)
from tasktransfer.tables import ACCURACY_COLUMNS, write_csv
from tasktransfer.tasks import PAPER_TASKS

PAPER = tuple(task.name for task in PAPER_TASKS)
HOSTILE = (
    "$\\frac{",
    "a_b$",
    "<b>",
    "tab\there\x00\x1b[31m",
    "😀 计数任务",
    "L" * 300,
    "new\nline",
    "_under",
    "%d {} \\",
    "مرحبا",
)
FEW = PAPER[:5]


def accuracies(
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    models: Sequence[str] = ("m",),
    seeds: Sequence[str] = ("0", "1"),
    controls: Sequence[str] = (),
    holes: float = 0.0,
    n_items: int = 100,
) -> pd.DataFrame:
    """A made-up accuracies table: target effects, noise, a bonus on the diagonal; some cells may be missing."""
    rng = np.random.default_rng(0)
    runs = [("base", ""), *(("finetune", s) for s in sources), *(("control", s) for s in controls)]
    rows = []
    for model in models:
        shift = rng.normal(0, 8, len(targets))
        for seed in seeds:
            base = rng.integers(30, 60, len(targets))
            for kind, source in runs:
                for j, target in enumerate(targets):
                    gain = 0.0 if kind == "base" else rng.normal(shift[j] if kind == "finetune" else 0, 6)
                    gain += 25 * (source == target)
                    if kind == "base" or rng.random() >= holes:
                        correct = int(np.clip(base[j] + gain, 0, n_items))
                        rows.append((model, kind, source, seed, target, n_items, correct))
    frame = pd.DataFrame(rows, columns=[*ACCURACY_COLUMNS[:5], "n_items", "n_correct"])
    frame = frame.assign(accuracy=frame["n_correct"] / n_items, pgf=np.nan, top_share=np.nan, n_choices=np.nan)
    return frame.assign(top_answer="")[list(ACCURACY_COLUMNS)]


def without_gap() -> pd.DataFrame:
    """Perfect baselines: no cell is defined."""
    frame = accuracies(["a", "b"], ["a", "b"])
    frame.loc[frame["kind"] == "base", ["n_correct", "accuracy"]] = [100, 1.0]
    return frame


def pgf_only() -> pd.DataFrame:
    """Reported PGF without an accuracy."""
    frame = accuracies(FEW, FEW, models=("A", "B"))
    frame = frame[frame["kind"] != "base"].reset_index(drop=True)
    return frame.assign(pgf=frame["accuracy"] - 0.4, accuracy=np.nan, n_correct=np.nan, n_items=np.nan)


def empty_row_and_column() -> pd.DataFrame:
    """One source and one target whose every cell is a hole."""
    frame = accuracies(PAPER[:5], PAPER[:5])
    lost = (frame["source"] == PAPER[1]) | (frame["target"] == PAPER[3])
    return frame.assign(accuracy=frame["accuracy"].mask(lost), n_correct=frame["n_correct"].mask(lost))


@pytest.fixture(scope="module")
def small() -> Analysis:
    """Two models, five of the paper's tasks, two seeds, a control."""
    return analyze(accuracies(FEW, FEW, models=("3B", "7B"), controls=("shuffled labels",), holes=0.05))


@pytest.fixture(scope="module")
def written(small: Analysis, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:  # as users get them, unlike those of all other tests
        patch.setattr(look, "PNG_DPI", 200)
        patch.setitem(look._STYLE, "pdf.fonttype", 42)
        return folder, write_figures(small, folder)


def numbers(written: tuple[Path, list[str]], name: str) -> pd.DataFrame:
    return pd.read_csv(written[0] / f"{name}.csv", keep_default_na=False, na_values=[""])


def test_every_figure_is_written_in_three_forms(written: tuple[Path, list[str]]) -> None:
    folder, names = written
    assert names == [
        "transfer_graph_1_3B",
        "transfer_graph_2_7B",
        "pgf_matrix",
        "transferability_by_taxonomy",
        "malleability_by_taxonomy",
        "scale_trend",
        "personas",
        "cliques",
        "seed_spread",
        "pgf_interaction",
        "certainty",
        "variance_split",
        "ceiling_sensitivity",
        "controls",
        "net_of_control",
    ]
    assert {path.name for path in folder.iterdir()} == {f"{n}.{x}" for n in names for x in ("pdf", "png", "csv")}
    for name in names:
        pdf = (folder / f"{name}.pdf").read_bytes()
        assert pdf.startswith(b"%PDF-")
        assert b"/FontFile2" in pdf  # journals refuse type 3 fonts
        assert b"/Type3" not in pdf
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert not numbers(written, name).empty


@pytest.mark.parametrize(
    ("name", "value"), [("pgf_matrix", "pgf"), ("pgf_interaction", "interaction"), ("seed_spread", "seed_sd")]
)
def test_matrix_numbers_are_the_transfers(
    small: Analysis, written: tuple[Path, list[str]], name: str, value: str
) -> None:
    cells = small.transfers[small.transfers["kind"] == "finetune"].reset_index(drop=True)
    drawn = numbers(written, name)
    assert list(drawn.columns) == ["model", "source", "target", value]
    assert drawn[["model", "source", "target"]].equals(cells[["model", "source", "target"]].astype("str"))
    np.testing.assert_array_equal(drawn[value], cells[value])


def test_graph_numbers_are_the_edges(small: Analysis, written: tuple[Path, list[str]]) -> None:
    for position, model in enumerate(small.models, start=1):
        edges = small.edges[small.edges["model"] == model]
        drawn = numbers(written, f"transfer_graph_{position}_{model}")
        assert drawn[["source", "target", "sign"]].to_numpy().tolist() == (
            edges[["source", "target", "sign"]].to_numpy().tolist()
        )
        np.testing.assert_array_equal(drawn["pgf"], edges["pgf"])
        np.testing.assert_array_equal(drawn["probability"], edges["probability"])


def test_aggregate_numbers_are_the_tables(small: Analysis, written: tuple[Path, list[str]]) -> None:
    tasks = small.tasks
    trend = numbers(written, "scale_trend")
    means = trend[trend["task"].isna()]
    np.testing.assert_array_equal(means["value"], small.scale["mean"])
    own = small.control_columns[small.control_columns["target"] == ""].set_index("model")
    for measure in ("transferability_pos", "transferability_neg"):
        control = means[means["measure"] == measure].set_index("model")["control"]
        assert control.to_dict() == own[measure].to_dict()
    assert means.loc[means["measure"] == "malleability_pos", "control"].isna().all()
    planes = numbers(written, "personas")
    np.testing.assert_array_equal(
        planes.loc[(planes["plane"] == "malleability") & (planes["what"] == "task"), "positive"],
        tasks["malleability_pos"],
    )
    bars = numbers(written, "transferability_by_taxonomy")
    bars = bars[bars["task"].isna()]
    np.testing.assert_array_equal(bars["negative"], small.taxonomy["transferability_neg"])
    np.testing.assert_array_equal(bars["n_tasks"], small.taxonomy["n_sources"])
    split = numbers(written, "variance_split")
    np.testing.assert_array_equal(split["share"], small.decomposition["share"])
    ranks = numbers(written, "ceiling_sensitivity")
    best = ranks[(ranks["model"] == "7B") & (ranks["ceiling_name"] == "perfect") & (ranks["rank"] == 1)]
    of_model = tasks[tasks["model"] == "7B"]
    assert best["task"].item() == of_model.loc[of_model["transferability_pos"].idxmax(), "task"]


def test_clique_numbers_are_the_largest_cliques(small: Analysis, written: tuple[Path, list[str]]) -> None:
    drawn = numbers(written, "cliques")
    found = small.cliques[["model", "sign"]].drop_duplicates()
    assert len(found) > 2
    assert set(drawn["model"] + drawn["sign"]) == set(found["model"] + found["sign"])
    for (model, sign), rows in drawn.groupby(["model", "sign"]):
        cliques = small.cliques[(small.cliques["model"] == model) & (small.cliques["sign"] == sign)]
        first = rows[rows["rank"] == 1]
        assert len(first) == first["size"].iloc[0] == cliques["size"].max()
        by_members = {
            split_names(text): p for text, p in zip(cliques["tasks"], cliques["probability"], strict=True)
        }
        assert first["probability"].unique().tolist() == [by_members[tuple(first["task"])]]
        assert 0 <= by_members[tuple(first["task"])] <= 1


def test_control_numbers(small: Analysis, written: tuple[Path, list[str]]) -> None:
    drawn = numbers(written, "controls").set_index(["model", "target", "series"])["pgf"]
    cells = small.transfers[(small.transfers["model"] == "3B") & (small.transfers["target"] == "Relative_Depth")]
    control = cells.loc[cells["kind"] == "control", "pgf"].item()
    others = cells.loc[(cells["kind"] == "finetune") & (cells["source"] != "Relative_Depth"), "pgf"]
    assert drawn["3B", "Relative_Depth", "control: shuffled labels"] == control
    assert drawn["3B", "Relative_Depth", "mean of finetunes"] == pytest.approx(others.mean(), rel=1e-15)
    assert drawn["3B", "Relative_Depth", "lowest finetune"] == others.min()


def test_planes_hold_noise_controls_and_probabilities(small: Analysis, written: tuple[Path, list[str]]) -> None:
    drawn = numbers(written, "personas")
    source = drawn[(drawn["model"] == "7B") & (drawn["plane"] == "transferability")]
    levels = small.aggregates[(small.aggregates["model"] == "7B") & (small.aggregates["task"] == "")]
    levels = levels.set_index("measure")["noise_level"]
    box = source[source["what"] == "noise"]
    assert box[["positive", "negative"]].to_numpy().tolist() == [
        [levels["transferability_pos"], levels["transferability_neg"]]
    ]
    assert box["positive"].item() > 0 > box["negative"].item()
    control = small.control_columns[
        (small.control_columns["model"] == "7B") & (small.control_columns["target"] == "")
    ]
    mark = source[source["what"] == "control"]
    assert mark["task"].tolist() == ["shuffled labels"]
    assert mark["negative"].item() == control["transferability_neg"].item()
    assert "control" not in set(drawn.loc[drawn["plane"] == "malleability", "what"])
    tasks = small.tasks[small.tasks["model"] == "7B"]
    np.testing.assert_array_equal(source.loc[source["what"] == "task", "p_pirate"], tasks["p_pirate"])
    panel = draw_personas(small).axes[0]
    (drawn_box,) = [patch for patch in panel.patches if isinstance(patch, Rectangle)]
    first = drawn[(drawn["model"] == "3B") & (drawn["what"] == "noise") & (drawn["plane"] == "transferability")]
    assert drawn_box.get_width() == first["positive"].item()
    assert drawn_box.get_height() == -first["negative"].item()


def test_bars_stand_beside_noise_and_control(small: Analysis, written: tuple[Path, list[str]]) -> None:
    bars = numbers(written, "transferability_by_taxonomy").set_index(["model", "by", "group", "task"])
    levels = small.tasks[(small.tasks["model"] == "3B") & (small.tasks["level"] == "mid")]["task"]
    rows = small.aggregates[
        (small.aggregates["model"] == "3B") & (small.aggregates["measure"] == "transferability_neg")
    ]
    expected = rows[rows["task"].isin(levels)]["noise_level"].mean()
    (mean,) = [row for key, row in bars.iterrows() if key[:3] == ("3B", "level", "mid") and pd.isna(key[3])]
    assert mean["noise_negative"] == pytest.approx(expected)
    own = small.control_columns[(small.control_columns["model"] == "3B") & (small.control_columns["target"] == "")]
    assert mean["control_positive"] == own["transferability_pos"].item()
    assert bars[[key[3] == key[3] for key in bars.index]]["noise_positive"].isna().all()
    assert numbers(written, "malleability_by_taxonomy")["control_positive"].isna().all()


def test_the_certainty_figure_has_the_strongest_control() -> None:
    analysis = analyze(accuracies(FEW, FEW, controls=("one", "other")))
    drawn = certainty_numbers(analysis).set_index(["measure", "task"])
    own = analysis.control_columns[analysis.control_columns["target"] == ""]
    assert len(own) == 2
    assert drawn.loc[("transferability_pos", ""), "control"] == own["transferability_pos"].max()
    assert drawn.loc[("transferability_neg", ""), "control"] == own["transferability_neg"].min()
    assert drawn.loc["malleability_pos", "control"].isna().all()


def test_an_unlikely_edge_is_pale(small: Analysis) -> None:
    edges = small.edges[small.edges["model"] == "3B"].copy()
    chances = np.where(np.arange(len(edges)) < 3, 0.49, 0.5)
    figure = draw_transfer_graph(replace(small, edges=edges.assign(probability=chances)), "3B")
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 2 * len(edges)  # head and shaft
    alphas = sorted(float(arrow.get_alpha() or 1) for arrow in arrows)
    assert [alpha < 0.5 for alpha in alphas] == [True] * 6 + [False] * (2 * len(edges) - 6)
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any(text.startswith("pale") for text in told)
    sure = draw_transfer_graph(replace(small, edges=edges.assign(probability=0.9)), "3B")
    assert not any(text.get_text().startswith("pale") for text in sure.legends[0].get_texts())


def test_net_of_control_numbers(small: Analysis, written: tuple[Path, list[str]]) -> None:
    drawn = numbers(written, "net_of_control").set_index(["model", "source", "target"]).sort_index()
    for model in small.models:
        matrix = small.matrix(model)
        control = small.transfers[(small.transfers["model"] == model) & (small.transfers["kind"] == "control")]
        control = control.set_index("target")["pgf"].reindex(matrix.columns)
        expected = (matrix - control).to_numpy()
        got = drawn.loc[model, "net"].unstack("target").reindex(index=matrix.index, columns=matrix.columns)
        np.testing.assert_allclose(got.to_numpy(), expected)
    many = analyze(accuracies(FEW, FEW, controls=("a", "b", "c", "d"), seeds=("0",)))
    assert net_of_control_numbers(many)["control"].unique().tolist() == ["a", "b", "c"]
    assert len([axes for axes in draw_net_of_control(many).axes if axes.get_title(loc="left")]) == 3


def test_unknown_errors_leave_their_marks_out(tmp_path: Path) -> None:
    frame = pgf_only()
    analysis = analyze(frame[frame["seed"] == "0"].reset_index(drop=True))
    assert analysis.aggregates.empty
    names = write_figures(analysis, tmp_path)
    assert "certainty" not in names
    assert {"personas", "transferability_by_taxonomy", "cliques", "variance_split"} <= set(names)
    planes = pd.read_csv(tmp_path / "personas.csv")
    assert set(planes["what"]) == {"task"}
    assert planes["p_donor"].isna().all()
    for figure, absent in (
        (draw_personas(analysis), "noise alone"),
        (draw_by_taxonomy(analysis, "transferability"), "noise alone"),
    ):
        assert absent not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_figure_without_numbers_is_left_out(tmp_path: Path) -> None:
    names = write_figures(analyze(accuracies("abc", "abc", seeds=("",))), tmp_path)
    absent = {"scale_trend", "seed_spread", "controls", "net_of_control"}
    absent |= {"constant_answers", "transferability_by_taxonomy"}
    assert not absent & set(names)
    assert {"pgf_matrix", "personas", "transfer_graph_1_m"} <= set(names)
    assert {path.stem for path in tmp_path.iterdir()} == set(names)


CASES: dict[str, Callable[[], pd.DataFrame]] = {
    "hostile names": lambda: accuracies(HOSTILE, HOSTILE, models=HOSTILE[:1], controls=("$x_", "_y"), holes=0.1),
    "two tasks": lambda: accuracies(["a", "b"], ["a", "b"], seeds=("",)),
    "one cell": lambda: accuracies(["a"], ["b"], seeds=("",)),
    "few sources": lambda: accuracies(PAPER[:3], PAPER),
    "few targets": lambda: accuracies(PAPER, PAPER[:2]),
    "one source, many targets": lambda: accuracies(PAPER[:1], [f"t{k}" for k in range(30)]),
    "mostly holes": lambda: accuracies(PAPER[:6], PAPER[:6], holes=0.8),
    "an empty row and column": empty_row_and_column,
    "PGF only": pgf_only,
    "tasks differ by model": lambda: pd.concat(
        [accuracies(PAPER[k : k + 4], PAPER[k : k + 4], models=(f"_org/m {k}",)) for k in range(2)],
        ignore_index=True,
    ),
}


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, none of them dated."""
    files = {path.name: path.read_bytes() for path in one.iterdir()}
    assert not any(b"CreationDate" in content for content in files.values())
    return files == {path.name: path.read_bytes() for path in other.iterdir()}


def test_two_calls_write_the_same_bytes(tmp_path: Path) -> None:
    analysis = analyze(accuracies(FEW, FEW, holes=0.1))
    for folder in ("one", "other"):
        assert write_figures(analysis, tmp_path / folder)
    assert same_bytes(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize("case", CASES)
def test_odd_shapes_neither_raise_nor_warn(case: str, tmp_path: Path) -> None:
    warnings.filterwarnings("ignore", message="Glyph .* missing from")  # as when it is saved
    names = []
    for drawn in draw_figures(analyze(CASES[case]())):
        drawn.figure.savefig(tmp_path / "any.png", dpi=50)
        assert not drawn.numbers.empty
        names.append(drawn.name)
    assert "pgf_matrix" in names
    assert len(names) == len(set(names))


def test_no_defined_cell_gives_no_figure(tmp_path: Path) -> None:
    assert write_figures(analyze(without_gap()), tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_names_survive_in_the_numbers_as_given(tmp_path: Path) -> None:
    analysis = analyze(accuracies(HOSTILE, HOSTILE))
    write_csv(matrix_numbers(analysis), tmp_path / "pgf_matrix.csv")
    drawn = pd.read_csv(tmp_path / "pgf_matrix.csv", keep_default_na=False)
    assert set(drawn["source"]) == set(HOSTILE)


def test_models_that_share_a_slug_keep_their_own_graphs(tmp_path: Path) -> None:
    analysis = analyze(accuracies("ab", "ab", models=("a/b", "a:b")))
    names = [name for name in write_figures(analysis, tmp_path) if name.startswith("transfer_graph")]
    assert names == ["transfer_graph_1_a_b", "transfer_graph_2_a_b"]


@pytest.mark.slow
def test_two_hundred_tasks_and_eight_models(tmp_path: Path) -> None:
    tasks = [f"a rather long name of task {k}" for k in range(200)]
    analysis = analyze(accuracies(tasks, tasks, controls=("c",)))
    assert "certainty" in write_figures(analysis, tmp_path)
    edges = pd.read_csv(tmp_path / "transfer_graph_1_m.csv")
    assert edges["sign"].value_counts().to_dict() == {"positive": 40, "negative": 40}
    models = [f"Qwen/Qwen2.5-VL-{k}B-Instruct" for k in range(8)]
    assert "scale_trend" in write_figures(analyze(accuracies(PAPER, PAPER, models=models)), tmp_path / "eight")


def test_of_many_edges_the_strongest_are_drawn() -> None:
    tasks = [f"t{k}" for k in range(41)]
    analysis = analyze(accuracies(tasks[:4], tasks, seeds=("",)), Settings(top_share=1.0))
    drawn = transfer_graph_numbers(analysis, "m")
    for sign, rows in analysis.edges.groupby("sign"):
        sizes = rows["pgf"].abs().nlargest(40)
        assert drawn.loc[drawn["sign"] == sign, "pgf"].abs().min() == sizes.min()
    assert "of 41 tasks" in draw_transfer_graph(analysis, "m").get_suptitle()


def test_a_figure_can_be_drawn_alone(small: Analysis) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure = draw_matrix(small, "7B", value="interaction")
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_title(loc="left") == "7B"
    assert isinstance(draw_by_taxonomy(small, "malleability"), Figure)
    assert dict(matplotlib.rcParams) == before


def test_drawing_nothing_is_an_error_that_says_why() -> None:
    analysis = analyze(accuracies("ab", "ab"))
    with pytest.raises(InputError, match="two models"):
        draw_scale_trend(analysis)
    with pytest.raises(InputError, match="no edge"):
        draw_transfer_graph(analysis, "another")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_figures(analyze(accuracies("ab", "ab")), tmp_path / "file" / "figures")


def test_labels_stay_inside_and_apart() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(20, 100, (13, 2))
    boxes = np.full((13, 2), [12.0, 7.0])
    size = np.array([140.0, 120.0])
    centres = points + place_labels(points, np.arange(13), boxes, size)
    assert ((centres - boxes / 2 >= 0) & (centres + boxes / 2 <= size)).all()
    gaps = np.abs(centres[:, None] - centres[None]) >= boxes - 1e-9
    assert (gaps.any(axis=2) | np.eye(13, dtype=bool)).all()


def test_spread_apart_keeps_order_and_bounds() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        values = rng.normal(0, 1, 9)
        moved = spread_apart(values, 0.4, -2.0, 2.0)
        ordered = moved[np.argsort(values)]
        assert (np.diff(ordered) >= 0.4 - 1e-9).all()
        assert ordered[0] >= -2 - 1e-9
        assert ordered[-1] <= 2 + 1e-9


@pytest.mark.slow
def test_the_released_tables(published: Analysis, tmp_path: Path) -> None:
    names = write_figures(published, tmp_path / "one")
    assert "constant_answers" in names
    assert len(names) == 15
    write_figures(published, tmp_path / "other")
    assert same_bytes(tmp_path / "one", tmp_path / "other")


def test_the_paper_comes_back(published: Analysis) -> None:
    """The teaser has 23 edges that help and 10 that harm; its model's largest cliques have 9 and 4 tasks."""
    edges = transfer_graph_numbers(published, "32B")
    assert edges["sign"].value_counts().to_dict() == {"positive": 23, "negative": 10}
    cliques = cliques_numbers(published)
    largest = cliques[(cliques["model"] == "32B") & (cliques["rank"] == 1)]
    assert largest.groupby("sign")["size"].first().to_dict() == {"positive": 9, "negative": 4}
    marked = constant_answers_numbers(published)
    assert marked.loc[marked["flagged"], "target"].unique().tolist() == ["Multi-view_Reasoning"]
