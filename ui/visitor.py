"""Who a visitor is: a name that the browser keeps, so that a run stays its starter's when the tab is closed."""

from __future__ import annotations

import re
import secrets

import streamlit as st

from core.store import Run

COOKIE = "bancada"
KEY = "visitor"
# One browser, one name: another tab may have stored one since this one was opened.
_keep = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.visitor",
    js="""export default ({ data: [cookie, name], setTriggerValue }) => {
      const kept = document.cookie.match(new RegExp(`(?:^|; )${cookie}=([0-9a-f]{16})(?:;|$)`))?.[1];
      if (!kept) document.cookie = `${cookie}=${name}; path=/; max-age=31536000; samesite=strict`;
      else if (kept !== name) setTriggerValue("kept", kept);
    };""",
)


def name() -> str:
    """The visitor's name: 16 hexadecimal digits drawn by chance. It proves nothing: it only tells runs apart."""
    if KEY not in st.session_state:
        kept = st.context.cookies.get(COOKIE)
        st.session_state[KEY] = kept if _is_name(kept) else secrets.token_hex(8)
    return st.session_state[KEY]


def remember() -> None:
    """Have the browser keep the visitor's name, or take the one that another tab has had it keep meanwhile."""

    def take() -> None:
        kept = st.session_state["visitor-kept"].get("kept")
        if _is_name(kept):  # a client can send anything
            st.session_state[KEY] = kept

    _keep(data=[COOKIE, name()], key="visitor-kept", on_kept_change=take)


def _is_name(kept: object) -> bool:
    return isinstance(kept, str) and re.fullmatch("[0-9a-f]{16}", kept) is not None


def owns(run: Run) -> bool:
    """Whether the visitor has started the run, or nobody has: one from a command line, which everybody may see to.

    A search's trainings are nobody's and see to themselves; whoever wants to can still look at them.
    """
    owner = run.label().owner
    return owner == name() or (not owner and run.control().test)
