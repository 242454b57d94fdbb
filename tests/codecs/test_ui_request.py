from __future__ import annotations

import json

import pytest

from chat_transport.codecs.ui_request import (
    PreparedRequest,
    RequestDraft,
    RequestLimits,
    build_reconnect,
    build_send,
    chat_url,
    dump_json,
    load_object,
    merge_headers,
    parse_chat_request,
)
from chat_transport.errors import LocalProtocolError, RemoteProtocolError
from chat_transport.messages import UIMessage

DRAFT = RequestDraft(
    api="/api/chat",
    id="c",
    headers={"a": "1"},
    body={"messageId": "no", "own": [1]},
    messages=[UIMessage.user("é \ud800", id="u1")],
    trigger="submit-message",
)


def test_protocol_fields_win_and_come_last():
    request = build_send(DRAFT)
    assert request.body is not None
    assert list(json.loads(request.body)) == ["own", "id", "messages", "trigger"]
    assert "é \\ud800".encode() in request.body
    assert request.headers == {"content-type": "application/json", "a": "1"}


def test_a_prepared_body_replaces_everything():
    request = build_send(DRAFT, PreparedRequest(body={"x": None}, headers={"B": "2", "c": None}))
    assert request.body == b'{"x":null}'
    assert request.headers == {"content-type": "application/json", "b": "2"}


@pytest.mark.parametrize(
    ("api", "chat_id", "url"),
    [
        ("/a", "c d/é", "/a/c%20d%2F%C3%A9/stream"),
        ("/a/?q=1#f", "c", "/a/c/stream?q=1#f"),
        ("/a#f?x", "c", "/a/c/stream#f?x"),
        ("", "c", "/c/stream"),
    ],
)
def test_a_chats_url_keeps_query_and_fragment(api: str, chat_id: str, url: str):
    assert build_reconnect(RequestDraft(api=api, id=chat_id)).url == url


@pytest.mark.parametrize("chat_id", [".", ".."])
def test_ids_that_a_path_cannot_carry_are_refused(chat_id: str):
    with pytest.raises(LocalProtocolError, match="must not be"):
        chat_url("/api", chat_id)


def test_later_headers_win_in_any_case():
    assert merge_headers({"A": "1", "b": "2"}, None, {"a": "3", "B": None}) == {"a": "3", "b": "2"}


def test_a_body_that_is_not_json_says_so():
    with pytest.raises(LocalProtocolError, match="not JSON"):
        dump_json({"x": object()})


@pytest.mark.parametrize("body", [b"\xff", b"{", b"[" * 100_000, b"null", b"3", b'{"__proto__":1}'])
def test_what_is_not_an_object_is_refused(body: bytes):
    with pytest.raises(RemoteProtocolError):
        load_object(body)


def test_a_request_is_read_whole():
    request = parse_chat_request(
        {
            "id": "c",
            "message": UIMessage.user("x", id="u").to_wire(),
            "trigger": "regenerate-message",
            "messageId": "a1",
            "model": "m",
        },
        RequestLimits(),
    )
    assert request.chat_id == "c"
    assert [message.text for message in request.messages] == ["x"]
    assert (request.trigger, request.message_id) == ("regenerate-message", "a1")
    assert request.extra == {"model": "m"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"id": "c", "messages": [], "messageId": 3}, "`messageId` must be a string, not a number"),
        ({"id": "", "messages": []}, "`id` must be a non-empty string, not ''"),
        ({"id": "c", "messages": {}}, "`messages` must be a list of messages, not an object"),
        ({"id": "c", "messages": [{"id": "u", "role": "x", "parts": []}]}, "`messages[0].role`"),
        ({"id": "c", "trigger": True, "messages": []}, "`trigger` must be"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(fields: dict[str, object], words: str):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_chat_request(fields, RequestLimits())
    assert words in str(caught.value)


def test_limits_may_be_off():
    off = RequestLimits(
        body_bytes=None, messages=None, parts=None, part_bytes=None, chat_id_chars=None
    )
    message = UIMessage.user("x" * 3_000_000, id="u").to_wire()
    fields = {"id": "c" * 500, "messages": [message] * 3}
    assert len(parse_chat_request(fields, off).messages) == 3
