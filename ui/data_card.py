"""What every page shows of the chosen data set: whether it is on this machine, its facts, its known faults."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.datasets import DATASETS, Dataset, Split
from core.measures.answers import Answers
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run
from core.training.ready import Remark, remarks
from ui import importing, server
from ui.choice import data_name
from ui.text import Markdown, language, number, plain, refused, t


def data_are_here(source: Dataset, key: str | None = None) -> bool:
    """Whether the data are on this machine; if not, shows a button that downloads them, or why they are unavailable.

    `key` tells the button from another one for the same data on the page.
    """
    state, why = source.state()
    if state == "missing":
        st.error(t(why or "data.absent", name=source.name))
        if source.unfit:
            importing.offer(source.folders()[0] / source.files[0], key)
    words, icon = t("data.fetch", name=data_name(source.name)), ":material/download:"
    if state == "fetchable" and st.button(words, icon=icon, type="primary", width="stretch", key=key):
        _fetch(source)
    return state == "ready"


def answered_images(run: Run, answers: Answers, *, scaled: bool = True) -> Split:
    """The test images to which a run has answered; not `scaled`, in the size of the data set's files, without torch.

    Raises: Refusal, if the data are not on this machine or have changed since.
    """
    spec = run.spec if scaled else run.spec.model_copy(update={"image_size": None})
    test = server.splits(spec).test
    same = spec.image_size != run.spec.image_size or not answers.images or server.images(spec) == answers.images
    if not same or not np.array_equal(test.labels, answers.labels):
        raise Refusal("error.other_data", data=data_name(run.spec.data))
    return test


def data_facts(source: Dataset) -> None:
    """Show a data set's number of images, source, licence and note."""
    counts = " / ".join(number(source.counts[name]) for name in ("train", "val", "test") if source.counts.get(name))
    if counts:
        key = "data.facts_val" if source.counts.get("val") else "data.facts"
        licence = Markdown(source.licence.format(not_stated=t("data.not_stated")))
        whose = Markdown(source.source) if source.name in DATASETS else source.source  # ours may have links
        st.caption(t(key, counts=counts, source=whose, licence=licence))
    if source.note:
        st.caption(t(source.note))


def what_splits_lack(spec: RunSpec, source: Dataset, before: Sequence[Remark] = ()) -> None:
    """Show other remarks, then which classes the splits of a spec's run lack, for data on this machine.

    Raises: Refusal.
    """
    names = source.class_names.get(language(), source.class_names["en"])
    if said := [t(key, **slots) for key, slots in [*before, *remarks(spec, server.counts(spec), names)]]:
        st.warning("\n\n".join(said))  # in one box, which takes less room above the button to start


def pitfalls(source: Dataset) -> None:
    """Show what is known to be wrong with the data, and who found it."""
    for one in source.pitfalls:
        words = t(one.text, count=len(source.label_errors))
        st.caption(f":material/warning: {words} [{one.source}]({one.link})")


def known_error(source: Dataset, index: int, names: tuple[str, ...], before: str = "") -> str:
    """The class that people see in a test image with a known label error, after `before`; "" for any other image.

    It is plain text, for the image's caption.
    """
    if index not in source.label_errors:
        return ""
    seen = source.label_errors[index]
    return before + (plain("pitfall.no_majority") if seen is None else plain("pitfall.people_say", label=names[seen]))


def _fetch(source: Dataset) -> None:
    bar = st.progress(0.0, t("data.fetching", done=0.0))

    def progress(done: int, total: int) -> None:
        bar.progress(min(1.0, done / total) if total else 0.0, t("data.fetching", done=done / 1e6))

    try:
        source.fetch(progress)
    except Refusal as refusal:
        bar.empty()
        refused(refusal)
    else:
        st.rerun()
