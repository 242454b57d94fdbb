from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport.chunks import Finish, Start, UIMessageChunk
from chat_transport.codecs.ui_frames import (
    AbortFrame,
    FrameRequests,
    ResumeFrame,
    SendFrame,
    dump_frame,
    parse_client_frame,
    server_chunk,
    server_frame,
)
from chat_transport.errors import RemoteProtocolError, RequestRejected
from chat_transport.messages import UIMessage
from chat_transport.testing.http_vectors import check_websocket_frame

SAID = UIMessage.user("hi", id="u")


class Sink:
    def __init__(self) -> None:
        self.seen: list[object] = []

    def accepted(self, *, active: bool) -> None:
        self.seen.append("active" if active else "idle")

    def chunk(self, chunk: UIMessageChunk, place: str | None) -> None:
        self.seen.append(chunk if place is None else (chunk, place))

    def known(self, run_id: str | None) -> None:
        self.seen.append(f"run {run_id}")

    def ended(self, error: Exception | None) -> None:
        self.seen.append("end" if error is None else error)


def waiting(*, resumes: bool = False) -> tuple[FrameRequests, Sink]:
    requests, sink = FrameRequests(), Sink()
    requests.begin("r", sink, resumes=resumes)
    return requests, sink


@pytest.mark.parametrize(
    "frame",
    [
        SendFrame(request_id="r", chat_id="c", trigger="submit-message", messages=[SAID]),
        SendFrame(request_id="r", chat_id="c", trigger="regenerate-message", messages=[SAID], message_id="u", headers={"a": "1"}, body={"b": 2}, metadata={"m": 1}),
        ResumeFrame(request_id="r", chat_id="c"),
        ResumeFrame(request_id="r", chat_id="c", last_sequence=0),
        AbortFrame(request_id="r"),
    ],
)  # fmt: skip
def test_a_clients_frame_survives_the_wire(frame: SendFrame | ResumeFrame | AbortFrame):
    assert parse_client_frame(json.loads(dump_frame(frame))) == frame


def test_recorded_frames_are_judged_as_by_ai_sdk(ui_vectors: Path):
    cases = json.loads((ui_vectors / "websocket-frames.json").read_text())
    assert {case["name"]: found for case in cases if (found := check_websocket_frame(case))} == {}


BASE = {
    "type": "send",
    "requestId": "r",
    "id": "c",
    "trigger": "submit-message",
    "headers": {},
    "body": {},
}


def test_a_message_that_is_none_is_told_beside_the_words_of_the_ai_sdk():
    with pytest.raises(
        RemoteProtocolError, match=r"^Invalid UI messages in .*request\.$"
    ) as raised:
        parse_client_frame({**BASE, "messages": [{"id": "u"}]})
    assert "messages[0]; `role` must" in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "Invalid WebSocket chat request frame"),
        ({"type": []}, "Invalid WebSocket chat request frame"),
        ({"type": "abort"}, "Invalid WebSocket chat abort request"),
        ({**BASE, "headers": {"a": 1}}, "Invalid WebSocket chat request frame"),
        ({**BASE, "trigger": []}, "Invalid WebSocket chat send request"),
        ({**BASE, "messageId": None}, "Invalid WebSocket chat send request"),
        ({**BASE, "messages": []}, "Invalid UI messages"),
        ({**BASE, "type": "resume", "lastSequence": -1}, "Invalid WebSocket chat resume sequence"),
        (
            {**BASE, "type": "resume", "lastSequence": True},
            "Invalid WebSocket chat resume sequence",
        ),
    ],
)
def test_a_wrong_frame_is_refused(value: Any, reason: str):
    with pytest.raises(RemoteProtocolError, match=reason):
        parse_client_frame(value)


def test_unknown_keys_of_a_frames_messages_are_stripped():
    said = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi", "x": 1}], "y": 2}
    frame = parse_client_frame({**BASE, "messages": [said]})
    assert isinstance(frame, SendFrame)
    assert frame.messages == [SAID]


def test_chunks_arrive_in_order_and_once():
    requests, sink = waiting()
    for sequence, chunk in ((0, Start()), (0, Start()), (1, Finish())):
        requests.receive(server_chunk("r", sequence, chunk))
    requests.receive(server_frame("end", "r"))
    assert sink.seen == [Start(), Finish(), "end"]
    assert len(requests) == 0


def test_a_resume_is_answered_before_its_chunks():
    requests, sink = waiting(resumes=True)
    requests.receive(server_frame("start", "r"))
    requests.receive(server_chunk("r", 0, Start()))
    assert sink.seen == ["active", Start()]
    requests, sink = waiting(resumes=True)
    requests.receive(server_frame("no-active", "r"))
    assert sink.seen == ["idle", "end"]


def test_an_error_frame_ends_its_request_alone():
    requests, sink = waiting()
    other = Sink()
    requests.begin("s", other, resumes=False)
    requests.receive(server_frame("error", "r", error_text="busy"))
    (error,) = sink.seen
    assert isinstance(error, RequestRejected)
    assert str(error) == "busy"
    assert other.seen == []
    requests.fail_all(ConnectionError("gone"))
    assert [str(seen) for seen in other.seen] == ["gone"]


def test_frames_that_nobody_waits_for_are_ignored():
    requests, sink = waiting()
    assert requests.leave("r") == AbortFrame(request_id="r")
    assert requests.leave("r") is None
    requests.receive(server_chunk("r", 7, Start()))
    assert sink.seen == []


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("{", "Invalid WebSocket chat response frame"),
        ("[]", "Invalid WebSocket chat response frame"),
        ('{"type":"dance","requestId":"r"}', "Unknown WebSocket chat response type: dance"),
        ('{"type":"chunk","requestId":"r","sequence":2,"chunk":{"type":"start"}}', "Out-of-order"),
        (
            '{"type":"chunk","requestId":"r","sequence":"0","chunk":{"type":"start"}}',
            "chunk sequence",
        ),
        (
            '{"type":"chunk","requestId":"r","sequence":0,"chunk":{"type":"novel"}}',
            "Invalid UI message chunk",
        ),
        ('{"type":"chunk","requestId":"r","sequence":0}', "Invalid UI message chunk"),
        ('{"type":"error","requestId":"r","errorText":5}', "error response"),
    ],
)
def test_a_frame_that_breaks_the_rules_ends_the_connection(frame: str, reason: str):
    requests, sink = waiting()
    with pytest.raises(RemoteProtocolError, match=reason):
        requests.receive(frame)
    assert sink.seen == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["send", "resume", "abort", "r"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["type", "requestId", "id", "trigger", "headers", "body", "messages"]), inner, max_size=7),
    max_leaves=15,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_no_frame_is_too_strange(value: object):
    refusal = "Invalid"
    try:
        parse_client_frame(value)
    except RemoteProtocolError as error:
        refusal = str(error)
    assert refusal.startswith("Invalid")


def test_what_our_server_adds_reaches_our_client():
    requests, sink = waiting(resumes=True)
    requests.receive(server_frame("start", "r", run_id="r1"))
    requests.receive(server_chunk("r", 0, Start(), place="before.1"))
    requests.receive(server_chunk("r", 1, Start()))
    assert sink.seen == ["run r1", "active", (Start(), "before.1"), Start()]
    requests, sink = waiting(resumes=True)
    requests.receive(server_frame("no-active", "r", counts=True))
    assert sink.seen == ["run None", "idle", "end"]


def test_a_resume_goes_on_behind_a_number():
    requests, sink = FrameRequests(), Sink()
    requests.begin("r", sink, resumes=True, last_sequence=6)
    requests.receive(server_chunk("r", 6, Start()))
    requests.receive(server_chunk("r", 7, Start()))
    assert sink.seen == ["active", Start()]
