"""Who looks at the pages just now, as the login says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import streamlit as st

from claude_telemetry_collector.queries import Role
from claude_telemetry_dashboard.login import Guests


def role_of_visitor(guests: Guests | None) -> Role | None:
    """The role of this session's user; `None` for who has not logged in, or is in no list."""
    if guests is None:
        return "admin"
    claims = claims_of_visitor()
    return None if claims is None else guests.role_of(claims)


def claims_of_visitor() -> Mapping[str, object] | None:
    """What the provider has said about this session's user. `None` before the login."""
    claims = cast("dict[str, object]", st.user.to_dict())
    return claims if claims.get("is_logged_in") is True else None


def name_of(claims: Mapping[str, object]) -> str:
    """What to call somebody with these claims. As the provider has it, so only ever text."""
    return str(claims.get("email") or claims.get("name") or claims.get("sub") or "somebody without a name")
