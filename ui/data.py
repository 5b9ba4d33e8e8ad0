"""The views of the page Data: samples, a minibatch, class balance, mean images, one image's stages, label errors."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.charts import bars
from core.datasets import Dataset, Splits
from core.images.exploration import class_counts, majority_baseline, mean_images, minibatch, samples_per_class
from core.images.preprocessing import stages
from core.spec import RunSpec, checked
from ui import form, server
from ui.choice import one_of
from ui.data_card import known_error
from ui.gallery import gallery, rows
from ui.numbers import whole_number
from ui.tables import folded_table
from ui.text import language, literal, number, percent, plain, t

SHEET = (680, 540)  # px, largest width and height of a sheet of samples, for a 1280 x 720 projector
LEAST, MOST = 48, 96  # px, smallest and largest height of a sample; a higher image is shown unscaled
MOST_CLASSES = 20  # shown at once
MOST_IMAGES = 240  # shown of a larger minibatch


def panel(spec: RunSpec, source: Dataset) -> None:
    """Show the chosen view of the data as a run of this spec would use them. Raises: Refusal."""
    official = server.official(spec)
    used = server.splits(spec.model_copy(update={"image_size": None, "normalisation": "unit"}))
    names = source.class_names.get(language(), source.class_names["en"])
    views = ["samples", "minibatch", "balance", "means", "image"] + ["label_errors"] * bool(source.label_errors)
    view = one_of("explore", views)
    if view == "samples":
        _samples(used, names)
    elif view == "minibatch":
        _minibatch(used, names)
    elif view == "balance":
        _balance(spec, official, used, names)
    elif view == "means":
        _means(used, names)
    elif view == "image":
        _image(spec, source, official, names)
    else:
        _label_errors(source, official, names)


def _samples(used: Splits, names: tuple[str, ...]) -> None:
    left, right = st.columns([4, 1], gap="medium")
    with right:
        seed = _seed()
        st.caption(t("explore.samples_help"))
    with left:
        shown = _classes(names)
        scale, columns = _fitting(used.train.images.shape[2:], len(shown))
        places = samples_per_class(used.train.labels, len(names), columns, seed)
        shown = [k for k in shown if len(places[k])]
        images = [used.train.images[places[k]] for k in shown]
        rows([names[k] for k in shown], images, columns=columns, scale=scale)


def _minibatch(used: Splits, names: tuple[str, ...]) -> None:
    left, right = st.columns([4, 1], gap="medium")
    with right:
        seed = _seed()
        size = checked(form.fields(["batch_size"])).batch_size
        places = minibatch(len(used.train.labels), size, seed)
        counts = class_counts(used.train.labels[places], len(names))
        st.caption(t("explore.minibatch_help"))
        most = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
        st.caption(", ".join(f"{literal(names[k])}: {number(int(counts[k]))}" for k in sorted(most)))
    with left:
        images = used.train.images[places[:MOST_IMAGES]]
        scale, columns = _fitting(images.shape[2:], 8)
        rows([""], [images], columns=columns, scale=scale)


def _balance(spec: RunSpec, official: Splits, used: Splits, names: tuple[str, ...]) -> None:
    parts = [("official", name, split) for name, split in official.parts().items()]
    if spec.split != "official":
        parts += [("used", name, split) for name, split in used.parts().items() if name != "test"]
    counts: dict[str, np.ndarray] = {}
    for whose, name, split in parts:
        heading = t(f"explore.split_{whose}", split=t(f"chart.{name}"), count=len(split.labels))
        counts[heading] = class_counts(split.labels, len(names))
    shown = _classes(names)
    some = {heading: values[shown] for heading, values in counts.items()}
    shown_names = [names[k] for k in shown]
    chart = bars.class_balance(some, shown_names, y_title=t("chart.class"), language=language())
    st.altair_chart(chart, key="balance", width="stretch", alt=t("explore.balance_alt"))
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

        def draw() -> None:
            st.session_state[key] = int(np.random.default_rng().integers(last + 1))

        st.session_state[key] = min(last, st.session_state.get(key) or 0)
        index = whole_number(t("explore.index", last=last), 0, last, key=key, width=240)
        st.button(t("explore.random"), icon=":material/shuffle:", on_click=draw)
    image = split.images[index]
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.subheader(t("explore.image_title", index=index, label=names[split.labels[index]]))
        wrong = known_error(source, index, names) if part == "test" else ""
        if wrong:
            st.warning(literal(wrong))
        gallery(image[None], [""], side=image.shape[-1] * max(1, 336 // image.shape[-1]))
    with right:
        _stages(spec, image)


def _stages(spec: RunSpec, image: np.ndarray) -> None:
    st.subheader(t("explore.stages"))
    scale, shift = server.normalisation(spec)
    found = stages(spec, image, scale, shift)
    captions = []
    for one in found:
        low, high, side = one.values.min(), one.values.max(), one.values.shape[-1]
        captions.append(t(f"stage.{one.name}") + "\n" + t("stage.range", low=low, high=high, side=side))
    gallery([one.picture for one in found], captions, side=112)
    deviation = 1 / (255 * scale.ravel())
    mean, deviation = (" | ".join(map(number, values)) for values in (-shift.ravel() * deviation, deviation))
    key = "stage.unit" if spec.normalisation == "unit" else "stage.normalisation"
    st.caption(t(key, mean=mean, deviation=deviation))


def _label_errors(source: Dataset, official: Splits, names: tuple[str, ...]) -> None:
    places = list(source.label_errors)
    captions = [
        plain("explore.image_title", index=i, label=names[official.test.labels[i]])
        + known_error(source, i, names, "\n")
        for i in places
    ]
    gallery(official.test.images[places], captions, side=140)


def _seed() -> int:
    """Show the seed of the random choice of images, and a button for the next seed; returns the seed."""

    def another() -> None:
        st.session_state["sample-seed"] += 1

    st.session_state.setdefault("sample-seed", 0)
    seed = whole_number(t("explore.seed"), 0, 2**31 - 1, key="sample-seed")
    st.button(t("explore.another"), icon=":material/casino:", on_click=another, width="stretch")
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
