from __future__ import annotations

import pytest

from chat_transport.broker.faults import Faults, FaultSettings
from chat_transport.broker.refusal import Refusal


def outcomes(faults, kind, count, channel="c"):
    result = []
    for _ in range(count):
        try:
            faults.check(kind, channel)
        except Refusal as refusal:
            result.append(refusal.code)
        else:
            result.append(0)
    return result


def test_every_nth_of_a_kind_is_refused():
    faults = Faults()
    faults.reject("append", every=3, code=42913, status=429)
    assert outcomes(faults, "publish", 3) == [0, 0, 0]
    assert outcomes(faults, "append", 7) == [0, 0, 42913, 0, 0, 42913, 0]


def test_a_rejection_can_be_for_so_many_times_and_one_channel():
    faults = Faults()
    faults.reject("publish", times=1, channel="c")
    assert outcomes(faults, "publish", 2, "other") == [0, 0]
    assert outcomes(faults, "publish", 3) == [50000, 0, 0]


def test_clearing_turns_everything_off():
    faults, released = Faults(), []
    faults.on_release = lambda: released.append(1)
    faults.reject("publish")
    faults.update(FaultSettings(hold=True))
    faults.clear()
    assert (faults.settings, released) == (FaultSettings(), [1, 1])
    faults.check("publish", "c")


def test_acts_reach_the_broker():
    faults = Faults()
    assert (faults.drop_sockets(), faults.forget_connections(), faults.expire_tokens()) == (0, 0, 0)
    faults.on_drop = lambda name: 1 if name == "x" else 2
    faults.on_forget = lambda: 3
    faults.on_expire = lambda: 4
    assert (faults.drop_sockets("x"), faults.drop_sockets()) == (1, 2)
    assert (faults.forget_connections(), faults.expire_tokens()) == (3, 4)


def test_an_unknown_kind_is_an_error_for_type_checkers_and_matches_nothing():
    faults = Faults()
    faults.reject("attach")
    with pytest.raises(Refusal):
        faults.check("attach", "c")
    faults.check("presence", "c")
