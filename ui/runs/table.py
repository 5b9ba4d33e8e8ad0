"""The table of all runs: filtered and sorted, with the columns that the reader wants; and the runs chosen in it.

A line is a run, or all runs that differ in the seed alone.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.measures import repeats
from core.measures.groups import Group, by_setting, singles
from core.measures.summary import COLUMNS, NUMBERS, Listed, all_differing, in_order
from core.recipes.searches import belongs_to, choices_of
from core.spec import RunSpec, any_seed, is_number, is_used, value_text
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
MOST_SAID = 5  # values of a line of several runs in one cell
ROWS, TURNED, GROUPED = "runs.rows", "runs.turned", "runs.grouped"  # keys in the session state
SEEDS = "seeds"  # in the link: "1" if runs that differ in the seed alone are one line
FILTERS = ("data", "architecture", "status", "study", "owner", "tag")
FIRST = ("data", "architecture", "status", "val_accuracy", "accuracy", "parameters", "seconds", "epochs_done")
HIDDEN = ("run", "name", "note", "layers", "weights_from", "n_val", "n")  # no columns of their own
OFFERED = tuple(name for name in COLUMNS if name not in HIDDEN)
SORTED = ("accuracy", "val_accuracy", "parameters", "seconds", "epochs_done", "data", "architecture", "status", "study")
NEWEST = "newest"
DIFFERS = "≠"


def _asked() -> list[str]:
    """The names of the chosen runs, at first those that the link names; some may not be there."""
    linked = st.query_params.get(CHOSEN)
    if CHOSEN not in st.session_state and linked:
        st.session_state[CHOSEN] = [name for name in linked.split(",") if name]
    return st.session_state.get(CHOSEN, [])


def _unknown(listed: Sequence[Listed]) -> list[str]:
    """The names of the chosen runs that are not there."""
    known = {one.summary.run for one in listed}
    return [name for name in _asked() if name not in known]


def warn(listed: Sequence[Listed]) -> None:
    """Name the chosen runs that are not there, with a button that forgets them."""
    if not (unknown := _unknown(listed)):
        return
    names = ", ".join([*(name[:80] for name in unknown[:MOST_SAID]), *(["…"] if len(unknown) > MOST_SAID else [])])
    st.warning(t("runs.unknown", count=len(unknown), names=names))
    st.button(t("runs.forget"), icon=":material/close:", key="runs-forget", on_click=_forget, args=(unknown,))


def _forget(unknown: Sequence[str]) -> None:
    st.session_state[CHOSEN] = [name for name in st.session_state[CHOSEN] if name not in unknown]
    st.query_params.pop(CHOSEN, None)  # `chosen` writes the others


def chosen(listed: Sequence[Listed]) -> list[Listed]:
    """The chosen runs that are there, in the order in which the link or the table names them."""
    known = {one.summary.run: one for one in listed}
    found = [known[name] for name in _asked() if name in known]
    if found:
        st.query_params[CHOSEN] = ",".join(
            line.newest.summary.run for line in lines(found)
        )  # `_whole` finds the others
    else:
        st.query_params.pop(CHOSEN, None)
    return found


def look_at(names: Sequence[str]) -> None:
    """Choose runs for a reader who comes from another page, with those of a setting as one line."""
    st.session_state[CHOSEN], st.session_state[GROUPED] = list(names), True


def lines(listed: Sequence[Listed]) -> list[Group]:
    """The runs as lines: each its own, or all of a setting one, as the reader wants it."""
    return by_setting(listed) if st.session_state.get(GROUPED) else singles(listed)


def panel(listed: Sequence[Listed]) -> None:
    """Show filters and the table; a click on a row chooses its runs, one more click leaves them out again."""
    unknown = _unknown(listed)
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-filters"):
        fitting = _filtered(listed)
        by = _sort()
        columns = _columns()
        _searches(listed)
        _grouping()
    ordered = lines(fitting)
    if by != NEWEST or st.session_state.get(TURNED):
        turned = bool(st.session_state.get(TURNED))
        ordered = in_order(ordered, by, turned=turned) if by != NEWEST else ordered[::-1]
    fitting = [one for line in ordered for one in line.runs]
    within = parallel.panel("runs", [one.summary.run for one in _with_result(fitting)], lambda: _axes(fitting))
    if within is not None:
        kept = (tuple(one for one in line.runs if one.summary.run in within) for line in ordered)
        ordered = [Group(runs) for runs in kept if runs]
    most = st.session_state.setdefault(ROWS, MOST_ROWS)
    shown = ordered[:most]
    count = sum(len(line.runs) for line in ordered)
    in_lines = f" · {t('runs.lines', count=len(ordered))}" if st.session_state.get(GROUPED) else ""
    st.caption(t("runs.count", count=count, all=len(listed)) + in_lines)
    if not shown:
        st.info(t("runs.none_fit"))
        return
    _table(shown, columns, _whole(ordered, chosen(listed), unknown), unknown)
    if len(ordered) > len(shown):
        st.button(t("runs.more", count=len(ordered) - len(shown)), key="runs-more", on_click=_more)


def _grouping() -> None:
    """Let the reader choose whether the runs that differ in the seed alone are one line; the link says so too."""
    if GROUPED not in st.session_state:
        st.session_state[GROUPED] = st.query_params.get(SEEDS) == "1"
    told = t("runs.grouped_help", least=repeats.SEEDS)
    st.toggle(t("runs.grouped"), key=GROUPED, help=told, persist_state="session", width="content")
    if st.session_state[GROUPED]:
        st.query_params[SEEDS] = "1"
    else:
        st.query_params.pop(SEEDS, None)


def _whole(ordered: Sequence[Group], picked: list[Listed], unknown: Sequence[str]) -> list[Listed]:
    """The chosen runs, and where one of them is in a line, all others of the line: it stands for all its runs.

    `unknown`: as in `_table`.
    """
    names = {one.summary.run for one in picked}
    there = [line.runs for line in ordered if any(one.summary.run in names for one in line.runs)]
    added = [one for runs in there for one in runs if one.summary.run not in names]
    if added:
        st.session_state[CHOSEN] = [*unknown, *(one.summary.run for one in (*picked, *added))]
    return [*picked, *added]


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


def _table(
    shown: Sequence[Group], columns: Sequence[str], picked: Sequence[Listed], unknown: Sequence[str] = ()
) -> None:
    """Show the lines; `unknown`: chosen names that no run has, kept so that their message does not go at a click."""
    names = [[one.summary.run for one in line.runs] for line in shown]
    places = {run: place for place, runs in enumerate(names) for run in runs}
    specs = [line.spec for line in lines(picked) if line.spec]
    if st.session_state.get(GROUPED):
        specs = [any_seed(spec) for spec in specs]
    differ = all_differing(specs) if len(specs) > 1 else []
    added = [name for name in differ if name not in columns and name in OFFERED]
    table: dict[str, list[str | Said]] = {plain("runs.column.run"): [line_name(line) for line in shown]}
    for name in [*columns, *added]:
        title = f"{DIFFERS} {_title(name)}" if name in differ else _title(name)
        table[title] = [_line_cell(line, name) for line in shown]
    accuracy = _title("accuracy")
    known = [one.summary.run for one in picked]
    before = list(dict.fromkeys(places[run] for run in known if run in places))
    rows_of = ["+".join(runs) for runs in names]  # of other rows the places mean other runs
    key = f"runs-table-{zlib.crc32(','.join(rows_of).encode())}"

    def choose() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        kept = [*unknown, *(run for run in known if run not in places)]
        order = sorted(rows, key=lambda place: (place not in before, place))
        st.session_state[CHOSEN] = [*kept, *(run for place in order for run in names[place])]

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
    if added or set(differ) & set(columns):  # below, so that the row under the pointer stays there
        st.caption(t("runs.differ_help", sign=DIFFERS, count=len(specs)))


def name_of(one: Listed) -> str:
    """What a run is called, where no Markdown is read: the name that people gave it, or when it began and the end of
    its folder's name.
    """
    name = one.summary.run
    return one.label.name or f"{name[6:8]}/{name[4:6]} {name[9:11]}:{name[11:13]} {name[-4:]}"


def line_name(line: Group) -> str:
    """What a line is called, where no Markdown is read: its newest run, and how many more it has."""
    name = name_of(line.newest)
    return plain("runs.several", count=len(line.runs) - 1, name=name) if len(line.runs) > 1 else name


def called(one: Listed) -> str:
    """What a run is called, as Markdown."""
    return literal(name_of(one))


def _line_cell(line: Group, name: str) -> str | Said:
    """A line's cell: of several runs the mean, or each value once; of the test accuracy also spread and number."""
    one = line.newest
    if len(line.runs) == 1:
        return _cell(one, name)
    if name == "accuracy":
        return _mean_cell(line) if line.repeats else (None, "")
    if name in NUMBERS and name != "trial":
        value = line.values[name]
        return (value, _figure(one, name, value)) if value is not None else (None, "")
    cells = dict.fromkeys(_cell(run, name) for run in line.runs)
    if name == "status" and len(cells) > 1:
        counts = Counter(run.status for run in line.runs)
        return ", ".join(f"{_word(name, status)} ({count})" for status, count in counts.items())
    if name == "seed":
        cells = sorted(cells)
    said = [cell[1] if isinstance(cell, tuple) else cell for cell in cells]
    words = ", ".join([*filter(None, said[:MOST_SAID]), *(["…"] if len(said) > MOST_SAID else [])])
    first = next(iter(cells))
    return (first[0], words) if isinstance(first, tuple) else words


def _mean_cell(line: Group) -> Said:
    """Mean, standard deviation and number of the test accuracies of runs with several seeds."""
    assert line.repeats
    if len(line.tested) == 1:
        (only,) = line.tested.values()
        return line.repeats.mean, _figure(only, "accuracy", line.repeats.mean)
    slots = {"mean": percent(line.repeats.mean, 2), "count": len(line.tested)}
    if line.repeats.spread is None:
        said = plain("runs.mean_few", **slots)
    else:
        said = plain("runs.mean", spread=number(100 * line.repeats.spread, 2), **slots)
    is_selected = any(one.summary.test_use == "selected" for one in line.tested.values())
    return line.repeats.mean, plain("test_use.mark", accuracy=said) if is_selected else said


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
