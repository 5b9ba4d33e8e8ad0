"""Import on the page Data: files are brought, what becomes of them is shown, and one button writes the data set."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core import settings
from core.charts import bars
from core.datasets.importing import SAMPLED_CLASSES, UPLOADS, Found, Importer, brought, free_name, importable
from core.datasets.sources import Row, Wishes
from core.refusal import Refusal, writing
from ui import server
from ui.gallery import rows
from ui.numbers import whole_number
from ui.tables import folded_table
from ui.text import Markdown, kept_refusal, language, refused, show_refusal, t

MODE = "import"  # in the session state: whether the page imports
JOB = "import.job"
WRITTEN = "import.written"  # the answer to the last import, until it has been shown
REFUSED = "import.refused"
MOST_AT_ONCE = 4  # processes on a server; the one that has waited longest for its visitor is ended for another
SIDES = (28, 32, 48, 64, 96, 128, 224)  # px, that are offered
POLL = 0.4  # seconds
HEIGHT = 56  # px of an example


@dataclass
class _Job:
    """An import in progress."""

    importer: Importer
    name: str  # proposed
    wishes: Wishes | None = None  # those that were asked for last
    asked: bool = False  # by a click, to write what the page then finds chosen
    writes: bool = False


@st.cache_resource(show_spinner=False)
def _alive() -> weakref.WeakSet[Importer]:
    return weakref.WeakSet()


def begin(path: Path | None = None) -> None:
    """Have the page Data import, at once if a file or folder is given. To be called when a button is clicked."""
    st.session_state[MODE] = True
    st.session_state.pop(WRITTEN, None)
    if path:
        with kept_refusal(REFUSED):
            _start([(path.name, path)])


def is_open() -> bool:
    """Whether the page imports at the moment; an import that has just ended is noted before the page is drawn."""
    job: _Job | None = st.session_state.get(JOB)
    with contextlib.suppress(Refusal):
        if job and (written := job.importer.written()):
            said = job.importer.last.rows if job.importer.last else []
            new = [row for row in written["left_out"] if row not in said]  # found while the pictures were decoded
            st.session_state["data"], st.session_state[WRITTEN] = written["name"], written | {"left_out": new}
            _close()
    return bool(st.session_state.get(MODE))


def toggle() -> None:
    """Show the button that begins an import or goes back from it."""
    if st.session_state.get(MODE):
        st.button(t("import.back"), icon=":material/arrow_back:", on_click=_close, key="import-back")
    else:
        st.button(t("import.open"), icon=":material/upload_file:", on_click=begin, key="import-open")


def what_was_written(data: str) -> None:
    """Say that the data set was imported, as long as it is the chosen one, and what could not be read of it."""
    written = st.session_state.get(WRITTEN)
    if written and written["name"] == data:
        st.success(t("import.written", name=data))
        if written["left_out"]:
            _table(written["left_out"])
    else:
        st.session_state.pop(WRITTEN, None)


def panel() -> None:
    """Show where to bring files, then what becomes of them. Raises: Refusal."""
    job: _Job | None = st.session_state.get(JOB)
    if not job:
        _bring()
        return
    if job.importer.is_busy():
        st.fragment(_progress, run_every=POLL, key="import-progress")(job)
        return
    try:
        found = job.importer.found()
    except Refusal as refusal:
        refused(refusal)
        if job.writes or job.wishes:  # with other wishes it may go
            job.writes = False
            found = job.importer.last
        else:
            found = None
    if found:
        _decide(job, found)
    else:
        st.button(t("import.again"), icon=":material/arrow_back:", on_click=_forget, key="import-again")


def _bring() -> None:
    """Show the ways in which files are brought."""
    st.subheader(t("import.title"))
    st.markdown(t("import.help"))
    show_refusal(REFUSED)
    label = t("import.upload", most=int(st.get_option("server.maxUploadSize")))
    st.file_uploader(label, accept_multiple_files=True, key="import-files")
    if places := {str(path): path.name for path in importable()}:
        st.selectbox(
            t("import.in_folder"),
            list(places),
            index=None,
            format_func=places.__getitem__,
            key="import-place",
            placeholder=t("import.choose"),
            width=300,
        )
    chosen = st.session_state["import-files"] or st.session_state.get("import-place")
    # Files are listed as soon as they are chosen, but are here only when all are uploaded. `_look` is called at the
    # beginning of the next run: an upload that ends meanwhile could break off this one.
    st.button(
        t("import.look"),
        type="primary",
        icon=":material/search:",
        disabled=not chosen,
        on_click=_look,
        key="import-look",
    )


def _look() -> None:
    """Begin to look at what was uploaded, or else chosen."""
    files, place = st.session_state["import-files"], st.session_state.get("import-place")
    with kept_refusal(REFUSED):
        if files:
            _start_uploaded(files)
        elif place:
            chosen = brought(place)
            _start([(chosen.name, chosen)])


def _start_uploaded(files: Sequence[Any]) -> None:
    """Put uploaded files into a folder of their own, by numbers, and look at them. Raises: Refusal."""
    above = settings.cache_folder() / UPLOADS
    with writing(above, "error.folder_unwritable"):
        above.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=above))
        sources = []
        for number, file in enumerate(files):
            path = folder / str(number)
            path.write_bytes(file.getbuffer())
            sources.append((file.name.replace("\\", "/").rpartition("/")[2], path))
    _start(sources, folder)


def _start(sources: Sequence[tuple[str, Path]], folder: Path | None = None) -> None:
    """Begin to look at named files; `folder` is deleted in the end. Raises: Refusal."""
    waiting = sorted((one for one in _alive() if not one.is_busy()), key=lambda one: one.begun)
    for one in waiting[: max(0, len(_alive()) + 1 - MOST_AT_ONCE)]:
        one.close()
        _alive().discard(one)
    if len(_alive()) >= MOST_AT_ONCE:
        raise Refusal("import.busy", most=MOST_AT_ONCE)
    importer = Importer(sources, folder)
    _alive().add(importer)
    st.session_state[JOB] = _Job(importer, free_name(sources[0][0]))
    for name in ("name", *Wishes.__dataclass_fields__):
        st.session_state.pop(f"import-{name}", None)


def _forget() -> None:
    """End the import in progress, if there is one."""
    if job := st.session_state.pop(JOB, None):
        _alive().discard(job.importer)
        threading.Thread(target=job.importer.close).start()  # it may take a second, which a click need not wait for


def _close() -> None:
    _forget()
    st.session_state[MODE] = False


def _progress(job: _Job) -> None:
    if not job.importer.is_busy():
        st.rerun()
    file, done, total = job.importer.progress
    words = t("import.writing" if job.writes else "import.looking")
    if file:
        key = "import.progress" if total else "import.rows_read"
        words += " " + t(key, done=done, total=total, file=file)
    if total and 0 < done < total and (spent := time.monotonic() - job.importer.begun) > 2:
        words += " " + t("import.left_time", seconds=round(spent * (total - done) / done))
    st.progress(min(1.0, done / total) if total else 0.0, Markdown(words))
    st.button(t("import.stop"), icon=":material/stop:", on_click=_forget, key="import-stop")


def _decide(job: _Job, found: Found) -> None:
    """Show what was found and what becomes of it, what can be decided, and the button that writes."""
    st.subheader(t("import.found"))
    _table(found.rows)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(f"**{t('import.examples')}**")
        _examples(found)
    with right:
        st.text_input(t("import.name"), value=job.name, key="import-name", max_chars=100)
        proposed = t("import.proposed")
        side = st.selectbox(
            t("import.side_label"),
            [None, *SIDES],
            format_func=lambda one: f"{one} x {one}" if one else proposed,
            key="import-side",
        )
        colour = None
        if found.colour:
            kept = st.toggle(t("import.colour_kept"), value=True, key="import-colour")
            colour = None if kept else False
        digits = found.can_be_digits and st.toggle(
            t("import.digits_label"), key="import-digits", help=t("import.digits_help")
        )
        choices = {
            name: st.toggle(t(f"import.choice.{name}"), value=proposed, key=f"import-{name}")
            for name, proposed in found.choices.items()
        }
        st.session_state.setdefault("import-seed", 0)
        seed = whole_number(t("import.seed_label"), 0, 2**31 - 1, key="import-seed")
        wishes = Wishes(side=side, colour=colour, digits=bool(digits), seed=seed)
        wishes = replace(wishes, **{name: one for name, one in choices.items() if one != found.choices[name]})
        if job.asked:
            _write(job, wishes)
            st.rerun()
        if wishes != (job.wishes or Wishes()):
            job.wishes = wishes
            job.importer.show(wishes)
            job.importer.wait(1)  # mostly it has answered by then
            st.rerun()
        st.button(t("import.do"), type="primary", icon=":material/save:", on_click=_ask, args=(job,), key="import-do")
        show_refusal(REFUSED)
    _counts(found)


def _ask(job: _Job) -> None:
    job.asked = True


def _write(job: _Job, wishes: Wishes) -> None:
    job.asked = False
    with kept_refusal(REFUSED):
        job.importer.write(wishes, st.session_state["import-name"])
        job.wishes, job.writes = wishes, True


def _table(found: Sequence[Row]) -> None:
    """Show rows of what was found and what becomes of it."""

    def said(side: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        return Markdown("; ".join(t(key, **slots) for key, slots in side))

    columns = {
        t("import.about"): [t(f"import.row.{what}") for what, _, _ in found],
        t("import.was"): [said(was) for _, was, _ in found],
        t("import.becomes"): [said(becomes) for _, _, becomes in found],
    }
    st.table(columns, hide_index=True)  # wraps long text, unlike `st.dataframe`


def _examples(found: Found) -> None:
    shown = sorted(set(found.sample_classes))
    classes = np.array(found.sample_classes)
    images = [found.samples[classes == k] for k in shown]
    names = [found.names[k] for k in shown]
    rows(names, images, None, height=max(HEIGHT, found.shape[1]) if found.shape[1] < 96 else 96)
    if len(found.names) > SAMPLED_CLASSES:
        st.caption(t("import.first_classes", count=SAMPLED_CLASSES, classes=len(found.names)))


def _counts(found: Found) -> None:
    """Show the number of images of each class in each split, as it will be."""
    counts = {
        t("import.split_of", split=t(f"chart.{part}"), count=sum(some)): np.array(some)
        for part, some in found.counts.items()
    }
    st.markdown(f"**{t('import.counts')}**")
    line = st.container(horizontal=True)
    words = {"y_title": t("chart.class"), "language": language()}
    for place, (heading, some) in enumerate(counts.items()):
        chart = bars.class_balance({heading: some[:SAMPLED_CLASSES]}, found.names[:SAMPLED_CLASSES], **words)
        line.altair_chart(chart, key=f"import-balance-{place}", width=285, alt=t("explore.balance_alt"))
    folded_table(bars.class_balance_table(counts, found.names, y_title=t("chart.class")))


def offer(path: Path, key: str | None = None) -> None:
    """Show a button that imports a file of the data folder that cannot be used as it is."""
    words = t("import.this", file=path.name)
    if st.button(words, icon=":material/upload_file:", type="primary", key=f"import-this-{key}"):
        begin(path)
        st.switch_page(server.PAGES / "data.py", query_params={})
