"""The search that the reader looks at: its name in the link, and what its runs, the only state of a search, tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.measures.selection import Decision, decision
from core.refusal import Refusal
from core.search import parameters
from core.search.study import Study, option_words, options_of
from core.search.trainings import Training, best, trainings
from core.spec import RunSpec
from core.store import Run
from ui import form, server
from ui.choice import data_name, network_name
from ui.text import Markdown, language, refused, t

if TYPE_CHECKING:  # altair is imported only where a chart is drawn
    from core.charts.study import Kind

KEY = "study"  # in the link and in the session state: the name of the search that is shown
POLL = 2.0  # seconds between two looks at the runs
BEST, SIMPLEST, NEAR, PRUNED = "★", "◆", "≈", "✕"


@dataclass(frozen=True)
class Seen:
    """A search and its trainings, as they are now."""

    study: Study
    trainings: Sequence[Training]

    @cached_property
    def done(self) -> list[Training]:
        """Those whose accuracies are compared: trained to the end, so not the ones that were pruned."""
        return [one for one in self.trainings if one.state == "done"]

    @cached_property
    def tried(self) -> list[Training]:
        """Those with a result, also the pruned ones, whose accuracy is that of fewer epochs."""
        return [one for one in self.trainings if one.state in ("done", "pruned") and one.accuracy is not None]

    @cached_property
    def accuracies(self) -> list[float]:
        """The best val accuracies of those that are done, 0 to 1."""
        return [one.accuracy or 0.0 for one in self.done]

    @cached_property
    def n(self) -> int:
        """The number of val images, by which they are compared; at least one has to be done."""
        run = self.done[0].run
        assert run
        return run.started().counts["val"]

    @cached_property
    def decision(self) -> Decision:
        """What can be said of those done: which cannot be told from the best, and which is the simplest as good."""
        return decision(self.accuracies, [self.sizes[one.spec] for one in self.done], self.n)

    @cached_property
    def sizes(self) -> dict[RunSpec, int]:
        """The number of parameters of each training's network."""
        return {one.spec: parameters(one.spec) for one in self.trainings}

    @cached_property
    def best(self) -> Training:
        """The best of those done; at least one has to be done."""
        found = best(self.trainings)
        assert found
        return found

    @property
    def simplest(self) -> Training:
        """Of those done within one standard error of the best, the one of the fewest parameters."""
        return self.done[self.decision.simplest.place]

    @cached_property
    def _near(self) -> dict[RunSpec, None]:
        return dict.fromkeys(self.done[place].spec for place in self.decision.near)

    def words(self, one: Training) -> str:
        """The values that the training has of the varied fields, as text."""
        return option_words(self.study, one.spec, language())

    def values(self, one: Training) -> Mapping[str, Any]:
        """The same by field; without those that the training does not use."""
        return options_of(self.study, one.spec)

    def kind(self, one: Training) -> Kind:
        """How a training with an epoch compares with the best."""
        if one.state == "pruned":
            return "pruned"
        if one.state != "done":
            return "behind"
        if one.spec == self.best.spec:
            return "best"
        return "near" if one.spec in self._near else "behind"

    def sign(self, one: Training) -> str:
        """The signs of a training: the best, the simplest that is as good, one that cannot be told from the best."""
        if one.state != "done":
            return PRUNED if one.state == "pruned" else ""
        return {"best": BEST, "near": NEAR}.get(self.kind(one), "") + SIMPLEST * (one.spec == self.simplest.spec)

    def at_work(self) -> list[Run]:
        """The runs that are in this server's queue, or being trained wherever it is."""
        return [one.run for one in self.trainings if one.run and server.workers().is_at_work(one.run)]


def name_of(one: Training) -> str:
    """What charts and tables call a training: its number in the search, or the end of its run's name."""
    return str(one.number) if one.number else one.run.name[-4:] if one.run else "–"


def see(study: Study) -> Seen:
    """What is known of a search. Raises: Refusal, if one of its runs is damaged."""
    return Seen(study, trainings(study, server.handles()))


def choose() -> Study | None:
    """Let the reader choose one of the searches, at first the link's; None for the form for a new one.

    Of a search that is not there a sentence says so.
    """
    known = server.studies()
    if linked := st.query_params.get(KEY):  # a choice made since then has taken it out of the link
        st.session_state[KEY] = linked
    if (name := st.session_state.get(KEY)) and name not in known:
        refused(Refusal("error.study_unknown", study=name[:60]), st.warning)
        look_at("")
    names = {"": t("study.new"), **{name: name for name in known}}
    with st.container(horizontal=True, vertical_alignment="bottom", key="study-choice"):
        name = st.selectbox(
            t("study.choose"),
            list(names),
            key=KEY,
            format_func=names.__getitem__,
            on_change=_leave_link,
            persist_state="session",
            width=420,
        )
        if not name:
            return None
        _describe(known[name])
    st.query_params[KEY] = name
    for field in RunSpec.model_fields:  # of the form for a new one
        st.query_params.pop(field, None)
    return known[name]


def _leave_link() -> None:
    st.query_params.pop(KEY, None)


def look_at(name: str) -> None:
    """Show the search of this name from now on, or with "" the form for a new one. Called before the page is drawn."""
    st.session_state[KEY] = name
    _leave_link()


def again() -> None:
    """Put the base of the chosen search into the form, for another one. Called by a click, before the page is drawn."""
    if study := server.studies().get(st.session_state[KEY]):
        form.fill(study.base)
        look_at("")


def _describe(study: Study) -> None:
    """Say what a search tries."""
    fields = ", ".join(t(f"spec.{name}.label") for name in study.varied)
    what = {"way": t(f"study.ways.{study.way}"), "fields": Markdown(fields)}
    what |= {"data": data_name(study.base.data), "network": network_name(study.base.architecture, None)}
    st.markdown(t("study.described", **what))


def links(study: Study) -> None:
    """Show a link to a search's runs, and a button for another one with the same base."""
    link = {"label": t("study.its_runs"), "icon": ":material/table_rows:", "query_params": {"study": study.name}}
    st.page_link(server.PAGES / "runs.py", **link, width="content")
    icon = ":material/tune:"
    st.button(t("study.again"), icon=icon, key="study-again", type="tertiary", on_click=again)
