"""The page Evaluate: a finished run's measures on its test images, and the images that it misclassifies."""

import streamlit as st

from core import store
from core.refusal import Refusal
from core.store import Run
from ui.choice import choose_run
from ui.evaluate import report
from ui.text import refused, t


def not_done(run: Run) -> Refusal:
    """Why a run that is not damaged is not shown here."""
    return Refusal("error.no_report", run=run.name)


done = [run.name for run in store.runs() if run.is_done()]
run = choose_run(t("evaluate.run"), done, required=True, why_not=not_done)
try:
    if run:
        report.panel(run, done)
except Refusal as refusal:
    refused(refusal)
if not done:
    st.info(t("evaluate.none_yet"))
