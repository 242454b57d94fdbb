from __future__ import annotations

from chat_transport.broker.timers import Timers


class Clock:
    now = 0


def test_calls_are_made_in_the_order_of_their_moments():
    clock, made = Clock(), []
    timers = Timers(lambda: clock.now)
    timers.after(20, lambda: made.append("late"))
    timers.after(10, lambda: made.append("first"))
    timers.after(10, lambda: made.append("second"))
    assert timers.next_due_ms() == 10
    timers.run_due()
    assert made == []
    clock.now = 15
    timers.run_due()
    assert made == ["first", "second"]
    clock.now = 20
    timers.run_due()
    assert made == ["first", "second", "late"]
    assert timers.next_due_ms() is None


def test_a_cancelled_call_is_not_made():
    clock, made = Clock(), []
    timers = Timers(lambda: clock.now)
    timer = timers.after(5, lambda: made.append("x"))
    timer.cancel()
    assert timers.next_due_ms() is None
    clock.now = 10
    timers.run_due()
    assert made == []


def test_a_sooner_call_is_announced():
    heard = []
    timers = Timers(lambda: 0)
    timers.on_sooner = lambda: heard.append(timers.next_due_ms())
    timers.after(50, lambda: None)
    timers.after(60, lambda: None)
    timers.after(10, lambda: None)
    assert heard == [50, 10]


def test_cancelled_calls_do_not_pile_up():
    timers = Timers(lambda: 0)
    for _ in range(20_000):
        timers.after(10**9, lambda: None).cancel()
    assert len(timers._heap) < 2500
