"""Export of a run as a report: the whole experiment on one HTML page, to be read offline and printed.

Its figures and sentences come from the functions that *Evaluate* and the model card use; none is typed by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from core.charts.diagram import diagram
from core.datasets import Split, dataset
from core.events import Epoch, Report, Started, Step
from core.exports.facts import architecture_name, data_name, facts, taken, title, weakest
from core.exports.markup import as_is, figure, heading, paragraph, pictures, rich, section, table
from core.images.exploration import majority_baseline
from core.images.splits import class_counts
from core.measures.answers import LEAST_ERRORS, Answers, Measure, stored_answers
from core.measures.calibration import calibration, sentence
from core.measures.compare import compare, difference, verdict
from core.measures.compare import sentence as difference_sentence
from core.measures.measures import ADDED, ClassMeasures, Measures, measures, most_confused, proportion
from core.measures.repeats import SEEDS
from core.models.encoder import tested_splits
from core.models.model import DRAWN
from core.networks.layers import in_words, shape_text
from core.recipes import RECIPES, repeated_by
from core.recipes.figures import lines
from core.recipes.results import Row, of_run
from core.recipes.searches import belongs_to
from core.refusal import Refusal
from core.spec import differing, value_text
from core.store import Run, no_report
from core.words import duration, fraction, interval, number, percent, text

STYLE = Path(__file__).with_name("report.css")
MOST_CLASSES = 26  # of which each has its row, column and bar on paper
ERRORS = 10  # shown as pictures
PAIRS = 10  # the most frequent confusions that are listed
EPOCHS = 20  # rows of the table of epochs
SIDE, LARGE = 96, 180  # CSS pixels of a picture, about
MOST_LEVEL, MOST_LETTERS = 12, 8  # columns of the matrix, and letters of a name, whose heads are not turned
# Points of A4 paper that the matrix's columns share, and of a cell beside its digits; a digit's width, of its size.
MATRIX_WIDTH, CELL_MARGIN, DIGIT = 400, 5, 0.6
MOST_DECIMAL = 1e6  # a loss with four decimals; those of a larger one say nothing
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # the page can ask no address for anything
DOUBT = "⚠"  # beside a reported figure that is not what it seems


@dataclass(frozen=True)
class Told:
    """All of a run that the report tells."""

    run: Run
    language: str
    report: Report
    started: Started
    epochs: Sequence[Epoch]
    steps: Sequence[Step]
    answers: Answers
    measured: Measures
    names: tuple[str, ...]  # of the K classes
    test: Split | None  # None if the data are not on this machine, or have changed since
    other: Run | None  # a run to compare with

    def say(self, key: str, **slots: object) -> str:
        """The text of a key in the report's language."""
        return text(self.language, key, **slots)

    def paragraph(self, key: str, kind: str = "", **slots: object) -> str:
        """The text of a key as a paragraph; only what the text itself marks is bold, not a part of a class's name."""
        return paragraph(self.marked(key, **slots), kind)

    def marked(self, key: str, **slots: object) -> str:
        """The text of a key for `rich`, in which no asterisk of a slot is a mark."""
        outside = {name: as_is(value) for name, value in slots.items() if type(value) is str}
        return self.say(key, **slots | outside)

    def number(self, value: float, digits: int | None = None) -> str:
        """A number as it is written in the report's language."""
        return number(value, digits, language=self.language)

    def percent(self, share: float) -> str:
        """A share from 0 to 1 as a percentage with two decimals."""
        return percent(share, 2, language=self.language)

    def interval(self, measure: Measure) -> str:
        """The ends of a measure's interval in percent; a dash if it has none."""
        return interval(measure.low, measure.high, 2, language=self.language) if np.isfinite(measure.low) else "–"


def write(run: Run, path: Path, language: str, other: Run | None = None) -> None:
    """Write the report to a new file, with a comparison with the run `other` if it is given.

    Raises: Refusal, if a run is damaged or not done, or if `other` is the run itself or was tested on other images.
    """
    told = _told(run, language, other)
    name = f"{title(run, language)} · {run.name}"
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(name)}</title><style>{STYLE.read_text(encoding='utf-8')}</style>"
    )
    body = "".join(part(told) for part in PARTS)
    begin = f'<!DOCTYPE html>\n<html lang="{language.replace("_", "-")}">\n<head>{head}</head>\n<body>\n'
    path.write_text(f"{begin}{body}</body></html>\n", encoding="utf-8")


def _told(run: Run, language: str, other: Run | None) -> Told:
    report = run.report()
    if not report:
        raise no_report(run)
    if other and other.name == run.name:
        raise Refusal("error.compared_with_itself", run=run.name)
    answers = stored_answers(run)
    assert answers
    try:
        test = tested_splits(run).test
    except Refusal:
        test = None
    events = list(run.events(Epoch, Step))
    return Told(
        run=run,
        language=language,
        report=report,
        started=run.started(),
        epochs=[one for one in events if isinstance(one, Epoch)],
        steps=[one for one in events if isinstance(one, Step)],
        answers=answers,
        measured=measures(report.confusion_matrix),
        names=run.class_names(language),
        test=test if test and np.array_equal(test.labels, answers.labels) else None,
        other=other,
    )


def _top(told: Told) -> str:
    """What was trained on what, the accuracy with its interval, and what the run is."""
    accuracy = told.measured.accuracy
    said = [
        f"**{told.percent(accuracy.value)}** {told.say('measure.accuracy').lower()}",
        told.say("evaluate.interval", interval=told.interval(accuracy)),
        told.say("evaluate.errors", count=told.measured.errors, n=told.report.n),
    ]
    rows = [(label, value) for label, value in facts(told.run, told.language).items()]
    use = told.say(f"test_use.notice_{told.report.test_use}") if told.report.test_use != "once" else ""
    return (
        f"<h1>{escape(title(told.run, told.language))}</h1>\n"
        + paragraph(" · ".join(said), "accuracy")
        + (told.paragraph("evaluate.people", "small") if told.run.spec.data in DRAWN else "")
        + (paragraph(use, "note") if use else "")
        + section(told.say("export.report.what"), table(("", ""), rows, "facts"))
    )


def _data(told: Told) -> str:
    """The images of each class in each split, and what always giving the same answer would reach."""
    from core.charts import bars  # altair is imported only for a chart
    from core.charts.svg import svg

    test = np.array(told.report.confusion_matrix).sum(axis=1)
    try:
        counts = class_counts(told.run.spec, dataset(told.run.spec.data)) if told.test else {}
    except Refusal:
        counts = {}
    sizes = {name: int(of_class.sum()) for name, of_class in counts.items()}
    if sizes != dict(told.started.counts) or not np.array_equal(counts.get("test", []), test):
        counts = {"test": test}  # the others are not known here
    absent = [] if len(counts) > 1 else [paragraph(told.say("export.report.no_data"), "small")]
    headings = {}
    for name, of_class in counts.items():
        images = told.say("export.report.images", count=int(of_class.sum()))
        headings[f"{told.say(f'chart.{name}')}\n{images}"] = of_class
    baseline = majority_baseline(test)
    says_little = told.paragraph(
        "explore.baseline",
        name=told.names[int(test.argmax())],
        n=baseline.accuracy.n,
        accuracy=told.percent(baseline.accuracy.value),
        balanced_accuracy=told.percent(baseline.balanced_accuracy.value),
        classes=int((test > 0).sum()),
    )
    shown = _shown(told, test)
    of_shown = {name: of_class[shown] for name, of_class in headings.items()}
    names = [told.names[k] for k in shown]
    drawn = bars.class_balance(of_shown, names, y_title=told.say("chart.class"), language=told.language)
    rows = [(name, *(told.number(int(values[k])) for values in of_shown.values())) for k, name in enumerate(names)]
    heads = [told.say("chart.class"), *(name.replace("\n", ", ") for name in headings)]
    return section(
        told.say("export.report.data"),
        paragraph(as_is(f"{data_name(told.run.spec.data, told.language)}.")),
        *absent,
        _few(told),
        figure(svg(drawn, "balance"), told.say("export.report.balance")),
        table(heads, rows),
        says_little,
    )


def _network(told: Told) -> str:
    """The layers with the shape of their output, as blocks and as a table."""
    rows = told.run.spec.table(told.started.shape, told.started.class_count)
    shapes = [told.started.shape, *(row.shape for row in rows)]
    names = [told.say("network.image"), *(in_words(row.layer).say(told.language) for row in rows)]
    if taken := max(told.run.spec.taken, told.run.spec.frozen):
        mark = told.say("network.frozen" if told.run.spec.frozen else "network.taken")
        names[1 : 1 + taken] = [f"{name} · {mark}" for name in names[1 : 1 + taken]]
    steps = ", ".join(f"{name} ({shape_text(shape)})" for name, shape in zip(names, shapes, strict=True))
    cells = [(names[0], shape_text(shapes[0]), "", "", told.number(1))]
    for name, row in zip(names[1:], rows, strict=True):
        counts = (told.number(value) for value in (row.parameters, row.macs, row.receptive_field))
        cells.append((name, shape_text(row.shape), *counts))
    heads = [told.say(f"network.{name}") for name in ("layer", "shape", "parameters", "macs", "receptive_field")]
    trained = sum(row.parameters for row in rows[told.run.spec.frozen :])
    return section(
        told.say("export.report.network"),
        diagram(names, shapes, told.say("network.alt", steps=steps)),
        table(heads, cells),
        paragraph(told.say("network.totals", parameters=trained, macs=sum(row.macs for row in rows)), "small"),
    )


def _training(told: Told) -> str:
    """The learning curves, with the kept and the last epoch marked, and the values of the epochs."""
    from core.charts import curves
    from core.charts.svg import svg

    damaged = told.run.damaged_lines()
    said = [told.paragraph("log.damaged_lines", "note", count=damaged)] if damaged else []
    said += _came_about(told)
    if not told.epochs:  # a damaged log
        return section(told.say("export.report.training"), *said)
    last, kept, lost = told.report.epochs, told.report.best_epoch, told.report.lost_epoch
    marks = {told.say("export.report.weights_kept").capitalize() if lost else told.say("chart.best"): kept}
    marks = marks if kept != last else {}
    is_best = kept == last and told.report.best_by != "last" and not lost
    marks[told.say("export.report.kept_last" if is_best else "chart.last")] = last
    names = {name: told.say(f"chart.{name}") for name in ("train", "val", "steps")}
    drawn = []
    for what in ("accuracy", "loss"):
        series = {
            part: [(one.epoch, getattr(one, f"{part}_{what}")) for one in told.epochs] for part in ("train", "val")
        }
        values = [value for points in series.values() for _, value in points]
        steps = [(one.step / told.started.steps_per_epoch, getattr(one, what)) for one in told.steps]
        chart = curves.curves(
            series,
            steps=np.array(steps) if steps else None,
            marks=marks,
            names=names,
            x_title=told.say("chart.epoch"),
            y_title=told.say(f"chart.{what}"),
            x_domain=(0, max(1, last)),
            stacked=True,
            y_domain=curves.accuracies_shown(values) if what == "accuracy" else (0, curves.round_above(max(values))),
            language=told.language,
            height=260,
        )
        drawn.append(figure(svg(chart, what), told.say(f"chart.{what}_alt")))
    val = paragraph(told.say("evaluate.val_is_test"), "note") if told.run.spec.split == "test" else ""
    return section(
        told.say("export.report.training"),
        *drawn,
        *said,
        val,
        _epochs(told),
        paragraph(told.say("evaluate.epochs_help"), "small"),
    )


def _came_about(told: Told) -> list[str]:
    """Which epoch's weights are kept and why, whether somebody ended the training, and what it began with."""
    report, said = told.report, []
    slots = {"epoch": report.best_epoch, "epochs": report.epochs, "by": told.say(f"chosen.{report.best_by}")}
    slots |= {"seconds": duration(report.seconds, language=told.language), "device": told.started.device_name}
    said.append(told.paragraph("export.report.kept_next" if report.lost_epoch else "export.report.kept", **slots))
    if report.lost_epoch:
        said.append(told.paragraph("train.lost_epoch", "note", lost=report.lost_epoch, epoch=report.best_epoch))
    if report.is_by_hand:
        said.append(told.paragraph("train.by_hand", "note", epoch=report.epochs, epochs=told.run.spec.epochs))
    if found := taken(told.run, report, told.run.spec.weights_from):
        name, of_taken = found
        words = told.marked(f"taken.{name}", **of_taken).replace("`", "")
        said.append(paragraph(words, "note" if name == "changed" else ""))
    return said


def _epochs(told: Told) -> str:
    """The values of each epoch; of many, of evenly spaced ones, the kept and the last among them."""
    places = set(np.unique(np.linspace(0, len(told.epochs) - 1, EPOCHS).round().astype(int)).tolist())
    places |= {place for place, one in enumerate(told.epochs) if one.epoch == told.report.best_epoch}
    rows = []
    for place in sorted(places):
        one = told.epochs[place]
        kept = f" ✓ {told.say('export.report.weights_kept')}" if one.epoch == told.report.best_epoch else ""
        losses, shares = (one.train_loss, one.val_loss), (one.train_accuracy, one.val_accuracy)
        cells = (
            *(told.number(loss, 4 if loss < MOST_DECIMAL else None) for loss in losses),
            *map(told.percent, shares),
            told.number(one.learning_rate),
        )
        rows.append((f"{told.number(one.epoch)}{kept}", *cells))
    figures = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate")
    return table([told.say("chart.epoch"), *(told.say(f"measure.{name}") for name in figures)], rows)


def _results(told: Told) -> str:
    """Each measure on the test images with its interval."""
    one, loss = told.measured, told.answers.loss()
    found = {"accuracy": (one.accuracy, "wilson"), "balanced_accuracy": (one.balanced_accuracy, "delta")}
    found |= {"macro_f1": (one.macro_f1, "delta"), "weighted_f1": (one.weighted_f1, "delta")}
    found |= {"kappa": (one.kappa, "delta"), "loss": (loss, "hall")}
    rows = []
    for name, (measure, method) in found.items():
        ends = [told.number(end, 4) for end in (measure.low, measure.high)]
        between = told.say("number.interval", low=ends[0], high=ends[1]) if np.isfinite(measure.low) else "–"
        value = (
            told.number(told.report.loss, 4) if name == "loss" else fraction(measure.value, 4, language=told.language)
        )
        rows.append((told.say(f"measure.{name}"), value, between, told.number(measure.n), told.say(f"method.{method}")))
    heads = [told.say(f"measure.{name}") for name in ("measure", "value", "interval", "n", "method")]
    return section(
        told.say("export.report.results"),
        table(heads, rows),
        paragraph(told.say("evaluate.measures_help", added=ADDED), "small"),
        paragraph(told.say("evaluate.loss_help", least=LEAST_ERRORS), "small"),
    )


def _classes(told: Told) -> str:
    """Precision, recall and F1 of each class with their intervals, as a table and as a chart."""
    from core.charts import bars
    from core.charts.svg import svg

    support = np.array([one.support for one in told.measured.classes])
    shown = _shown(told, support)
    of_shown = [(told.names[k], told.measured.classes[k]) for k in shown]

    def cells(name: str, one: ClassMeasures) -> tuple[str, ...]:
        shares = (
            f"{told.percent(each.value)} ({told.interval(each)})" if each.n else "–"
            for each in (one.precision, one.recall, one.f1)
        )
        return name, *shares, told.number(one.support)

    heads = [
        told.say("chart.class"),
        *(told.say(f"measure.{name}") for name in ("precision", "recall", "f1", "support")),
    ]
    series = {
        told.say(f"measure.{name}"): [getattr(one, name) for _, one in of_shown] for name in ("recall", "precision")
    }
    least = min((each.low for line in series.values() for each in line if each.n), default=0.0)
    chart = bars.intervals(
        series,
        [name for name, _ in of_shown],
        x_title=told.say("export.report.share"),
        y_title=told.say("chart.class"),
        language=told.language,
        least=np.floor(10 * least) / 10,
    )
    return section(
        told.say("export.report.classes"),
        paragraph(weakest(told.measured.classes, list(map(as_is, told.names)), told.language)),
        _few(told),
        table(heads, [cells(name, one) for name, one in of_shown], "shares"),
        paragraph(told.say("evaluate.classes_help"), "small"),
        figure(svg(chart, "classes"), told.say("export.report.classes_chart")),
    )


def _confusions(told: Told) -> str:
    """The confusion matrix, and the most frequent confusions in words."""
    matrix = np.array(told.report.confusion_matrix)
    found = [(int(matrix[i, j]), i, j) for i, j in np.ndindex(*matrix.shape) if i != j and matrix[i, j]]
    pairs = sorted(found, key=lambda one: (-one[0], one[1:]))[:PAIRS]
    rows = []
    for count, i, j in pairs:
        share = proportion(count, int(matrix[i].sum()))
        shares = told.percent(share.value), told.interval(share)
        rows.append((f"{told.names[i]} → {told.names[j]}", told.number(count), told.number(share.n), *shares))
    said = []
    for one in most_confused(matrix)[:MOST_CLASSES]:
        key = "evaluate.confused_tie" if len(one.predicted) > 1 else "evaluate.confused"
        predicted = told.say("evaluate.and").join(told.names[k] for k in one.predicted)
        said.append(told.marked(key, true=told.names[one.true], predicted=predicted, count=one.count))
    columns = ("export.report.pair", "chart.images", "export.report.of_class", "chart.share_of_row", "measure.interval")
    heads = [told.say(key) for key in columns]
    listed = f"<ul>{''.join(f'<li>{rich(one)}</li>' for one in said)}</ul>\n" if said else ""
    none = paragraph(told.say("evaluate.no_errors", n=told.report.n)) if not rows else ""
    return section(
        told.say("export.report.confusions"),
        _matrix(told, matrix),
        heading(told.say("evaluate.confusions")),
        none or table(heads, rows) + listed,
    )


def _matrix(told: Told, matrix: np.ndarray) -> str:
    """The confusion matrix as a table, a darker cell for more images; only a sentence if it is too large for paper."""
    from core.charts.matrices import cell_label
    from core.charts.svg import shades

    if len(matrix) > MOST_CLASSES:
        return paragraph(told.say("export.report.large", classes=len(matrix)))
    colours = shades()
    # A square-root scale shows small values, as the chart of the page Evaluate has it.
    depth = np.sqrt(matrix / max(1, matrix.max())) * (len(colours) - 1)

    def cell(i: int, j: int) -> str:
        place = round(float(depth[i, j]))
        ink = "#ffffff" if place > len(colours) // 2 else "#1b1f24"
        words = cell_label(float(matrix[i, j]), None, told.language)
        kind = ' class="right"' if i == j else ""
        return f'<td{kind} style="background:{colours[place]};color:{ink}">{words}</td>'

    first = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in told.names)
    turned = " turned" if len(matrix) > MOST_LEVEL or max(map(len, told.names)) > MOST_LETTERS else ""
    digits = len(cell_label(float(matrix.max()), None, told.language))
    size = min(9.0, max(1.0, MATRIX_WIDTH / len(matrix) - CELL_MARGIN) / (DIGIT * digits))
    corner = "<br>".join(map(escape, told.say("matrix.axes").splitlines()))
    body = "".join(
        f'<tr><th scope="row"><span>{escape(name)}</span></th>{"".join(cell(i, j) for j in range(len(matrix)))}</tr>\n'
        for i, name in enumerate(told.names)
    )
    drawn = f"<thead><tr><th>{corner}</th>{first}</tr></thead>\n<tbody>\n{body}</tbody>"
    return (
        f'<div class="wide together"><table class="matrix{turned}" style="--fits:{size:.1f}pt">{drawn}</table></div>\n'
        + paragraph(f"{told.say('evaluate.matrix_alt')} {told.say('export.report.diagonal')}", "small")
    )


def _errors(told: Told) -> str:
    """The errors of which the model was surest as pictures, and the first of them in detail."""
    places = told.answers.errors("confidence")[:ERRORS]
    if not len(places):
        return ""
    name = told.say("export.report.errors", count=len(places))
    if told.test is None:
        return section(name, paragraph(told.say("export.report.no_images")))
    answers, source = told.answers, dataset(told.run.spec.data)
    captions = []
    for i in map(int, places):
        slots = {"true": told.names[answers.labels[i]], "predicted": told.names[answers.predicted[i]]}
        sure = percent(float(answers.confidence[i]), language=told.language)
        captions.append(told.say("evaluate.picture", index=i, **slots, probability=sure))
        if i in source.label_errors:
            seen = source.label_errors[i]
            key = "pitfall.no_majority" if seen is None else "pitfall.people_say"
            captions[-1] += "\n" + told.say(key, label="" if seen is None else told.names[seen])
    return section(
        name,
        paragraph(told.say("export.report.surest")),
        pictures(told.test.images[places], captions, SIDE),
        heading(told.say("export.report.one_error", index=int(places[0]))),
        _one_error(told, told.test, int(places[0])),
    )


def _one_error(told: Told, test: Split, index: int) -> str:
    """A misclassified image beside typical ones of its true and predicted class, and the probability of each class."""
    from core.charts import bars
    from core.charts.svg import svg

    answers, names = told.answers, told.names
    true, predicted = int(answers.labels[index]), int(answers.predicted[index])
    shown = [("image.this", index, true)]
    shown += [("image.looks", place, k) for k in (true, predicted) if (place := answers.representative(k)) is not None]
    captions = [told.say(key, index=place, label=names[k]) for key, place, k in shown]
    shares = {"probability": answers.confidence[index], "of_truth": answers.of_truth[index]}
    slots = {key: percent(float(share), language=told.language) for key, share in shares.items()}
    slots |= {"true": names[true], "predicted": names[predicted], "rank": told.number(answers.rank_of_truth(index))}
    parts = [told.paragraph("image.wrong", **slots, classes=len(names))]
    parts.append(pictures(test.images[[place for _, place, _ in shown]], captions, LARGE))
    parts.append(paragraph(told.say("image.looks_help"), "small"))
    if len(names) <= MOST_CLASSES:
        marks = {true: "true", predicted: "predicted"}
        rows = [told.say(f"mark.{marks[k]}", label=name) if k in marks else name for k, name in enumerate(names)]
        heads = {"x_title": told.say("chart.probability"), "y_title": told.say("chart.class")}
        chart = bars.probabilities(answers.probabilities[index], rows, language=told.language, highlight=marks, **heads)
        parts.append(figure(svg(chart, "error", 400), told.say("image.probabilities_alt")))
    return "".join(parts)


def _calibration(told: Told) -> str:
    """How the confidence compares with the accuracy, as a sentence, a diagram and a table."""
    from core.charts import bars
    from core.charts.svg import svg

    found = calibration(told.answers)
    key, slots = sentence(told.answers, found, told.language)
    words = {name: told.say(f"certainty.{name}") for name in ("confidence", "accuracy", "perfect")}
    words |= {"images": told.say("chart.images")}
    chart = bars.reliability(found, words=words, language=told.language, height=300)
    rows = []
    for place, count in enumerate(found.counts):
        low, high = (percent(float(end), 0, language=told.language) for end in found.edges[place : place + 2])
        shares = (told.percent(float(each[place])) for each in (found.confidence, found.accuracy))
        rows.append((told.say("number.interval", low=low, high=high), *shares, told.number(int(count))))
    return section(
        told.say("export.report.calibration"),
        paragraph(told.say(key, **slots)),
        figure(svg(chart, "calibration", 420), told.say("certainty.alt")),
        table([told.say("export.report.bin"), *(words[name] for name in ("confidence", "accuracy", "images"))], rows),
        paragraph(told.say("certainty.error_help"), "small"),
    )


def _compared(told: Told) -> str:
    """Whether the run or the other one is better, in words, and in what they differ."""
    other = told.other
    if not other:
        return ""
    report, answers = other.report(), stored_answers(other)
    if not report or not answers:
        raise no_report(other)
    n = told.report.n
    key, slots = verdict(compare(answers, told.answers), n, told.language)
    this_run, other_run = told.say("compare.column_this"), told.say("compare.column_other")
    by_points, in_points = difference_sentence(
        difference(answers, told.answers), other.name, told.run.name, told.language
    )
    columns = []
    for run, one, of in ((told.run, told.report, told.answers), (other, report, answers)):
        right = proportion(int(of.is_right.sum()), n)
        accuracy = told.say("compare.accuracy", accuracy=told.percent(right.value), interval=told.interval(right), n=n)
        kept = told.say("compare.kept_of", epoch=one.best_epoch, epochs=one.epochs)
        parameters = told.number(run.started().parameters)
        use = told.say(f"test_use.{one.test_use}").replace("**", "")
        columns.append((run.name, accuracy, use, kept, parameters, duration(one.seconds, language=told.language)))
    labels = [told.say(key) for key in ("export.fact.run", "compare.test_accuracy", "export.fact.test")]
    labels += [told.say(f"compare.{name}") for name in ("epochs", "parameters", "seconds")]
    selected = [run for run, one in ((told.run, told.report), (other, report)) if one.test_use == "selected"]
    heads = ("", this_run, other_run)
    settings = [
        (told.say(f"spec.{name}.label"), *(_value(told, name, value) for value in values))
        for name, *values in differing(told.run.spec, other.spec)
    ]
    return section(
        told.say("export.report.compared", run=other.name),
        paragraph(told.say(key, **slots)),
        told.paragraph(by_points, **in_points),
        *(told.paragraph("export.report.selected", "note", run=run.name) for run in selected),
        table(heads, list(zip(labels, *columns, strict=True)), "words"),
        heading(told.say("hyper.differ")) if settings else paragraph(told.say("hyper.same")),
        table(heads, settings, "words") if settings else "",
    )


def _value(told: Told, name: str, value: object) -> str:
    """A hyperparameter's value in words; a dash for one that a run does not use."""
    if value is None:
        return "–"
    if name == "architecture":
        return architecture_name(str(value), told.language)
    return data_name(str(value), told.language) if name == "data" else value_text(name, value, told.language)


def _reported(told: Told) -> str:
    """The figures of the published experiment that the run repeats beside its own, and what is wrong in it."""
    found = belongs_to(told.run.spec)
    if not found:
        return ""
    one = RECIPES[found[0]]
    name = f"{one.name}: {told.say(f'recipe.{one.name}.title')}"
    parts = []
    repeated = repeated_by(told.run.spec) if one.report else None
    if repeated and told.report.is_by_hand:
        parts.append(told.paragraph("export.report.no_verdict_by_hand"))
    elif repeated and not told.epochs:
        parts.append(told.paragraph("export.report.no_verdict_damaged"))
    elif repeated and (result := of_run(told.run)):
        row = Row(*repeated, told.run.spec.data, (result,))
        judged = row.verdict
        said = f"{told.say('recipes.verdict')}: **{told.say(f'verdict.{judged.word}')}**"
        if judged.tolerance is not None:
            tolerance = told.number(100 * judged.tolerance, 2)
            said += f" · {told.say('recipes.tolerance', tolerance=tolerance, most=SEEDS)}"
        if judged.is_open:
            said += f" {told.say('recipes.open', most=SEEDS)}"
        if judged.word == "not_comparable":
            said += f" {told.say('beside.short' if row.variant == 'short' else 'recipes.other_data')}"
        rows = [
            (
                told.say(line.figure),
                line.reported + (f" {DOUBT}" if line.doubted else ""),
                line.measured,
                told.say(line.origin) if line.origin else "–",
            )
            for line in lines(row, told.language)
        ]
        heads = [told.say(f"recipes.{key}") for key in ("figure", "reported", "measured", "source")]
        parts += [paragraph(said), table(heads, rows)]
    if one.errata:
        listed = "".join(f"<li>{rich(told.say(key))}</li>" for _, key in one.errata)
        parts += [heading(told.say("export.card.errata")), f"<ul>{listed}</ul>\n"]
    return section(told.say("export.report.reported", recipe=name), *parts)


def _shown(told: Told, images: np.ndarray) -> list[int]:
    """The classes that have rows and bars: all, or of too many those with the lowest recall, in the classes' order."""
    if len(told.names) <= MOST_CLASSES:
        return list(range(len(told.names)))
    recalls = [one.recall.value if one.recall.n else 1.0 for one in told.measured.classes]
    return sorted(sorted(range(len(images)), key=lambda k: recalls[k])[:MOST_CLASSES])


def _few(told: Told) -> str:
    """Says that not all classes are shown, if so."""
    if len(told.names) <= MOST_CLASSES:
        return ""
    return paragraph(told.say("export.report.few", shown=MOST_CLASSES, classes=len(told.names)), "small")


PARTS: tuple[Callable[[Told], str], ...] = (
    *(_top, _data, _network, _training, _results, _classes, _confusions),
    *(_errors, _calibration, _compared, _reported),
)
"""The sections of the report, in its order."""
