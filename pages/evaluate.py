"""The page Evaluate: a finished run's measures on its test images, and the images that it misclassifies."""

import streamlit as st

from core.refusal import Refusal
from core.store import no_report
from ui import notices, server
from ui.choice import asked, choose_run
from ui.evaluate import report
from ui.text import refused, t

done = server.done()
left, right = st.columns(2, gap="small", vertical_alignment="center")
with left:
    first = next((name for name in done if server.has_data(name)), None)  # whose images can be shown at once
    run = choose_run(
        t("evaluate.run"), done, required=True, first=first, why_not=no_report, label_visibility="collapsed"
    )
try:
    if run:
        with right:
            report.summary(run)
        report.panel(run, done)
    elif (unread := server.find(asked())) and notices.unread_notice(unread):
        st.switch_page(server.PAGES / "train.py", query_params={"run": unread.name})
except Refusal as refusal:
    refused(refusal)
if not done:
    st.info(t("evaluate.none_yet"))
    st.page_link(server.PAGES / "train.py", label=t("page.train"), icon=":material/model_training:")
