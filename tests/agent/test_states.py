"""The state table of runs."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from chat_transport.agent._states import TRANSITIONS, Completed, Failed, Stopped, Waits, step
from chat_transport.errors import LocalProtocolError

EVENTS = [Completed(), Waits(), Stopped(), Failed("x")]


@pytest.mark.parametrize(
    ("event", "state"),
    [(EVENTS[0], "ended"), (EVENTS[1], "suspended"), (EVENTS[2], "ended"), (EVENTS[3], "ended")],
)
def test_an_active_run_ends_or_waits(event: Completed, state: str) -> None:
    assert step("active", event) == state


def test_a_suspended_run_can_only_be_stopped() -> None:
    assert step("suspended", Stopped()) == "ended"


def test_what_is_not_in_the_table_is_a_bug() -> None:
    refused = 0
    for state, event in itertools.product(("active", "suspended", "ended"), EVENTS):
        if (state, type(event)) not in TRANSITIONS:
            with pytest.raises(LocalProtocolError, match=state):
                step(state, event)
            refused += 1
    assert refused == 12 - len(TRANSITIONS)


def test_the_page_about_runs_shows_this_table() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/concepts/runs.md").read_text()
    rows = re.findall(
        r"^\| (active|suspended) \| `(\w+)`[^|]*\| (\w+) \| (?:`(\w+)`)? ?\|", page, re.MULTILINE
    )
    shown = {(state, event): (after, reason) for state, event, after, reason in rows}
    assert shown == {
        (state, event.__name__): (after, event.reason if state == "active" else "")
        for (state, event), after in TRANSITIONS.items()
    }
