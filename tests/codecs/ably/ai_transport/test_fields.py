from __future__ import annotations

from chat_transport.chunks import ABSENT, ToolInputStart
from chat_transport.codecs.ably.ai_transport.fields import Field, read_fields, write_fields

FIELDS = (
    Field("tool_call_id", "toolCallId", default=""),
    Field("dynamic", "dynamic", "flag"),
    Field("provider_metadata", "providerMetadata", "json"),
)


def test_absent_values_write_no_header():
    chunk = ToolInputStart(tool_call_id="c", tool_name="t")
    assert write_fields(FIELDS, chunk, {"kind": "x"}) == {"kind": "x", "toolCallId": "c"}


def test_values_come_back_as_they_went():
    chunk = ToolInputStart(
        tool_call_id="c", tool_name="t", dynamic=False, provider_metadata={"p": {"k": "é"}}
    )
    headers = write_fields(FIELDS, chunk, {})
    assert headers == {
        "toolCallId": "c",
        "dynamic": "false",
        "providerMetadata": '{"p":{"k":"é"}}',
    }
    assert read_fields(FIELDS, headers) == {
        "tool_call_id": "c",
        "dynamic": False,
        "provider_metadata": {"p": {"k": "é"}},
    }


def test_malformed_headers_read_as_absent():
    assert read_fields(FIELDS, {"dynamic": "maybe", "providerMetadata": "{"}) == {
        "tool_call_id": ""
    }
    assert read_fields(FIELDS, {"toolCallId": 7}) == {}  # a header that is no string


def test_wrong_types_write_no_header():
    class Wrong:
        tool_call_id = 5
        dynamic = "yes"
        provider_metadata = ABSENT

    assert write_fields(FIELDS, Wrong(), {}) == {}
