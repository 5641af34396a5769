"""Who takes how much of it: all users, one of them, or one session call by call.

Which it is about is what the filters say: with a session that one, with a user that one. So a link shows the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import streamlit as st

from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import users
from claude_telemetry_collector.queries.users import Concentration, Who
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import (
    away,
    box,
    export,
    listing,
    narrowing,
    nothing,
    numbers,
    one_session,
    to_calls,
    users_charts,
)

TILES = ("requests", "cost_usd", "total_tokens", "error_ratio", "duration_p95_ms")
RANKED_BY = {"cost_usd": "Cost", "requests": "Requests", "total_tokens": "Tokens", "failed_calls": "Failures"}
DAYS_SHOWN = 14

_DAY = timedelta(days=1)
_NAMED = {"user_id": ("user", "User"), "session_id": ("session", "Session")}


def show() -> None:
    """The page."""
    away.guarded(_draw)


def _draw() -> None:
    chosen = filters.chosen()
    if chosen.segment.session_id is not None:
        one_session.show(chosen)
    elif not data.readings(("requests",), chosen.window, chosen.segment)["requests"].value:
        nothing.show(chosen)
        if chosen.segment.user_id is not None:
            narrowing.only("All users", "user", None)
    elif chosen.segment.user_id is not None:
        _user(chosen)
    else:
        _everyone(chosen)


# All of them


def _everyone(chosen: filters.Chosen) -> None:
    spread = data.answer(users.concentration, chosen.window, chosen.segment, "user_id")
    sessions = data.answer(users.number_of, chosen.window, chosen.segment, "session_id")
    st.text(status(spread, chosen.words))
    days = filters.whole_days(chosen.window, DAYS_SHOWN, chosen.zone)
    per_day = data.answer(users.users_over_time, days, chosen.segment, _DAY, chosen.zone)
    numbers.show(_tiles(chosen, spread, sessions, [row["users"] for row in per_day.to_pylist()]))
    if not spread.number and not sessions:
        st.info("No call names a user or a session, so there is nobody to tell apart.", icon=":material/person_off:")
        st.code(
            'with claude_telemetry.label(user="u_42", session="s_7"):\n    client.messages.create(…)', language="python"
        )
        return
    box.chart(
        f"Users per day, {days.length.days} days",
        "Different users that calls of each day name. One who comes on two days counts on both.",
        users_charts.users_over_time(per_day, filters.on_clocks(days, chosen.zone), _DAY),
        "No call of these days names a user.",
    )
    by = st.segmented_control(
        "Ranked by",
        list(RANKED_BY),
        format_func=lambda name: RANKED_BY[name],
        default="cost_usd",
        required=True,
        key="ranked-by",
        bind="query-params",
    )
    _ranking(chosen, "user_id", by or "cost_usd")
    _ranking(chosen, "session_id", by or "cost_usd")


def status(spread: Concentration, words: str) -> str:
    """What there is to know, in a sentence or two."""
    if not spread.number:
        return f"None of {numbers.calls(spread.calls)} {words} names a user."
    number = "1 user" if spread.number == 1 else f"{formats.count(spread.number)} users"
    said = f"{number} made {numbers.calls(spread.calls - spread.unnamed)} {words}."
    if spread.top_cost_ratio is not None and spread.number > users.TOP:
        said += f" The ten dearest took {formats.ratio(spread.top_cost_ratio)} of the cost"
        said += f", and {formats.count(spread.half)} took half of it." if spread.half is not None else "."
    if spread.unnamed:
        said += f" {numbers.calls(spread.unnamed)} more name nobody."
    if spread.unpriced:
        said += f" {numbers.calls(spread.unpriced)} unpriced: they are in no cost."
    return said


def _tiles(
    chosen: filters.Chosen, spread: Concentration, sessions: int, per_day: Sequence[float]
) -> list[numbers.Tile]:
    before = data.answer_for_a_while(users.concentration, chosen.before, chosen.segment, "user_id")
    sessions_before = data.answer_for_a_while(users.number_of, chosen.before, chosen.segment, "session_id")
    cost = "Their part of the cost of all calls, those without a user too."
    calls = "Their part of all calls, those without a user too."
    counted = "Different users that calls name. The line counts them day by day: who comes back counts again."
    told = "Different sessions that calls name."
    return [
        numbers.figure("Users", spread.number, before.number, "{user}", counted, course=per_day),
        numbers.figure("Sessions", sessions, sessions_before, "{session}", told),
        numbers.figure("Ten dearest users", spread.top_cost_ratio, before.top_cost_ratio, "ratio", cost),
        numbers.figure("Ten busiest users", spread.top_calls_ratio, before.top_calls_ratio, "ratio", calls),
        numbers.figure("Without a user", spread.unnamed, before.unnamed, "{call}", "Calls that name nobody."),
    ]


def _ranking(chosen: filters.Chosen, who: Who, by: str) -> None:
    name, title = _NAMED[who]
    with box.box(
        f"{title}s",
        f"The ones that take most. Select one for its page. Shares are of all calls, with or without a {name}.",
    ):
        found = data.answer(users.ranking, chosen.window, chosen.segment, who, by=by)
        if not found.num_rows:
            st.caption(f"No call names a {name} {chosen.words}.")
            return
        columns = {
            who: listing.text(title, "As the application named it.", 150),
            "share": listing.bar("Share", f"Of all {RANKED_BY[by].lower()}.", 120),
            "cost_usd": listing.usd("Cost", "At list price; calls without a price add nothing.", 84),
            "requests": listing.count("Requests", "Calls, whatever their outcome.", 76),
            "total_tokens": listing.count("Tokens", "Input of every kind and output.", 92),
            "failed_calls": listing.count("Failed", "Calls that failed.", 56),
            "duration_p95_ms": listing.ms("P95", "95 of 100 calls took this long or less.", 80),
            "others": listing.count(
                "Sessions" if who == "user_id" else "Users", "Different ones that its calls name.", 76
            ),
            "last_at": listing.moment("Last", "When its last call started.", chosen.zone, 124),
            "unpriced": listing.count("Unpriced", "Calls without a price.", 76),
        }
        row = listing.show(found, columns, key=f"ranking-{name}")
        with st.container(horizontal=True, vertical_alignment="center"):
            if row is not None:
                narrowing.only(f"This {name}'s page", name, row[who])
                to_calls.link("Its calls", **{name: row[who]})
            export.offer(found, f"{name}s")
            listing.say_more(found, "groups")


# One user


def _user(chosen: filters.Chosen) -> None:
    overview = data.overview(TILES, TILES, chosen.window, chosen.before, chosen.segment, chosen.step, chosen.zone)
    everyone = data.readings(("cost_usd",), chosen.window, replace(chosen.segment, user_id=None))
    with st.container(horizontal=True, vertical_alignment="center"):
        narrowing.only("All users", "user", None)
        to_calls.link("The calls")
        st.text(f"{formats.text(chosen.segment.user_id)}: {numbers.status(_readings(overview), chosen.words)}")
    whole, own = everyone["cost_usd"].value, overview.now["cost_usd"].value
    if whole and own is not None:
        st.caption(f"That is {formats.ratio(float(own) / float(whole))} of the cost of everybody.")
    numbers.tiles(overview.now, overview.before, overview.course, TILES)
    _per_feature(chosen)
    _ranking(chosen, "session_id", "cost_usd")


def _readings(overview: data.Overview) -> dict[str, queries.Reading]:
    # Discounts are told on the cost page; here the list price stands for both.
    cost = overview.now["cost_usd"]
    return {**overview.now, "net_cost_usd": replace(cost, metric="net_cost_usd")}


def _per_feature(chosen: filters.Chosen) -> None:
    with box.box("What for", "The features and models of these calls, the dearest first."):
        names = ("cost_usd", "requests", "error_ratio", "duration_p95_ms")
        found = data.answer(queries.breakdown, names, chosen.window, chosen.segment, "feature", "model")
        columns = {
            "feature": listing.text("Feature", "As the application named it.", 200),
            "model": listing.text("Model", "That answered.", 180),
            "cost_usd": listing.usd("Cost", "At list price; calls without a price add nothing."),
            "requests": listing.count("Requests", "Calls, whatever their outcome."),
            "error_ratio": listing.share("Failed", "Over those that ended."),
            "duration_p95_ms": listing.ms("P95", "95 of 100 calls took this long or less."),
        }
        listing.show(found, columns, key="user-features")
