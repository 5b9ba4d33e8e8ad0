"""What the reports state: it agrees with itself and with its sources, and each erratum follows from it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from core import words
from core.datasets import DATASETS
from core.measures.claims import Figure, doubt_accuracy_at_loss
from core.recipes import PUBLISHED, RECIPES
from core.recipes.reported import REPORTS, Reported, all_reported, reported
from tests.browser import ROOT

EVERY = all_reported()
WITH_MATRIX = [name for name, one in EVERY.items() if one.confusion_matrix]
OF_002 = [name for name in EVERY if name.startswith("002") and EVERY[name].curves]
ORIGINAL = ROOT.parent / "shared" / "reported.json"
TESTED = {  # test images of each class
    "000": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    "002": (244, 624, 311, 579, 243, 284, 666, 470),
    "004": 10 * (1000,),
}
VAL = 3_588  # images of 002


def known(name: str) -> Reported:
    one = reported(name)
    assert one
    return one


def matrix(name: str) -> np.ndarray:
    """A complete confusion matrix, int (K, K)."""
    return np.array(known(name).confusion_matrix, dtype=int)


def val(name: str) -> tuple[float, ...]:
    """A complete val accuracy curve."""
    return tuple(accuracy for _, accuracy in known(name).points("val_accuracy"))


# --- the data in themselves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_MATRIX)
def test_a_matrix_has_the_test_images_in_its_rows_and_the_accuracy_on_its_diagonal(name):
    one = EVERY[name]
    rows = one.confusion_matrix or ()
    lost = {unknown.row: unknown for unknown in one.unknown}
    trace = 0
    for k, (row, count) in enumerate(zip(rows, TESTED[name[:3]], strict=True)):
        columns = tuple(column for column, value in enumerate(row) if value is None)
        assert columns == (lost[k].columns if k in lost else ())
        rest = lost[k].sum if k in lost else 0
        assert sum(value or 0 for value in row) + rest == count
        if k in lost:
            assert rest <= len(columns) * lost[k].each_at_most
        trace += row[k] or 0
    n, accuracy = one.test["n"], one.test["accuracy"]
    assert n == sum(TESTED[name[:3]])
    assert trace == round(accuracy * n)
    assert round(trace / n, 4) == accuracy
    assert one.test.get("errors", n - trace) == n - trace


@pytest.mark.parametrize("name", [name for name in EVERY if name.startswith("000")])
def test_the_sentences_of_000_name_the_greatest_error_of_each_class(name):
    one = EVERY[name]
    assert [true for true, _, _ in one.confusions] == list(range(10))
    for true, taken, times in one.confusions:
        row = (one.confusion_matrix or ())[true]
        assert row[taken] == times
        assert times == max(value for k, value in enumerate(row) if k != true and value is not None)
        assert all(unknown.each_at_most <= times for unknown in one.unknown if unknown.row == true)


@pytest.mark.parametrize("name", [name for name, one in EVERY.items() if one.classes])
def test_the_class_tables_are_those_of_the_matrix(name):
    counts = matrix(name)
    precision, recall = counts.diagonal() / counts.sum(axis=0), counts.diagonal() / counts.sum(axis=1)
    assert [tuple(pair) for pair in np.stack([precision, recall], axis=1).round(4)] == list(EVERY[name].classes)
    assert round(float(recall.mean()), 4) == EVERY[name].test["balanced_accuracy"]
    assert EVERY[name].columns_swapped


LENGTHS = {"001-a": 20, "001-b": 12, "001-c": 20, "001-d": 20, "002-a": 500, "002-b": 500, "002-c": 100, "002-d": 200}
LENGTHS |= {"002-e": 200, "002-f": 200, "003-a": 10, "003-b": 20, "003-c": 20, "003-d": 10, "003-e": 10, "003-f": 10}
LENGTHS |= {"004-b": 21}


@pytest.mark.parametrize("name", [name for name, one in EVERY.items() if one.curves])
def test_a_curve_and_its_seconds_have_a_value_an_epoch(name):
    one = EVERY[name]
    lengths = {len(one.epochs), len(one.seconds), *map(len, one.curves.values())}
    assert lengths == {LENGTHS[name[:5]]}
    assert one.epochs == (range(21, 42) if name == "004-b" else range(1, LENGTHS[name[:5]] + 1))
    lost = [(series, at) for series, values in one.curves.items() for at, value in enumerate(values) if value is None]
    assert lost == ([("train_accuracy", 20)] if name == "004-b" else [])
    assert one.train_is_running_mean == name.startswith("002")


@pytest.mark.parametrize("name", OF_002)
def test_002_kept_the_epoch_of_the_least_val_loss_and_compared_the_greatest_val_accuracy(name):
    one, accuracies = EVERY[name], EVERY[name].curves["val_accuracy"]
    losses = [loss for _, loss in one.points("val_loss")]
    assert one.kept
    assert one.best
    for at, series in ((one.kept, min(losses)), (one.best, None)):
        assert at.epoch
        assert (at.val_accuracy, at.val_loss) == (accuracies[at.epoch - 1], losses[at.epoch - 1])
        assert series is None or at.val_loss == series
    assert one.best.val_accuracy == max(val(name))
    for accuracy in val(name):
        assert abs(round(accuracy * VAL) / VAL - accuracy) <= 0.00005 + 1e-9, "a share of 3,588 images"


def test_every_part_has_an_origin_and_every_training_a_source():
    assert {name[:3] for name in EVERY} == set(REPORTS)
    for name, one in EVERY.items():
        filled = {part for part in Reported.model_fields if part in ("test", "curves", "seconds", "confusion_matrix")}
        filled |= {"classes", "parameters", "examples"}
        assert {part for part in filled if getattr(one, part)} <= set(one.origin), name
        assert one.sources, name
        for source in one.sources:
            assert bool(source.report) != bool(source.repository)
            assert source.lines if source.report else source.file and source.address


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_states_what_its_report_does_and_nothing_else(name):
    one, data = RECIPES[name], reported(name)
    assert set(one.stated) <= set(one.shows)
    assert bool(one.stated) == (data is not None)
    for figure, stated in one.stated.items():
        assert data
        assert stated == data.figures[figure]
        assert stated.origin in ("report", "notebook")
    assert one.n == (sum(TESTED["002"]) if name.startswith("002") else 10_000) or not data


def test_the_figures_are_those_of_the_matrix_and_the_curve():
    assert {name: RECIPES[name].figures["first_accuracy"] for name in PUBLISHED if name.startswith("001")} == {
        f"001-{letter}": value for letter, value in zip("abcd", (0.1028, 0.9514, 0.2512, 0.4089), strict=True)
    }
    epochs = {name: known(name).figures["best_epoch"].value for name in PUBLISHED if name.startswith("001")}
    assert list(epochs.values()) == [17, 12, 17, 14]
    for name, kept, best in (("b", 200, 366), ("d", 126, 167), ("e", 192, 192), ("f", 158, 181)):
        figures = RECIPES[f"002-{name}"].figures
        assert (figures["best_epoch"], figures["max_val_epoch"]) == (kept, best)
        accuracies = val(f"002-{name}")
        assert (figures["kept_val_accuracy"], figures["max_val_accuracy"]) == (accuracies[kept - 1], max(accuracies))
    for name in ("004-a", "004-b"):
        assert RECIPES[name].figures["recall_6"] == matrix(name)[6, 6] / 1000
    assert not any("train" in figure and "trainable" not in figure for figure in known("002-b").figures), (
        "running means"
    )
    assert RECIPES["004-b"].figures["train_accuracy_21"] == known("004-b").curves["train_accuracy"][0] == 0.9765


# --- the data and their originals -------------------------------------------------------------------------------------

SERIES = {"accuracy": "train_accuracy", "loss": "train_loss", "val_accuracy": "val_accuracy", "val_loss": "val_loss"}
AXES = {"neurons": "width", "kernels": "convolution"}


def originals() -> dict[str, dict[str, Any]]:
    """The original data of every training, by the names that it has here."""
    found = json.loads(ORIGINAL.read_text(encoding="utf-8"))
    for stage, values in found["002-a"]["stages"].items():
        for option, one in values["options"].items():
            found[f"002-a/{AXES.get(stage, stage)}/{option.removesuffix('.0')}"] = one
    for option, one in found["002-c"]["cells"].items():
        found[f"002-c/convolution/{option}"] = one
    return {name: one for name, one in found.items() if name not in ("_meta", "002-a", "002-c")}


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original data are not on this machine")
def test_every_value_is_the_original_one():
    found = originals()
    assert set(found) == {name for name in EVERY if "earlier" not in name}
    for name, original in found.items():
        one, epochs = EVERY[name], original.get("epochs") or {}
        curves: dict[str, Any] = {**one.curves}
        for key, series in SERIES.items():
            if key in epochs:
                series = "train_share_of_class_0" if (name, key) == ("003-b", "accuracy") else series
                assert list(curves[series]) == epochs[key], (name, key)
        if "accuracy_percent" in epochs:
            assert [round(100 * value, 2) for value in val(name)] == epochs["accuracy_percent"]
            assert list(np.cumsum(np.array(one.seconds, dtype=int))) == epochs["elapsed_s"]
        elif epochs:
            assert list(one.seconds) == epochs["seconds"]
        counts = original.get("confusion_matrix")
        assert one.confusion_matrix == (tuple(map(tuple, counts)) if counts else None)
        assert [list(pair) for pair in one.confusions] == (original["sentences"] if name[:3] == "000" else [])
        if table := original.get("per_class"):
            assert [[recall, precision] for precision, recall in one.classes] == table["rows"]
        for ours, key in ((one.kept, "kept_weights"), (one.best, "best_val_accuracy")):
            if theirs := original.get(key):
                assert ours
                assert (ours.epoch, ours.val_accuracy) == (theirs["epoch"], theirs["val_accuracy"])
                assert ours.val_loss == theirs["val_loss"]
        _compare_test(name, one, original.get("test") or {})
        _compare_examples(one, original.get("examples") or [])


def _compare_test(name: str, one: Reported, test: dict[str, Any]) -> None:
    for key in ("n", "accuracy", "loss", "errors", "balanced_accuracy"):
        if key in test and (name, key) != ("003-b", "accuracy"):
            assert one.test[key] == round(test[key], 4), (name, key)
    if name == "003-b":
        assert one.test["share_of_class_0"] == test["accuracy"]
    if "best_accuracy_percent" in test:
        assert round(100 * one.test["accuracy"], 2) == test["best_accuracy_percent"]
    if bar := test.get("progress_bar"):
        assert (one.test["running_mean_accuracy"], one.test["running_mean_loss"]) == (bar["accuracy"], bar["loss"])


def _compare_examples(one: Reported, examples: list[dict[str, Any]]) -> None:
    for ours, theirs in zip(one.examples, examples, strict=True):
        assert (ours.index, ours.true, ours.predicted) == (theirs["index"], theirs["true"], theirs["predicted"])
        assert list(ours.probabilities) == theirs.get("probabilities", [])
        assert list(ours.shown) == theirs.get("as_the_report_shows", [])
        if "confidence_percent" in theirs:
            assert ours.confidence == pytest.approx(theirs["confidence_percent"] / 100)


# --- the errata -------------------------------------------------------------------------------------------------------


def says(key: str, *numbers: tuple[float, int | None]) -> None:
    """Check that a text has each of these numbers, with so many decimals, in every language."""
    for language in words.languages():
        text = words.text(language, key)
        for value, digits in numbers:
            assert words.number(value, digits, language=language) in text, (key, language, value)


def z_of(first: float, second: float, n: int) -> float:
    """The difference of two shares of `n` images each, in standard errors."""
    mean = (first + second) / 2
    return abs(first - second) / math.sqrt(mean * (1 - mean) * 2 / n)


def test_what_is_said_of_000_follows_from_it():
    d, e = (known(f"000-{letter}").test for letter in "de")
    says("erratum.000_alike", (d["errors"] - e["errors"], None), (z_of(d["accuracy"], e["accuracy"], 10_000), 2))
    sizes = [size for size in range(1, 10_001) if math.ceil(10_000 / size) == 40]
    says("assumed.forty_batches", (sizes[0], None), (sizes[-1], None), (40, None))
    assert RECIPES["000-a"].values["batch_size"] == sizes[-1]


def test_what_is_said_of_001_follows_from_it():
    unused = 16 * 5 * 5 * 120 + 120
    says("erratum.001_dead_layer", (unused, None), (RECIPES["001-a"].computed["parameters"] + unused, None))
    curve = val("001-a")
    low = [(epoch, value) for epoch, value in enumerate(curve[4:], start=5) if value < 0.96]
    assert [epoch for epoch, _ in low] == [5, 7]
    says("erratum.001_range", *((100 * value, 2) for _, value in low), (5, None), (7, None))
    *before, last = val("001-b")
    says("assumed.001_stop", (100 * max(before), 2), (100 * last, 2))
    assert max(before) < RECIPES["001-b"].values["target_accuracy"] <= last


def test_what_is_said_of_002_b_follows_from_its_matrix_and_the_search():
    counts, table = matrix("002-b"), np.array(known("002-b").classes)
    precision, recall = table.T
    assert (recall.argmin(), precision.argmin()) == (0, 3)
    says("erratum.002_worst_classes", (recall.min(), 4), (precision.min(), 4), (counts[3, 1], None))
    without = [known(f"002-a/{name}").best for name in ("width/4096", "activation/relu", "dropout/0")]
    first, second, third = (best.val_accuracy for best in without if best)
    chosen, own = (max(val(name)) for name in ("002-a/dropout/0.25", "002-b"))
    images = round((chosen - third) * VAL)
    says("erratum.002_dropout", (images, None), (VAL, None), (chosen - third, 4), (first, 4), (third, 4), (own, 4))
    assert first == second < third
    assert own < min(first, second, third)
    says("erratum.002_count", (8_371 + VAL, None), (VAL, None), (1_712, None), (8_371 + VAL + 3_421, None))
    assert int(0.7 * 11_959) + VAL == 8_371 + VAL == 11_959
    says("erratum.002_count", (8_371 + VAL + 3_421 + 1_712, None))
    assert DATASETS["bloodmnist"].counts == {"train": 11_959, "val": 1_712, "test": 3_421}


def test_figure_15_of_002_shows_the_probabilities_of_the_other_network():
    (mlp,) = [one for one in known("002-b").examples if one.index == 62]
    (cnn,) = [one for one in known("002-d").examples if one.index == 62]
    assert np.allclose(mlp.shown, cnn.probabilities, rtol=0, atol=1e-6)
    assert not np.allclose(mlp.shown, mlp.probabilities, rtol=0, atol=0.05)
    drawn_again = {one.index for one in known("002-b").examples if one.shown} - {62}
    assert drawn_again == {0, 25, 36}
    says("erratum.002_figure_15", *((image, None) for image in drawn_again))
    says("erratum.002_figure_15", (62, None), (mlp.shown[2], 3), (mlp.probabilities[2], 3))


def test_what_is_said_of_002_d_follows_from_it():
    says("erratum.002_second_training", (known("002-d-second").test["accuracy"], 4))
    mlp, cnn = (known(name).parameters["total"] for name in ("002-b", "002-d"))
    says("erratum.002_ratio", (mlp / cnn, 1))
    grid = {name: max(val(name)) for name in OF_002 if name.startswith("002-c/")}
    assert len(grid) == 20
    best = max(grid.values())
    enough = best - math.sqrt(best * (1 - best) / VAL)
    smallest = min((name for name in grid if grid[name] >= enough), key=lambda name: known(name).parameters["total"])
    assert smallest.endswith("/32@9")
    says("erratum.002_one_standard_error", (grid[smallest], 4), (known(smallest).parameters["total"], None))


def test_what_is_said_of_002_f_follows_from_its_three_trainings():
    second, third = known("002-f-second"), known("002-f-variant")
    figures = [(one.test[name], 4) for one in (second, third) for name in ("accuracy", "balanced_accuracy")]
    says("erratum.002_empty_section", *figures, (third.parameters["trainable"], None))
    counts = known("002-f").parameters
    assert counts["total"] == counts["trainable"] + counts["non_trainable"]
    says("erratum.002_statistics", (counts["total"], None), (counts["non_trainable"], None))


def test_what_is_said_of_the_searches_of_002_follows_from_their_curves():
    names = [name for name in OF_002 if name.startswith(("002-a/", "002-c/"))]
    late = {name: known(name).best for name in names}
    epochs = {name: best.epoch for name, best in late.items() if best and best.epoch}
    of_mlp = [epoch for name, epoch in epochs.items() if name.startswith("002-a")]
    says("recipe.002-a.help", (min(of_mlp), None), (max(of_mlp), None), (500, None))
    of_cnn = [epoch for name, epoch in epochs.items() if name.startswith("002-c")]
    says("recipe.002-c.help", (sum(epoch >= 90 for epoch in of_cnn), None), (len(of_cnn), None), (90, None))
    earlier = [(name.partition("/earlier")[0], one.best) for name, one in EVERY.items() if "/earlier" in name]
    assert {name for name, _ in earlier if name not in late} == {"002-c/convolution/256@5"}
    gaps = [abs(best.val_accuracy - max(val(name))) for name, best in earlier if best and name in late]
    says("recipe.002-c.help", (max(gaps), 4))
    filters = sorted(max(val(name)) for name in names if name.startswith("002-c"))
    assert max(gaps) > filters[-1] - filters[-5], "more than the best five differ"


def test_what_is_said_of_003_follows_from_it():
    loss, share = (RECIPES["003-b"].figures[name] for name in ("loss", "share_of_class_0"))
    doubt = doubt_accuracy_at_loss(Figure(loss, 4), Figure(share, 4))
    assert doubt
    says("erratum.003_impossible", (doubt.slots["least"], 3), (math.log(2), 3))
    says("erratum.003_share", (round(10_000 * share), None), (TESTED["000"][0], None))
    assert round(100 * abs(share - TESTED["000"][0] / 10_000), 1) == 0.1
    curve = known("003-b").curves["train_share_of_class_0"]
    assert curve[-1] == round(5_923 / 60_000, 4), "the true share of class 0 in train"
    says("erratum.003_rounded", (RECIPES["003-f"].figures["loss"], 4))


def test_what_is_said_of_004_follows_from_it():
    a, b = (known(f"004-{letter}").test["accuracy"] for letter in "ab")
    says("erratum.004_not_equal", (a, 4), (b, 4), (z_of(a, b, 10_000), 1))
    says("erratum.004_over_fitting", (known("004-a").test["loss"], 4), (a, 4))
    says("note.004_cut_off", *((count, None) for count in known("004-a").parameters.values()))
    spec = RECIPES["004-a"].spec()
    rows = spec.table((1, 28, 28), 10)
    convolutions = [row.parameters for row in rows if type(row.layer).__name__ == "Conv"]
    assert list(known("004-a").parameters.values()) == convolutions
    says("note.004_epochs_lost", (known("004-b").epochs[0], None), (known("004-b").epochs[-1], None))
    flat = next(row.shape[0] for row in RECIPES["004-b"].spec().table((1, 28, 28), 10) if len(row.shape) == 1)
    says("erratum.004_wider", (28 * 28, None), (flat, None))
    assert 1_875 * spec.batch_size == 60_000, "the steps of an epoch: no image is left for a val split"


@pytest.mark.parametrize("name", PUBLISHED)
def test_only_the_trainings_that_watched_test_are_said_to_have(name):
    watched = {*(f"000-{letter}" for letter in "abcde"), *(f"003-{letter}" for letter in "def")}
    keys = [key for _, key in RECIPES[name].errata]
    assert ("erratum.validated_on_test" in keys) == (name in watched)
    assert ("erratum.001_selected_on_test" in keys) == name.startswith("001")
    alone = name in ("003-a", "003-b", "003-c", "004-a", "004-b")  # `fit` without validation data
    assert ("note.test_once" in RECIPES[name].notes) == alone


def test_what_is_inferred_is_said_and_what_is_proven_is_not():
    rates = {"000-a", "000-c", "000-d", *(name for name in PUBLISHED if name.startswith(("003", "004")))}
    assert {name for name in PUBLISHED if "learning_rate" in RECIPES[name].assumed} == rates
    for name in PUBLISHED:
        expected = {
            "000": {"batch_size", "epochs", "normalisation", "best_by"},
            "001": {"optimizer", "target_accuracy", "seed"},
        }.get(name[:3], set())
        assert set(RECIPES[name].assumed) - {"learning_rate"} == expected, name
