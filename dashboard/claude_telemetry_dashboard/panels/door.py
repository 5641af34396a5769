"""What somebody sees who is not in yet, or may not come in; and who one is, with the way out."""

from __future__ import annotations

import streamlit as st

from claude_telemetry_dashboard import data

ROLES = {
    "viewer": "Viewer: people have other names here, the same ones each time.",
    "operator": "Operator: people have other names here, the same ones each time.",
    "admin": "Admin: people are shown as the applications named them.",
}


def closed() -> None:
    """In the place of a page."""
    claims = data.claims_of_visitor()
    if claims is None:
        st.subheader("claude-telemetry", anchor=False)
        st.text("Log in to see the calls.")
        st.button("Log in", icon=":material/login:", type="primary", on_click=st.login)
        return
    st.warning("Nothing here is for this account.", icon=":material/lock:")
    st.text(
        f"You are {data.name_of(claims)}, who is in no list of this dashboard. Whoever runs it names people in "
        "login_viewers, login_operators or login_admins."
    )
    st.button("Log out", icon=":material/logout:", on_click=st.logout)


def who() -> None:
    """Below the navigation: whose session this is. Nothing where there is no login."""
    claims, role = data.claims_of_visitor(), data.role()
    if data.place().guests is None or claims is None or role is None:
        return
    with st.sidebar:
        st.text(data.name_of(claims), help=ROLES[role])
        st.button("Log out", icon=":material/logout:", on_click=st.logout, key="log-out")
