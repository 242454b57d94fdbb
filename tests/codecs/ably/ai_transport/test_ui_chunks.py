from __future__ import annotations

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport.payload import Close, Grow, Open, StreamView, Whole
from chat_transport.codecs.ably.ai_transport.ui_chunks import UIChunkCodec
from chat_transport.errors import LocalProtocolError

CODEC = UIChunkCodec()
META = {"p": {"k": 1}}
DISCRETE = [
    c.Start(message_id="a", message_metadata={"x": None}),
    c.StartStep(),
    c.FinishStep(),
    c.Finish(finish_reason="length", message_metadata=[1]),
    c.MessageMetadata(message_metadata={"k": 1}),
    c.Error(error_text="oops"),
    c.Abort(reason="stopped"),
    c.Abort(),
    c.File(url="https://x/y", media_type="image/png", provider_metadata=META),
    c.SourceUrl(source_id="s", url="https://x", title="T"),
    c.SourceDocument(source_id="s", media_type="a/b", title="T", filename="f"),
    c.ToolInputError(tool_call_id="c", tool_name="t", input="{", error_text="bad", dynamic=True),
    c.ToolOutputAvailable(tool_call_id="c", output=None, preliminary=True),
    c.ToolOutputAvailable(tool_call_id="c", output=[1], provider_metadata=META),
    c.ToolOutputError(tool_call_id="c", error_text="no", provider_executed=True),
    c.ToolApprovalRequest(tool_call_id="c", approval_id="p", signature="s", is_automatic=True),
    c.ToolOutputDenied(tool_call_id="c"),
    c.DataChunk(type="data-x", data={"a": 1}, id="1"),
    c.DataChunk(type="data-x", data="s", transient=True),
    c.ResetStep(),
    c.Custom(kind="p.k", provider_metadata=META),
    c.ReasoningFile(url="https://x", media_type="a/b"),
    c.SteeringMessage(id="m", parts=[{"type": "text", "text": "x"}]),
    c.ToolApprovalResponse(approval_id="p", approved=False, reason="no"),
    c.OpaqueChunk(type="novelty", fields={"a": 1}),
]


@pytest.mark.parametrize("chunk", DISCRETE, ids=lambda chunk: chunk.type)
def test_a_discrete_chunk_comes_back_whole(chunk):
    (payload,) = CODEC.encode(chunk, "m")
    assert isinstance(payload, Whole)
    assert payload.ephemeral is (getattr(chunk, "transient", None) is True)
    assert list(CODEC.whole(payload.codec, payload.data)) == [chunk]


def test_a_start_without_id_is_named_after_its_message():
    (payload,) = CODEC.encode(c.Start(), "m-7")
    assert payload.codec == {"kind": "start", "messageId": "m-7"}


def test_a_finish_without_a_known_reason_reads_as_stop():
    assert CODEC.whole({"kind": "finish"}, "") == (c.Finish(finish_reason="stop"),)
    assert CODEC.whole({"kind": "finish", "finishReason": "new"}, "") == (
        c.Finish(finish_reason="stop"),
    )


def test_kinds_that_nobody_knows_are_ignored():
    assert CODEC.whole({"kind": "novelty"}, {"a": 1}) == ()
    assert CODEC.whole({}, "") == ()
    assert CODEC.whole({"kind": "text"}, "a text is always streamed") == ()
    assert CODEC.whole({"kind": "custom"}, {"providerMetadata": 1}) == ()


def test_malformed_payloads_read_as_empty_ones():
    assert CODEC.whole({"kind": "file", "mediaType": "a/b"}, 7) == (
        c.File(url="", media_type="a/b"),
    )
    assert CODEC.whole({"kind": "tool-output-error"}, None) == (
        c.ToolOutputError(tool_call_id="", error_text=""),
    )
    (chunk,) = CODEC.whole({"kind": "message-metadata", "messageMetadata": "{"}, "")
    assert chunk.message_metadata is c.ABSENT


@pytest.mark.parametrize("value", [1, True, None, 2.5])
def test_a_bare_value_as_data_is_refused_with_the_remedy(value):
    with pytest.raises(LocalProtocolError, match="wrap the value in an object"):
        CODEC.encode(c.DataChunk(type="data-x", data=value), "m")


def test_text_opens_grows_and_closes_a_stream():
    assert CODEC.encode(c.TextStart(id="t", provider_metadata=META), "m") == (
        Open("t", {"kind": "text", "id": "t", "providerMetadata": '{"p":{"k":1}}'}),
    )
    assert CODEC.encode(c.TextDelta(id="t", delta="x"), "m") == (Grow("t", "x"),)
    assert CODEC.encode(c.TextEnd(id="t"), "m") == (Close("t", {"id": "t"}),)


def view(codec, *pieces, closing=None):
    return StreamView("1", "ai-output", "s", {}, codec, "1", closing=closing, pieces=list(pieces))


def test_a_reasoning_stream_gives_its_chunks():
    codec = {"kind": "reasoning", "id": "r"}
    assert CODEC.start(view(codec)) == (c.ReasoningStart(id="r"),)
    assert CODEC.delta(view(codec), "x") == (c.ReasoningDelta(id="r", delta="x"),)
    closing = {**codec, "providerMetadata": '{"p":{"k":1}}'}
    assert CODEC.end(view(codec, "x", closing=closing)) == (
        c.ReasoningEnd(id="r", provider_metadata=META),
    )


def test_the_input_of_a_tool_is_rebuilt_from_its_stream():
    codec = {"kind": "tool-input", "toolCallId": "s", "toolName": "t", "dynamic": "true"}
    (end,) = CODEC.end(view(codec, '{"a":', "1}", closing=codec))
    assert end == c.ToolInputAvailable(
        tool_call_id="s", tool_name="t", input={"a": 1}, dynamic=True
    )
    (broken,) = CODEC.end(view(codec, "{a", closing=codec))
    assert broken.input == "{a"
    (empty,) = CODEC.end(view(codec, closing=codec))
    assert empty.input is c.ABSENT


def test_an_input_that_was_not_streamed_goes_along_when_its_stream_closes():
    chunk = c.ToolInputAvailable(tool_call_id="c", tool_name="t", input={})
    (close,) = CODEC.encode(chunk, "m")
    assert close.text_if_empty == "{}"
    assert close.otherwise == (
        Whole({"kind": "tool-input", "toolCallId": "c", "toolName": "t"}, {}),
    )


def test_an_input_that_ably_cannot_carry_whole_is_streamed():
    (close,) = CODEC.encode(c.ToolInputAvailable(tool_call_id="c", tool_name="t", input=5), "m")
    opened, closed = close.otherwise
    assert isinstance(opened, Open)
    assert closed.text_if_empty == "5"


def test_a_whole_input_reads_as_start_and_input():
    codec = {"kind": "tool-input", "toolCallId": "c", "toolName": "t", "title": "T"}
    assert CODEC.whole(codec, {"a": 1}) == (
        c.ToolInputStart(tool_call_id="c", tool_name="t", title="T"),
        c.ToolInputAvailable(tool_call_id="c", tool_name="t", input={"a": 1}, title="T"),
    )


def test_a_stream_of_an_unknown_kind_says_nothing():
    stream = view({"kind": "novelty"}, "x", closing={})
    assert (CODEC.start(stream), CODEC.delta(stream, "x"), CODEC.end(stream)) == ((), (), ())
