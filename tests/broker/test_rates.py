from __future__ import annotations

import pytest

from chat_transport.broker.rates import RateMeter
from chat_transport.broker.refusal import Refusal


def test_a_second_takes_so_many_and_no_more():
    meter = RateMeter(42913, "channel.maxRate")
    meter.take(2, 3, now_ms=0)
    with pytest.raises(Refusal, match=r"channel\.maxRate") as caught:
        meter.take(2, 3, now_ms=500)
    assert (caught.value.code, caught.value.status) == (42913, 429)
    meter.take(1, 3, now_ms=500)
    meter.take(2, 3, now_ms=1000)
    with pytest.raises(Refusal):
        meter.take(1, 3, now_ms=1001)
