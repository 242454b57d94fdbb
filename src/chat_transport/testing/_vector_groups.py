"""One check for each group of UI vectors: the recorded input in, the recorded output compared.

Rule: a check knows the rule of its group, never a case; it raises `VectorFailed` with what differs.
Source: the layout is that of the recordings made from ai 7.0.173.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from pydantic import ValidationError

from .._metadata import merge_metadata
from .._partial_json import parse_partial_json, repair_json
from .._strict_json import dumps, loads
from ..agent.smoothing import Chunking, ChunkSmoother
from ..chunks import ABSENT
from ..codecs.client_profiles import ClientProfile
from ..codecs.sse import encode_comment
from ..codecs.ui_response import response_headers
from ..codecs.ui_stream import (
    DONE,
    UIStreamDecoder,
    chunk_to_wire,
    decode_chunk,
    encode_sse,
)
from ..conversion import convert_to_model_messages
from ..errors import LocalProtocolError, RemoteProtocolError
from ..messages import DataPart, UIMessage
from ..predicates import (
    is_complete_with_approval_responses,
    is_complete_with_tool_calls,
    response_message_id,
)
from ..pruning import PruneToolCalls, prune_messages
from ..reducer import MessageReducer
from ..validation import validate_messages
from ._vector_reading import check_reduce, check_sse
from ._vector_server import check_server
from ._vector_tools import (
    JSON,
    Case,
    VectorFailed,
    build_chunk,
    expect,
    expect_error,
    expect_name,
)

__all__ = ["CHECKS", "VectorCheck"]

VectorCheck: TypeAlias = Callable[[Case], None]
_NO_LIST = "AI_InvalidArgumentError"
_CONVERSION_ERRORS: Mapping[type[Exception], str] = {
    ValidationError: "AI_MessageConversionError",
    LocalProtocolError: "TypeError",
}
"""Our class of error -> the recorded one."""


def check_schema(case: Case) -> None:
    """Decode one value."""
    try:
        found = chunk_to_wire(decode_chunk(_as_given(case["value"]), unknown="refuse"))
    except RemoteProtocolError as error:
        if case["valid"]:
            raise VectorFailed(f"refused: {error}") from error
        return
    expect("valid", True, case["valid"])
    expect("output", found, case.get("output", case["value"]))


def check_compat(case: Case) -> None:
    """Ask the profile of each client version."""
    found = {version: ClientProfile(version).accepts(case["value"]) for version in case["accepted"]}
    expect("accepted", found, case["accepted"])


def check_partial_json(case: Case) -> None:
    """Read cut-off JSON."""
    found = parse_partial_json(case["text"])
    expect("state", found.state, case["state"])
    expect("value_is_undefined", found.value is ABSENT, case["value_is_undefined"])
    if "value" in case:  # recorded as null where there is none
        expect("value", None if found.value is ABSENT else found.value, case["value"])
    if case.get("repaired_text") is not None:
        expect("repaired_text", repair_json(case["text"]), case["repaired_text"])


def check_merge(case: Case) -> None:
    """Merge metadata."""
    found = merge_metadata(case.get("base", ABSENT), case.get("override", ABSENT))
    expect("result is absent", found is ABSENT, "result" not in case)
    if "result" in case:
        expect("result", found, case["result"])


def check_wire(case: Case) -> None:
    """Write a whole response."""
    init = case["init"]
    headers = init.get("headers", {})
    own = headers if isinstance(headers, dict) else dict(headers)
    body = b"".join(encode_sse(build_chunk(value)) for value in case["chunks"]) + DONE
    if init.get("keepAliveMs") is not None:
        body = encode_comment("stream-open") + body
    expect("status", init.get("status", 200), case["status"])
    expect("headers", response_headers(own, hop_by_hop=True), case["headers"])
    expect("body", _parsed_events(body.decode("utf-8")), _parsed_events(case["body"]))


def _parsed_events(body: str) -> list[JSON]:
    """Read the JSON of each event, whose key order is free; keep all framing as it is."""
    return [
        ["data: ", loads(event[6:])] if event.startswith("data: {") else event
        for event in body.split("\n\n")
    ]


def check_response_id(case: Case) -> None:
    """Choose the id of a reply."""
    messages = case["original_messages"]
    known = None if messages is None else [UIMessage.model_validate(item) for item in messages]
    expect("result", response_message_id(known, case["response_message_id"]), case["result"])


def check_predicates(case: Case) -> None:
    """Ask both predicates."""
    messages = [UIMessage.model_validate(item) for item in case["messages"]]
    expect(
        "complete_with_tool_calls",
        is_complete_with_tool_calls(messages),
        case["complete_with_tool_calls"],
    )
    expect(
        "complete_with_approval_responses",
        is_complete_with_approval_responses(messages),
        case["complete_with_approval_responses"],
    )


def check_validate(case: Case) -> None:
    """Check messages from outside."""
    try:
        found = [message.to_wire() for message in validate_messages(case["messages"])]
    except RemoteProtocolError as error:
        if case["valid"]:
            raise VectorFailed(f"refused: {error}") from error
        expect_name(case, _NO_LIST if case["messages"] is None else "AI_TypeValidationError")
        expect("output", case.get("output"), None)
        return
    expect("valid", True, case["valid"])
    expect("output", found, case.get("output", case["messages"]))


def check_convert(case: Case) -> None:
    """Convert UI messages to model messages."""
    options = case["options"]
    try:
        found = convert_to_model_messages(
            [UIMessage.model_validate(message) for message in case["messages"]],
            ignore_incomplete_tool_calls=options.get("ignoreIncompleteToolCalls", False),
            convert_data_part=_tell_location if options.get("convertDataPart") else None,
        )
    except (LocalProtocolError, ValidationError) as error:
        expect_error(error, case["error"])
        expect_name(case, _CONVERSION_ERRORS[type(error)])
        expect("result", None, case["result"])
        return
    expect("error", None, case["error"])
    expect_name(case, None)
    expect("result", found, case["result"])


def _tell_location(part: DataPart) -> dict[str, JSON] | None:
    """Convert as the recordings' converter did: `data-loc` to its JSON, all others to nothing."""
    if part.type != "data-loc":
        return None
    return {"type": "text", "text": dumps(part.data).decode()}


def check_prune(case: Case) -> None:
    """Prune model messages."""
    options = case["options"]
    calls = options.get("toolCalls", "none")
    if isinstance(calls, list):
        calls = [PruneToolCalls(type=rule["type"], tools=rule.get("tools")) for rule in calls]
    found = prune_messages(
        case["messages"],
        reasoning=options.get("reasoning", "none"),
        tool_calls=calls,
        empty_messages=options.get("emptyMessages", "remove"),
    )
    expect("result", found, case["result"])


def check_smooth(case: Case) -> None:
    """Smooth deltas; the recordings say `text` where chunks say `delta`."""
    smoother = ChunkSmoother(_chunking(case["chunking"]))
    found = [
        _renamed(chunk_to_wire(ready), "delta", "text")
        for value in case["input"]
        for ready in smoother.feed(build_chunk(_renamed(value, "text", "delta")))
    ]
    expect("output", found, case["output"])


def _chunking(given: JSON) -> Chunking:
    """Give a word as it is, and a JavaScript regular expression as a pattern."""
    if isinstance(given, str) and given.startswith("/"):
        pattern, _, flags = given[1:].rpartition("/")
        return re.compile(pattern, re.IGNORECASE if "i" in flags else 0)
    return "line" if given == "line" else "word"


def _renamed(value: Case, old: str, new: str) -> Case:
    return {new if key == old else key: item for key, item in value.items()}


def check_emission(case: Case) -> None:
    """Read, write and fold what a real backend sends in one situation."""
    asked = [UIMessage.model_validate(message) for message in case["request_messages"]]
    reducer = MessageReducer(asked[-1] if asked else None, message_id="m")
    decoder = UIStreamDecoder(unknown="refuse")
    found: list[JSON] = []
    for value in case["chunks"]:
        for chunk in decoder.feed(encode_sse(decode_chunk(value, unknown="refuse"))):
            reducer.feed(chunk)
            found.append(chunk_to_wire(chunk))
    expect("chunks", found, case["chunks"])


def _as_given(value: JSON) -> JSON:
    return value if isinstance(value, dict) else dumps(value)


CHECKS: dict[str, VectorCheck] = {
    "reduce": check_reduce,
    "schema": check_schema,
    "compat": check_compat,
    "partial-json": check_partial_json,
    "merge": check_merge,
    "sse": check_sse,
    "wire": check_wire,
    "response-id": check_response_id,
    "predicates": check_predicates,
    "validate": check_validate,
    "convert": check_convert,
    "prune": check_prune,
    "smooth": check_smooth,
    "emission": check_emission,
    "server": check_server,
}
"""Group -> its check. A group is the folder or the file that its cases lie in."""
