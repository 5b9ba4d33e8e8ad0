"""A published training beside the measured ones: curves, matrices, classes, seconds, examples, each with its source."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.datasets import dataset
from core.measures.answers import Measure
from core.measures.measures import measures
from core.measures.repeats import SEEDS, Repeats
from core.measures.verdict import Difference, class_differences
from core.recipes import RECIPES, Variant, repeated_by
from core.recipes.compared import (
    Measured,
    Points,
    images_of_classes,
    matrix_difference,
    of_events,
    of_result,
    reported_classes,
    reported_matrix,
    summary,
    trainings_of,
)
from core.recipes.reported import Example, Part, Reported, Series
from core.recipes.results import Result, Row, of_run
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.choice import row_of
from ui.evaluate.errors import test_images
from ui.gallery import gallery
from ui.measured import probability_bars
from ui.recipes import experiments
from ui.tables import offer_csv, unfolded
from ui.text import Markdown, interval, language, literal, number, percent, plain, refused, signed_points, t

UNNAMED = " "  # title of an axis: a long class name in bold would cover the word for the classes
PARTS = ("curves", "matrix", "classes", "seconds", "examples")
SPLITS = ("val", "train")
CURVES = 3  # measured trainings that are drawn: with the reported one, lines that can still be told apart
LATE = 0.7  # share of the epochs after which there is no room for words to the right of a mark
LONG = 50  # epochs; of a longer training the first quarter may leave the axis, so that the rest can be seen


@dataclass(frozen=True)
class Training:
    """A published training, the measured ones beside it, and what is common to both."""

    one: Reported
    measured: Sequence[Measured]  # newest first
    names: tuple[str, ...]  # of the classes
    variant: Variant
    row: Row | None = None  # the figures of a single run; None where a page shows them elsewhere


def _parts(one: Reported) -> list[str]:
    """The parts that a report tells something of."""
    told: dict[str, object] = {
        "curves": one.curves,
        "matrix": one.confusion_matrix,
        "classes": one.confusion_matrix,
        "seconds": one.seconds,
        "examples": one.examples,
    }
    return [part for part in PARTS if told[part]]


def panel(name: str, variant: Variant, results: Iterable[Result]) -> None:
    """Show a recipe's published trainings beside the runs and stored results of a variant, one part at a time.

    They are in an expander, so that their charts, which take longer than the rest of the page, are made on demand.
    """
    trainings = trainings_of(name)
    if not trainings:
        return
    data = dataset(RECIPES[name].values["data"])
    names = data.class_names.get(language(), data.class_names["en"])
    stored = [one for one in results if (one.recipe, one.variant, one.data) == (name, variant, data.name)]

    @st.fragment
    def look() -> None:
        parts = Markdown(", ".join(t(f"beside.part.{part}").lower() for part in _parts(trainings[0])))
        folded = st.expander(f"**{t('beside.title', name=name, parts=parts)}**", key="beside", on_change="rerun")
        if folded.open:
            with folded:
                one = _chosen_training(trainings)
                show(Training(one, _measured(server.repeating(name, variant), stored), names, variant))

    look()


def run_panel(run: Run, names: tuple[str, ...]) -> None:
    """Show a run that repeats a recipe beside the recipe's published training, one part at a time."""
    repeated, result = repeated_by(run.spec), of_run(run)
    measured = of_events(run, server.events(run))
    if not repeated or not result or not measured:  # a damaged log
        return
    name, variant = repeated
    row = Row(name, variant, run.spec.data, (result,))
    show(Training(_chosen_training(trainings_of(name)), [measured], names, variant, row))


def repeats_a_report(run: Run) -> bool:
    """Whether the run repeats a recipe of whose published training something is known."""
    repeated = repeated_by(run.spec)
    return bool(repeated and trainings_of(repeated[0]))


def _measured(runs: Sequence[Run], stored: Iterable[Result]) -> list[Measured]:
    """The measured trainings, one for each seed: the newest run, or else the stored result."""
    found: dict[int, Measured] = {}
    for run in runs:
        try:
            one = of_events(run, server.events(run))
        except Refusal:  # damaged, which the page Train reports
            continue
        if one and (one.seed not in found or found[one.seed].kept is None):  # one that is done before one that is not
            found[one.seed] = one
    return [*found.values(), *(of_result(one) for one in stored if one.seed not in found)]


def _chosen_training(trainings: Sequence[Reported]) -> Reported:
    """Let the reader choose among a recipe's published trainings, if there are several."""
    if len(trainings) == 1:
        return trainings[0]
    first = trainings[0].name
    by_kind = {one.name.removeprefix(first).removeprefix("-") or "first": one for one in trainings}
    return by_kind[_one_of("training", list(by_kind))]


def _one_of(what: str, options: Sequence[str], say: Mapping[str, str] | None = None) -> str:
    """Let the reader choose one of a few options in a row, which another recipe may not have; at first the first."""
    key = f"beside-{what}"
    if st.session_state.get(key) not in (None, *options):
        del st.session_state[key]
    words = say or {option: t(f"beside.{what}.{option}") for option in options}
    return row_of(t(f"beside.{what}.label"), words, key)


def show(shown: Training) -> None:
    """Show one part at a time of a published training beside the measured ones."""
    part = _one_of("part", ["figures", *_parts(shown.one)] if shown.row else _parts(shown.one))
    if part == "figures":
        assert shown.row
        experiments.figures_of(shown.row)
        return
    if shown.variant == "short" and shown.measured:
        st.caption(t("beside.short"))
    {
        "curves": _curves,
        "matrix": _matrices,
        "classes": _classes,
        "seconds": _seconds,
        "examples": _examples,
    }[part](shown)


# --- curves -----------------------------------------------------------------------------------------------------------


def _curves(shown: Training) -> None:
    from core.charts import curves  # altair is imported only for a chart

    one = shown.one
    splits = [split for split in SPLITS if any(series.startswith(split) for series in one.curves)]
    lags = "train" in splits and one.train_is_running_mean
    say = {split: t(f"beside.split.{'train_lags' if split == 'train' and lags else split}") for split in splits}
    left, right = st.columns([3, 2], vertical_alignment="center")
    split = splits[0]
    if len(splits) > 1 or lags:
        with left:
            split = _one_of("split", splits, say)
    is_comparable = split == "val" or not lags
    measured = shown.measured[:CURVES] if is_comparable else []
    drawn = {what: found for what in ("accuracy", "loss") if (found := _series(one, measured, split, what))}
    cut = {what: _cut(what, found.values()) for what, found in drawn.items()}
    whole = any(cut.values()) and right.toggle(t("beside.whole"), key="beside-whole")
    names = {"reported": plain("beside.reported")}
    names |= {str(each.seed): plain("recipes.seed", seed=each.seed) for each in measured}
    first = min(epoch for found in drawn.values() for points in found.values() for epoch, _ in points)
    last = max(epoch for found in drawn.values() for points in found.values() for epoch, _ in points)
    marks = _marks(one) if split == "val" else {}
    for column, (what, found) in zip(st.columns(len(drawn)), drawn.items(), strict=True):
        y_domain = None if whole else cut[what]
        chart = curves.curves(
            found,
            names=names,
            x_title=t("chart.epoch"),
            y_title=_title(one, split, what),
            x_domain=(first - 1, last),
            y_domain=y_domain or _whole(what, found.values()),
            marks=marks,
            stacked=any(epoch > LATE * last for epoch in marks.values()),
            language=language(),
        )
        column.altair_chart(chart, key=f"beside-{what}", width="stretch", alt=t(f"beside.{what}_alt"))
    if any(cut.values()) and not whole:
        st.caption(t("beside.cut", epoch=number(last // 4)))
    if not is_comparable:
        st.warning(t("beside.lags"))
    elif not any(key != "reported" for found in drawn.values() for key in found):
        st.caption(t("beside.no_curve" if shown.measured else "beside.not_measured"))
    else:
        st.caption(t("beside.seeds_here"))
    if is_comparable and "loss" in drawn and any(not each.curves.get(_key(split, "loss")) for each in measured):
        st.caption(t("beside.stored"))
    if split == "val":
        _kept(shown)
        if RECIPES[_recipe(one)].values.get("split") == "test":
            st.caption(t("beside.val_is_test" if shown.variant == "faithful" else "beside.val_was_test"))
    if "train_share_of_class_0" in one.curves and split == "train":
        st.caption(t("beside.share_of_class_0"))
    _source(one, "curves")
    if folded := unfolded("beside-curves"):
        with folded:
            for what, found in drawn.items():
                table = curves.curves_table(found, x_title=t("chart.epoch"), names=names)
                st.markdown(f"**{_title(one, split, what)}**")
                st.dataframe(table, hide_index=True, width="stretch")
                offer_csv(table, f"{one.name}-{split}-{what}")


def _key(split: str, what: str) -> Series:
    return f"{split}_{what}"  # pyright: ignore[reportReturnType]


def _series(one: Reported, measured: Sequence[Measured], split: str, what: str) -> dict[str, Points]:
    """The points of the reported curve and of each measured one by its seed; empty if the report has no such curve."""
    points = one.points(_key(split, what))
    if not points and what == "accuracy" and split == "train":
        shares = one.points("train_share_of_class_0")
        return {"reported": shares} if shares else {}
    if not points:
        return {}
    found = {str(each.seed): each.curves.get(_key(split, what), ()) for each in measured}
    return {"reported": points, **{seed: line for seed, line in found.items() if line}}


def _title(one: Reported, split: str, what: str) -> str:
    if split == "train" and what == "accuracy" and "train_share_of_class_0" in one.curves:
        return t("beside.share_title")
    return t(f"measure.{_key(split, what)}")


def _whole(what: str, lines: Iterable[Points]) -> tuple[float, float] | None:
    """The axis of an accuracy that holds all values; None for a loss, whose default axis does."""
    if what == "loss":
        return None
    values = [value for points in lines for _, value in points]
    low, high = min(values), max(values)
    step = 0.01 if high - low < 0.1 else 0.1
    return math.floor(low / step) * step, min(1.0, math.ceil(round(high / step, 6)) * step)


def _cut(what: str, lines: Iterable[Points]) -> tuple[float, float] | None:
    """The axis that holds the values after the first quarter of a long training; None if it holds all values anyway."""
    lines = list(lines)
    last = max(epoch for points in lines for epoch, _ in points)
    if last <= LONG:
        return None
    late = [[point for point in points if point[0] > last / 4] for points in lines]
    if not all(late):
        return None
    values, every = ([value for points in some for _, value in points] for some in (late, lines))
    if what == "accuracy":
        low, high = _whole(what, late) or (0.0, 1.0)
        return (low, high) if min(every) < low else None
    low, high = math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10
    return (low, high) if max(every) > high else None


def _marks(one: Reported) -> dict[str, float]:
    """The epoch kept and that of the greatest val accuracy by their labels, in ascending order; empty if not told."""
    if not one.kept or not one.best or not one.kept.epoch or not one.best.epoch:
        return {}
    if one.kept.epoch == one.best.epoch:
        return {plain("beside.mark_both", epoch=one.kept.epoch): one.kept.epoch}
    both = {plain("beside.mark_kept", epoch=one.kept.epoch): one.kept.epoch}
    both[plain("beside.mark_best", epoch=one.best.epoch)] = one.best.epoch
    return dict(sorted(both.items(), key=lambda mark: mark[1]))


def _kept(shown: Training) -> None:
    """Show which epoch each training kept and which was its best, with their val accuracies; say if they differ."""
    one, lines = shown.one, []
    points = one.points("val_accuracy")
    if one.kept and one.best and one.kept.epoch and one.best.epoch:
        kept, best = one.kept, one.best
        lines.append((t("beside.reported"), _at(kept.epoch, kept.val_accuracy), _at(best.epoch, best.val_accuracy)))
    elif points:
        epoch, value = max(points, key=lambda point: point[1])
        lines.append((t("beside.reported"), "–", _at(epoch, value)))
    for each in shown.measured:
        accuracies = dict(each.curves.get("val_accuracy", ()))
        if accuracies:
            best = max(accuracies, key=lambda epoch: accuracies[epoch])
            kept = _at(each.kept, accuracies[each.kept]) if each.kept in accuracies else "–"
            lines.append((t("beside.measured_seed", seed=each.seed), kept, _at(best, accuracies[best])))
    columns = ("", t("beside.kept_epoch"), t("beside.best_epoch"))
    st.table({name: [line[place] for line in lines] for place, name in enumerate(columns)}, hide_index=True)
    if one.kept and one.best and one.kept.val_loss is not None and one.kept.epoch != one.best.epoch:
        slots = {"kept": one.kept.epoch, "loss": number(one.kept.val_loss, 4), "best": one.best.epoch}
        st.caption(t("beside.two_epochs", **slots))


def _at(epoch: float | None, accuracy: float) -> str:
    return t("beside.at_epoch", epoch=number(epoch or 0), accuracy=percent(accuracy, 2))


# --- matrices ---------------------------------------------------------------------------------------------------------


def _matrices(shown: Training) -> None:
    from core.charts import matrices

    one, names = shown.one, shown.names
    reported, done = reported_matrix(one), _with_matrix(shown)
    assert reported is not None
    words = {key: t(f"chart.{key}") for key in ("true_class", "predicted_class", "images", "difference")}
    options = {"words": words, "language": language(), "height": 440}
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{t('beside.reported_matrix', name=one.name)}**")
        chart = matrices.confusion_matrix(reported, names, **options)
        st.altair_chart(chart, key="beside-reported", width="stretch", alt=t("beside.reported_alt"))
        _source(one, "confusion_matrix")
        _unsure(one, names)
    tables = {"reported": reported}
    if not done or done.matrix is None:
        right.info(t("beside.no_matrix" if shown.measured else "beside.not_measured"))
    else:
        with right:
            st.markdown(f"**{t('beside.measured_matrix', seed=done.seed)}**")
            chart = matrices.confusion_matrix(done.matrix, names, **options)
            st.altair_chart(chart, key="beside-measured", width="stretch", alt=t("beside.measured_alt"))
        tables["measured"] = done.matrix
        found = matrix_difference(one, done.matrix)
        if found:
            difference, scaled = found
            tables["difference"] = difference
            left, right = st.columns(2, gap="large")
            with left:
                st.markdown(f"**{t('beside.difference')}**")
                chart = matrices.difference_matrix(difference, names, **options)
                st.altair_chart(chart, key="beside-difference", width="stretch", alt=t("beside.difference_alt"))
            right.markdown(t("beside.difference_help"))
            if np.isnan(difference).any():
                right.markdown(t("beside.left_out"))
            if scaled:
                right.markdown(t("beside.scaled"))
    if folded := unfolded("beside-matrix"):
        with folded:
            for what, matrix in tables.items():
                table = matrices.confusion_table(matrix, names, words=words)
                st.markdown(f"**{t('beside.difference' if what == 'difference' else f'recipes.{what}')}**")
                st.dataframe(table, width="stretch", placeholder=matrices.UNKNOWN)
                offer_csv(table.reset_index(allow_duplicates=True), f"{one.name}-{what}")


def _with_matrix(shown: Training) -> Measured | None:
    """The newest measured training with a confusion matrix of the reported size."""
    size = len(shown.one.confusion_matrix or ())
    return next((one for one in shown.measured if one.matrix is not None and len(one.matrix) == size), None)


def _unsure(one: Reported, names: tuple[str, ...]) -> None:
    """Say which cells of the reported matrix are lost, mended, or could be exchanged."""
    for lost in one.unknown:
        columns = Markdown(", ".join(literal(names[k]) for k in lost.columns))
        slots = {"true": names[lost.row], "columns": columns, "count": lost.sum, "most": lost.each_at_most}
        st.caption(t("beside.lost", **slots))
    said = []
    if one.repaired:
        said.append(t("beside.repaired", count=len(one.repaired)))
    for row, *columns in one.exchangeable:
        first, second = (names[k] for k in columns)
        said.append(t("beside.exchangeable", true=names[row], first=first, second=second))
    if said:
        st.caption(Markdown(" ".join(said)))


# --- classes ----------------------------------------------------------------------------------------------------------


def _classes(shown: Training) -> None:
    from core.charts import bars

    one, names = shown.one, shown.names
    reported, images = reported_classes(one), images_of_classes(one)
    assert images is not None
    told = [each for each in shown.measured if len(each.recall) == len(reported) and None not in each.recall]
    done = _with_matrix(shown)
    own = images if done is None or done.matrix is None else done.matrix.sum(axis=1)
    recalls = [[recall or 0.0 for recall in each.recall] for each in told]
    measured = [
        Measure(found.mean, *found.interval, found.n)
        for found in (Repeats(of_class, int(n)) for of_class, n in zip(zip(*recalls, strict=True), own, strict=False))
    ]
    of_done = () if done is None or done.matrix is None else measures(done.matrix).classes
    precisions = [one.precision.value for one in of_done]  # NaN for a class never predicted
    table: dict[str, Sequence[str]] = {
        t("chart.class"): names,
        t("measure.support"): [number(int(n)) for n in images],
        t("beside.recall_reported"): [_share(each.recall) for each in reported],
    }
    differences = []
    if measured:
        values = [each.recall.value for each in reported]
        differences = class_differences(values, images.tolist(), recalls, own.tolist())
        table[t("beside.recall_measured")] = [_share(each) for each in measured]
        table[t("beside.recall_difference")] = [_difference(each) for each in differences]
    table[t("beside.precision_reported")] = [
        "–" if each.precision is None else percent(each.precision, 2) for each in reported
    ]
    if precisions:
        table[t("beside.precision_measured")] = [percent(p, 2) if math.isfinite(p) else "–" for p in precisions]
    st.dataframe(table, hide_index=True, width="stretch", height=35 * (len(names) + 1) + 3)
    if differences:
        real = [names[k] for k, each in enumerate(differences) if each.is_real]
        said = Markdown(", ".join(map(literal, real)))
        st.markdown(t("beside.classes_differ", names=said) if real else t("beside.classes_alike"))
        st.caption(t("beside.classes_help", classes=len(names), seeds=t("recipes.seeds", count=len(told))))
        if len(told) < SEEDS:
            st.caption(t("beside.classes_seeds", most=SEEDS))
        if done and len(told) > 1:
            st.caption(t("beside.classes_precision", seed=done.seed))
    else:
        st.caption(t("beside.not_measured"))
    _source(one, "classes" if one.classes else "confusion_matrix", computed=not one.classes)
    if one.columns_swapped:
        st.caption(t("beside.swapped"))
    _summaries(one, done)
    series = {t("recipes.reported"): [each.recall for each in reported]}
    if measured:
        series[t("recipes.measured")] = measured
    least = min(each.low for line in series.values() for each in line)
    chart = bars.intervals(
        series,
        names,
        x_title=t("measure.recall"),
        y_title=t("chart.class"),
        language=language(),
        least=math.floor(10 * least) / 10,
    )
    st.altair_chart(chart, key="beside-recalls", width="stretch", alt=t("beside.recalls_alt"))


def _summaries(one: Reported, done: Measured | None) -> None:
    """Say macro F1 and kappa of the reported matrix, and of the measured one."""
    matrix = reported_matrix(one)
    assert matrix is not None
    found = summary(matrix)
    if found is None:
        st.caption(t("beside.not_whole"))
        return
    said = t("beside.summary_reported", macro_f1=number(found[0], 4), kappa=number(found[1], 4))
    own = summary(done.matrix) if done and done.matrix is not None else None
    if own and done:
        slots = {"macro_f1": number(own[0], 4), "kappa": number(own[1], 4), "seed": done.seed}
        said = Markdown(f"{said} {t('beside.summary_measured', **slots)}")
    st.markdown(said)


def _share(measure: Measure) -> str:
    return f"{percent(measure.value, 2)} ({interval(measure.low, measure.high)})"


def _difference(one: Difference) -> str:
    ends = f"({signed_points(one.low)} – {signed_points(one.high)})"
    return f"{'≠ ' if one.is_real else ''}{signed_points(one.value)} {ends}"


# --- seconds ----------------------------------------------------------------------------------------------------------


def _seconds(shown: Training) -> None:
    one = shown.one
    told = [value for value in one.seconds if value is not None]
    lines = [(t("beside.reported"), one.device or t("beside.no_device"), told)]
    lines += [(t("beside.measured_seed", seed=each.seed), each.device, each.seconds) for each in shown.measured]
    several = [values if len(values) > 1 else () for *_, values in lines]  # of a stored result there is only the mean
    table = {
        "": [who for who, _, _ in lines],
        t("beside.device"): [literal(device) for _, device, _ in lines],
        t("beside.mean"): [_second(statistics.mean(values)) for *_, values in lines],
        t("beside.median"): [_second(statistics.median(values)) if values else "–" for values in several],
        t("beside.range"): [f"{_second(min(v))} – {_second(max(v))}" if v else "–" for v in several],
    }
    st.table(table, hide_index=True)
    if all(value % 1 == 0 for value in told):
        st.caption(t("beside.whole_seconds"))
    if any(len(each.seconds) == 1 for each in shown.measured):
        st.caption(t("beside.stored_seconds"))
    if not shown.measured:
        st.caption(t("beside.not_measured"))
    _source(one, "seconds")


def _second(seconds: float) -> str:
    return number(seconds, 0 if seconds % 1 == 0 else 2)


# --- examples ---------------------------------------------------------------------------------------------------------


def _examples(shown: Training) -> None:
    by_index = {str(one.index): one for one in shown.one.examples}
    say = {index: plain("beside.example", index=one.index) for index, one in by_index.items()}
    example = by_index[_one_of("examples", list(by_index), say)]
    names = shown.names
    left, middle, right = st.columns([3, 4, 4], gap="large")
    slots = {"true": names[example.true], "predicted": names[example.predicted], "index": example.index}
    confidence = example.confidence if example.confidence is not None else max(example.probabilities, default=None)
    if confidence is not None:
        slots["probability"] = percent(confidence, 2)
    key = "beside.example_said" if example.predicted != example.true else "beside.example_right"
    left.markdown(t(key, **slots))
    with left:
        _source(shown.one, "examples")
    with middle:
        st.markdown(f"**{t('recipes.reported')}**")
        if example.probabilities:
            probability_bars(
                np.array(example.probabilities), example.true, names, key="beside-bars-reported", y_title=UNNAMED
            )
        else:
            st.caption(t("beside.only_confidence"))
        if example.shown:
            said = (f"{literal(name)} {percent(share)}" for name, share in zip(names, example.shown, strict=True))
            st.caption(t("beside.other_network", shares=Markdown(", ".join(said))))
    with right:
        st.markdown(f"**{t('recipes.measured')}**")
        measured = _same_image(shown, example)
    if measured is not None:
        image, probabilities = measured
        with left:
            gallery([image], [plain("image.this", index=example.index, label=names[example.true])], side=200)
        with right:
            probability_bars(probabilities, example.true, names, key="beside-bars-measured", y_title=UNNAMED)


def _same_image(shown: Training, example: Example) -> tuple[np.ndarray, np.ndarray] | None:
    """The test image of a report's example, and the newest model's probabilities for it; None, with a message, if none.

    The number of an example is its place in the official test split.
    """
    run = next((one.run for one in shown.measured if one.run and one.kept), None)
    if not run:
        st.caption(t("beside.no_matrix" if shown.measured else "beside.not_measured"))
        return None
    try:
        answers = server.answers(run, "test")
    except Refusal as refusal:
        refused(refusal, st.warning)
        return None
    test = test_images(run, answers) if answers else None
    if not test or not answers:
        return None
    if example.index >= len(test.labels) or test.labels[example.index] != example.true:
        st.warning(t("beside.other_image", index=example.index))
        return None
    return test.images[example.index], answers.probabilities[example.index]


# --- sources ----------------------------------------------------------------------------------------------------------


def _recipe(one: Reported) -> str:
    return one.name[: len("000-a")]


def _source(one: Reported, part: Part, *, computed: bool = False) -> None:
    """Say where a part of the reported data comes from: the lines of the report, or a link to the public notebook."""
    origin = one.origin[part]
    found = [source for source in one.sources if bool(source.repository) == (origin == "notebook")]
    key = "beside.from_report" if origin == "report" else "beside.from_notebook"
    words = t(key, places=experiments.places(found))
    st.caption(Markdown(f"{words} {t('beside.computed')}") if computed else words)
