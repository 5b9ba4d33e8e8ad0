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
    js="""export default ({ data: [cookie, name] }) => {
      if (!document.cookie.includes(`${cookie}=`))
        document.cookie = `${cookie}=${name}; path=/; max-age=31536000; samesite=strict`;
    };""",
)


def name() -> str:
    """The visitor's name: 16 hexadecimal digits drawn by chance. It proves nothing: it only tells runs apart."""
    if KEY not in st.session_state:
        kept = str(st.context.cookies.get(COOKIE))
        st.session_state[KEY] = kept if re.fullmatch("[0-9a-f]{16}", kept) else secrets.token_hex(8)
    return st.session_state[KEY]


def remember() -> None:
    """Have the browser keep the visitor's name."""
    _keep(data=[COOKIE, name()])


def owns(run: Run) -> bool:
    """Whether the visitor has started the run, or nobody has: one from a command line, which everybody may see to.

    A search's trainings are nobody's and see to themselves; whoever wants to can still look at them.
    """
    owner = run.label().owner
    return owner == name() or (not owner and run.control().test)
