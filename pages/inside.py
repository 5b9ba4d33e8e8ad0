"""The page Inside: what a run's network makes of a drawing or an image, layer by layer, and why it answers so.

Or one step of the untrained network that Train's form describes.
"""

import streamlit as st

from core.refusal import Refusal
from core.store import no_model
from ui import server
from ui.choice import choose_run
from ui.inside.link import UNTRAINED
from ui.text import refused, t


def of_a_run() -> None:
    """Let the reader choose a run, and a view of its network."""
    names = server.openable()
    left, right = st.columns(2, gap="small", vertical_alignment="center")
    with left:
        run = choose_run(t("inside.run"), names, required=True, why_not=no_model, label_visibility="collapsed")
    if run:
        from ui.inside import panel  # not above: it imports torch, which a page without a run does not need

        with right:
            view = panel.choose_view()
        try:
            panel.panel(run, view)
        except Refusal as refusal:
            refused(refusal)
    if not names:
        st.info(t("inside.none_yet"))
        st.page_link(server.PAGES / "train.py", label=t("page.train"), icon=":material/model_training:")


if UNTRAINED in st.query_params:
    from ui.inside import untrained  # as above

    untrained.panel()
else:
    of_a_run()
