"""The views of the page Data: samples, a minibatch, class balance, mean images, an image's way, label errors."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from core import store
from core.charts import bars
from core.datasets import Dataset, Splits
from core.images.exploration import class_counts, majority_baseline, mean_images, minibatch, samples_per_class
from core.images.preprocessing import stages
from core.images.splits import resized, train_indices
from core.spec import RunSpec, checked
from ui import form, server
from ui.choice import data_name, one_of, run_label
from ui.columns import beside_or_below
from ui.data_card import known_error
from ui.gallery import clicked_picture, gallery, rows
from ui.measured import probability_bars
from ui.numbers import whole_number
from ui.tables import folded_table
from ui.text import language, literal, number, percent, plain, t

AUGMENTED = 6  # examples of what augmentation makes of an image
SHEET = (1400, 500)  # px, largest width and height of the samples, for a 1280 x 720 projector
LEAST, MOST = 48, 96  # px, smallest and largest height of a sample; a higher image is shown unscaled
STAGE = 150  # px, side of an image's picture at one of its stages
MOST_CLASSES = 20  # shown at once
MOST_IMAGES = 240  # shown of a larger minibatch


def panel(spec: RunSpec, source: Dataset) -> None:
    """Show the chosen view of the data as a run of this spec would use them. Raises: Refusal."""
    official = server.official(spec)
    used = server.splits(spec.model_copy(update={"image_size": None, "normalisation": "unit"}))
    names = source.class_names.get(language(), source.class_names["en"])
    views = ["samples", "minibatch", "balance", "means", "image"] + ["label_errors"] * bool(source.label_errors)
    view = one_of("explore", views)
    if view in ("samples", "minibatch"):
        places = train_indices(spec, official.train.labels)
        (_samples if view == "samples" else _minibatch)(spec, used, names, places)
    elif view == "balance":
        _balance(spec, official, used, names)
    elif view == "means":
        _means(used, names)
    elif view == "image":
        _image(spec, source, official, names)
    else:
        _label_errors(spec, source, official, names)


def _samples(spec: RunSpec, used: Splits, names: tuple[str, ...], official: np.ndarray) -> None:
    """Show a row of train images for each class; `official` are their places in the authors' train split (N,)."""
    above = st.container()
    shown = _classes(names)
    scale, columns = _fitting(used.train.images.shape[2:], len(shown))
    seed = _seed()
    places = samples_per_class(used.train.labels, len(names), columns, seed)
    shown = [k for k in shown if len(places[k])]
    with above:
        images = [used.train.images[places[k]] for k in shown]
        rows(
            [names[k] for k in shown],
            images,
            [official[places[k]] for k in shown],
            height=scale * used.train.images.shape[2],
        )
    clicked_picture(partial(_follow, spec, "train"))
    st.caption(t("explore.samples_help"))


def _minibatch(spec: RunSpec, used: Splits, names: tuple[str, ...], official: np.ndarray) -> None:
    """Show a batch of train images; `official` as in `_samples`."""
    above = st.container()
    with st.container(width=280):
        size = checked(form.fields(["batch_size"])).batch_size
    places = minibatch(len(used.train.labels), size, _seed())
    counts = class_counts(used.train.labels[places], len(names))
    with above:
        some = places[:MOST_IMAGES]
        images = used.train.images[some]
        scale, _ = _fitting(images.shape[2:], 8)
        rows([""], [images], [official[some]], height=scale * images.shape[2], is_cut=False)
    clicked_picture(partial(_follow, spec, "train"))
    st.caption(t("explore.minibatch_help"))
    most = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    st.caption(", ".join(f"{literal(names[k])}: {number(int(counts[k]))}" for k in sorted(most)))


def _follow(spec: RunSpec, part: str, index: int) -> None:
    """Show an image of the authors' split `part` on its way into the network. Called when its picture is clicked."""
    st.session_state["explore"], st.session_state["image-split"] = "image", part
    st.session_state[f"image-{spec.data}-{part}"] = index


def _balance(spec: RunSpec, official: Splits, used: Splits, names: tuple[str, ...]) -> None:
    parts = [("official", name, split) for name, split in official.parts().items()]
    if spec.split != "official":
        parts += [("used", name, split) for name, split in used.parts().items() if name != "test"]
    counts: dict[str, np.ndarray] = {}
    for whose, name, split in parts:
        heading = t(f"explore.split_{whose}", split=t(f"chart.{name}"), count=len(split.labels))
        counts[heading] = class_counts(split.labels, len(names))
    shown = _classes(names)
    shown_names = [names[k] for k in shown]
    row = st.container(horizontal=True)  # a chart for each split: those that do not fit beside the others go below
    for place, (heading, values) in enumerate(counts.items()):
        words = {"y_title": t("chart.class"), "language": language()}
        chart = bars.class_balance({heading: values[shown]}, shown_names, **words)
        row.altair_chart(chart, key=f"balance-{place}", width=285, alt=t("explore.balance_alt"))
    test = class_counts(official.test.labels, len(names))
    baseline = majority_baseline(test)
    st.markdown(
        t(
            "explore.baseline",
            name=names[int(test.argmax())],
            n=baseline.accuracy.n,
            accuracy=percent(baseline.accuracy.value, 2),
            balanced_accuracy=percent(baseline.balanced_accuracy.value, 2),
            classes=int((test > 0).sum()),
        )
    )
    folded_table(bars.class_balance_table(counts, names, y_title=t("chart.class")))


def _means(used: Splits, names: tuple[str, ...]) -> None:
    counts = class_counts(used.train.labels, len(names))
    shown = _classes(names)
    images = mean_images(used.train, len(names))[shown]
    captions = [f"{names[k]}\n{t('explore.mean_of', count=int(counts[k]))}" for k in shown]
    gallery(images, captions, side=images.shape[-1] * max(1, 150 // images.shape[-1]))
    st.caption(t("explore.means_help"))


def _image(spec: RunSpec, source: Dataset, official: Splits, names: tuple[str, ...]) -> None:
    parts = official.parts()
    titles = {name: t(f"chart.{name}") for name in parts}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.selectbox(
            t("explore.split"),
            list(parts),
            index=list(parts).index("test"),
            format_func=titles.__getitem__,
            width=200,
            key="image-split",
            persist_state="session",
        )
        split = parts[part]
        key, last = f"image-{spec.data}-{part}", len(split.labels) - 1
        st.session_state[key] = min(last, max(0, st.session_state.get(key) or 0))  # a click may tell any number
        index = whole_number(t("explore.index", last=last), 0, last, key=key, width=240)
        if st.button(t("explore.random"), icon=":material/shuffle:", key="explore-random"):
            st.session_state[key] = int(np.random.default_rng().integers(last + 1))
            st.rerun()
    image, true = split.images[index], int(split.labels[index])
    with beside_or_below("way"):
        left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader(t("explore.image_title", index=index, label=names[true]))
        wrong = known_error(source, index, names) if part == "test" else ""
        if wrong:
            st.warning(literal(wrong))
        _stages(spec, image)
    with right:
        _answer(spec, image, true, part)


def _stages(spec: RunSpec, image: np.ndarray) -> None:
    """Show what preprocessing makes of an image uint8 (C, H, W), step by step, and what augmentation makes of it."""
    scale, shift = server.normalisation(spec)
    found = stages(spec, image, scale, shift)
    captions = []
    for place, one in enumerate(found, start=1):
        low, high, side = one.values.min(), one.values.max(), one.values.shape[-1]
        told = plain("stage.range", low=low, high=high, side=side)
        captions.append(f"{place}. {plain(f'stage.{one.name}')}\n{told}")
    gallery([one.picture for one in found], captions, side=STAGE)
    deviation = 1 / (255 * scale.ravel())
    mean, deviation = (" | ".join(map(number, values)) for values in (-shift.ravel() * deviation, deviation))
    key = "stage.unit" if spec.normalisation == "unit" else "stage.normalisation"
    st.caption(t(key, mean=mean, deviation=deviation))
    if spec.augments:
        from core.images.augment import examples  # torch is imported only for them

        before = next(one.picture for one in reversed(found) if one.values.dtype == np.uint8)
        st.markdown(f"**{t('stage.augmented')}**")
        gallery(examples(spec, before, AUGMENTED), [""] * AUGMENTED, side=STAGE * 2 // 3)


def _answer(spec: RunSpec, image: np.ndarray, true: int, part: str) -> None:
    """Show what a finished run of these data answers to an image uint8 (C, H, W); says so if there is none."""
    labels = {name: run_label(name) for name in server.done(spec.data)}
    if not labels:
        st.info(t("explore.no_answer"))
        return
    say = {"format_func": labels.__getitem__, "key": f"answering-{spec.data}", "persist_state": "session"}
    run = store.find(st.selectbox(t("explore.answer"), list(labels), **say))
    model = server.model(run)
    if image.shape[0] != model.shape[0] or len(model.names(language())) <= true:
        st.warning(t("error.other_data", data=data_name(spec.data)))
        return
    values = model.probabilities(resized(image[None], model.shape[1]))[0]
    probability_bars(values, true, model.names(language()), key="image-answer")
    if part == "train":
        st.caption(t("explore.may_know"))


def _label_errors(spec: RunSpec, source: Dataset, official: Splits, names: tuple[str, ...]) -> None:
    places = list(source.label_errors)
    captions = [
        plain("explore.image_title", index=i, label=names[official.test.labels[i]])
        + known_error(source, i, names, "\n")
        for i in places
    ]
    gallery(official.test.images[places], captions, side=140, numbers=places)
    clicked_picture(partial(_follow, spec, "test"))


def _seed() -> int:
    """Show the seed of the random choice of images, and a button for the next seed; returns the seed."""

    def another() -> None:
        st.session_state["sample-seed"] += 1

    st.session_state.setdefault("sample-seed", 0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = whole_number(t("explore.seed"), 0, 2**31 - 1, key="sample-seed", width=200)
        st.button(t("explore.another"), icon=":material/casino:", on_click=another)
    return seed


def _classes(names: tuple[str, ...]) -> list[int]:
    """The classes to show: all, or if there are many those on the chosen page."""
    pages = -(-len(names) // MOST_CLASSES)
    page = st.pagination(pages, key=f"classes-{pages}") if pages > 1 else 1
    return list(range(len(names)))[(page - 1) * MOST_CLASSES : page * MOST_CLASSES]


def _fitting(shape: tuple[int, ...], lines: int) -> tuple[int, int]:
    """The factor that enlarges images of shape (H, W) so that `lines` lines fit a projector, and the images a line."""
    height, width = shape
    scale = max(1, -(-LEAST // height), min(MOST // height, SHEET[1] // (lines * (height + 1))))
    return scale, max(1, SHEET[0] // (scale * (width + 1)))
