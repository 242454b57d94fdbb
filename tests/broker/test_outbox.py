from __future__ import annotations

from chat_transport.broker.outbox import Outbox


def outbox(limit=100):
    woken = []
    return Outbox(limit, lambda: woken.append(1)), woken


def test_one_wake_up_for_all_that_waits():
    box, woken = outbox()
    box.put("a")
    box.put("b")
    assert len(woken) == 1
    assert box.take() == ["a", "b"]
    assert box.take() == []
    box.put("c")
    assert len(woken) == 2


def test_a_slow_reader_is_cut_and_nothing_is_dropped_from_the_middle():
    box, _ = outbox(limit=10)
    box.put("x" * 6)
    box.put("y" * 6)
    assert box.close_code == 1001
    assert box.take() == []
    box.put("late")
    assert box.take() == []


def test_closing_lets_what_waits_go_first():
    box, _ = outbox()
    box.put("a")
    box.close(1000)
    box.close(1001)
    box.put("b")
    assert (box.take(), box.close_code) == (["a"], 1000)


def test_held_frames_wait_for_their_release():
    box, woken = outbox()
    box.held = True
    box.put("a")
    assert (box.take(), woken) == ([], [])
    box.release()
    assert (box.take(), woken) == (["a"], [1])
