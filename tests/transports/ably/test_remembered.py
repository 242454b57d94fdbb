"""A memory with an end."""

from __future__ import annotations

from chat_transport.transports.ably.remembered import remember


def test_the_oldest_is_forgotten_first() -> None:
    known: dict[str, int] = {}
    for number in range(4):
        remember(known, str(number), number, limit=3)
    remember(known, "2", 7, limit=3)
    assert known == {"1": 1, "2": 7, "3": 3}
