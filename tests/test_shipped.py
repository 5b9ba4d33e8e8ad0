"""What a fresh clone holds: the starter models, and documents that tell the truth."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import store
from core.datasets import dataset
from core.events import Epoch
from core.measures.answers import confusion_matrix
from core.measures.measures import measures
from core.models.model import open_model
from tests.browser import ROOT
from tests.real_data import REAL_DATA, with_mnist
from ui import server

README, CONTRIBUTING = ((ROOT / f"{name}.md").read_text(encoding="utf-8") for name in ("README", "CONTRIBUTING"))
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
STARTERS = sorted({Path(file).parts[1] for file in TRACKED if re.fullmatch(r"models_store/[^/]+/spec\.json", file)})


@pytest.mark.skipif(not TRACKED, reason="git ls-files knows nothing: not a clone")
def test_there_are_an_mlp_a_lenet_and_a_model_for_drawings_to_start_with():
    for name in ("mlp", "lenet", "drawing"):
        assert any(name in starter for starter in STARTERS)


@pytest.mark.skipif(not TRACKED, reason="git ls-files knows nothing: not a clone")
def test_draw_offers_the_model_for_drawings_first_whatever_was_trained_since(tmp_path, monkeypatch):
    newest, unfinished = "20991231-235959-mnist-lenet-59ce", "20991231-235959-mnist-and-drawings-cnn-four-f664"
    for name in STARTERS:
        shutil.copytree(ROOT / "models_store" / name, tmp_path / (newest if "lenet" in name else name))
        if "drawings" in name:
            shutil.copytree(ROOT / "models_store" / name, tmp_path / unfinished)
    log = tmp_path / unfinished / "events.jsonl"
    until = [line for line in log.read_text("utf-8").splitlines(keepends=True) if '"stop":"' not in line]
    log.write_text("".join(until), "utf-8")
    monkeypatch.setenv("BANCADA_STORE", str(tmp_path))
    first, second, *others = server.offered()
    assert "mnist-and-drawings" in first
    assert second == newest
    assert others[-1] == unfinished
    assert len(others) == len(STARTERS) - 1


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_model_is_a_whole_small_run_whose_report_follows_from_its_predictions(name):
    run = store.find(name, ROOT / "models_store")
    report = run.report()
    assert run.status() == "done"
    assert report
    assert sum(path.stat().st_size for path in run.folder.iterdir()) < 5 * 2**18
    assert len([event for event in run.events() if isinstance(event, Epoch)]) == report.epochs
    stored, _ = run.load(report.predictions, report.predictions_sha256)
    probabilities, labels = stored["probabilities"].numpy(), stored["labels"].numpy()
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    assert matrix.tolist() == [list(row) for row in report.confusion_matrix]
    assert measures(matrix).accuracy.value == report.accuracy
    assert f"{report.accuracy:.4f}" in (ROOT / "models_store" / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@with_mnist
@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_model_gives_the_stored_answers_on_the_real_test_images(name, shared_cache, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    monkeypatch.setenv("BANCADA_CACHE", str(shared_cache))
    run = store.find(name, ROOT / "models_store")
    if dataset(run.spec.data).state()[0] != "ready":
        pytest.skip(f"no {run.spec.data} in BANCADA_DATA, nor in ../shared/data")
    report = run.report()
    assert report
    stored, _ = run.load(report.predictions, report.predictions_sha256)
    images = dataset(run.spec.data).load().test.images[::20]  # drawings, too, which the pipeline may not draw otherwise
    answers = open_model(run).probabilities(images)
    np.testing.assert_allclose(answers, stored["probabilities"].numpy()[::20], atol=1e-5)


def test_the_readmes_two_commands_do_all_the_set_up_in_one_line_each():
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    tests = 'python -m pytest -n 2 --dist loadfile -m "not slow"'
    set_up = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/"
    cpu_build = "python3 -m venv .venv && .venv/bin/pip install torch torchvision --index-url"
    assert [line for line in lines if not line.startswith(cpu_build)] == [
        f"{set_up}streamlit run app.py",
        f"{set_up}{tests}",
    ]
    assert len(lines) == 3
    windows = re.findall(r"py -m venv[^`\n]*", README + CONTRIBUTING)
    assert [line.rsplit("\\", 1)[-1] for line in windows] == ["streamlit run app.py", tests]


def test_the_readme_is_read_in_a_few_minutes():
    assert len(README.partition("\n|")[0].split()) < 1_200


def test_ci_calls_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"sed -n '(.*)' README.md", script)
    assert pattern
    found = subprocess.run(
        ["sed", "-n", pattern[1], "README.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert found == [line for line in README.splitlines() if line.startswith("python3 -m venv") and "pytest" in line]


def test_the_readmes_command_lines_are_understood(tmp_path):
    commands = re.findall(r"^\.venv/bin/python -m core (\w+)", README, re.MULTILINE)
    assert {"data", "train", "work", "runs", "evaluate", "predict"} <= set(commands)
    environment = {**os.environ, "BANCADA_STORE": str(tmp_path), "BANCADA_CACHE": str(tmp_path)}
    for command in ("data", "runs"):
        ended = subprocess.run([sys.executable, "-m", "core", command], cwd=ROOT, env=environment, check=False)
        assert ended.returncode == 0


def test_every_setting_that_the_program_reads_is_in_the_readme():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "core").rglob("*.py"))
    assert set(re.findall(r"BANCADA_[A-Z]+", source)) <= set(re.findall(r"BANCADA_[A-Z]+", README))


def test_what_the_documents_point_to_is_there():
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / document).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), (document, target)
    for file in re.findall(r"^((?:core|ui|pages|app)[\w/]*\.py)", README, re.MULTILINE):
        assert (ROOT / file).exists(), file
