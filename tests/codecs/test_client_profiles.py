from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat_transport.chunks import (
    Abort,
    DataChunk,
    Finish,
    OpaqueChunk,
    ResetStep,
    Start,
    TextDelta,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.codecs.client_profiles import CLIENT_PROFILES, V5, V6, V7, ClientProfile
from chat_transport.codecs.ui_stream import chunk_to_wire, decode_chunk
from chat_transport.errors import RemoteProtocolError

VERSIONS = ["5.0.0", "5.0.277", "6.0.0", "6.0.326", "7.0.0", "7.0.173"]


@pytest.mark.parametrize("version", VERSIONS)
def test_whatever_is_admitted_is_accepted_by_that_client(version: str, ui_vectors: Path):
    profile = ClientProfile(version)
    seen = 0
    for case in json.loads((ui_vectors / "compat.json").read_text()):
        try:
            chunk = decode_chunk(case["value"])
        except RemoteProtocolError:
            continue
        admitted = profile.admit(chunk)
        if case["accepted"][version] and not isinstance(chunk, OpaqueChunk):
            assert admitted == chunk, "what a client accepts must reach it unchanged"
        if admitted is not None:
            seen += 1
            assert profile.accepts(chunk_to_wire(admitted)), case["name"]
    assert seen > 40


@pytest.mark.parametrize(
    ("profile", "chunk", "admitted"),
    [
        (V5, Finish(finish_reason="stop"), Finish()),
        (V5, ToolApprovalRequest(approval_id="p", tool_call_id="c"), None),
        (V5, ToolOutputDenied(tool_call_id="c"), ToolOutputError(tool_call_id="c", error_text="Tool call execution denied.")),
        (V5, Start(extra={"later": 1}), Start()),
        (V5, DataChunk(type="data-x", data=1, transient=True), DataChunk(type="data-x", data=1, transient=True)),
        (V6, Abort(reason="r"), Abort()),
        (V6, ToolApprovalResponse(approval_id="p", approved=True), None),
        (V6, ToolOutputAvailable(tool_call_id="c", output=1, provider_metadata={"v": {}}), ToolOutputAvailable(tool_call_id="c", output=1)),
        (V6, ToolInputStart(tool_call_id="c", tool_name="f", title="T"), ToolInputStart(tool_call_id="c", tool_name="f", title="T")),
        (V6, Finish(finish_reason="interrupted"), Finish(finish_reason="other")),
        (V6, ResetStep(), None),
        (V7, ResetStep(), ResetStep()),
        (V7, OpaqueChunk(type="later", fields={}), None),
        (ClientProfile("7.0.0"), Finish(finish_reason="interrupted"), Finish(finish_reason="other")),
        (ClientProfile("5.0.277"), Abort(reason="r"), Abort(reason="r")),
    ],
)  # fmt: skip
def test_what_a_client_does_not_know_is_dropped_or_put_in_its_words(
    profile: ClientProfile, chunk: UIMessageChunk, admitted: UIMessageChunk | None
):
    assert profile.admit(chunk) == admitted


def test_what_needs_no_change_is_the_same_object():
    chunk = TextDelta(id="t", delta="x")
    assert V5.admit(chunk) is chunk


@pytest.mark.parametrize("version", ["4.0.0", "8.0.0", "7", "seven", "7.0"])
def test_other_versions_are_refused(version: str):
    with pytest.raises(ValueError, match=r"unable to write for AI SDK|invalid literal"):
        ClientProfile(version)


def test_profiles_have_names():
    assert CLIENT_PROFILES == {"v5": V5, "v6": V6, "v7": V7}
    assert repr(V6) == "ClientProfile('6.0.0')"


@pytest.mark.parametrize("value", [None, [], {}, {"type": []}, {"type": "nope"}])
def test_what_is_no_chunk_is_not_accepted(value: object):
    assert not V7.accepts(value)
