"""Every recipe is a spec that its data take; a published one has the report's network and figures, and a verdict."""

import json
import subprocess
import sys

import numpy as np
import pytest

from core import store, words
from core.__main__ import main
from core.commands.recipes import _said
from core.datasets import DATASETS, dataset
from core.measures.claims import Figure, doubt_count
from core.measures.repeats import SEEDS
from core.measures.verdict import Verdict
from core.recipes import PUBLISHED, RECIPES, VARIANTS, repeated_by
from core.recipes.results import Result, Row, epochs_to, keep, of_run, of_seeds, rows, stored
from core.refusal import Refusal
from core.spec import RunSpec
from core.work import work
from tests.browser import ROOT
from tests.real_data import REAL_DATA, with_mnist

LANGUAGES = words.languages()


def table(name):
    spec = RECIPES[name].spec()
    known = DATASETS[spec.data]
    return spec.table(known.shape, known.class_count)


def parameters(name):
    return sum(row.parameters for row in table(name))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_spec_that_says_its_title_and_reason_in_every_language(name):
    assert RECIPES[name].spec(seed=5).seed == 5
    assert parameters(name) > 0
    for language in LANGUAGES:
        assert all(words.text(language, f"recipe.{name}.{part}") for part in ("title", "help"))


@pytest.mark.parametrize("name", ["mnist-best", "fashion-best", "drawing", "drawing-mnist-only"])
def test_what_is_said_to_be_small_has_fewer_than_100000_parameters(name):
    assert parameters(name) < 100_000


@pytest.mark.slow
@with_mnist
def test_mnist_fast_reads_99_of_100_digits_that_it_has_never_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    monkeypatch.setenv("BANCADA_STORE", str(tmp_path))
    assert dataset("mnist").state()[0] == "ready"
    run = store.create(RECIPES["mnist-fast"].spec(seed=10))  # none of the benchmark's
    assert work(str(run.folder)) == "done"
    report = run.report()
    assert report
    assert report.accuracy >= 0.99


# --- the published ones -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_has_exactly_the_reported_number_of_parameters(name):
    one, rows = RECIPES[name], table(name)
    counts = {**one.figures, **one.computed}
    frozen = sum(row.parameters for row in rows[: one.spec().frozen])
    assert frozen == counts.get("frozen_parameters", 0)
    assert parameters(name) - frozen == counts.get("trainable_parameters", counts.get("parameters"))


def test_only_002_states_numbers_of_parameters():
    stated = {
        name: one.origin for name in PUBLISHED for key, one in RECIPES[name].stated.items() if "parameters" in key
    }
    assert stated == {"002-b": "report", "002-d": "report", "002-e": "report", "002-f": "notebook"}
    assert len([name for name in PUBLISHED if "parameters" in RECIPES[name].computed and RECIPES[name].stated]) == 17


def test_the_means_and_variances_of_002_f_make_up_what_its_report_counts():
    assert parameters("002-f") + sum(row.statistics for row in table("002-f")) == 351_048


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_a_report_prints_leaves_open_and_gets_wrong_is_said_in_every_language(name):
    one = RECIPES[name]
    assert set(one.assumed) <= set(RunSpec.model_fields)
    assert all(figure in ("", *one.figures, *one.computed) for figure, _ in one.errata), "a figure that is not shown"
    for language in LANGUAGES:
        assert all(words.text(language, f"figure.{figure}") for figure in (*one.figures, *one.computed))
        assert all(words.text(language, f"origin.{stated.origin}") for stated in one.stated.values())
        assert all(words.text(language, key) for key in (*dict(one.errata).values(), *one.notes, *one.assumed.values()))
    assert one.is_impossible() == (name == "003-b")
    assert bool(one.sources) == bool(one.figures)
    if one.n is not None:
        errors, accuracy = one.figures.get("errors"), one.figures["accuracy"]
        assert errors is None or errors == one.n - round(accuracy * one.n)
        assert doubt_count(Figure(accuracy, 4), one.n) is None


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_faithful_variant_uses_test_as_its_report_did_and_the_others_use_it_once(name):
    uses = {"000": "watched", "001": "selected", "002": "once", "003": "watched", "004": "watched"}
    one = RECIPES[name]
    faithful, honest, short = (one.spec(variant) for variant in VARIANTS)
    assert [faithful.test_use, honest.test_use, short.test_use] == [uses[name[:3]], "once", "once"]
    assert honest.best_by == "val_accuracy"
    assert (faithful.best_by == "val_loss") == name.startswith("002")
    assert short.time_limit is not None
    assert short.time_limit <= 60
    for field in ("data", "layers", "defaults", "optimizer", "learning_rate", "batch_size", "normalisation"):
        assert getattr(faithful, field) == getattr(honest, field) == getattr(short, field), field


def test_every_variant_is_known_by_its_spec_whatever_its_seed():
    for name in PUBLISHED:
        for variant in VARIANTS:
            spec = RECIPES[name].spec(variant, seed=8)
            assert repeated_by(RunSpec.model_validate_json(spec.model_dump_json())) == (name, variant)
    assert repeated_by(RunSpec()) is None
    assert repeated_by(RECIPES["003-f"].spec(epochs=11)) is None
    with pytest.raises(Refusal, match="variant_unknown"):
        RECIPES["mnist-fast"].spec("short")


@pytest.fixture
def made_up(home, tmp_path, monkeypatch):
    """Data of the published ones' layouts, made up: `grey` of ten classes, `colour` of eight, both with a val split."""
    generator = np.random.default_rng(0)
    for name, classes, shape in (("grey", 10, (28, 28)), ("colour", 8, (28, 28, 3))):
        arrays = {}
        for part, count in {"train": 80, "val": 16, "test": 20}.items():
            arrays[f"{part}_images"] = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
            arrays[f"{part}_labels"] = (np.arange(count) % classes).astype(np.uint8)
        np.savez(tmp_path / f"{name}.npz", **arrays)
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path))


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_training_runs_and_prints_a_verdict(made_up, name):
    one = RECIPES[name]
    data = "colour" if DATASETS[one.values["data"]].shape[0] == 3 else "grey"
    others = {}
    if one.weights_from:
        first = store.create(RECIPES[one.weights_from].spec("short", data=data, epochs=1))
        assert work(str(first.folder)) == "done"
        others = {"weights_from": first.name}
    run = store.create(one.spec("short", data=data, epochs=1, seed=3, **others))
    assert work(str(run.folder)) == "done", run.latest()
    result = of_run(run, (name, "short"))
    assert result
    assert result.processor_seconds is not None
    assert (result.recipe, result.data, result.seed, result.n) == (name, data, 3, 20)
    report = run.report()
    assert report
    assert (result.accuracy, result.test_use) == (report.accuracy, "once")
    for figure in one.figures:  # all that the report prints is measured, but an epoch that was not reached
        assert result.figure(figure) is not None or figure in ("epochs_to_98", "train_accuracy_21")
    assert result.figure("errors") == 20 - sum(row[k] for k, row in enumerate(report.confusion_matrix))
    assert Row(name, "short", data, (result,)).verdict.word == "not_comparable"


def test_a_run_whose_log_has_lost_its_epochs_has_no_result(made_up):
    run = store.create(RECIPES["000-a"].spec("short", data="grey", epochs=1))
    assert work(str(run.folder)) == "done"
    log = run.folder / "events.jsonl"
    log.write_text(log.read_text().replace('"event":"epoch"', '"event":"?"'))
    assert run.is_done()
    assert of_run(run, ("000-a", "short")) is None


# --- results ----------------------------------------------------------------------------------------------------------


def result(name="003-f", seed=0, accuracy=0.9907, **others):
    values = {
        "variant": "faithful",
        "data": RECIPES[name].values["data"],
        "n": 10_000,
        "test_use": "watched",
        "val_accuracy": (0.97, 0.98, accuracy),
        "best_epoch": 3,
        "loss": 0.03,
        "balanced_accuracy": accuracy,
        "recall": 10 * (accuracy,),
        "parameters": 56_970,
        "seconds": 1.0,
        "machine": "none",
        "versions": {"torch": "0"},
        "date": "2026-11-22",
    }
    return Result(**values | {"recipe": name, "seed": seed, "accuracy": accuracy} | others)


@pytest.mark.parametrize(
    ("name", "results", "word"),
    [
        ("003-f", [], "not_measured"),
        ("003-f", [result()], "reproduced"),
        ("003-f", [result(accuracy=0.98)], "worse"),
        ("003-f", [result(accuracy=0.9950)], "better"),
        ("003-b", [result("003-b", accuracy=0.975)], "impossible"),
    ],
    ids=["none", "equal", "lower", "higher", "of an impossible figure"],
)
def test_a_row_of_results_has_a_verdict(name, results, word):
    found = Row(name, "faithful", "mnist", tuple(results))
    assert found.verdict.word == word
    if results:
        delta = found.verdict.delta
        assert delta == pytest.approx(results[0].accuracy - RECIPES[name].figures["accuracy"])
        assert Row(name, "short", "mnist", tuple(results)).verdict.word == "not_comparable"
        assert Row(name, "honest", "other", tuple(results)).verdict.word == "not_comparable"
    else:
        assert found.verdict == Verdict("not_measured")


def test_results_are_kept_one_a_seed_in_the_order_of_the_recipes(tmp_path):
    path = tmp_path / "results.json"
    assert stored(path) == []
    keep([result(seed=1), result(seed=0, accuracy=0.9)], path)
    keep([result("000-a", accuracy=0.91), result(seed=0), result(variant="honest", test_use="once")], path)
    kept = stored(path)
    assert [(one.recipe, one.variant, one.seed, one.accuracy) for one in kept] == [
        ("000-a", "faithful", 0, 0.91),
        ("003-f", "faithful", 0, 0.9907),
        ("003-f", "faithful", 1, 0.9907),
        ("003-f", "honest", 0, 0.9907),
    ]
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(kept) + 2
    assert "processor_seconds" not in path.read_text(encoding="utf-8"), "as in the results of earlier versions"
    keep([result(seed=1, processor_seconds=2.5)], path)
    assert [one.processor_seconds for one in stored(path)] == [None, None, 2.5, None]
    found = rows(kept)
    assert {(row.recipe, row.variant) for row in found} == {
        (name, variant) for name in PUBLISHED for variant in VARIANTS
    }
    assert [len(row.results) for row in found if row.recipe == "003-f"] == [2, 1, 0]
    assert [row.data for row in rows([result("000-a", data="another")])][:2] == ["mnist", "another"]
    assert result("004-a", recall=(0.5, 0.5)).figure("recall_6") is None, "of data with two classes"


def test_what_has_no_reported_figure_is_measured_without_a_verdict():
    accuracies = (0.8, 0.81, 0.83)
    results = tuple(result("002-e-meant", seed, accuracy) for seed, accuracy in enumerate(accuracies))
    for variant, word in zip(VARIANTS, ("not_reported", "not_reported", "not_comparable"), strict=True):
        found = Row("002-e-meant", variant, "bloodmnist-64", results).verdict
        assert (found.word, found.seeds, found.delta, found.tolerance) == (word, 3, None, None)
        assert (found.measured, found.spread) == (pytest.approx(0.81333, abs=1e-5), pytest.approx(0.01528, abs=1e-5))
    assert Row("002-e-meant", "faithful", "bloodmnist-64").verdict == Verdict("not_measured")


def test_figures_of_single_epochs_and_of_one_class_are_measured():
    accuracies, matrix = (0.5, 0.9, 0.8, 0.9), ((3, 1), (2, 4))
    one = result(val_accuracy=accuracies, best_epoch=3, train_accuracy=accuracies, confusion_matrix=matrix, n=10)
    measured = {"max_val_accuracy": 0.9, "max_val_epoch": 2, "kept_val_accuracy": 0.8, "best_epoch": 3}
    measured |= {"train_accuracy_1": 0.5, "train_accuracy_21": None, "share_of_class_0": 0.5}
    assert {name: one.figure(name) for name in measured} == measured
    assert result().figure("share_of_class_0") is result().figure("train_accuracy_1") is None, "in earlier results"


KEEPS = """
import sys
from pathlib import Path
from core.recipes.results import Result, keep

one = Result.model_validate_json(sys.argv[2])
for seed in range(int(sys.argv[3]), int(sys.argv[3]) + 20):
    keep([one.model_copy(update={"seed": seed})], Path(sys.argv[1]))
"""


def test_processes_that_keep_results_at_the_same_time_lose_none(tmp_path):
    path, one = tmp_path / "results.json", result().model_dump_json()
    command = [sys.executable, "-c", KEEPS, str(path), one]
    processes = [subprocess.Popen([*command, str(first)], cwd=ROOT) for first in (0, 20, 40)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert [one.seed for one in stored(path)] == list(range(60))


def test_the_results_beside_the_recipes_are_what_runs_of_them_came_to():
    for one in stored():
        assert one.recipe in PUBLISHED
        assert one.test_use == RECIPES[one.recipe].spec(one.variant).test_use
        assert one.parameters == parameters(one.recipe)
        assert one.accuracy * one.n == pytest.approx(round(one.accuracy * one.n))


def test_a_spread_over_seeds_is_known_of_what_was_measured_often_enough_and_never_of_what_time_cuts_off():
    found = {
        (name, variant): of_seeds(RECIPES[name].spec(variant, seed=7)) for name in PUBLISHED for variant in VARIANTS
    }
    counts = {(row.recipe, row.variant): len(row.results) for row in rows(stored()) if row.is_own}
    for (name, variant), row in found.items():
        assert (row is not None) == (counts[name, variant] >= SEEDS and variant != "short")
        if row:
            assert (row.recipe, row.variant, len(row.results)) == (name, variant, counts[name, variant])
    assert any(found.values())
    assert of_seeds(RunSpec()) is None


@pytest.mark.parametrize("accuracies", [(), (0.6,), (0.6, 0.985, 0.97)], ids=["none", "one", "three"])
def test_the_table_and_the_last_line_of_every_recipe_and_variant_say_what_was_measured(tmp_path, capsys, accuracies):
    path = tmp_path / "results.json"
    keep(
        (
            result(name, seed, accuracy, variant=variant, val_accuracy=(0.5, accuracy), data=data)
            for name in PUBLISHED
            for variant in VARIANTS
            for seed, accuracy in enumerate(accuracies)
            for data in (RECIPES[name].values["data"], "other-data")
        ),
        path,
    )
    shown = [row for row in rows(stored(path)) if row.results or row.variant == "faithful"]
    assert len(shown) == len(PUBLISHED) * (2 * len(VARIANTS) if accuracies else 1)
    assert main(["recipes", "table", "--store-results", str(path), "--json"]) == 0
    for row, line in zip(shown, map(json.loads, capsys.readouterr().out.splitlines()), strict=True):
        assert (line["recipe"], line["variant"], line["data"]) == (row.recipe, row.variant, row.data)
        assert line["seeds"] == len(row.results) == len(accuracies)
        assert line["measured"] == (pytest.approx(sum(accuracies) / len(accuracies)) if accuracies else None)
        assert (line["spread"] is not None) == (len(accuracies) >= 3)
        assert (line["tolerance"] is not None) == (line["verdict"] in ("reproduced", "better", "worse"))
        if line["tolerance"] is not None:
            assert (abs(line["delta"]) <= line["tolerance"]) == (line["verdict"] == "reproduced")
            assert f"(tolerance {words.number(line['tolerance'], 4, language='en')})" in _said(row)[1]
        assert line["figures"].keys() == RECIPES[row.recipe].figures.keys()
        assert line["verdict"] != "not_reported" or (accuracies and line["reported"] is None)
        judged = line["verdict"] not in ("impossible", "not_reported")
        if accuracies and row.variant == "faithful" and row.is_own and judged:
            assert line["delta"] == pytest.approx(line["measured"] - line["reported"])
            assert line["verdict"] in ("reproduced", "better", "worse")
    assert main(["recipes", "table", "--store-results", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    for row, line in zip(shown, lines, strict=True):
        one, said = RECIPES[row.recipe], _said(row)[1]
        for figure in ("parameters", "trainable_parameters"):
            if stated := one.stated.get(figure):
                key = "cli.figure" if stated.origin == "report" else "cli.figure_notebook"
                line = words.text("en", key, figure="", reported=int(stated.value), measured="")
                assert line in said, "whole, even in millions"
        for count in one.computed.values():
            assert f": {words.number(count, language='en')}, computed from the network," in said
            assert f"reported {words.number(count, language='en')}" not in said
        selected = bool(accuracies) and row.recipe.startswith("001") and row.variant == "faithful"
        assert (words.text("en", "test_use.mark", accuracy="") in line) == selected


def test_a_verdict_is_said_in_the_terminals_language(monkeypatch):
    monkeypatch.setenv("LC_ALL", "pt_BR.UTF-8")
    *figures, last = _said(Row("003-b", "faithful", "mnist", (result("003-b", accuracy=0.975),)))[1].splitlines()
    assert figures[0] == "Acurácia: relatado 0,099; medido 0,975"
    figures = "relatado 0,0990 (0,0933 a 0,1050); medido 0,9750 (0,9718 a 0,9779); diferença +0,8760"
    assert last == f"003-b, faithful: {figures}; sementes 1: impossível"


def test_a_file_that_holds_no_results_is_refused_and_left_as_it_is(tmp_path, capsys):
    path = tmp_path / "notes.txt"
    path.write_text("not mine")
    assert main(["recipes", "table", "--store-results", str(path)]) == 1
    assert str(path) in capsys.readouterr().err
    with pytest.raises(Refusal, match="results_damaged"):
        keep([result()], path)
    assert path.read_text() == "not mine"


def test_the_first_epoch_at_a_target_is_counted_from_one():
    assert epochs_to(0.98, [0.95, 0.98, 0.97, 0.99]) == 2
    assert epochs_to(0.98, [0.5, 0.6114, 0.6]) is None
    assert result().figure("epochs_to_98") == 2
    assert (result().figure("first_accuracy"), result().figure("last_accuracy")) == (0.97, 0.9907)


def test_the_readme_shows_what_was_measured_of_each_published_experiment(capsys):
    assert main(["recipes", "table"]) == 0
    lines = capsys.readouterr().out.splitlines()
    short = f"| {words.text('en', 'variant.short')} |"  # whose results are not comparable
    measured = [line for line in lines[2:] if line.split("|")[6].strip() not in ("", "0") and short not in line]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(measured) >= 5
    assert all(line in readme for line in measured)
