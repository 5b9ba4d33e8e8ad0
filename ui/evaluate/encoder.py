"""The encoder of a run by itself: its code for a test image as feature maps, its codes compared and saved."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.measures.answers import Answers
from core.measures.compare import mcnemar
from core.measures.measures import proportion
from core.models import encoder as encoders
from core.models.encoder import Encoder
from core.networks.layers import Row, in_words, shape_text
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run
from ui import server
from ui.choice import choose_other, row_of, run_label
from ui.evaluate.errors import choose_image, test_images
from ui.evaluate.training import val_rule
from ui.gallery import gallery
from ui.text import Markdown, interval, number, percent, plain, refused, t

MOST_MAPS = 64  # shown
MOST_BYTES = 200_000_000  # of codes that a browser is given; the command line writes more
COMPARED = "encoder.compared"  # key in the session state: the table of the run, and of the other, that it is of


def panel(run: Run, answers: Answers, names: tuple[str, ...], others: Sequence[str]) -> None:
    """Show the run's encoder; a comparison and a file are computed only when asked for. Raises: Refusal."""
    rows = encoders.encoder_rows(run)
    if not rows:
        st.info(t("encoder.none"))
        return
    _size(rows)
    test = test_images(run, answers)
    if not test:
        return
    index = choose_image(answers)
    one = encoders.encoder(run, server.model(run))
    left, right = st.columns([1, 3], gap="large")
    with left:
        label = plain("image.this", index=index, label=names[answers.labels[index]])
        gallery([test.images[index]], [label], side=200)
    with right:
        _maps(one.maps(test.images[index]))
    st.subheader(t("encoder.compare"))
    try:
        _comparison(run, rows, one, others)
    except Refusal as refusal:  # too few images, or the other run is damaged
        refused(refusal, st.warning)
    st.subheader(t("encoder.save"))
    _file(run, one)


def _size(rows: Sequence[Row]) -> None:
    """Say how many values an image has, and how many its code."""
    image, code = math.prod(rows[0].shape_before), rows[-1].shape[0]
    slots = {"layers": len(rows), "last": in_words(rows[-1].layer), "before": shape_text(rows[0].shape_before)}
    verdict = t(f"encoder.{'widens' if code > image else 'narrows' if code < image else 'keeps'}")
    st.markdown(t("encoder.of_image", **slots, image=image, after=code) + " " + verdict)


def _maps(maps: np.ndarray) -> None:
    """Show feature maps float32 (C, H, W) as pictures with one scale of grey, so that they can be compared."""
    shown, (count, height, width) = maps[:MOST_MAPS], maps.shape
    side = f"{width} x {height}"
    key = "encoder.some_maps" if count > MOST_MAPS else "encoder.maps"
    st.markdown(t(key, shown=len(shown), count=count, side=side))
    low, high = float(maps.min()), float(maps.max())
    grey = np.rint((shown - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    gallery(grey[:, None], [str(place) for place in range(1, len(grey) + 1)], side=56)
    st.caption(t("encoder.maps_help", low=number(low, 2), high=number(high, 2)))


def _comparison(run: Run, rows: Sequence[Row], one: Encoder, others: Sequence[str]) -> None:
    """Let the reader compare this encoder with random weights, the pixels and another run's, by their codes."""
    splits = server.splits(run.spec)
    on = encoders.comparable(run, splits)
    counts = {"asked": len(on.asked.labels), "known": len(on.known.labels)}
    st.caption(t("encoder.compare_help", **counts) + " " + t(f"encoder.on_{'val' if on.is_val else 'train'}", **counts))
    giver = server.find(run.spec.weights_from) if run.spec.taken else run
    if on.is_val and not (giver and val_rule(giver.spec) == val_rule(run.spec)):
        st.caption(t("encoder.other_val"))
    found = {name: other for name in others if (other := server.find(name))}
    candidates = {name: other for name, other in found.items() if _same(run.spec, other.spec, len(rows))}
    chosen = choose_other(t("encoder.with"), candidates, "encoder-other") if candidates else None
    of = run.name, chosen
    if st.button(t("encoder.start"), key="encoder-compare"):
        kinds: dict[str, Encoder | None] = {_named("encoder.this", run): one}
        if chosen:
            other = candidates[chosen]
            kinds[_named("encoder.other", other)] = encoders.encoder(other, server.model(other))
        kinds[t("encoder.untrained", seed=run.spec.seed)] = encoders.random_encoder(run, server.model(run))
        kinds[t("encoder.pixels")] = None
        bar, right = st.progress(0.0), {}
        for place, (name, kind) in enumerate(kinds.items()):
            said = t("encoder.busy", name=name)

            def tell(share: float, place: int = place, said: str = said) -> None:
                bar.progress((place + share) / len(kinds), said)

            right[name] = encoders.recognised(kind, on, tell)
        bar.empty()
        st.session_state[COMPARED] = of, right
    if st.session_state.get(COMPARED, (None,))[0] == of:
        _table(st.session_state[COMPARED][1])


def _same(spec: RunSpec, other: RunSpec, layers: int) -> bool:
    """Whether two runs have the same encoder, of so many layers, and the same val images of the same size."""
    facts = [(val_rule(one), one.image_size, one.layers[:layers]) for one in (spec, other)]
    return facts[0] == facts[1]


def _named(key: str, run: Run) -> str:
    """The encoder of this run or of another, with the origin of its weights."""
    origin = t(f"encoder.{run.spec.first_layers}", count=run.spec.layers_taken)
    return Markdown(f"{t(key, run=run_label(run.name))}: {origin}")


def _table(right: dict[str, np.ndarray]) -> None:
    """Show the accuracy by each encoder's codes, bool (N,), and whether it differs from the first one's."""
    (_, first), *_ = right.items()
    table: dict[str, list[str]] = {t("encoder.encoder"): list(right), t("encoder.accuracy"): [], t("encoder.p"): []}
    for values in right.values():
        found = proportion(int(values.sum()), len(values))
        ends = interval(found.low, found.high, 2)
        table[t("encoder.accuracy")].append(
            t("compare.accuracy", accuracy=percent(found.value, 2), interval=ends, n=found.n)
        )
        p = mcnemar(int((values & ~first).sum()), int((first & ~values).sum()))
        said = number(p, 4) if p >= 0.0001 else f"< {number(0.0001, 4)}"
        table[t("encoder.p")].append("" if values is first else said)
    st.table(table, hide_index=True)  # wraps long text, unlike `st.dataframe`
    st.caption(t("encoder.p_help"))


def _file(run: Run, one: Encoder) -> None:
    """Offer the codes of a split as a file, which is computed once it is asked for."""
    splits, offered = server.splits(run.spec), encoders.exportable(run.spec)
    say = {name: t(f"chart.{name}") for name in offered}
    split = row_of(t("encoder.split"), say, f"encoder-split-{len(offered)}", default=offered[-1])
    n = len(splits.parts()[split].labels)
    size = 4 * n * one.size
    if size > MOST_BYTES:
        slots = {"python": sys.executable, "run": run.name, "split": split}
        st.info(t("encoder.large", n=n, size=round(size / 1e6), **slots))
        return

    def codes() -> bytes:
        file = io.BytesIO()
        encoders.write_codes(run, server.model(run), splits, split, file)
        return file.getvalue()

    st.download_button(
        t("encoder.file"),
        codes,
        f"{run.name}-{split}.npz",
        "application/octet-stream",
        on_click="ignore",
        help=t("encoder.file_help"),
        key="encoder-file",
    )
