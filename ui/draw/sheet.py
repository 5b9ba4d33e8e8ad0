"""Sheets of paper with many digits: uploaded or photographed, read by the models, corrected, and kept together."""

from __future__ import annotations

import base64
import contextlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from PIL import Image
from streamlit.errors import StreamlitAPIException

from core.drawing import collection
from core.drawing.decoder import LONGEST_SHEET
from core.drawing.picture import MOST_MIB, open_picture, over_black
from core.images import printed_sheet
from core.images.sheet import strokes_seen
from core.models.model import Model
from core.models.sheets import ReadSheet, again, read_sheet
from core.refusal import Refusal
from ui import server
from ui.draw.agreement import agreement
from ui.files import beside
from ui.text import Markdown, kept_refusal, language, plain, show_refusal, t

SHEETS, KEPT, REFUSED, STOPPED, ROUND = "sheets", "sheets.kept", "sheets.refused", "sheets.stopped", "sheets.round"
MOST_FILES = 60  # at a time: a class, and some who wrote two; a megabyte of memory each
CAMERA = 640  # px, width of the camera's picture on the page: its button is in sight too
SHOWN = 1200  # px, longest side of the shown picture

HTML = """
<div class="sheet-room"><div class="sheet-digits">
  <div class="seen"><img class="photograph"><svg class="boxes" aria-hidden="true"></svg></div>
  <div>
    <p class="details" role="status"></p>
    <div class="list" role="listbox"></div>
    <p class="keys"></p>
    <div class="tap">
"""
HTML += "".join(f'<button type="button">{key}</button>' for key in [*range(10), "✕"]) + "</div></div></div></div>"


_digits = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.sheet", html=HTML, css=beside(__file__, "sheet.css"), js=beside(__file__, "sheet.js")
)


@dataclass
class _Sheet:
    """One picture of a sheet in this session."""

    name: str  # of its file
    writer: str  # the nickname that stands for it until one is typed
    picture: str  # as a data address
    size: tuple[int, int]  # px of the picture that was read, width and height
    read: ReadSheet | None  # None if it was refused
    refusal: Refusal | None = None
    models: tuple[tuple[str, int], ...] = ()  # that have answered: run and epoch
    labels: dict[int, int | None] = field(default_factory=dict)  # decided by the visitor, by the digit's place

    def label(self, place: int) -> int | None:
        """What is kept of a digit."""
        assert self.read
        return self.labels[place] if place in self.labels else self.read.digits[place].label


def panel(models: Sequence[Model]) -> None:
    """Take pictures of sheets, show what is found on each, and keep it."""
    number = st.session_state.setdefault(ROUND, 0)  # new widgets when all is kept
    left, right = st.columns([7, 5], gap="medium", vertical_alignment="bottom")
    with left:
        files = st.file_uploader(
            t("sheet.files"),
            type="image",
            accept_multiple_files=True,
            key=f"sheet-files-{number}",
            max_upload_size=MOST_MIB,
        )
    with right:
        code = language()
        st.download_button(
            t("sheet.printable"),
            lambda: printed_sheet.page(code),
            "bancada-sheet.html",
            "text/html",
            icon=":material/print:",
            on_click="ignore",
            help=t("sheet.printable_help"),
            key="sheet-print",
        )
        with_camera = st.toggle(t("sheet.camera"), key="sheet-camera", help=t("sheet.camera_help"))
    photograph = None
    if with_camera:
        key = f"sheet-photograph-{number}"
        photograph = st.camera_input(t("sheet.take"), key=key, resolution="1080p", width=CAMERA)
    given = {one.file_id: (one.name, one) for one in [*(files or []), *([photograph] if photograph else [])]}
    show_refusal(REFUSED)
    if not given:
        _say_kept()
        st.caption(t("sheet.start"))
        return
    if len(given) > MOST_FILES:
        st.error(t("sheet.too_many_files", most=MOST_FILES))
        return
    sheets = st.session_state[SHEETS] = {k: one for k, one in _sheets().items() if k in given}
    missing = [k for k in given if k not in sheets]
    if missing and not st.session_state.get(STOPPED):
        _read_next(given, missing, models)
    if missing and st.button(t("sheet.go_on"), key="sheet-go-on"):
        st.session_state[STOPPED] = False
        _show_again()
    for one in sheets.values():
        if one.refusal:
            reason = Markdown(t(one.refusal.key, **one.refusal.slots))
            own = "file" in one.refusal.slots
            st.error(reason if own else t("sheet.of_file", file=one.name, reason=reason))
    _look(models, sheets)


def _sheets() -> dict[str, _Sheet]:
    return st.session_state.setdefault(SHEETS, {})


def _read_next(given: Mapping[str, tuple[str, Any]], missing: Sequence[str], models: Sequence[Model]) -> None:
    """Read one more sheet and show this page again: between two, a click is answered."""
    begun, done = st.session_state.setdefault("sheets.begun", (time.monotonic(), 0)), len(given) - len(missing)
    if done <= begun[1]:  # others are being read
        begun = st.session_state["sheets.begun"] = (time.monotonic(), done)
    each = (time.monotonic() - begun[0]) / max(1, done - begun[1]) if done > begun[1] else 3.0
    words = t("sheet.reading", place=done + 1, count=len(given), left=each * len(missing))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(done / len(given), words)
        st.button(t("sheet.stop"), key="sheet-stop", on_click=_stop)
    name, file = given[missing[0]]
    _sheets()[missing[0]] = _read(name, file.getvalue(), models)
    _show_again()


def _show_again() -> None:
    with contextlib.suppress(StreamlitAPIException):  # if the whole page is being shown
        st.rerun(scope="fragment")
    st.rerun()


def _stop() -> None:
    st.session_state[STOPPED] = True


def _read(name: str, content: bytes, models: Sequence[Model]) -> _Sheet:
    known = {one.nickname for one in collection.kept()} | {one.writer for one in _sheets().values()}
    number = next(n for n in range(1, 10**6) if plain("sheet.writer", number=n) not in known)
    writer, picture, size = plain("sheet.writer", number=number), "", (1, 1)
    try:
        rgba = open_picture(content, name, longest=LONGEST_SHEET)
        picture, size = _address(over_black(rgba)), (rgba.shape[1], rgba.shape[0])
        try:
            return _Sheet(name, writer, picture, size, read_sheet(rgba, models), models=_names(models))
        except Refusal as refusal:
            seen = _address(Image.fromarray(255 - strokes_seen(rgba)))
            return _Sheet(name, writer, seen, size, None, refusal)
    except Refusal as refusal:
        return _Sheet(name, writer, picture, size, None, refusal)


def _address(picture: Image.Image) -> str:
    """A picture, made smaller, as a data address."""
    small, file = picture.copy(), io.BytesIO()
    small.thumbnail((SHOWN, SHOWN))
    small.save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _names(models: Sequence[Model]) -> tuple[tuple[str, int], ...]:
    return tuple((model.run, model.epoch) for model in models)


# --- one sheet --------------------------------------------------------------------------------------------------------


def _look(models: Sequence[Model], sheets: Mapping[str, _Sheet]) -> None:
    """Show the chosen sheet, and the button that keeps all of them."""
    readable = {k: one for k, one in sheets.items() if one.read}
    keys = list(readable) or list(sheets)
    if not keys:
        return
    if len(keys) > 1:
        which = st.selectbox(t("sheet.which"), keys, key="sheet-which", format_func=lambda k: _summary(sheets.get(k)))
    else:
        which = keys[0]
    one = sheets[which]
    if one.read is None:
        if one.picture:
            st.caption(t("sheet.ink"))
            st.html(f'<img src="{one.picture}" style="max-width: 100%; max-height: 24rem" alt="">')
        return
    if one.models != _names(models):  # others were chosen meanwhile
        one.read, one.models = again(one.read, models), _names(models)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            t("keep.nickname"),
            value=one.writer,
            max_chars=collection.LONGEST_NICKNAME,
            key=f"sheet-nickname-{which}",
            width=260,
            on_change=_rename,
            args=(which,),
        )
        _offer_keep(readable)
    if one.read.sheet.nickname is not None:
        said = t("sheet.nickname_seen")
        address = _address(Image.fromarray(one.read.sheet.nickname))
        st.html(f'<img src="{address}" alt="{said}" title="{said}" style="height: 3rem; max-width: 100%">')
    if one.read.is_hardly_digits:
        st.warning(t("sheet.hardly"))
    key = f"sheet-digits-{which}"
    _hear(key, which, one)
    _digits(key=key, data=_told(which, one, one.read), on_labels_change=lambda: None)
    st.caption(t("sheet.printed_help" if one.read.sheet.printed else "sheet.free_help"))


def _summary(one: _Sheet | None) -> str:
    if not one or not one.read:
        return one.name if one else ""
    digits = plain("sheet.found", count=len(one.read.digits))
    check = sum(one.label(place) is None and place not in one.labels for place in range(len(one.read.digits)))
    return " · ".join([one.writer, one.name, digits, *([plain("sheet.to_check", count=check)] if check else [])])


def _rename(which: str) -> None:
    one, name = _sheets().get(which), collection.printable(st.session_state.get(f"sheet-nickname-{which}") or "")
    if one and name:
        one.writer = name


def _told(which: str, one: _Sheet, read: ReadSheet) -> dict[str, Any]:
    """What `sheet.js` shows of a sheet."""
    digits = []
    for digit in read.digits:
        answer = digit.answers[0] if digit.answers else None
        best = int(answer.values.argmax()) if answer else None
        image = digit.drawing.image
        assert image is not None
        digits.append(
            {
                "corners": digit.found.corners.round(1).tolist(),
                "image": base64.b64encode(image.tobytes()).decode(),
                "label": digit.label,
                "guess": digit.guess,
                "answer": best,
                "differs": digit.found.written is not None and best is not None and best != digit.found.written,
                "details": agreement(digit.answers, language()) if digit.answers else "",
            }
        )
    return {
        "sheet": which,
        "picture": one.picture,
        "width": one.size[0],
        "height": one.size[1],
        "digits": digits,
        "labels": {str(place): label for place, label in one.labels.items()},
        "words": {
            "picture": plain("sheet.picture_alt"),
            "list": plain("sheet.list_label"),
            "keys": plain("sheet.keys"),
        },
    }


def _hear(key: str, which: str, one: _Sheet) -> None:
    """Take over what the visitor has decided in the browser; a client can send anything."""
    state = st.session_state.get(key)
    message = state.get("labels") if isinstance(state, Mapping) else None
    if not isinstance(message, Mapping) or message.get("sheet") != which or not one.read:
        return
    labels = message.get("labels")
    if isinstance(labels, Mapping):
        places = {str(place): place for place in range(len(one.read.digits))}
        one.labels = {
            places[place]: label
            for place, label in labels.items()
            if place in places and (label is None or (type(label) is int and 0 <= label < collection.CLASSES))
        }


# --- keeping ----------------------------------------------------------------------------------------------------------


def _offer_keep(readable: Mapping[str, _Sheet]) -> None:
    for which, one in readable.items():
        _hear(f"sheet-digits-{which}", which, one)
    places = [(one, place) for one in readable.values() if one.read for place in range(len(one.read.digits))]
    count = sum(one.label(place) is not None for one, place in places)
    undecided = sum(one.label(place) is None and place not in one.labels for one, place in places)
    st.button(
        t("sheet.keep", count=count) if count else t("sheet.nothing_to_keep"),
        key="sheet-keep",
        type="primary",
        icon=":material/inventory_2:",
        disabled=not count,
        on_click=_keep,
    )
    if undecided:
        st.caption(t("sheet.left_out", count=undecided))


def _keep() -> None:
    """Keep the digits of all sheets, and forget the sheets."""
    drawings = []
    for which, one in _sheets().items():
        _hear(f"sheet-digits-{which}", which, one)
        for place, digit in enumerate(one.read.digits if one.read else ()):
            if (label := one.label(place)) is not None:
                drawings.append((digit.found.pixels, label, one.writer))
    with kept_refusal(REFUSED):
        st.session_state[KEPT] = collection.keep_all(drawings)
        st.session_state[SHEETS] = {}
        st.session_state[ROUND] += 1


def _say_kept() -> None:
    names = st.session_state.get(KEPT)
    if not names:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(t("sheet.kept", count=len(names)), width=240)
        st.page_link(server.PAGES / "drawings.py", label=t("sheet.open_drawings"))
        st.button(t("keep.take_back_all"), key="sheet-take-back", on_click=_take_back)


def _take_back() -> None:
    with kept_refusal(REFUSED):
        collection.delete(st.session_state[KEPT])
        del st.session_state[KEPT]
