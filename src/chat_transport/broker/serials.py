"""Serials: names that sort as strings in the order in which things happened.

Rule: every component has a fixed width; a serial never goes back, even if the clock does.
A channel serial is `<14 digits of ms>-<3 digits>@<series>`; a message serial adds `:<3 digits>`.
Source: observed shape of Ably serials; the width rule is ours so that string order is time order.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Clock", "SerialClock", "channel_serial_of", "is_channel_serial", "new_id", "serial_ms"]

Clock: TypeAlias = Callable[[], int]

ALPHABET = string.ascii_letters + string.digits
SERIES_LENGTH = 10
SLACK_MS = 1000
"""How far serials may run ahead of the clock: more than 1,000 in a millisecond borrow the next."""
PATTERN = re.compile(r"^\d{14}-\d{3}@[A-Za-z0-9]{10}$")
LENGTH = 14 + 1 + 3 + 1 + SERIES_LENGTH


def new_id(length: int = 10) -> str:
    """Give a random name of letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def is_channel_serial(text: str) -> bool:
    """Say whether a text has the shape of a channel serial."""
    return PATTERN.match(text) is not None


def channel_serial_of(serial: str) -> str:
    """Give the channel serial inside a message serial (or the same channel serial)."""
    return serial[:LENGTH]


def serial_ms(serial: str) -> int:
    """Give the time in ms that a serial names."""
    return int(serial[:14])


class SerialClock:
    """Gives channel serials, each greater than all before."""

    def __init__(self, now_ms: Clock, series: str | None = None) -> None:
        self.now_ms = now_ms
        self._series = series or new_id(SERIES_LENGTH)
        self._ms = 0
        self._counter = 0

    def next(self) -> str:
        """Give the next serial."""
        now = self.now_ms()
        if now > self._ms:
            self._ms, self._counter = now, 0
        else:
            self._counter += 1
            if self._counter > 999:
                self._ms, self._counter = self._ms + 1, 0
        return f"{self._ms:014d}-{self._counter:03d}@{self._series}"

    def has_reached(self, serial: str) -> bool:
        """Say whether a serial is not of the future, by the clock and a little slack."""
        return serial_ms(serial) <= self.now_ms() + SLACK_MS

    def advance_past(self, serial: str) -> None:
        """Never again give a serial at or below this one (after loading a stored log)."""
        if serial_ms(serial) >= self._ms:
            self._ms, self._counter = serial_ms(serial) + 1, 0
