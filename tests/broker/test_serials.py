from __future__ import annotations

from chat_transport.broker.serials import (
    SerialClock,
    channel_serial_of,
    is_channel_serial,
    new_id,
    serial_ms,
)


def test_serials_ascend_as_strings_even_if_the_clock_goes_back():
    moments = iter([1000, 1000, 1000, 900, 5, 1001, 1001])
    clock = SerialClock(lambda: next(moments))
    serials = [clock.next() for _ in range(7)]
    assert serials == sorted(serials)
    assert len(set(serials)) == 7


def test_more_than_a_thousand_in_one_millisecond_still_ascend():
    clock = SerialClock(lambda: 42)
    serials = [clock.next() for _ in range(2500)]
    assert serials == sorted(set(serials))


def test_a_serial_names_its_time_and_has_its_shape():
    serial = SerialClock(lambda: 1_800_000_000_123).next()
    assert is_channel_serial(serial)
    assert serial_ms(serial) == 1_800_000_000_123
    assert channel_serial_of(f"{serial}:007") == serial
    assert not is_channel_serial(f"{serial}:007")


def test_a_clock_goes_on_behind_what_was_stored():
    stored = SerialClock(lambda: 5000).next()
    clock = SerialClock(lambda: 1000)
    clock.advance_past(stored)
    assert clock.next() > stored


def test_ids_differ():
    assert len({new_id() for _ in range(100)}) == 100


def test_a_serial_of_the_future_is_known_as_such():
    clock = SerialClock(lambda: 1000)
    assert clock.has_reached(SerialClock(lambda: 1000).next())
    assert not clock.has_reached(SerialClock(lambda: 2001).next())
