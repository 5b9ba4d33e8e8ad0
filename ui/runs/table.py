"""The table of all runs: filtered and sorted, with the columns that the reader wants; and the runs chosen in it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.measures.summary import COLUMNS, NUMBERS, Listed, all_differing, in_order
from core.recipes.searches import belongs_to, choices_of
from core.spec import RunSpec, is_number, is_used, value_text
from ui import server, visitor
from ui.choice import data_name, network_name
from ui.runs import parallel
from ui.tables import Said, sortable, wide_table_hint
from ui.text import duration, interval, language, literal, number, percent, plain, t

CHOSEN = "runs"  # in the link: the names of the chosen runs; in the session state too
MOST_ROWS = 100  # in sight at once, without asking for more
MOST_COMPARED = 10
MOST_LINKED = 20  # newest searches that are linked
WIDE = 190  # px, of the accuracy with its interval
ROWS, TURNED = "runs.rows", "runs.turned"  # keys in the session state
FILTERS = ("data", "architecture", "status", "study", "owner", "tag")
FIRST = ("data", "architecture", "status", "accuracy", "parameters", "seconds", "epochs_done", "device")
HIDDEN = ("run", "name", "note", "layers", "weights_from", "n_val", "n")  # no columns of their own
OFFERED = tuple(name for name in COLUMNS if name not in HIDDEN)
SORTED = ("accuracy", "val_accuracy", "parameters", "seconds", "epochs_done", "data", "architecture", "status", "study")
NEWEST = "newest"
DIFFERS = "≠"


def chosen(listed: Sequence[Listed]) -> list[Listed]:
    """The chosen runs that are there, in the order in which the link or the table names them."""
    known = {one.summary.run: one for one in listed}
    linked = st.query_params.get(CHOSEN)
    if CHOSEN not in st.session_state and linked:
        st.session_state[CHOSEN] = linked.split(",")
    names = [name for name in st.session_state.get(CHOSEN, ()) if name in known]
    if names:
        st.query_params[CHOSEN] = ",".join(names)
    else:
        st.query_params.pop(CHOSEN, None)
    return [known[name] for name in names]


def panel(listed: Sequence[Listed]) -> None:
    """Show filters and the table; a click on a row chooses its run, one more click leaves it out again."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-filters"):
        fitting = _filtered(listed)
        by = _sort()
        columns = _columns()
        _searches(listed)
    if by != NEWEST or st.session_state.get(TURNED):
        turned = bool(st.session_state.get(TURNED))
        fitting = in_order(fitting, by, turned=turned) if by != NEWEST else fitting[::-1]
    within = parallel.panel("runs", [one.summary.run for one in _with_result(fitting)], lambda: _axes(fitting))
    if within is not None:
        fitting = [one for one in fitting if one.summary.run in within]
    most = st.session_state.setdefault(ROWS, MOST_ROWS)
    shown = fitting[:most]
    st.caption(t("runs.count", count=len(fitting), all=len(listed)))
    if not shown:
        st.info(t("runs.none_fit"))
        return
    _table(shown, columns, chosen(listed))
    if len(fitting) > len(shown):
        st.button(t("runs.more", count=len(fitting) - len(shown)), key="runs-more", on_click=_more)


def _with_result(listed: Sequence[Listed]) -> list[Listed]:
    return [one for one in listed if one.summary.spec and one.summary.val_accuracy is not None]


def _axes(listed: Sequence[Listed]) -> dict[str, list[tuple[Any, str]]]:
    """The fields in which the runs that have an accuracy differ, and this accuracy, for parallel coordinates."""
    found = _with_result(listed)
    specs = [one.summary.spec for one in found if one.summary.spec]
    axes = {}
    for name in [*all_differing(specs), "val_accuracy"] if specs else ():
        if name not in ("layers", "weights_from"):
            axes[_title(name)] = [_place(one, name) for one in found]
    return axes


def _place(one: Listed, name: str) -> tuple[Any, str]:
    """A run's value on an axis, and its words; None where its spec does not use the field."""
    if name in RunSpec.model_fields and one.summary.spec and not is_used(name, one.summary.spec):
        return None, "–"
    said, value = _cell(one, name), one.values.get(name)
    return value, said[1] if isinstance(said, tuple) else said


def _searches(listed: Sequence[Listed]) -> None:
    """Show links to the searches of the store: to the one whose runs are filtered, else to all of them."""
    known = list(dict.fromkeys(one.label.study for one in listed if one.label.study and one.label.plan))
    filtered = st.session_state.get("runs-study", ())
    names = [name for name in known if name in filtered] or known
    if not names:
        return
    with st.popover(t("recipes.searches"), icon=":material/manage_search:", key="runs-searches"):
        for name in names[:MOST_LINKED]:
            link = {"label": literal(name), "query_params": {"study": name}}
            st.page_link(server.PAGES / "search.py", **link)


def _more() -> None:
    st.session_state[ROWS] += MOST_ROWS


def _filtered(listed: Sequence[Listed]) -> list[Listed]:
    """The runs that fit what the reader has chosen of each column that holds more than one value."""
    wanted: dict[str, list[str]] = {}
    for name in FILTERS:
        options = sorted({value for one in listed for value in _several(one, name)})
        key = f"runs-{name}"
        if key not in st.session_state and (linked := st.query_params.get(name)):
            st.session_state[key] = [value for value in linked.split(",") if value in options]
        if len(options) < 2 and not st.session_state.get(key):
            continue
        st.session_state[key] = [value for value in st.session_state.get(key, ()) if value in options]
        picked = st.multiselect(
            _title(name),
            options,
            key=key,
            format_func=lambda value, name=name: _word(name, value),
            placeholder=t("runs.all"),
            width=190,
            persist_state="session",
        )
        if picked:
            wanted[name] = picked
            st.query_params[name] = ",".join(picked)
        else:
            st.query_params.pop(name, None)
    return [one for one in listed if all(set(_several(one, name)) & set(values) for name, values in wanted.items())]


def _several(one: Listed, name: str) -> tuple[str, ...]:
    value = one.values.get(name)
    return value if isinstance(value, tuple) else (value,) if value else ()


def _word(name: str, value: str) -> str:
    """A value of a filter in words; people who only have a drawn name are told apart by its last four letters."""
    if name == "status":
        return plain(f"status.{value}") if value not in ("damaged", "newer") else plain(f"cli.status.{value}")
    if name == "data":
        return data_name(value)
    if name == "architecture":
        return network_name(value, None)
    if name == "owner":
        return owner(value)
    return value


def owner(value: str) -> str:
    """Who a run belongs to, in words."""
    if value == visitor.name():
        return plain("runs.me")
    return plain("runs.visitor", name=value[-4:]) if len(value) == 16 and value.isalnum() else value


def _sort() -> str:
    options = [NEWEST, *SORTED]
    key = "runs-sort"
    if key not in st.session_state and st.query_params.get("sort") in options:
        st.session_state[key] = st.query_params["sort"]
    by = st.selectbox(
        t("runs.sort"), options, key=key, format_func=lambda name: _title(name), width=220, persist_state="session"
    )
    st.checkbox(t("runs.turned"), key=TURNED, persist_state="session", width="content")
    if by == NEWEST:
        st.query_params.pop("sort", None)
    else:
        st.query_params["sort"] = by
    return by


def _columns() -> list[str]:
    with st.popover(t("runs.columns"), icon=":material/view_column:"):
        return st.multiselect(
            t("runs.columns"),
            OFFERED,
            default=list(FIRST),
            key="runs-columns",
            format_func=_title,
            label_visibility="collapsed",
            persist_state="session",
            placeholder=t("runs.none"),
        )


def _title(name: str) -> str:
    return plain(f"spec.{name}.label") if name in RunSpec.model_fields else plain(f"runs.column.{name}")


def _table(shown: Sequence[Listed], columns: Sequence[str], picked: Sequence[Listed]) -> None:
    names = [one.summary.run for one in shown]
    specs = [one.summary.spec for one in picked if one.summary.spec]
    differ = all_differing(specs) if len(specs) > 1 else []
    added = [name for name in differ if name not in columns and name in OFFERED]
    if added or set(differ) & set(columns):
        st.caption(t("runs.differ_help", sign=DIFFERS, count=len(specs)))
    table: dict[str, list[str | Said]] = {plain("runs.column.run"): [name_of(one) for one in shown]}
    for name in [*columns, *added]:
        title = f"{DIFFERS} {_title(name)}" if name in differ else _title(name)
        table[title] = [_cell(one, name) for one in shown]
    accuracy = _title("accuracy")
    before = [names.index(one.summary.run) for one in picked if one.summary.run in names]
    key = f"runs-table-{zlib.crc32(','.join([*names, *table]).encode())}"  # other rows: the places mean other runs

    def choose() -> None:
        places = st.session_state[key]["selection"]["rows"]
        kept = [one.summary.run for one in picked if one.summary.run not in names]
        known = [one.summary.run for one in picked]
        now = [names[place] for place in places]
        st.session_state[CHOSEN] = [*kept, *sorted(now, key=lambda name: (name not in known, names.index(name)))]

    st.dataframe(
        sortable(table),
        hide_index=True,
        placeholder="–",
        height=min(420, 38 + 35 * len(shown)),
        width="stretch",
        key=key,
        on_select=choose,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": before}},
        alt=t("runs.alt"),
        # Else a column is as wide as its title, and cuts the beginning of the accuracy off.
        column_config={title: st.column_config.Column(width=WIDE) for title in table if title.endswith(accuracy)},
    )
    wide_table_hint("runs")


def name_of(one: Listed) -> str:
    """What a run is called, where no Markdown is read: the name that people gave it, or when it began and the end of
    its folder's name.
    """
    name = one.summary.run
    return one.label.name or f"{name[6:8]}/{name[4:6]} {name[9:11]}:{name[11:13]} {name[-4:]}"


def called(one: Listed) -> str:
    """What a run is called, as Markdown."""
    return literal(name_of(one))


def _cell(one: Listed, name: str) -> str | Said:
    found, value = one.summary, one.values.get(name)
    if name in ("status", "owner"):
        return _word(name, value) if value else ""
    if name == "tag":
        return ", ".join(one.label.tags)
    if name == "architecture" and found.spec:
        return network_name(found.spec.architecture, belongs_to(found.spec), choices_of(found.spec))
    if name == "data" and value:
        return data_name(value)
    if name == "test_use" and value:
        return plain(f"runs.use.{value}")
    if name in NUMBERS or (name in RunSpec.model_fields and is_number(name)):
        return (value, _figure(one, name, value)) if isinstance(value, int | float) else (None, "")
    if name in RunSpec.model_fields and found.spec:
        return value_text(name, value, language())
    return str(value) if value not in (None, "") else ""


def _figure(one: Listed, name: str, value: float) -> str:
    if name == "accuracy" and one.summary.interval:
        said = f"{percent(value, 2)} ({interval(*one.summary.interval)})"
        return plain("test_use.mark", accuracy=said) if one.summary.test_use == "selected" else said
    if name == "val_accuracy":
        return percent(value, 2)
    if name == "seconds":
        return duration(value)
    return value_text(name, value, language()) if name in RunSpec.model_fields else number(value)
