"""The checks of groups `sse` and `reduce`: a response is read into chunks, chunks into a message.

Rule: everything that was recorded is compared, callbacks and the place of an error included; of
an error the words are compared where they are not those of JavaScript's own parsers.
Source: the layout is that of the recordings made from ai 7.0.173.
"""

from __future__ import annotations

import base64

import msgspec

from ..chunks import DataChunk, Error, ToolInputAvailable, UIMessageChunk
from ..codecs.text_stream import TextStreamDecoder
from ..codecs.ui_response import read_head, rejection
from ..codecs.ui_stream import UIStreamDecoder, chunk_to_wire, decode_chunk
from ..errors import RemoteProtocolError
from ..messages import UIMessage
from ..reducer import MessageReducer
from ._vector_tools import JSON, Case, build_chunk, expect, expect_error, expect_name

__all__ = ["check_reduce", "check_sse"]

_NOT_JSON, _NO_CHUNK = "AI_JSONParseError", "AI_TypeValidationError"
_REQUEST_ERRORS = {"rejected": "AI_APICallError", "no-body": "AI_EmptyResponseBodyError"}


def check_reduce(case: Case) -> None:
    """Fold chunks; compare every snapshot, the end, the callbacks and the errors."""
    seed = case["initial_message"]
    reducer = MessageReducer(
        None if seed is None else UIMessage.model_validate(seed),
        message_id=case["initial_message_id"],
        reset_on_first_start=case["reset_on_first_start"],
        reset_on_id_change=case["reset_on_message_id_change"],
    )
    snapshots: list[JSON] = []
    writes: list[JSON] = []
    told = _Told()
    for at, value in enumerate(case["chunks"]):
        chunk = build_chunk(value)
        try:
            write = reducer.feed(chunk)
        except RemoteProtocolError as error:
            told.fails(at, error)
            break
        if write is not None:
            snapshots.append(reducer.message.to_wire())
            writes.append({"chunk": at, "updates_status": write.streaming})
        told.hears(at, chunk)
    expect("messages", snapshots, case.get("messages", snapshots))
    expect("writes", writes, case["writes"])
    expect("final_message", reducer.message.to_wire(), case["final_message"])
    expect("finish_reason", reducer.finish_reason, case["finish_reason"])
    # Not in order: JavaScript puts ids that look like numbers first.
    expect("open_text_ids", sorted(reducer.open_text_ids), sorted(case["open_text_ids"]))
    expect(
        "open_reasoning_ids", sorted(reducer.open_reasoning_ids), sorted(case["open_reasoning_ids"])
    )
    told.compare(case)


class _Told:
    """What the caller of a reducer hears besides the message: data, tool calls and errors."""

    def __init__(self) -> None:
        self._data: list[JSON] = []
        self._calls: list[JSON] = []
        self._errors: list[JSON] = []

    def hears(self, at: int, chunk: UIMessageChunk) -> None:
        if isinstance(chunk, DataChunk):
            self._data.append({"chunk": at, "part": chunk_to_wire(chunk)})
        elif isinstance(chunk, ToolInputAvailable) and chunk.provider_executed is not True:
            self._calls.append({"chunk": at, "tool_call": chunk_to_wire(chunk)})
        elif isinstance(chunk, Error):
            words = chunk_to_wire(chunk).get("errorText", "")
            self._errors.append({"chunk": at, "fatal": False, "name": "Error", "message": words})

    def fails(self, at: int, error: RemoteProtocolError) -> None:
        where = error.data if isinstance(error.data, dict) else {}
        self._errors.append(
            {
                "chunk": at,
                "fatal": True,
                "name": "AI_UIMessageStreamError",
                "message": str(error),
                "chunk_type": where.get("chunkType"),
                "chunk_id": where.get("chunkId"),
            }
        )

    def compare(self, case: Case) -> None:
        expect("data_events", self._data, case.get("data_events", self._data))
        expect("tool_call_events", self._calls, case.get("tool_call_events", self._calls))
        expect("errors", self._errors, case["errors"])
        first = self._errors[0]["message"] if self._errors else None
        expect("error", first, case.get("error", first))
        refused = [at for at, value in enumerate(case["chunks"]) if not _is_chunk(value)]
        expect("schema_invalid_chunks", refused, case.get("schema_invalid_chunks", refused))


def _is_chunk(value: Case) -> bool:
    try:
        decode_chunk(value, unknown="refuse")
    except RemoteProtocolError:
        return False
    return True


def check_sse(case: Case) -> None:
    """Read a response: head first, then the pieces of its body."""
    has_body = not case["null_body"]
    kind = read_head(case["status"], resumes=case["method"] == "reconnect", has_body=has_body)
    pieces = [base64.b64decode(piece) for piece in case["body_pieces_base64"]]
    if kind == "stream":
        chunks, failure = _read_body(case, pieces)
        expect("result", "stream", case["result"])
        expect("chunks", [chunk_to_wire(chunk) for chunk in chunks], case["chunks"])
        expect_error(failure, case["error"])
        expect_name(case, _name(case, failure))
        if isinstance(failure, ConnectionError):
            expect("error", str(failure), case["error"])
        place = None if failure is None else "stream"
        expect("failed_at", place, case.get("failed_at", place))
        return
    expect("chunks", [], case["chunks"])
    if kind == "nothing-to-resume":
        expect("result", "no-stream", case["result"])
        expect("error", None, case["error"])
        return
    error = rejection(case["status"], b"".join(pieces).decode("utf-8", "replace"))
    expect("result", "error", case["result"])
    expect("error", str(error), case["error"])
    expect_name(case, _REQUEST_ERRORS[kind])
    expect("failed_at", "request", case.get("failed_at", "request"))
    if "error_status" in case:
        expect("error_status", error.status, case["error_status"])


def _name(case: Case, failure: Exception | None) -> str | None:
    """Give the class that JavaScript has for what went wrong in a body."""
    if failure is None:
        return None
    if not isinstance(failure, RemoteProtocolError):
        return str(case["body_error"]["name"])
    cause = failure.__cause__
    is_shape = isinstance(cause, msgspec.ValidationError | UnicodeError)
    return _NOT_JSON if isinstance(cause, ValueError) and not is_shape else _NO_CHUNK


def _read_body(case: Case, pieces: list[bytes]) -> tuple[list[UIMessageChunk], Exception | None]:
    chunks: list[UIMessageChunk] = []
    broken = case["body_error"]
    failure = None if broken is None else ConnectionError(broken["message"])
    if case["transport"] == "text":
        text = TextStreamDecoder()
        chunks.extend(text.open())
        for piece in pieces:
            chunks.extend(text.feed(piece))
        if failure is None:
            chunks.extend(text.close())
        return chunks, failure
    decoder = UIStreamDecoder(unknown="refuse")
    try:
        for piece in pieces:
            chunks.extend(decoder.feed(piece))
        decoder.close()
    except RemoteProtocolError as error:
        return chunks, error
    return chunks, failure
