"""Two finished runs compared on the same test images: the verdict, and the images that only one of them gets right."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.charts import matrices
from core.measures.answers import Answers
from core.measures.compare import compare, verdict
from core.refusal import Refusal
from core.store import Run
from ui import hyperparameters, server
from ui.choice import choose_other
from ui.evaluate import training
from ui.evaluate.errors import test_images
from ui.gallery import gallery
from ui.tables import folded_table, offer_csv
from ui.text import as_written, language, plain, refused, t

PICTURES = 12  # shown of each list


def panel(run: Run, answers: Answers, names: tuple[str, ...], others: Sequence[str]) -> None:
    """Let the reader choose another run of the same data among `others` (A), and compare this run (B) with it."""
    candidates = {name: one for name in others if (one := server.find(name)) and one.spec.data == run.spec.data}
    if not candidates:
        st.info(t("compare.none"))
        return
    name = choose_other(t("compare.with"), candidates, "other")
    if not name:
        return
    try:
        other = server.answers(candidates[name], "test")
        assert other
        found = compare(other, answers)
    except Refusal as refusal:
        refused(refusal, st.warning)
        return
    key, said = verdict(found, len(answers.labels), language())
    st.markdown(t(key, **as_written(said)))
    training.costs([run, candidates[name]], [answers, other])
    hyperparameters.differences(run.spec, candidates[name].spec)
    left, right = st.columns([1, 1], gap="large")
    with left:
        words = {key: t(f"chart.{key}") for key in ("true_class", "predicted_class", "difference")}
        chart = matrices.difference_matrix(found.matrix, names, words=words, language=language(), height=440)
        st.altair_chart(chart, width="stretch", alt=t("compare.matrix_alt"), key="difference")
        st.caption(t("compare.matrix_help"))
        table = matrices.confusion_table(found.matrix, names, words=words)
        with folded_table(table, index=True):
            offer_csv(table.reset_index(allow_duplicates=True), "difference-matrix")
    with right:
        test = test_images(run, answers)
        for what, places in (("fixed", found.fixed), ("broken", found.broken)):
            st.markdown(t(f"compare.{what}", count=len(places)))
            if test:
                shown = places[:PICTURES]
                captions = [plain("compare.picture", index=int(i), true=names[answers.labels[i]]) for i in shown]
                gallery(test.images[shown], captions, side=80)
    training.courses([run, candidates[name]])
