"""Results of Anthropic's server tools, in the AI SDK's spelling. Rule: pure."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["RESULT_TOOLS", "is_failure", "result_output"]

JSON: TypeAlias = Any  # any JSON value

RESULT_TOOLS = frozenset(
    {
        "advisor_tool_result",
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
    }
)
"""Block types that hold a server tool's result."""

_SUCCESSES = {
    "advisor_tool_result": {"advisor_result", "advisor_redacted_result"},
    "code_execution_tool_result": {"code_execution_result", "encrypted_code_execution_result"},
    "tool_search_tool_result": {"tool_search_tool_search_result"},
    "web_fetch_tool_result": {"web_fetch_result"},
}
_ERRORS = {
    "advisor_tool_result": "advisor_tool_result_error",
    "code_execution_tool_result": "code_execution_tool_result_error",
    "tool_search_tool_result": "tool_search_tool_result_error",
    "web_fetch_tool_result": "web_fetch_tool_result_error",
    "web_search_tool_result": "web_search_tool_result_error",
}


def is_failure(kind: str, content: JSON) -> bool:
    """Whether a result block says that the tool failed."""
    if kind == "web_search_tool_result":
        return not isinstance(content, list)
    successes = _SUCCESSES.get(kind)
    return successes is not None and content.get("type") not in successes


def result_output(kind: str, content: JSON, *, keeps_unknown: bool = True) -> JSON:
    """Give what a result block holds; for a failure the error object.

    Args:
        kind: The block's type.
        content: What it holds.
        keeps_unknown: Keep `error_message`, which the AI SDK's schema does not know.
    """
    if is_failure(kind, content):
        return {"type": _ERRORS[kind], "errorCode": content.get("error_code")}
    if kind == "web_search_tool_result":
        return [_hit(result) for result in content]
    if kind == "web_fetch_tool_result":
        return _page(content)
    if kind == "tool_search_tool_result":
        references = content.get("tool_references") or []
        return [{"type": one["type"], "toolName": one["tool_name"]} for one in references]
    if kind == "code_execution_tool_result":
        is_secret = content["type"] == "encrypted_code_execution_result"
        stdout = "encrypted_stdout" if is_secret else "stdout"
        return {
            "type": content["type"],
            stdout: content.get(stdout),
            "stderr": content.get("stderr"),
            "return_code": content.get("return_code"),
            "content": content.get("content") or [],
        }
    if kind == "advisor_tool_result":
        return _advice(content)
    if not keeps_unknown and str(content.get("type")).endswith("_tool_result_error"):
        return {"type": content["type"], "error_code": content.get("error_code")}
    return content


def _hit(result: JSON) -> dict[str, JSON]:
    title = {"title": result["title"]} if result.get("title") is not None else {}
    return {
        "url": result["url"],
        **title,
        "pageAge": result.get("page_age"),
        "encryptedContent": result.get("encrypted_content"),
        "type": result["type"],
    }


def _page(content: JSON) -> dict[str, JSON]:
    document = content["content"]
    source = document["source"]
    page: dict[str, JSON] = {"type": document["type"], "title": document.get("title")}
    if "citations" in document:
        page["citations"] = document["citations"]
    page["source"] = {
        "type": source["type"],
        "mediaType": source["media_type"],
        "data": source["data"],
    }
    return {
        "type": "web_fetch_result",
        "url": content["url"],
        "retrievedAt": content.get("retrieved_at"),
        "content": page,
    }


def _advice(content: JSON) -> dict[str, JSON]:
    is_redacted = content["type"] == "advisor_redacted_result"
    advice = (
        {"encryptedContent": content.get("encrypted_content")}
        if is_redacted
        else {"text": content.get("text")}
    )
    reason = content.get("stop_reason")
    stopped = {"stopReason": reason} if reason is not None else {}
    return {"type": content["type"], **advice, **stopped}
