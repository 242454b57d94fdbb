"""Ably's errors become ours, with cause and remedy."""

from __future__ import annotations

import pytest

from chat_transport.errors import ConnectFailed, RequestRejected, StreamInterrupted
from chat_transport.transports.ably.refusals import (
    MESSAGE_LIMIT,
    REMEDIES,
    is_fatal,
    is_rate_limit,
    require_size,
    translate,
)


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_a_known_refusal_names_code_words_and_remedy(code: int) -> None:
    error = translate(code=code, status=400, text="its words", doing="publish to 'c'")
    assert isinstance(error, RequestRejected)
    assert str(error) == (
        f"unable to publish to 'c'; Ably refused with {code}: its words; {REMEDIES[code]}"
    )
    assert (error.code, error.status, error.body) == (code, 400, "its words")


def test_an_unknown_refusal_keeps_its_words() -> None:
    error = translate(code=12345, status=418, text="odd", doing="x")
    assert str(error) == "unable to x; Ably refused with 12345: odd"


@pytest.mark.parametrize("code", [90000, 90001])
def test_what_was_not_sent_may_be_sent_again(code: int) -> None:
    assert isinstance(translate(code=code, status=400, text="t", doing="x"), ConnectFailed)
    no_state = translate(code=40001, status=400, text="connection state is closed", doing="x")
    assert isinstance(no_state, ConnectFailed)


@pytest.mark.parametrize(
    ("code", "status"), [(None, None), (80003, 400), (50000, 500), (500, 80000)]
)
def test_what_may_have_been_sent_is_kept_apart(code: int | None, status: int | None) -> None:
    error = translate(code=code, status=status, text="t", doing="x")
    assert isinstance(error, StreamInterrupted)
    assert error.resumable


def test_rate_limits_and_final_refusals_are_recognised() -> None:
    assert is_rate_limit(RequestRejected("x", code=42911))
    assert not is_rate_limit(RequestRejected("x", code=40160))
    assert not is_rate_limit(ConnectFailed("x"))
    assert is_fatal(40101)
    assert not is_fatal(80003)
    assert not is_fatal(None)


def test_what_is_too_large_is_refused_before_it_is_sent() -> None:
    require_size(MESSAGE_LIMIT, "ai:chat")
    with pytest.raises(RequestRejected, match="ai:chat") as raised:
        require_size(MESSAGE_LIMIT + 1, "ai:chat")
    assert (raised.value.status, raised.value.code) == (413, 40009)
