"""The menu by which a run leaves the app, and the way by which one comes in."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.exports import EXPORTS, missing, packed
from core.exports.archive import take_in
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.choice import choose_other, data_name
from ui.text import language, number, plain, refused, t

MOST_PACKED = 1 << 29  # bytes of weights that the server packs in memory for a download
WITHOUT_WEIGHTS = ("report", "card", "tensorboard")
MADE = "export.made"  # key in the session state: of what the last export was made, and in which format; the export
TAKEN = "export.taken"  # key in the session state: the name of the run that was imported last


def panel(run: Run, others: Sequence[str]) -> None:
    """Let the reader choose a format, make the export and download it; import a run below.

    A report can compare the run with one of `others`, finished runs.
    """
    names = {one: plain(f"export.name.{one}") for one in EXPORTS}
    name = st.selectbox(t("export.format"), list(names), format_func=names.__getitem__, key="export-format")
    st.caption(t(f"export.help.{name}"))
    if absent := missing(name):
        st.info(t(absent.key, **absent.slots))
    elif name not in WITHOUT_WEIGHTS and 4 * run.started().parameters > MOST_PACKED:
        st.info(t("export.large", run=run.name, name=name))
    else:
        _offer(run, name, _other(run, others) if EXPORTS[name].compares else None)
    with st.expander(t("export.import")):
        _import()


def _other(run: Run, others: Sequence[str]) -> Run | None:
    """Let the reader choose a run of the same data to compare with; None if there is none, or none is chosen."""
    candidates = {name: one for name in others if (one := server.find(name)) and one.spec.data == run.spec.data}
    if not candidates:
        return None
    chosen = choose_other(t("export.compare"), candidates, "export-other")
    return candidates[chosen] if chosen else None


def _offer(run: Run, name: str, other: Run | None) -> None:
    """Make the export at a click, and offer it once it has been checked; `other`: a run to compare with."""
    wanted = (run.name, name, other and other.name, language())
    if st.button(t("export.make"), type="primary", icon=":material/inventory_2:", key="export-make"):
        st.session_state.pop(MADE, None)
        try:
            with st.spinner(t("export.making")):
                st.session_state[MADE] = wanted, packed(run, name, language(), other)
        except Refusal as refusal:
            refused(refusal)
    of, made = st.session_state.get(MADE, (None, None))
    if made is None or of != wanted:
        return
    if made.check:
        slots = {"difference": number(made.check.difference), "n": made.check.n, "data": data_name(made.check.data)}
        st.success(t("export.checked", **slots))
    st.download_button(
        t("export.download", file=made.file, size=number(len(made.content) / 1000, 0)),
        made.content,
        made.file,
        made.mime,
        on_click="ignore",
        icon=":material/download:",
        key="export-download",
    )


def _import() -> None:
    """Take a run from another store into this one."""
    file = st.file_uploader(t("export.import_file"), type="zip", key="export-file")
    if st.button(t("export.import_now"), icon=":material/upload:", disabled=file is None, key="export-import") and file:
        try:
            st.session_state[TAKEN] = take_in(file).name
        except Refusal as refusal:
            refused(refusal)
    if taken := st.session_state.get(TAKEN):
        st.success(t("export.imported", run=taken))
        st.page_link(
            server.PAGES / "evaluate.py",
            label=t("export.look"),
            icon=":material/monitoring:",
            query_params={"run": taken},
        )
