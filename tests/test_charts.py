import io
import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.charts import bars, base, curves, matrices, pictures, points, runs
from core.measures.answers import Answers
from core.measures.calibration import calibration
from core.measures.measures import proportion

THEMES = tomllib.loads((Path(__file__).resolve().parents[1] / ".streamlit/config.toml").read_text(encoding="utf-8"))[
    "theme"
]
NAMES = {"train": "Treino", "val": "Validação", "steps": "Cada lote"}
WORDS = {
    "true_class": "Classe verdadeira",
    "predicted_class": "Classe prevista",
    "images": "Imagens",
    "share_of_row": "Parcela da classe verdadeira",
    "share_of_column": "Parcela da classe prevista",
}
COUNTS = np.array([[1135, 3, 0], [1, 98, 1], [0, 0, 0]])
CLASSES = ["zero", "um", "dois"]


def layers(chart):
    """The layers of a chart as Vega-Lite will read them, each with its rows under "rows"."""
    spec = chart.to_dict()
    for layer in spec["layer"]:
        layer["rows"] = spec["datasets"][(layer.get("data") or spec["data"])["name"]]
    return spec, spec["layer"]


def by_mark(chart, kind):
    return [layer for layer in layers(chart)[1] if layer["mark"]["type"] == kind]


def luminance(colour):
    levels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """Source: WCAG 2.2, contrast ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


# ---- curves

EPOCHS = {"train": [(1, 0.9), (2, 0.5), (3, 0.31)], "val": [(1, 1.0), (2, float("nan")), (3, 0.4)]}


def drawn_curves(**more):
    options = {"x_title": "Época", "y_title": "Perda", "names": NAMES, "language": "pt_BR"} | more
    return curves.curves(EPOCHS, **options)


def test_curves_name_their_axes_and_keep_a_fixed_domain():
    line = by_mark(drawn_curves(x_domain=(0, 20), y_domain=(0, 2)), "line")[0]["encoding"]
    assert (line["x"]["title"], line["y"]["title"]) == ("Época", "Perda")
    assert line["x"]["scale"]["domain"] == [0, 20]
    assert line["y"]["scale"]["domain"] == [0, 2]


def test_the_default_domain_of_a_loss_is_round_and_holds_all_epochs():
    assert by_mark(drawn_curves(), "line")[0]["encoding"]["y"]["scale"]["domain"] == [0, 1]


@pytest.mark.parametrize(
    ("done", "planned", "end"), [(0.1, 40, 1), (1.0, 40, 1), (1.1, 40, 2), (6, 40, 8), (31, 40, 40), (2, 2, 2)]
)
def test_the_axis_of_epochs_grows_to_round_numbers_up_to_the_planned_one(done, planned, end):
    assert curves.epochs_shown(done, planned) == (0, end)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([], (0, 1)),
        ([0.96, 0.97, 1.0], (0.95, 1)),
        ([0.1] + 30 * [0.93, 1.0], (0.9, 1)),
        ([0.1, 0.11], (0, 0.2)),
        ([0.3, 0.45], (0, 0.5)),
        ([1.0, 1.0], (0.99, 1)),
    ],
)
def test_the_axis_of_accuracies_uses_the_room_for_where_they_differ(values, shown):
    assert curves.accuracies_shown(values) == shown


def test_a_logarithmic_axis_leaves_out_what_it_cannot_show():
    steps = np.array([[0.5, 0.0], [1.0, 3.0]])
    chart = curves.curves({"val": [(1, 0.5), (2, 0.0)]}, x_title="x", y_title="y", names=NAMES, language="en", log=True)
    line = by_mark(chart, "line")[0]
    assert [row["y"] for row in line["rows"]] == [0.5]
    assert line["encoding"]["y"]["scale"]["type"] == "log"
    low, high = by_mark(drawn_curves(steps=steps, log=True), "line")[0]["encoding"]["y"]["scale"]["domain"]
    assert 0 < low < high
    assert high >= 3


def test_series_differ_by_dash_and_shape_as_well_as_by_colour():
    lines, points = by_mark(drawn_curves(), "line")[0]["encoding"], by_mark(drawn_curves(), "point")[0]["encoding"]
    dashes, shapes = lines["strokeDash"]["scale"]["range"], points["shape"]["scale"]["range"]
    assert len({tuple(dash) for dash in dashes}) == len(set(shapes)) == 2
    assert lines["color"]["scale"]["domain"] == points["shape"]["scale"]["domain"] == ["Treino", "Validação"]


def test_values_that_are_not_finite_are_left_out():
    rows = by_mark(drawn_curves(), "line")[0]["rows"]
    assert [(row["series"], row["x"]) for row in rows] == [
        ("Treino", 1),
        ("Treino", 2),
        ("Treino", 3),
        ("Validação", 1),
        ("Validação", 3),
    ]


def test_thousands_of_steps_are_thinned_to_what_a_browser_draws_at_ease():
    steps = np.c_[np.linspace(0, 3, 20_000), np.random.default_rng(0).random(20_000)]
    steps[7, 1] = np.nan
    chart = drawn_curves(steps=steps)
    assert sum(len(rows) for rows in chart.to_dict()["datasets"].values()) <= curves.POINTS_SENT
    assert by_mark(chart, "line")[0]["rows"][0]["name"] == "Cada lote"


def test_the_best_and_the_last_epoch_are_marked_in_words_that_do_not_overlap():
    chart = drawn_curves(marks={"Melhor": 3, "Última": 3})
    rules, written = by_mark(chart, "rule"), by_mark(chart, "text")
    wanted = [[{"x": 3, "name": "Melhor"}], [{"x": 3, "name": "Última"}]]
    assert [one["rows"] for one in rules] == [one["rows"] for one in written] == wanted
    assert [one["mark"]["align"] for one in written] == ["right", "left"]


def test_near_the_end_the_second_word_stands_above_the_first_instead_of_leaving_the_chart():
    written = by_mark(drawn_curves(marks={"Mantida": 2, "Máximo": 3}, stacked=True), "text")
    assert [one["mark"]["align"] for one in written] == ["right", "right"]
    first, second = (one["mark"]["dy"] for one in written)
    assert second <= first - base.FONT


@pytest.mark.parametrize(("epochs", "points"), [(curves.MARKED, curves.MARKED), (500, 20)])
def test_the_line_of_a_long_training_has_all_values_and_few_points(epochs, points):
    line = [(epoch, 1 / epoch) for epoch in range(1, epochs + 1)]
    chart = curves.curves({"val": line}, x_title="x", y_title="y", names=NAMES, language="en")
    assert len(by_mark(chart, "line")[0]["rows"]) == epochs
    marked = [row["x"] for row in by_mark(chart, "point")[0]["rows"]]
    assert (len(marked), max(marked)) == (points, epochs)


def test_a_run_without_epochs_yet_is_an_empty_chart():
    chart = curves.curves({"train": [], "val": []}, x_title="x", y_title="y", names=NAMES, language="en")
    assert by_mark(chart, "line")[0]["rows"] == []


def test_charts_write_numbers_in_the_language_and_large_enough_for_a_projector():
    config = drawn_curves().to_dict()["config"]
    assert config["locale"]["number"]["decimal"] == ","
    sizes = [config[part][size] for part in ("axis", "legend") for size in ("labelFontSize", "titleFontSize")]
    assert min(sizes) >= 13
    assert "background" not in config


def test_the_curves_as_a_table_have_one_row_an_epoch():
    table = curves.curves_table({"train": [(1, 0.9), (2, 0.5)], "val": [(2, 0.6)]}, x_title="Época", names=NAMES)
    expected = pd.DataFrame({"Época": [1, 2], "Treino": [0.9, 0.5], "Validação": [np.nan, 0.6]})
    pd.testing.assert_frame_equal(table, expected)


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.31, 0.5), (1.0, 1), (1.01, 2), (7, 10), (23, 50), (0, 1), (float("nan"), 1)]
)
def test_a_round_number_above(value, rounded):
    assert curves.round_above(value) == pytest.approx(rounded)
    assert curves.round_above(4.2e24) == 5e24


# ---- lttb

lines = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=120).map(
    lambda ys: np.c_[np.arange(len(ys)), ys].astype(float)
)


def lttb_by_definition(points, count):
    """Steinarsson 2013, algorithm 4.2, one triangle at a time."""
    n = len(points)
    if n <= count:
        return points
    edges = [1 + bucket * (n - 2) // (count - 2) for bucket in range(count - 1)]
    chosen = [points[0]]
    for bucket in range(count - 2):
        start, end = edges[bucket], edges[bucket + 1]
        after = points[end : edges[bucket + 2]] if bucket + 2 < len(edges) else points[n - 1 :]
        mean = after.mean(axis=0)
        areas = [
            abs((chosen[-1][0] - mean[0]) * (p[1] - chosen[-1][1]) - (chosen[-1][0] - p[0]) * (mean[1] - chosen[-1][1]))
            / 2
            for p in points[start:end]
        ]
        chosen.append(points[start + max(range(len(areas)), key=areas.__getitem__)])
    return np.array([*chosen, points[-1]])


@given(points=lines, count=st.integers(3, 60))
def test_thinning_keeps_both_ends_and_rows_of_the_line_in_their_order(points, count):
    thinned = curves.lttb(points, count)
    assert len(thinned) == min(len(points), count)
    rows = thinned[:, 0].astype(int)
    assert rows[0] == 0
    assert rows[-1] == len(points) - 1
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(points[rows], thinned)


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 400), count=st.integers(3, 60))
def test_thinning_is_largest_triangle_three_buckets(seed, n, count):
    points = np.c_[np.arange(n), np.random.default_rng(seed).normal(size=n)].astype(float)
    np.testing.assert_array_equal(curves.lttb(points, count), lttb_by_definition(points, count))


def test_thinning_keeps_a_lone_spike():
    points = np.c_[np.arange(5000.0), np.zeros(5000)]
    points[1234, 1] = 9
    assert 9 in curves.lttb(points, 100)[:, 1]


# ---- functions

X = np.linspace(-8, 8, 321)


def functions(count=3):
    values = {f"f{place}": X * place for place in range(count)}
    return curves.functions(X, values, x_title="x", y_title="Derivada", language="pt_BR")


def test_functions_are_told_apart_by_dash_and_point_and_marked_at_every_second_number():
    line, points = by_mark(functions(5), "line")[0], by_mark(functions(5), "point")[0]
    assert len({tuple(dash) for dash in line["encoding"]["strokeDash"]["scale"]["range"]}) == 5
    assert len(set(points["encoding"]["shape"]["scale"]["range"])) == 5
    assert {row["x"] for row in points["rows"]} == set(range(-8, 9, 2))
    assert len(line["rows"]) == 5 * 321


def test_the_values_of_functions_are_written_in_the_language():
    table = curves.functions_table(X, {"f": X / 4}, x_title="x", language="pt_BR")
    assert table["x"].tolist() == list(range(-8, 9, 2))
    assert table["f"].tolist()[5] == "0,5"


def test_no_function_is_an_empty_chart():
    assert by_mark(functions(0), "line")[0]["rows"] == []


# ---- confusion matrix


def matrix(**more):
    return matrices.confusion_matrix(COUNTS, CLASSES, words=WORDS, **{"language": "pt_BR"} | more)


def test_rows_are_the_true_class_columns_the_predicted_one_and_both_axes_say_so():
    cells = by_mark(matrix(), "rect")[0]
    x, y = cells["encoding"]["x"], cells["encoding"]["y"]
    assert (x["field"], y["field"]) == ("predicted", "true")
    assert "Classe prevista" in x["title"]
    assert "Classe verdadeira" in y["title"]
    assert x["scale"]["domain"] == y["scale"]["domain"] == CLASSES
    assert {(row["true"], row["predicted"]): row["value"] for row in cells["rows"]}[("zero", "um")] == 3


def test_cells_say_their_counts_in_the_language():
    labels = {(row["true"], row["predicted"]): row["label"] for row in by_mark(matrix(), "text")[0]["rows"]}
    assert labels[("zero", "zero")] == "1.135"
    assert labels[("dois", "um")] == "0"


@pytest.mark.parametrize(("share", "expected"), [("row", "98,0%"), ("column", "97,0%")])
def test_cells_say_shares_of_the_true_or_of_the_predicted_class(share, expected):
    labels = {(row["true"], row["predicted"]): row["label"] for row in by_mark(matrix(share=share), "text")[0]["rows"]}
    assert labels[("um", "um")] == expected


def test_a_class_without_images_has_shares_of_zero():
    assert matrices.shares(COUNTS, "row")[2].tolist() == [0, 0, 0]


def test_a_grid_writes_each_share_in_its_cell_and_leaves_unmeasured_ones_empty():
    values = np.array([[0.8715, np.nan], [0.8835, 0.8907]])
    chart = matrices.heat_map(values, ["8", "16"], ["3", "5"], x_title="Tamanho", y_title="Filtros", language="pt_BR")
    (numbers,) = by_mark(chart, "text")
    assert {(row["row"], row["column"]): row["label"] for row in numbers["rows"]} == {
        ("8", "3"): "87,15%",
        ("16", "3"): "88,35%",
        ("16", "5"): "89,07%",
    }
    assert (numbers["encoding"]["x"]["title"], numbers["encoding"]["y"]["title"]) == ("Tamanho", "Filtros")


def test_without_the_diagonal_the_errors_fill_the_scale():
    cells = by_mark(matrix(diagonal=False), "rect")[0]
    assert all(row["true"] != row["predicted"] for row in cells["rows"])
    assert cells["encoding"]["color"]["scale"]["domain"] == [0, 3]


def test_beyond_twelve_classes_the_numbers_give_way_to_a_legend():
    names = [str(index) for index in range(13)]
    chart = matrices.confusion_matrix(np.eye(13, dtype=int), names, words=WORDS, language="en")
    assert by_mark(chart, "text") == []
    assert by_mark(chart, "rect")[0]["encoding"]["color"]["legend"]["title"] == "Imagens"


def test_the_matrix_as_a_table_has_the_same_cells():
    table = matrices.confusion_table(COUNTS, CLASSES, words=WORDS)
    assert table.loc["zero", "um"] == 3
    assert (table.index.name, table.columns.name) == ("Classe verdadeira", "Classe prevista")
    assert matrices.confusion_table(COUNTS, CLASSES, share="row", words=WORDS).loc["um", "um"] == pytest.approx(0.98)


# ---- probabilities


def test_a_difference_has_its_sign_and_no_colour_where_there_is_none():
    difference = np.array([[4, -4, 0], [0, 1_000, -1_000], [0, 0, 0]])
    words = {**WORDS, "difference": "Diferença"}
    chart = matrices.difference_matrix(difference, CLASSES, words=words, language="pt_BR")
    rows = by_mark(chart, "text")[0]["rows"]
    assert [row["label"] for row in rows[:6]] == ["+4", "-4", "0", "0", "+1.000", "-1.000"]
    scale = by_mark(chart, "rect")[0]["encoding"]["color"]["scale"]
    assert (scale["domain"], scale["domainMid"]) == ([-1000, 1000], 0)


def test_reliability_has_a_point_a_bin_with_images_and_the_line_of_those_who_keep_their_word():
    labels = np.array([0] * 30 + [1] * 10)
    sure = np.float32([[0.95, 0.05]] * 20 + [[0.65, 0.35]] * 20)
    found = calibration(Answers(labels, sure))
    words = {"confidence": "Confiança", "accuracy": "Acurácia", "images": "Imagens", "perfect": "confiança = acurácia"}
    chart = bars.reliability(found, words=words, language="pt_BR")
    points = by_mark(chart, "circle")[0]["rows"]
    assert [(row["says"], row["keeps"], row["label"]) for row in points] == [
        ("65,0%", "50,0%", "20"),
        ("95,0%", "100,0%", "20"),
    ]
    assert [(row["x"], row["y"]) for row in by_mark(chart, "line")[0]["rows"]] == [(0, 0), (1, 1)]
    table = bars.reliability_table(found, words=words)
    assert (len(table), table["Imagens"].sum(), table["Confiança"].isna().sum()) == (10, 40, 8)


def test_probabilities_keep_the_order_of_classes_and_a_full_axis():
    values = np.array([0.2, 0.7, 0.1])
    chart = bars.probabilities(values, CLASSES, x_title="P", y_title="Classe", language="pt_BR", highlight=[1, 2])
    bar = by_mark(chart, "bar")[0]
    assert bar["encoding"]["y"]["scale"]["domain"] == CLASSES
    assert bar["encoding"]["x"]["scale"]["domain"] == [0, 1]
    assert [row["label"] for row in bar["rows"]] == ["20,0%", "70,0%", "10,0%"]
    assert [row["highlight"] for row in bar["rows"]] == [False, True, True]
    bold = bar["encoding"]["y"]["axis"]["labelFontWeight"]["expr"]
    assert bold == f"indexof({json.dumps(CLASSES[1:])}, datum.value) < 0 ? 400 : 700"
    table = bars.probabilities_table(values, CLASSES, x_title="P", y_title="Classe")
    assert table.to_dict("list") == {"Classe": CLASSES, "P": [0.2, 0.7, 0.1]}


# ---- class balance


def test_each_split_has_a_panel_in_which_its_largest_class_has_the_longest_bar():
    counts = {"Treino\nem uso: 60": np.array([10, 20, 30]), "Teste\n5": np.array([0, 5, 0])}
    chart = bars.class_balance(counts, CLASSES, y_title="Classe", language="pt_BR")
    marks = by_mark(chart, "bar")[0]
    assert marks["encoding"]["x"]["scale"]["domain"] == [0, 2]
    lengths = [row["end"] - row["start"] for row in marks["rows"]]
    assert lengths == pytest.approx([bars.BAR * share for share in (1 / 3, 2 / 3, 1, 0, 1, 0)])
    assert [row["start"] for row in marks["rows"]] == [0, 0, 0, 1, 1, 1]
    assert [row["label"] for row in marks["rows"]] == ["10", "20", "30", "0", "5", "0"]
    headings = by_mark(chart, "text")[1]
    assert [row["heading"] for row in headings["rows"]] == list(counts)
    one_line = bars.class_balance({"Treino": np.ones(3)}, CLASSES, y_title="Classe", language="pt_BR")
    assert chart.height == one_line.height + 20, "else the classes get less room, and names are left out"
    table = bars.class_balance_table(counts, CLASSES, y_title="Classe")
    assert list(table.columns) == ["Classe", "Treino, em uso: 60", "Teste, 5"]
    assert table["Teste, 5"].tolist() == [0, 5, 0]


def test_a_share_is_a_point_on_the_line_of_its_interval_and_what_is_of_no_images_is_left_out():
    measured = {"drawings": [proportion(9, 10), proportion(0, 0)], "test": [proportion(1, 1), proportion(3, 4)]}
    chart = bars.intervals(measured, ["A", "B"], x_title="Acurácia", y_title="Modelo", language="pt_BR")
    (lines,), (points,) = by_mark(chart, "rule"), by_mark(chart, "point")
    assert [(row["row"], row["series"]) for row in points["rows"]] == [("A", "drawings"), ("A", "test"), ("B", "test")]
    assert points["rows"][0]["label"] == "90,0%"
    assert points["rows"][0]["n"] == "n = 10"
    assert all(row["low"] <= row["value"] <= row["high"] for row in lines["rows"])
    assert points["encoding"]["x"]["scale"]["domain"] == [0, 1]
    assert points["encoding"]["shape"]["scale"]["domain"] == ["drawings", "test"]  # not by colour alone
    table = bars.intervals_table(measured, ["A", "B"], ["Modelo", "Imagens", "Acurácia", "de", "até", "n"])
    assert table["Modelo"].tolist() == ["A", "A", "B", "B"]
    assert table["n"].tolist() == [10, 1, 0, 4]


# ---- colours of both themes


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_reaches_4_5_to_1_and_lines_3_to_1_on_every_ground(theme):
    colours = THEMES[theme]
    for ground in (colours["backgroundColor"], colours["secondaryBackgroundColor"]):
        for words in ("textColor", "linkColor"):
            assert contrast(colours[words], ground) >= 4.5, (words, ground)
    assert contrast(colours["primaryColor"], colours["backgroundColor"]) >= 3  # borders and bars
    assert contrast("#ffffff", colours["primaryColor"]) >= 4.5  # the words on a button
    assert min(contrast(line, colours["backgroundColor"]) for line in colours["chartCategoricalColors"]) >= 3
    assert len(colours["chartCategoricalColors"]) == len(base.DASHES) == len(base.SHAPES)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sequential_scale_leaves_the_ground_steadily_in_lightness(theme):
    steps = [luminance(colour) for colour in THEMES[theme]["chartSequentialColors"]]
    assert len(steps) == 10
    away = np.diff(steps) * (-1 if theme == "light" else 1)
    assert (away > 0).all()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_ink_of_charts_is_the_themes_text_colour(theme):
    assert f"'{THEMES[theme]['textColor']}'" in base.INK.expr


def test_labels_of_runs_that_cost_and_reach_the_same_do_not_cover_each_other():
    reached = [runs.Reached(str(k), f"run {k}", cost, 0.9, 0.88, 0.92) for k, cost in enumerate([10, 10, 10.1, 500])]
    words = {"x_title": "x", "y_title": "y", "front_title": "front", "language": "en"}
    chart = runs.trade_off(reached, [0], **words).to_dict()
    labels = next(layer for layer in chart["layer"] if layer["mark"]["type"] == "text")
    rows = chart["datasets"][labels.get("data", chart.get("data"))["name"]]
    places = sorted(row["place"] for row in rows[:3])
    low, high = chart["layer"][0]["encoding"]["y"]["scale"]["domain"]
    least = 0.06 * (high - low)
    assert places[1] - places[0] > least < places[2] - places[1]
    assert rows[3]["place"] == 0.9


def test_each_run_of_a_setting_is_a_point_beside_their_mean_and_the_settings_differ_by_shape_too():
    found = [
        runs.Repeated("1", {"seed 0": 0.9, "seed 1": 0.92}, 0.91, 0.88, 0.94),
        runs.Repeated("2, 3", {"seed 0": 0.8}, 0.8, 0.77, 0.83),
    ]
    chart = runs.points(found, x_title="number", y_title="accuracy", mean_title="mean", language="pt_BR")
    bars, means, each = layers(chart)[1]
    assert [row["mean" if "mean" in row else "accuracy"] for row in means["rows"]] == [0.91, 0.8]
    assert [(row["low"], row["high"]) for row in bars["rows"]] == [(0.88, 0.94), (0.77, 0.83)]
    assert [row["accuracy"] for row in each["rows"]] == [0.9, 0.92, 0.8]
    assert [row["said"] for row in each["rows"]] == ["90,00%", "92,00%", "80,00%"]
    assert len({row["x"] for row in each["rows"]}) == 3, "none covers another"
    assert [round(row["x"]) for row in each["rows"]] == [0, 0, 1]
    assert [row["shape"] for row in each["rows"]] == ["circle", "circle", "square"]
    low, high = each["encoding"]["y"]["scale"]["domain"]
    assert low < 0.77 < 0.94 < high
    assert '["1", "2, 3"]' in each["encoding"]["x"]["axis"]["labelExpr"]


def test_the_mean_of_curves_goes_as_far_as_all_of_them():
    curves_of = [[(1, 0.2), (2, 0.4), (3, 0.6)], [(1, 0.4), (2, 0.8)], []]
    assert runs.mean_course(curves_of) == [(1, pytest.approx(0.3)), (2, pytest.approx(0.6))]
    assert runs.mean_course([[(0.5, 1), (1.5, 3)], [(1, 2), (2, 4), (3, 6)]]) == [(1.5, 3)]
    assert runs.mean_course([[(1, 0.5)]]) == [(1, 0.5)]
    assert runs.mean_course([]) == []


# ---- pictures


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_an_enlarged_image_has_hard_edges():
    image = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    np.testing.assert_array_equal(pixels(pictures.enlarge(image, 3)), np.kron(image[0], np.ones((3, 3), np.uint8)))


def test_a_colour_image_keeps_its_colours():
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    np.testing.assert_array_equal(pixels(pictures.enlarge(image, 1)), image.transpose(1, 2, 0))


def test_names_on_the_map_of_the_data_do_not_cover_each_other():
    names, random = ["Four", "Zero", "Six", "Nine", "One"], np.random.default_rng(0)
    middles = np.array([[0, 0], [0.2, 0.1], [0.1, -0.1], [5, 0], [0, 9]])
    labels = np.arange(500) % len(names)
    scattered = (middles[labels] + random.normal(size=(500, 2))).astype(np.float32)
    words = {name: name for name in ("true_class", "predicted_class", "image", "own")}
    chart = points.plane(scattered, labels, labels, names, words=words, language="en").to_dict()
    layer = next(layer for layer in chart["layer"] if layer["mark"]["type"] == "text")
    (left, right), (bottom, top) = (layer["encoding"][axis]["scale"]["domain"] for axis in "xy")
    across, along = points.WIDTH / (right - left), chart["height"] / (top - bottom)  # px
    shown = {row["true"]: (across * row["x"], along * row["y"]) for row in chart["datasets"][layer["data"]["name"]]}
    for name, (x, y) in shown.items():
        own = np.median(scattered[labels == names.index(name)], axis=0)
        assert abs(y - along * own[1]) < 3 * points.LINE, "near its points"
        for other, (other_x, other_y) in shown.items():
            is_beside = abs(x - other_x) >= points.LETTER * (len(name) + len(other)) / 2
            assert name == other or is_beside or abs(y - other_y) >= points.LINE
    assert shown["Nine"][1] == pytest.approx(along * np.median(scattered[labels == 3, 1])), "nothing was in its way"
