"""Blocks of Anthropic's server tools and MCP, built again from what a message keeps. Rule: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from chat_transport.prompt import ToolCall, ToolResult

__all__ = ["result_block", "server_call"]

JSON: TypeAlias = Any  # any JSON value
Block: TypeAlias = dict[str, JSON]

_PLAIN = frozenset(
    {
        "code_execution",
        "tool_search_tool_bm25",
        "tool_search_tool_regex",
        "web_fetch",
        "web_search",
    }
)


def server_call(part: ToolCall, own: Mapping[str, JSON]) -> Block | None:
    """Give the call of a tool that Anthropic ran; None if it is another provider's."""
    head: Block = {"id": part.tool_call_id}
    if own.get("type") == "mcp-tool-use":
        if not isinstance(own.get("serverName"), str):
            return None
        head |= {"name": part.tool_name, "input": part.input}
        return {"type": "mcp_tool_use", **head, "server_name": own["serverName"]}
    name, value = part.tool_name, part.input
    if name == "advisor":
        value = {}
    elif name not in _PLAIN:
        return None
    elif name == "code_execution" and isinstance(value, dict) and "type" in value:
        rest = {key: item for key, item in value.items() if key != "type"}
        if value["type"] in {"bash_code_execution", "text_editor_code_execution"}:
            name, value = value["type"], rest
        elif value["type"] == "programmatic-tool-call":
            value = rest
    call = {"type": "server_tool_use", **head, "name": name, "input": value}
    caller = own.get("caller") or {}
    if caller.get("toolId"):
        call["caller"] = {"type": caller["type"], "tool_id": caller["toolId"]}
    elif caller.get("type") == "direct":
        call["caller"] = {"type": "direct"}
    return call


def result_block(part: ToolResult, *, is_mcp: bool) -> Block | None:
    """Give the result of a tool that Anthropic ran; None if it is another provider's."""
    head = {"tool_use_id": part.tool_call_id}
    if is_mcp:
        if part.kind not in {"json", "error-json"}:
            return None
        is_error = part.kind == "error-json"
        return {"type": "mcp_tool_result", **head, "is_error": is_error, "content": part.value}
    if part.tool_name == "code_execution":
        return _code_result(part, head)
    build = {
        "web_search": _search_result,
        "web_fetch": _fetch_result,
        "tool_search_tool_bm25": _tools_found,
        "tool_search_tool_regex": _tools_found,
        "advisor": _advice,
    }.get(part.tool_name)
    content = build(part) if build is not None else None
    if content is None:
        return None
    kind = "tool_search_tool_result" if build is _tools_found else f"{part.tool_name}_tool_result"
    return {"type": kind, **head, "content": content}


def _error(part: ToolResult) -> dict[str, JSON]:
    """The error object of a failed result, which a message keeps as JSON text."""
    if isinstance(part.value, dict):
        return part.value
    try:
        value = msgspec.json.decode(part.value)
    except (msgspec.DecodeError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}


def _failed(part: ToolResult, kind: str, otherwise: str = "unavailable") -> Block:
    return {"type": kind, "error_code": _error(part).get("errorCode") or otherwise}


def _search_result(part: ToolResult) -> JSON:
    if part.is_error:
        return _failed(part, "web_search_tool_result_error")
    if not isinstance(part.value, list):
        return None
    return [
        {
            "url": hit["url"],
            **({"title": hit["title"]} if hit.get("title") is not None else {}),
            "page_age": hit.get("pageAge"),
            "encrypted_content": hit.get("encryptedContent"),
            "type": hit.get("type", "web_search_result"),
        }
        for hit in part.value
        if isinstance(hit, dict) and "url" in hit
    ]


def _fetch_result(part: ToolResult) -> JSON:
    if part.is_error:
        return _failed(part, "web_fetch_tool_result_error")
    if not isinstance(part.value, dict) or "content" not in part.value:
        return None
    page = part.value["content"]
    source = page["source"]
    document: Block = {"type": "document", "title": page.get("title")}
    if "citations" in page:
        document["citations"] = page["citations"]
    document["source"] = {
        "type": source["type"],
        "media_type": source["mediaType"],
        "data": source["data"],
    }
    return {
        "type": "web_fetch_result",
        "url": part.value["url"],
        "retrieved_at": part.value.get("retrievedAt"),
        "content": document,
    }


def _tools_found(part: ToolResult) -> JSON:
    if part.is_error:
        return _failed(part, "tool_search_tool_result_error")
    if not isinstance(part.value, list):
        return None
    references = [{"type": "tool_reference", "tool_name": one["toolName"]} for one in part.value]
    return {"type": "tool_search_tool_search_result", "tool_references": references}


def _advice(part: ToolResult) -> JSON:
    value = _error(part)
    kind = value.get("type")
    reason = {"stop_reason": value["stopReason"]} if "stopReason" in value else {}
    if kind == "advisor_result":
        return {"type": kind, "text": value.get("text"), **reason}
    if kind == "advisor_redacted_result":
        return {"type": kind, "encrypted_content": value.get("encryptedContent"), **reason}
    return _failed(part, "advisor_tool_result_error")


def _code_result(part: ToolResult, head: Block) -> Block | None:
    if part.is_error:
        kind = "bash_code_execution_tool_result"
        if _error(part).get("type") == "code_execution_tool_result_error":
            kind = "code_execution_tool_result"
        return {"type": kind, **head, "content": _failed(part, f"{kind}_error", "unknown")}
    value = part.value
    if part.kind != "json" or not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return None
    kind = value["type"]
    if kind in {"code_execution_result", "encrypted_code_execution_result"}:
        return {"type": "code_execution_tool_result", **head, "content": value}
    if kind.startswith("bash_"):
        return {"type": "bash_code_execution_tool_result", **head, "content": value}
    return {"type": "text_editor_code_execution_tool_result", **head, "content": value}
