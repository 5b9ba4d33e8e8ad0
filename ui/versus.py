"""Two finished runs on the same test images: the verdict in words, what one mends of the other, what it breaks."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import store
from core.compare import Comparison, compare
from core.datasets import Split
from core.refusal import Refusal
from core.store import Run
from ui import charts, server
from ui.choice import run_label
from ui.gallery import gallery
from ui.text import number, t

PICTURES = 12  # of each list


def panel(run: Run, test: Split, names: tuple[str, ...]) -> None:
    """Choose another run of the same data, and see this one (B) beside it (A)."""
    others = [one.name for one in store.runs() if one.is_done() and one != run and one.spec.data == run.spec.data]
    if not others:
        st.caption(t("compare.none"))
        return
    labels = {name: run_label(name) for name in others}
    name = st.selectbox(
        t("compare.with"),
        others,
        index=None,
        format_func=labels.__getitem__,
        placeholder=t("compare.choose"),
        key="other",
    )
    other = server.find(name)
    if not other:
        return
    try:
        found = compare(*_predictions(other), *_predictions(run))
    except Refusal as refusal:
        st.warning(t(refusal.key, **refusal.slots))
        return
    st.markdown(_verdict(found, len(test.labels)))
    st.dataframe(charts.confusion_table(found.matrix, names, words=_words()), width="stretch")
    st.caption(t("compare.matrix_help"))
    left, right = st.columns(2, gap="large")
    for column, what, places in ((left, "fixed", found.fixed), (right, "broken", found.broken)):
        with column:
            st.markdown(t(f"compare.{what}", count=len(places)))
            shown = places[:PICTURES]
            captions = [t("compare.picture", index=int(i), true=names[test.labels[i]]) for i in shown]
            gallery(test.images[shown], captions, side=96)


def _verdict(found: Comparison, n: int) -> str:
    better = len(found.fixed) > len(found.broken)
    key = ("compare.better" if better else "compare.worse") if found.is_difference else "compare.no_difference"
    p = number(found.p, 4) if found.p >= 0.0001 else f"< {number(0.0001, 4)}"
    return t(key, fixed=len(found.fixed), broken=len(found.broken), n=n, p=p)


def _predictions(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """A report's labels (N,) and probabilities (N, K)."""
    report = run.report()
    assert report
    stored, _ = run.load(report.predictions, report.predictions_sha256)
    return stored["labels"].numpy(), stored["probabilities"].numpy()


def _words() -> dict[str, str]:
    return {key: t(f"chart.{key}") for key in ("true_class", "predicted_class")}
