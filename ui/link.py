"""The link that fills the form of the page Train with a spec, to be copied."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from core.spec import RunSpec, link
from core.store import Run
from ui import server
from ui.text import t

LONGEST = 2_000  # characters of a link; of longer ones, messengers and browsers may lose the end


def copy_link(spec: RunSpec, run: Run | None = None) -> None:
    """Show a button that opens the link of a spec, or says that it is too long; `run`: of which it is the spec."""
    with st.popover(t("copy_link.copy"), icon=":material/link:", width="content"):
        address = f"{_train()}?{link(spec)}".rstrip("?")
        if len(address) <= LONGEST:
            st.code(address, language=None, wrap_lines=True)
            st.caption(t("copy_link.help"))
            return
        st.info(t("copy_link.too_long", length=len(address), most=LONGEST))
        if run and run.is_done():
            words = {
                "label": t("copy_link.script"),
                "icon": ":material/inventory_2:",
                "query_params": {"run": run.name},
            }
            st.page_link(server.PAGES / "evaluate.py", **words)


def _train() -> str:
    """The address of the page Train, as the reader's browser has it."""
    parts, path = urlsplit(st.context.url or ""), st.get_option("server.baseUrlPath").strip("/")
    return f"{parts.scheme}://{parts.netloc}/{path}/" if path else f"{parts.scheme}://{parts.netloc}/"
