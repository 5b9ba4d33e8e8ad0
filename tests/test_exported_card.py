"""The model card: Markdown that words from outside cannot change, below metadata for Hugging Face."""

import json
import re

import numpy as np
import pytest

from core import store
from core.exports import export
from core.measures.measures import measures
from core.recipes import RECIPES
from core.spec import RunSpec
from core.words import languages, percent, text
from core.work import work


def card_of(run, tmp_path):
    export(run, "card", tmp_path / "card.md")
    _, metadata, body = (tmp_path / "card.md").read_text(encoding="utf-8").split("---\n", 2)
    return {name: json.loads(value) for name, value in re.findall(r"^([\w-]+): (.*)$", metadata, re.MULTILINE)}, body


def test_the_card_has_the_reports_figures_in_every_language(trained, tmp_path):
    report = trained.report()
    metadata, body = card_of(trained, tmp_path)
    (result,) = metadata["model-index"][0]["results"]
    assert result["metrics"][0] == {"type": "accuracy", "value": report.accuracy}
    recalls = [one.recall.value for one in measures(report.confusion_matrix).classes]
    for language in languages():
        weakest = trained.class_names(language)[int(np.argmin(recalls))]
        recall = percent(min(recalls), 2, language=language)
        n = measures(report.confusion_matrix).classes[int(np.argmin(recalls))].support
        assert text(language, "export.card.weakest", classes=f"{weakest}: {recall}", count=1).rstrip(".") in body
        assert text(language, "compare.accuracy", accuracy=recall, n=n, interval="").partition("(")[0] in body
        assert percent(report.accuracy, 2, language=language) in body
        for name in trained.class_names(language):
            assert f"| {name} |" in body
    assert trained.name in body


def test_the_errata_of_a_recipe_are_in_the_card(trained, tmp_path, monkeypatch):
    name = next(name for name, one in RECIPES.items() if one.errata and one.report == "000")
    spec = RECIPES[name].spec("short")
    run = store.create(spec)
    for event in trained.events():
        run.append(event)
    for file in trained.folder.glob("*.safetensors"):
        (run.folder / file.name).write_bytes(file.read_bytes())
    _, body = card_of(run, tmp_path)
    for _, key in RECIPES[name].errata:
        assert text("en", key) in body


def test_words_from_outside_are_no_markdown(home, tmp_path, tiny_data):
    arrays = dict(np.load(tiny_data / "tiny.npz"))
    names = ["a|b", "# c", "*d*", "<script>e"]
    np.savez(tiny_data / "`odd`.npz", **arrays, class_names=np.array(names))
    run = store.create(RunSpec(data="`odd`", split="official", architecture="mlp", epochs=1))
    assert work(str(run.folder)) == "done"
    metadata, body = card_of(run, tmp_path)
    assert metadata["datasets"] == ["`odd`"]
    for name in ("a\\|b", "\\# c", "\\*d\\*", "\\<script\\>e"):
        assert f"| {name} |" in body
    for line in body.splitlines():
        if line.startswith("| a"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 6


def test_a_run_that_is_not_done_has_no_card(home, tmp_path):
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    with pytest.raises(ValueError, match="no_report"):
        export(run, "card", tmp_path / "card.md")
    assert not list(tmp_path.glob("*.md"))
