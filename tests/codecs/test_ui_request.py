from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport.codecs.ui_request import (
    ChatRequest,
    PreparedRequest,
    RequestDraft,
    RequestLimits,
    build_reconnect,
    build_send,
    chat_url,
    load_object,
    merge_headers,
    parse_chat_request,
)
from chat_transport.errors import LocalProtocolError, RemoteProtocolError
from chat_transport.messages import UIMessage

SAID = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
DRAFT = RequestDraft(
    api="/api/chat?a=1",
    id="c",
    headers={"x-own": "1"},
    body={"model": "m", "id": "mine", "messageId": "mine"},
    messages=[UIMessage.model_validate(SAID)],
    trigger="submit-message",
)


def test_the_protocols_own_fields_win_and_come_last():
    request = build_send(DRAFT)
    assert (request.method, request.url) == ("POST", "/api/chat?a=1")
    assert request.headers == {"content-type": "application/json", "x-own": "1"}
    assert request.body is not None
    body = json.loads(request.body)
    assert body == {"model": "m", "id": "c", "messages": [SAID], "trigger": "submit-message"}


def test_what_a_hook_gives_replaces_the_default():
    prepared = PreparedRequest(
        api="/other", headers={"Content-Type": "x"}, body={"only": 1}, credentials="omit"
    )
    request = build_send(DRAFT, prepared)
    assert (request.url, request.body, request.credentials) == ("/other", b'{"only":1}', "omit")
    assert request.headers == {"content-type": "x"}
    again = build_reconnect(DRAFT, PreparedRequest(api="/verbatim"))
    assert (again.method, again.url, again.headers, again.body) == (
        "GET",
        "/verbatim",
        {"x-own": "1"},
        None,
    )


@pytest.mark.parametrize(
    ("api", "chat_id", "url"),
    [
        ("/api/chat", "c", "/api/chat/c/stream"),
        ("/api/chat/", "c", "/api/chat/c/stream"),
        ("/api/chat?a=1#f", "c", "/api/chat/c/stream?a=1#f"),
        ("/api/chat#f?x", "c", "/api/chat/c/stream#f?x"),
        ("/api", "a/b é!", "/api/a%2Fb%20%C3%A9!/stream"),
    ],
)
def test_a_chats_url_keeps_query_and_fragment(api: str, chat_id: str, url: str):
    assert chat_url(api, chat_id, "stream") == url


@pytest.mark.parametrize("chat_id", [".", ".."])
def test_ids_that_a_path_cannot_carry_are_refused(chat_id: str):
    with pytest.raises(LocalProtocolError, match="unable to address chat"):
        build_reconnect(RequestDraft(api="/api", id=chat_id))
    prepared = PreparedRequest(api="/own")
    assert build_reconnect(RequestDraft(api="/api", id=chat_id), prepared).url == "/own"


def test_headers_are_lower_case_and_none_is_dropped():
    assert merge_headers({"A": "1", "b": "2"}, None, {"a": "3", "c": None}) == {"a": "3", "b": "2"}


def test_a_body_must_be_json():
    with pytest.raises(LocalProtocolError, match="unable to send a body that is not JSON"):
        build_send(RequestDraft(api="/", id="c", body={"x": object()}))


def test_a_request_is_read_with_its_extra_fields():
    fields = {
        "id": "c",
        "messages": [SAID],
        "trigger": "submit-message",
        "messageId": "u",
        "model": "m",
    }
    assert parse_chat_request(fields, RequestLimits()) == ChatRequest(
        chat_id="c", messages=[UIMessage.model_validate(SAID)], trigger="submit-message",
        message_id="u", extra={"model": "m"},
    )  # fmt: skip
    alone = parse_chat_request({"id": "c", "message": SAID}, RequestLimits())
    assert [message.id for message in alone.messages] == ["u"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": ""}, "`id` must be a non-empty string"),
        ({"id": 5}, "not a number"),
        ({"id": "x" * 300}, "longer than 200"),
        ({"trigger": "dance"}, "`trigger` must be"),
        ({"trigger": []}, "`trigger` must be"),
        ({"messageId": {}}, "`messageId` must be a string"),
        ({"messages": None}, "must be a list"),
        ({"messages": []}, "must not be empty"),
        ({"messages": ["x"]}, r"`messages\[0\]` must be an object"),
        (
            {"messages": [{**SAID, "role": "boss"}]},
            r"unable to read messages\[0\]; `role` must be system, user or assistant, not 'boss'",
        ),
        (
            {"messages": [{**SAID, "parts": [{"type": []}]}]},
            r"unable to read messages\[0\]\.parts\[0\]; expected an object with a `type`",
        ),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], reason: str):
    fields = {"id": "c", "messages": [SAID], **changes}
    with pytest.raises(RemoteProtocolError, match=reason):
        parse_chat_request(fields, RequestLimits())


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (RequestLimits(messages=1), "has 2 entries; 1 are allowed"),
        (RequestLimits(parts=0), r"messages\[0\]\.parts` has 1 entries; 0 are allowed"),
        (RequestLimits(part_bytes=10), r"parts\[0\]` takes \d+ bytes; 10 are allowed"),
    ],
)
def test_sizes_are_bounded(limits: RequestLimits, reason: str):
    with pytest.raises(RemoteProtocolError, match=reason):
        parse_chat_request({"id": "c", "messages": [SAID, SAID]}, limits)


CALL = {"type": "tool-n", "toolCallId": "c", "state": "output-error", "input": {}, "errorText": "x"}


def test_unknown_keys_of_a_request_are_stripped():
    said = {**SAID, "rank": 1, "parts": [{"type": "text", "text": "hi", "colour": "red"}]}
    parsed = parse_chat_request({"id": "c", "messages": [said]}, RequestLimits())
    wire = [message.to_wire() for message in parsed.messages]
    assert wire == [{"id": SAID["id"], "role": "user", "parts": [{"type": "text", "text": "hi"}]}]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({**CALL, "output": 1}, r"`output` has no place in state 'output-error'; leave the key out"),
        ({**CALL, "approval": {"id": "a"}}, r"must be true; leave `approval` out if nobody answered"),
        ({"type": "text"}, "object missing required field `text`"),
    ],
)  # fmt: skip
def test_a_forbidden_part_is_refused_with_its_place_and_the_remedy(part: Any, reason: str):
    reply = {"id": "a", "role": "assistant", "parts": [{"type": "step-start"}, part]}
    with pytest.raises(
        RemoteProtocolError, match=r"unable to read messages\[1\]\.parts\[1\]; "
    ) as refused:
        parse_chat_request({"id": "c", "messages": [SAID, reply]}, RequestLimits())
    assert re.search(reason, str(refused.value))


def test_a_regeneration_may_come_without_messages():
    fields = {"id": "c", "messages": [], "trigger": "regenerate-message"}
    assert parse_chat_request(fields, RequestLimits()).messages == []


def test_every_limit_has_an_off_value():
    off = RequestLimits(
        body_bytes=None, messages=None, parts=None, part_bytes=None, chat_id_chars=None
    )
    assert parse_chat_request({"id": "x" * 300, "messages": [SAID]}, off).chat_id == "x" * 300


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"{", "is not JSON"), (b"[]", "not a list"), (b"null", "not null"), (b'{"__proto__":1}', "forbidden key"), (b"\xff", "is not JSON")],
)  # fmt: skip
def test_a_body_that_is_no_object_is_refused(body: bytes, reason: str):
    with pytest.raises(RemoteProtocolError, match=reason):
        load_object(body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["c", "user", "text", "submit-message"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "role", "parts", "type", "text", "messages", "trigger", "messageId"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["id", "messages", "message", "trigger", "messageId"]), anything
    )
)
def test_no_request_is_too_strange(fields: dict[str, Any]):
    refusal = "`"
    try:
        parse_chat_request(fields, RequestLimits())
    except RemoteProtocolError as error:
        refusal = str(error)
    assert refusal.startswith(("`", "unable to read messages["))
