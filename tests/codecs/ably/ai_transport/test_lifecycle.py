from __future__ import annotations

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport.lifecycle import LifecycleRepair

OPENING = [c.Start(message_id="m"), c.StartStep()]
TEXT = c.TextStart(id="t")


def test_a_whole_reply_passes_unchanged():
    whole = [*OPENING, TEXT, c.FinishStep(), c.StartStep(), TEXT, c.Finish()]
    assert list(LifecycleRepair("m").feed(whole)) == whole


def test_what_a_late_reader_lacks_is_put_in_once():
    repair = LifecycleRepair("m")
    assert list(repair.feed([TEXT])) == [*OPENING, TEXT]
    assert list(repair.feed([c.TextDelta(id="t", delta="x")])) == [c.TextDelta(id="t", delta="x")]
    call = c.ToolInputStart(tool_call_id="c", tool_name="t")
    assert list(repair.feed([call])) == [call]


def test_a_new_step_needs_its_start():
    repair = LifecycleRepair("m")
    repair.feed([*OPENING, TEXT, c.FinishStep()])
    assert list(repair.feed([TEXT])) == [c.StartStep(), TEXT]


def test_after_a_terminal_chunk_a_message_begins_anew():
    repair = LifecycleRepair("m")
    repair.feed([*OPENING, c.Finish()])
    assert list(repair.feed([TEXT])) == [*OPENING, TEXT]


def test_discrete_parts_need_no_start():
    file = c.File(url="https://x", media_type="a/b")
    assert list(LifecycleRepair("m").feed([file])) == [file]
