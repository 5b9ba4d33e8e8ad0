"""The page Runs: the table of all runs, what is done with several at once, and runs side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core import store, words
from core.measures.answers import stored_answers
from core.measures.compare import difference, level_among, sentence
from core.measures.repeats import compare_seeds
from core.measures.selection import lift, lift_sentence
from core.measures.summary import Listed, all_differing, condition, front, in_order, status_of, summary
from core.refusal import Refusal
from core.search.study import Study
from core.spec import checked
from core.store import Label, Run
from core.work import work
from tests.page import LANGUAGES, button, texts
from tests.small_data import write_small_data
from ui import server

FIELDS = {"data": "mnist-5k", "epochs": 1, "batch_size": 512}


@pytest.fixture
def several(frame, trained):
    """Four runs: two finished ones of different networks, one with another seed, and one that waits."""
    found = [trained]
    for fields in ({"architecture": "mlp"}, {"architecture": "mlp", "seed": 1}):
        run = store.create(checked(FIELDS | fields))
        assert work(str(run.folder)) == "done"
        found.append(run)
    found.append(store.create(checked(FIELDS | {"learning_rate": 0.5}), label=Label(study="rates", tags=("late",))))
    return found


def rows(app):
    """The rows of the table of runs, each a list of its cells, the name first."""
    return app.dataframe[0].value.to_numpy().tolist()


def shown(app):
    return {row[0][-4:] for row in rows(app)}


def test_the_table_has_every_run_and_the_filters_leave_some_out(frame, several):
    app = frame("runs")
    assert shown(app) == {run.name[-4:] for run in several}
    app.multiselect(key="runs-status").select("queued").run()
    assert shown(app) == {several[-1].name[-4:]}
    assert app.query_params["status"] == "queued"
    app = frame("runs", architecture="mlp")
    assert shown(app) == {run.name[-4:] for run in several if run.spec.architecture == "mlp"}
    assert shown(frame("runs", study="rates")) == shown(frame("runs", tag="late")) == {several[-1].name[-4:]}
    by_accuracy = rows(frame("runs", sort="accuracy"))
    reports = {run.name[-4:]: report.accuracy for run in several if (report := run.report())}
    assert [row[0][-4:] for row in by_accuracy][:3] == sorted(reports, key=reports.__getitem__, reverse=True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_chosen_runs_are_compared_in_words_and_what_differs_is_marked(frame, several, language):
    a, b = several[:2]
    app = frame("runs", language, runs=f"{a.name},{b.name}")
    answers = {name: stored_answers(run) for name, run in (("1", a), ("2", b))}
    answers = {name: one for name, one in answers.items() if one}
    accuracy = {name: one.is_right.mean() for name, one in answers.items()}
    best, other = sorted(accuracy, key=accuracy.__getitem__, reverse=True)
    key, slots = sentence(difference(answers[other], answers[best]), other, best, language)
    said = texts(app)
    assert words.text(language, key, **slots) in said
    differ = all_differing([a.spec, b.spec])
    table = app.table[-1].value
    assert list(table.columns)[1:] == [words.text(language, f"spec.{name}.label") for name in differ]
    headings = list(app.dataframe[0].value.columns)
    assert {heading[2:] for heading in headings if heading.startswith("≠ ")} == set(table.columns[1:]) - {
        words.text(language, "spec.layers.label")
    }
    assert words.text(language, "spec.data.label") in headings
    assert len(app.get("vega_lite_chart")) == 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_seeds_of_one_spec_are_one_line_with_mean_and_spread(frame, several, language):
    app = frame("runs", language, runs=",".join(run.name for run in several[:3]))
    reports = [run.report().accuracy for run in several[1:3]]
    slots = {"mean": words.percent(float(np.mean(reports)), 2, language=language)}
    slots["points"] = ", ".join(words.percent(one, 2, language=language) for one in reports)
    assert words.text(language, "runs.seeds_few", names="2, 3", count=2, most=3, **slots) in texts(app)
    third = store.create(checked(FIELDS | {"architecture": "mlp", "seed": 2}))
    assert work(str(third.folder)) == "done"
    app = frame("runs", language, seeds="1", runs=",".join(run.name for run in (several[1], third)))
    reports.append(third.report().accuracy)
    slots = {"mean": words.percent(float(np.mean(reports)), 2, language=language)}
    slots["spread"] = words.number(100 * float(np.std(reports, ddof=1)), 2, language=language)
    assert words.text(language, "runs.mean", count=3, **slots).encode() in app.dataframe[0].proto.SerializeToString()
    slots["points"] = ", ".join(words.percent(one, 2, language=language) for one in reports)
    assert words.text(language, "runs.seeds", names="1", count=3, **slots).partition("** ")[2] in texts(app)


def line_of(app, run):
    """The row of the line whose newest run this is."""
    (found,) = [row for row in rows(app) if run.name[-4:] in row[0]]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_runs_that_differ_in_the_seed_alone_are_one_line_if_the_reader_wants_it(frame, several, language):
    assert len(rows(frame("runs", language))) == 4
    app = frame("runs", language, seeds="1", sort="accuracy")
    assert len(rows(app)) == 3
    assert words.text(language, "runs.lines", count=3) in texts(app)
    newest = max(several[1:3], key=lambda run: run.name)
    accuracies = [run.report().accuracy for run in several[1:3]]
    line = line_of(app, newest)
    place = list(app.dataframe[0].value.columns).index(words.text(language, "runs.column.accuracy"))
    assert line[place] == pytest.approx(np.mean(accuracies))
    said = {"mean": words.percent(float(np.mean(accuracies)), 2, language=language), "count": 2}
    shown_as = app.dataframe[0].proto.SerializeToString()
    assert words.text(language, "runs.mean_few", **said).encode() in shown_as
    best_first = sorted([several[0].report().accuracy, float(np.mean(accuracies))], reverse=True)
    assert [row[place] for row in rows(app)][:2] == pytest.approx(best_first)


def test_a_line_of_several_seeds_stands_for_all_its_runs(frame, several):
    app = frame("runs", seeds="1", runs=several[1].name)
    assert set(app.session_state["runs"]) == {run.name for run in several[1:3]}
    assert app.query_params["runs"] == max(run.name for run in several[1:3])
    assert words.text("en", "runs.chosen", count=2) in texts(app)
    assert "one spec, 2 seeds" in texts(app)
    assert len(app.get("vega_lite_chart")) == 2, "each run as a point, and the curves"
    assert "cannot be told apart" not in texts(app), "repetitions are not compared with each other"
    app.toggle(key="runs.grouped").set_value(False).run()
    assert len(rows(app)) == 4
    assert "seeds" not in app.query_params
    assert len(app.query_params["runs"].split(",")) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_lines_are_compared_over_their_seeds_and_a_single_run_with_the_newest(frame, several, language):
    fields = FIELDS | {"architecture": "mlp", "learning_rate": 0.0001}
    others = [store.create(checked(fields | {"seed": seed})) for seed in (0, 1)]
    for run in others:
        assert work(str(run.folder)) == "done"
    app = frame("runs", language, seeds="1", runs=f"{several[1].name},{others[0].name}")
    a, b = ({run.spec.seed: stored_answers(run) for run in runs} for runs in (several[1:3], others))
    key, slots = sentence(compare_seeds(b, a, share_splits=True), "2", "1", language)
    assert words.text(language, key, **slots) in texts(app)
    assert words.text(language, "runs.over_seeds", words="") not in texts(app)
    assert words.text(language, "runs.courses_mean") in texts(app)
    assert len(app.get("vega_lite_chart")) == 4
    differ = app.table[-1].value
    assert list(differ.columns)[1:] == [words.text(language, "spec.learning_rate.label")]
    app = frame("runs", language, seeds="1", runs=f"{several[0].name},{others[0].name}")
    beginning = words.text(language, "runs.stands_for", name="2", run="").rstrip(". ")
    assert beginning in texts(app)


def test_the_best_of_three_is_compared_at_a_level_for_all_three_pairs(frame, several):
    app = frame("runs", runs=",".join(run.name for run in several[:3]))
    answers = {str(place): found for place, run in enumerate(several[:3], 1) if (found := stored_answers(run))}
    best = max(answers, key=lambda name: answers[name].is_right.sum())
    for name in answers.keys() - {best}:
        key, slots = sentence(difference(answers[name], answers[best], level_among(3)), name, best, "en")
        assert words.text("en", key, **slots) in texts(app)
    assert words.text("en", "runs.pairs", count=3, pairs=3) in texts(app)


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_many_it_is_said_what_was_chosen_from_and_on_which_images(frame, tmp_path, language):
    (tmp_path / "data").mkdir()
    write_small_data(tmp_path / "data")
    fields = {"data": "tiny", "split": "official", "layers": "flatten, dense(classes)", "architecture": "custom"}
    specs = [checked(fields | {"epochs": 1, "learning_rate": rate / 100}) for rate in range(1, 7)]
    runs = [store.create(spec) for spec in (*specs, specs[0].model_copy(update={"seed": 1}))]
    for run in runs:
        assert work(str(run.folder)) == "done"
    answers = {run: found.is_right for run in runs if (found := stored_answers(run))}
    single = np.stack([answers[run] for run in runs[:6]])
    means = np.stack([np.mean([single[0], answers[runs[6]]], axis=0), *single[1:]])
    names = ",".join(run.name for run in runs[:6])
    for seeds, right, kind in (("0", single, "lift"), ("1", means, "seeds_lift")):
        key, slots = lift_sentence(replace(lift(right), kind=kind), 6, language)
        assert key == f"selection.{kind}"
        assert words.text(language, key, **slots) in texts(frame("runs", language, seeds=seeds, runs=names))


def test_one_seed_that_was_trained_twice_counts_once(frame, several):
    again = store.create(several[2].spec)
    assert work(str(again.folder)) == "done"
    app = frame("runs", runs=",".join(run.name for run in (several[1], several[2], again)))
    (said,) = [one for one in texts(app).splitlines() if " seeds: mean " in one]
    assert "**: one spec, 2 seeds" in said
    app = frame("runs", runs=f"{several[2].name},{again.name}")
    assert " seeds: mean " not in texts(app)


def test_a_seed_that_is_damaged_is_left_out_of_the_comparison_and_named(frame, several):
    fields = FIELDS | {"architecture": "mlp", "learning_rate": 0.05}
    whole, damaged = (store.create(checked(fields | {"seed": seed})) for seed in (0, 1))
    for run in (whole, damaged):
        assert work(str(run.folder)) == "done"
    (damaged.folder / "predictions.safetensors").write_bytes(b"damaged")
    app = frame("runs", runs=f"{several[1].name},{whole.name}")
    assert words.text("en", "runs.left_out", names=damaged.name) in texts(app)
    assert "Over all seeds" not in texts(app), "one is left"


def test_chosen_runs_that_are_deleted_meanwhile_are_left_out(frame, several, monkeypatch):
    before = server.listed()
    monkeypatch.setattr(server, "listed", lambda: before)  # as it was when another visitor deleted two
    several[1].delete()
    several[3].delete()
    app = frame("runs", runs=",".join(run.name for run in several[1:]))
    assert words.text("en", "runs.chosen", count=1) in texts(app)
    assert not [one for one in app.button if one.key == "runs-stop"]
    app = frame("runs", runs=several[3].name)
    assert not [one for one in app.button if one.key == "runs-delete"]


def test_a_name_is_shown_as_it_was_written(frame, several):
    several[0].relabel(name="a_b [1]")
    app = frame("runs", runs=",".join(run.name for run in several[:2]))
    assert "1 a_b [1]" in app.dataframe[1].value.iloc[:, 0].tolist()
    charts = b"".join(one.proto.SerializeToString() for one in app.get("vega_lite_chart"))
    assert b"1 a_b [1]" in charts


def test_others_runs_are_stopped_and_resumed_only_after_a_warning(frame, several):
    queued = several[-1]
    warning = words.text("en", "runs.of_others", count=1)
    queued.relabel(owner="f" * 16)
    app = frame("runs", runs=queued.name)
    assert [one.value for one in app.warning] == [warning] * 2, "to stop, and to delete"
    app.button(key="runs-stop").click().run()
    assert queued.status() == "stopped"
    app = frame("runs", runs=queued.name)
    assert [one.value for one in app.warning] == [warning] * 2, "to resume, and to delete"
    queued.relabel(owner="")
    assert not frame("runs", runs=queued.name).warning


def test_a_run_is_named_and_tagged_and_several_are_stopped_resumed_and_deleted(frame, several):
    queued = several[-1]
    app = frame("runs", runs=queued.name)
    app.text_input[0].input("my run")
    app.text_input[1].input("one, two ,")
    button(app, "Save").click().run()
    assert (queued.label().name, queued.label().tags) == ("my run", ("one", "two"))
    assert "my run" in {row[0] for row in rows(app)}
    app.button(key="runs-stop").click().run()
    assert queued.status() == "stopped"
    app = frame("runs", runs=f"{queued.name},{several[1].name}")
    assert not [one for one in app.button if one.key == "runs-stop"]
    app.button(key="runs-delete").click().run()
    assert not app.exception
    assert {run.name for run in store.runs()} == {several[0].name, several[2].name}
    assert len(rows(app)) == 2
    assert "runs" not in app.query_params


def test_a_link_to_runs_that_are_gone_chooses_none(frame, several):
    app = frame("runs", runs="nothing,../etc")
    assert not app.button
    assert "runs" not in app.query_params


@pytest.mark.slow
def test_a_run_that_is_held_is_not_deleted_and_the_reason_is_said(frame, several):
    with several[1].hold():
        app = frame("runs", runs=f"{several[1].name},{several[2].name}")
        app.button(key="runs-delete").click().run()
    assert several[1].folder.exists()
    assert not several[2].folder.exists()
    assert words.text("en", "error.run_held", run=several[1].name).split("{")[0][:20] in texts(app)


# --- what the table says ----------------------------------------------------------------------------------------------


def test_a_summary_says_what_the_log_says_and_a_damaged_run_has_none(several):
    one = summary(several[0])
    report = several[0].report()
    assert (one.accuracy, one.interval, one.n) == (report.accuracy, report.accuracy_interval, report.n)
    assert (one.seconds, one.epochs_done) == (report.seconds, report.epochs)
    (several[1].folder / "spec.json").write_text("{")
    assert summary(store.find(several[1].name)).spec is None
    assert summary(several[-1]).epochs_done == 0
    assert sorted(listed.status for listed in server.listed()) == ["damaged", "done", "done", "queued"]


def test_conditions_and_order(several):
    listed = [Listed(summary(run), run.facts()["status"], run.label()) for run in several]
    assert [condition("tag=late", float).holds(one) for one in listed] == [False, False, False, True]
    assert [condition("accuracy>=0", float).holds(one) for one in listed] == [True, True, True, False]
    assert [condition("learning_rate=0.5", float).holds(one) for one in listed] == [False, False, False, True]
    assert [condition("study!=rates", float).holds(one) for one in listed] == [True, True, True, False]
    by = [one.summary.accuracy for one in in_order(listed, "accuracy")]
    wanted = sorted((report.accuracy for run in several if (report := run.report())), reverse=True)
    assert by == [*wanted, None]
    assert [one.summary.accuracy for one in in_order(listed, "accuracy", turned=True)] == [*wanted[::-1], None]
    for wrong in ("colour=red", "data", "seed>many", "study>5"):
        with pytest.raises(Refusal, match=r"runs\.no_"):
            condition(wrong, float)


def test_words_that_look_like_numbers_are_words(frame, several):
    several[0].relabel(study="5", tags=("2026",), name="7")
    listed = server.listed()
    for written in ("study=5", "tag=2026", "name=7"):
        assert [one.summary.run for one in listed if condition(written, float).holds(one)] == [several[0].name]
    others = {run.name for run in several[1:]}
    assert {one.summary.run for one in listed if condition("study!=5", float).holds(one)} == others
    assert len([one for one in listed if condition("study!=6", float).holds(one)]) == 4
    assert len([one for one in listed if condition("data!=5", float).holds(one)]) == 4


def test_the_status_of_a_finished_run_is_not_read_a_second_time(several, monkeypatch):
    found, waits = summary(several[0]), summary(several[-1])
    with monkeypatch.context() as patch:
        patch.setattr(Run, "facts", lambda _: pytest.fail("read again"))
        assert status_of(several[0], found) == "done"
    assert status_of(several[-1], waits) == "queued"
    (several[1].folder / "spec.json").write_text("{")
    damaged = store.find(several[1].name)
    assert status_of(damaged, summary(damaged)) == "damaged"


def test_the_front_holds_what_no_other_run_beats():
    assert front([1, 2, 3, 4], [0.9, 0.8, 0.95, 0.95]) == [0, 2]
    assert front([2, 2, 1], [0.9, 0.95, 0.5]) == [2, 1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_link_to_runs_that_are_not_here_names_them_and_shows_the_others(frame, several, language):
    app = frame("runs", language, runs=f"gone-1,{several[0].name},gone-2")
    sentence = words.text(language, "runs.unknown", count=2, names="gone-1, gone-2")
    assert [one.value.replace("\\", "") for one in app.warning] == [sentence]
    assert app.query_params["runs"] == several[0].name
    assert words.text(language, "runs.chosen", count=1) in texts(app)


def test_names_of_runs_that_are_not_here_are_said_until_none_is_chosen(frame, several):
    app = frame("runs", runs=f"gone,{several[0].name}")
    assert "gone" in app.warning[0].value
    app.button(key="runs-leave").click().run()
    assert not app.warning


def test_a_link_whose_runs_are_all_gone_says_so_over_an_empty_store_too_until_it_is_hidden(frame, several):
    for found in (several, []):
        app = frame("runs", runs="gone,gone-too")
        assert "gone, gone-too" in app.warning[0].value.replace("\\", "")
        app.button(key="runs-forget").click().run()
        assert not app.exception
        assert not app.warning
        assert "runs" not in app.query_params
        assert bool(app.dataframe) == bool(found)
        for run in found:
            run.delete()
    app = frame("runs", runs="gone")
    assert app.info[0].value == words.text("en", "runs.none_yet")


def test_names_of_runs_that_are_not_here_stay_where_a_line_of_seeds_is_completed(frame, several):
    app = frame("runs", seeds="1", runs=f"gone,{several[1].name}")
    assert {run.name for run in several[1:3]} < set(app.session_state["runs"])
    assert "gone" in app.run().warning[0].value


def shown_before(app, kind):
    """What stands on the page before the first element of a kind, as texts."""
    found = []

    def walk(node):
        for child in getattr(node, "children", {}).values():
            if child.type == kind:
                return True
            found.append(str(getattr(child, "value", "")))
            if walk(child):
                return True
        return False

    assert walk(app.main)
    return "\n".join(found)


def test_nothing_above_the_table_changes_while_runs_are_ticked_and_it_stays_the_same_table(frame, several):
    apps = [frame("runs", runs=",".join(run.name for run in several[:count])) for count in (1, 2, 3)]
    assert "≠: the 3 chosen runs" in texts(apps[-1])
    assert len({shown_before(app, app.dataframe[0].type) for app in apps}) == 1
    assert len({app.dataframe[0].proto.id for app in apps}) == 1, "another one would forget how far it was scrolled"


def test_the_accuracies_that_are_compared_stand_in_the_table_from_the_beginning(frame, several):
    headings = list(frame("runs").dataframe[0].value.columns)
    assert {"Validation accuracy", "Test accuracy"} <= set(headings)


@pytest.mark.parametrize("language", LANGUAGES)
def test_runs_of_a_search_that_have_read_no_test_images_lead_to_the_search(frame, several, language):
    a, b = several[:2]
    assert words.text(language, "runs.not_tested") not in texts(frame("runs", language, runs=f"{a.name},{b.name}"))
    waiting = [store.create(checked(FIELDS | {"epochs": epochs})) for epochs in (1, 2)]
    app = frame("runs", language, runs=",".join(run.name for run in waiting))
    assert words.text(language, "runs.not_tested") in texts(app)
    label = Label(study="rates", plan=Study("rates", checked(FIELDS), "grid", {"epochs": (1, 2)}, 2).plan())
    trained = [store.create(checked(FIELDS | {"epochs": epochs}), label=label) for epochs in (1, 2)]
    for run in trained:
        run.ask("run", test=False)
        assert work(str(run.folder)) == "trained"
    app = frame("runs", language, runs=",".join(run.name for run in trained))
    assert words.text(language, "runs.not_tested_search") in texts(app)
    assert [one for one in app.get("page_link") if one.proto.query_string == "study=rates"]
    queued = store.create(checked(FIELDS | {"epochs": 3}), label=label)
    for others in (queued, a):  # one that waits, and a tested one that is of no search
        app = frame("runs", language, runs=f"{queued.name},{others.name},{waiting[0].name}")
        assert words.text(language, "runs.not_tested_search") in texts(app)
        assert words.text(language, "runs.not_tested") not in texts(app)
