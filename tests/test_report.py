"""The report: one page with the whole experiment, that opens offline, prints, and has the figures of the run."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from core import exports, store
from core.__main__ import main
from core.exports import export, missing, packed, report
from core.exports.facts import weakest
from core.exports.markup import as_is, rich
from core.measures.answers import stored_answers
from core.measures.measures import measures
from core.recipes import RECIPES
from core.refusal import Refusal
from core.spec import checked
from core.words import interval, languages, number, percent, text
from core.work import work
from tests.browser import CHROMIUM

drawn = pytest.mark.skipif(missing("report") is not None, reason="no charts here: pip install vl-convert-python")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium")
TABLE = """(table) => Array.from(table.querySelectorAll("tbody tr"),
    (row) => Array.from(row.children, (cell) => cell.innerText))"""


class Seen(HTMLParser):
    """The elements and attributes of a page, as a browser finds them."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def copy_of(run, spec):
    """Another run with the same log and files."""
    other = store.create(spec)
    for file in run.folder.iterdir():
        if file.name not in ("spec.json", "lock", "control"):
            shutil.copy(file, other.folder / file.name)
    return other


def page_of(run, tmp_path, language="en", other=None):
    file = tmp_path / f"{run.name}-{language}.html"
    export(run, "report", file, language, other)
    return file


@drawn
@needs_chromium
@pytest.mark.parametrize("language", languages())
def test_the_report_opens_offline_with_the_runs_figures_and_prints(browser, trained, tmp_path, language):
    other = copy_of(trained, trained.spec.model_copy(update={"seed": 1}))
    file = page_of(trained, tmp_path, language, other)
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 800})
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()]
    assert said == []
    assert page.locator("html").get_attribute("lang") == language.replace("_", "-")
    found, names, answers = trained.report(), trained.class_names(language), stored_answers(trained)
    whole = page.locator("body").inner_text()
    assert percent(found.accuracy, 2, language=language) in whole
    assert (
        text(language, "evaluate.interval", interval=interval(*found.accuracy_interval, 2, language=language)) in whole
    )
    matrix = page.locator("table.matrix").evaluate(TABLE)
    counts = [[number(count, language=language) for count in row] for row in found.confusion_matrix]
    assert matrix == [[name, *row] for name, row in zip(names, counts, strict=True)]
    classes = page.locator("table.shares").evaluate(TABLE)
    for (name, precision, recall, f1, support), one in zip(
        classes, measures(found.confusion_matrix).classes, strict=True
    ):
        assert name in names
        assert number(one.support, language=language) == support
        for cell, measure in zip((precision, recall, f1), (one.precision, one.recall, one.f1), strict=True):
            share = percent(measure.value, 2, language=language)
            assert cell == f"{share} ({interval(measure.low, measure.high, 2, language=language)})"
    shown = page.locator(".pictures").first.locator("figcaption").all_inner_texts()
    worst = answers.errors("confidence")[:10]
    assert [int(re.search(r"\d+", words)[0]) for words in shown] == worst.tolist()
    for words, place in zip(shown, worst, strict=True):
        assert f"{names[answers.labels[place]]} → {names[answers.predicted[place]]}" in words
    assert page.locator("figure > [role=img][aria-label] svg").count() == 6
    figures = [one for one in page.locator("img").all() if one.get_attribute("src").startswith("data:image/png")]
    assert len(figures) == 13
    assert all(one.get_attribute("alt") and one.evaluate("(i) => i.naturalWidth % 28") == 0 for one in figures)
    same = text(language, "compare.no_difference", fixed=0, broken=0, n=found.n, p=number(1, 4, language=language))
    assert same.replace("**", "") in whole
    assert text(language, "export.report.compared", run=other.name) in whole
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("new Set(Array.from(document.querySelectorAll('[id]'), (one) => one.id)).size") == len(
        page.locator("[id]").all()
    )
    assert "**" not in whole
    assert "{" not in whole
    assert page.pdf().count(b"/Type /Page\n") >= 5
    told = report._told(trained, language, None)
    long = replace(told, names=tuple(f"Manjericao-de-folha-{k}" for k in range(20)))
    page.set_viewport_size({"width": 688, "height": 900})  # the text of an A4 page
    page.emulate_media(media="print")
    page.set_content(f"<style>{report.STYLE.read_text()}</style>{report._matrix(long, np.full((20, 20), 1234))}")
    assert page.locator("table").evaluate("(table) => table.getBoundingClientRect().right") <= 688
    context.close()


@drawn
def test_a_run_of_a_recipe_stands_beside_its_report_with_the_known_errors(trained, tmp_path):
    name = next(name for name, one in RECIPES.items() if one.errata and one.report == "000")
    run = copy_of(trained, RECIPES[name].spec("short"))
    page = page_of(run, tmp_path).read_text(encoding="utf-8")
    assert text("en", f"recipe.{name}.title") in page
    assert text("en", "recipes.reported") in page
    assert percent(RECIPES[name].figures["accuracy"], 2, language="en") in page
    assert text("en", "verdict.not_comparable") in page
    for _, key in RECIPES[name].errata:
        assert text("en", key).split("**")[0][:40] in page
    told = report._told(run, "en", None)
    ended = told.report.model_copy(update={"stop": "by_hand", "lost_epoch": 7})
    told = replace(told, report=ended)
    assert text("en", "export.report.no_verdict_by_hand") in report._reported(told)
    said = "".join(report._came_about(told))
    assert text("en", "train.by_hand", epoch=ended.epochs, epochs=run.spec.epochs) in said
    assert text("en", "train.lost_epoch", lost=7, epoch=ended.best_epoch) in said
    assert text("en", f"chosen.{ended.best_by}") not in said
    assert text("en", "evaluate.people") not in page
    drawings = run.spec.model_copy(update={"data": "mnist-and-drawings"})
    assert text("en", "evaluate.people") in report._top(report._told(copy_of(trained, drawings), "en", None))
    log = run.folder / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    place = max(k for k, line in enumerate(lines) if b'"event":"epoch"' in line.replace(b" ", b""))
    log.write_bytes(b"".join([*lines[:place], b"damaged\n", *lines[place + 1 :]]))
    training = report._training(report._told(store.Run(run.folder), "en", None))
    assert text("en", "log.damaged_lines", count=1).partition("'s ")[2] in training


@drawn
def test_words_from_outside_are_no_html_and_data_that_are_gone_are_missed(home, tmp_path, tiny_data):
    arrays = dict(np.load(tiny_data / "tiny.npz"))
    names = ["<script>alert(1)</script>", 'b" onload="', "c**c**", "d'&amp;"]
    np.savez(tiny_data / "odd.npz", **arrays, class_names=np.array(names))
    run = store.create(checked({"data": "odd", "split": "official", "architecture": "mlp", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    page = page_of(run, tmp_path).read_text(encoding="utf-8")
    seen = Seen()
    seen.feed(page)
    assert "script" not in seen.tags
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert 'id="accuracy-clip' in page  # each chart has inner names of its own
    assert "<strong>c</strong>" not in page
    assert rich(f"**a** {as_is('c**c**d')}") == "<strong>a</strong> c**c**d"
    arrays = {name: values[::-1] if "labels" in name else values for name, values in arrays.items()}
    np.savez(tiny_data / "odd.npz", **arrays, class_names=np.array(names))
    told = report._told(run, "en", None)
    assert told.test is None
    assert text("en", "export.report.no_data") in report._data(told)
    (tiny_data / "odd.npz").unlink()
    page = page_of(run, tmp_path, "pt_BR").read_text(encoding="utf-8")
    assert text("pt_BR", "export.report.no_data") in page
    assert text("pt_BR", "export.report.no_images") in page
    assert page.count("<img") == len(run.spec.layers) + 1  # the blocks of the network alone


@drawn
def test_of_too_many_classes_the_weakest_are_shown(home, tmp_path, tiny_data):
    arrays = {}
    for part, count in (("train", 60), ("val", 30), ("test", 60)):
        arrays[f"{part}_images"] = np.random.default_rng(0).integers(0, 255, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 30).astype(np.uint8)
    np.savez(tiny_data / "thirty.npz", **arrays)
    run = store.create(checked({"data": "thirty", "split": "official", "architecture": "mlp", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    page = page_of(run, tmp_path).read_text(encoding="utf-8")
    assert text("en", "export.report.few", shown=26, classes=30) in page
    assert text("en", "export.report.large", classes=30) in page


@drawn
def test_the_command_compares_in_a_language_and_refuses_what_cannot_be_compared(home, tmp_path, capsys):
    fields = {"split": "official", "architecture": "mlp", "epochs": 1}
    one, other, third = (
        store.create(checked(fields | more))
        for more in ({"data": "tiny"}, {"data": "tiny", "seed": 1}, {"data": "long-val"})
    )
    for run in (one, other, third):
        assert work(str(run.folder)) == "done"
    out = tmp_path / "one.html"
    command = ["export", one.name, "--as", "report", "--out", str(out), "--json", "--language", "pt-BR"]
    assert main([*command, "--compare", third.name]) == 1
    assert "different images" in capsys.readouterr().err
    assert main([*command, "--compare", one.name]) == 1
    assert "with itself" in capsys.readouterr().err
    chosen = replace(report._told(one, "en", other), report=one.report().model_copy(update={"test_use": "selected"}))
    assert text("en", "export.report.selected", run=one.name).split("**")[2] in report._compared(chosen)
    assert main([*command, "--compare", other.name]) == 0
    assert json.loads(capsys.readouterr().out)["n"] is None
    assert text("pt_BR", "export.report.compared", run=other.name) in out.read_text(encoding="utf-8")
    command[3], command[5] = "card", str(tmp_path / "card.md")
    assert main([*command, "--compare", other.name]) == 1
    assert "card" in capsys.readouterr().err


def test_without_the_package_that_draws_charts_the_line_that_installs_it_is_said(home, monkeypatch):
    run = store.create(checked({"data": "tiny", "split": "official", "architecture": "mlp", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    here = exports.find_spec
    monkeypatch.setattr(exports, "find_spec", lambda name: None if name == "vl_convert" else here(name))
    with pytest.raises(Refusal, match="export_packages packages=vl-convert-python"):
        packed(run, "report")


def test_no_class_is_called_weakest_where_all_are_alike_and_few_are_named():
    def said(recalls):
        matrix = np.diag([10 * one for one in recalls])
        matrix[:, 0] += [10 - 10 * one for one in recalls]
        return weakest(measures(matrix).classes, [f"class-{k}" for k in range(len(recalls))], "en")

    assert said([1, 1, 1]) == text("en", "export.card.no_weakest", recall="100.00%")
    assert re.findall(r"class-\d+", said([1, *[0] * 20])) == ["class-1", "class-2", "class-3"]
    assert "and 17 more" in said([1, *[0] * 20])
    assert "0.00% of 10 (95% confidence interval" in said([1, 0])
