from __future__ import annotations

import json

import pytest

from chat_transport.chunks import Start, TextDelta, UIMessageChunk
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


class Sink:
    def __init__(self) -> None:
        self.got: list[object] = []

    def accepted(self, *, active: bool) -> None:
        self.got.append(active)

    def chunk(self, chunk: UIMessageChunk) -> None:
        self.got.append(chunk)

    def ended(self, error: Exception | None) -> None:
        self.got.append(error)


@pytest.mark.parametrize(
    "frame",
    [
        SendFrame(
            request_id="q",
            chat_id="c",
            trigger="submit-message",
            messages=[UIMessage.user("x", id="u")],
            message_id="m",
            headers={"a": "b"},
            body={"n": 1},
            metadata={"k": None},
        ),
        ResumeFrame(request_id="q", chat_id="c", last_sequence=3),
        ResumeFrame(request_id="q", chat_id="c"),
        AbortFrame(request_id="q"),
    ],
)
def test_a_clients_frame_survives_the_wire(frame):
    assert parse_client_frame(json.loads(dump_frame(frame))) == frame


def test_frames_reach_their_request_in_order_and_once():
    requests, sink = FrameRequests(), Sink()
    requests.begin("q", sink, resumes=True)
    first, second = Start(message_id="a"), TextDelta(id="t", delta="x")
    requests.receive(server_frame("start", "q"))
    requests.receive(server_chunk("q", 0, first))
    requests.receive(server_chunk("q", 0, first))
    requests.receive(server_chunk("other", 7, first))
    requests.receive(server_chunk("q", 1, second))
    requests.receive(server_frame("end", "q"))
    requests.receive(server_frame("end", "q"))
    assert sink.got == [True, first, second, None]
    assert len(requests) == 0


def test_a_refusal_ends_one_request_and_no_other():
    requests, one, other = FrameRequests(), Sink(), Sink()
    requests.begin("1", one, resumes=False)
    requests.begin("2", other, resumes=True)
    requests.receive(server_frame("error", "1", error_text="no"))
    requests.receive(server_frame("no-active", "2"))
    (error,) = one.got
    assert isinstance(error, RequestRejected)
    assert str(error) == "no"
    assert other.got == [False, None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid WebSocket chat response frame."),
        ('{"type":"end"}', "Invalid WebSocket chat response frame."),
        ('{"type":"x","requestId":"q"}', "Unknown WebSocket chat response type: x."),
        ('{"type":"error","requestId":"q","errorText":null}', "chat error response."),
        ('{"type":"chunk","requestId":"q","sequence":true}', "chat chunk sequence."),
        ('{"type":"chunk","requestId":"q","sequence":1}', "Out-of-order"),
        ('{"type":"chunk","requestId":"q","sequence":0,"chunk":3}', "Invalid UI message chunk"),
    ],
)
def test_a_frame_that_breaks_the_rules_ends_the_connection(text: str, words: str):
    requests, sink = FrameRequests(), Sink()
    requests.begin("q", sink, resumes=False)
    with pytest.raises(RemoteProtocolError, match=words):
        requests.receive(text)
    error = ValueError("closed")
    requests.fail_all(error)
    assert sink.got == [error]


def test_leaving_tells_the_server_once():
    requests = FrameRequests()
    requests.begin("q", Sink(), resumes=False)
    assert requests.leave("q") == AbortFrame(request_id="q")
    assert requests.leave("q") is None
