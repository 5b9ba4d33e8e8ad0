"""What the cluster is doing, where this server's runs are trained by one: its workers, and why it cannot be reached."""

from __future__ import annotations

import streamlit as st

from ui import server
from ui.choice import run_label
from ui.text import refused, t

POLL = 3.0  # seconds between two looks


def is_waited_for() -> bool:
    """Whether runs that are handed out wait for the cluster, which has a problem."""
    cluster = server.cluster()
    return bool(cluster and cluster.problem)


def panel() -> None:
    """Show the cluster, looked at again at intervals; nothing if this machine trains the runs."""
    if server.cluster():
        st.fragment(_show, run_every=POLL, key="cluster-fragment")()


def _show() -> None:
    cluster = server.cluster()
    assert cluster
    workers, problem = cluster.workers, cluster.problem
    if problem:
        refused(problem, st.warning)
    busy = sum(bool(one.runs) for one in workers)
    title = t("cluster.title", count=len(workers), busy=busy)
    with st.expander(title, icon=":material/lan:", key="cluster"):
        st.caption(t("cluster.address_is", address=cluster.address))
        if workers:
            st.dataframe(
                {
                    t("cluster.worker"): [one.name for one in workers],
                    t("cluster.runs"): [", ".join(map(run_label, one.runs)) or t("cluster.idle") for one in workers],
                    t("cluster.machine"): [one.host for one in workers],
                    t("cluster.threads"): [one.threads for one in workers],
                },
                hide_index=True,
                width="stretch",
            )
