"""The page Evaluate: a finished run's measures on its test images, and the images that it misclassifies."""

import streamlit as st

from core import store
from core.refusal import Refusal
from ui.choice import choose_run
from ui.evaluate import report
from ui.text import refused, t

done = [run.name for run in store.runs() if run.is_done()]
if done:
    run = choose_run(t("evaluate.run"), done, required=True)
    try:
        if run:
            report.panel(run, done)
    except Refusal as refusal:
        refused(refusal)
else:
    st.info(t("evaluate.none_yet"))
