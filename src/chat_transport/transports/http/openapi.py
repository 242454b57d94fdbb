"""The server's own description, as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any, TypeAlias

from .settings import HttpSettings

__all__ = ["describe"]

JSON: TypeAlias = Any  # any JSON value

_CHAT_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_MESSAGE = {
    "type": "object",
    "required": ["id", "role", "parts"],
    "properties": {
        "id": {"type": "string"},
        "role": {"enum": ["system", "user", "assistant"]},
        "metadata": {},
        "parts": {"type": "array", "items": {"type": "object", "required": ["type"]}},
    },
}
_STREAM = {
    "description": "Chunks of the reply as server-sent events, ended by `[DONE]`",
    "headers": {
        "x-vercel-ai-ui-message-stream": {"schema": {"const": "v1"}},
        "x-chat-run-id": {"schema": {"type": "string"}},
    },
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_ERROR = {
    "description": "One sentence that says what is wrong",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


def _header(name: str, says: str) -> JSON:
    return {"name": name, "in": "header", "description": says, "schema": {"type": "string"}}


_READING = [
    _header("x-ai-sdk-version", "The client's AI SDK, such as 6.0.50; without it 7 is taken"),
    _header("x-chat-cursor", "Any value: events come with ids to go on from"),
]
_GOING_ON = [
    _header("last-event-id", "Where a client that asked for ids goes on"),
    _header("x-chat-run-id", "A run that may have ended already; else the active one"),
]


def describe(settings: HttpSettings) -> dict[str, JSON]:
    """Give the OpenAPI document of an application with these settings."""
    path = settings.path.rstrip("/")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Chat", "version": "1"},
        "paths": {
            path or "/": {"post": _send()},
            f"{path}/{{id}}": {"get": _history()},
            f"{path}/{{id}}/stream": {"get": _resume()},
            f"{path}/{{id}}/stop": {"post": _stop()},
        },
        "components": {"schemas": {"UIMessage": _MESSAGE}},
    }


def _body(schema: JSON, *, required: bool) -> JSON:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _answers(**answers: JSON) -> JSON:
    return {name.removeprefix("s"): answer for name, answer in answers.items()}


def _send() -> JSON:
    schema = {
        "type": "object",
        "required": ["id", "messages"],
        "properties": {
            "id": {"type": "string"},
            "messages": {"type": "array", "items": {"$ref": "#/components/schemas/UIMessage"}},
            "trigger": {"enum": ["submit-message", "regenerate-message"]},
            "messageId": {"type": "string"},
        },
    }
    return {
        "summary": "Ask for a reply, or for another one, or go on after tool outputs and approvals",
        "parameters": [
            _header("idempotency-key", "The same key in the same chat follows the same run"),
            *_READING,
        ],
        "requestBody": _body(schema, required=True),
        "responses": _answers(
            s200=_STREAM,
            s400=_ERROR,
            s401=_ERROR,
            s403=_ERROR,
            s409=_ERROR,
            s413=_ERROR,
            s503=_ERROR,
        ),
    }


def _resume() -> JSON:
    return {
        "summary": "Follow the reply that is under way, from its start",
        "parameters": [_CHAT_ID, *_READING, *_GOING_ON],
        "responses": _answers(
            s200=_STREAM,
            s204={"description": "No reply is under way"},
            s400=_ERROR,
            s401=_ERROR,
            s403=_ERROR,
            s503=_ERROR,
        ),
    }


def _stop() -> JSON:
    schema = {"type": "object", "properties": {"runId": {"type": "string"}}}
    stopped = {"type": "object", "properties": {"stopped": {"type": "integer"}}}
    return {
        "summary": "End one run of the chat, or all of them",
        "parameters": [_CHAT_ID],
        "requestBody": _body(schema, required=False),
        "responses": _answers(
            s200={
                "description": "How many runs were asked to end",
                "content": {"application/json": {"schema": stopped}},
            },
            s401=_ERROR,
            s403=_ERROR,
        ),
    }


def _history() -> JSON:
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 100}}
    before = {"name": "before", "in": "query", "schema": {"type": "string"}}
    page = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "messages": {"type": "array", "items": {"$ref": "#/components/schemas/UIMessage"}},
            "activeRunId": {"type": ["string", "null"]},
            "hasOlder": {"type": "boolean"},
            "cursor": {"type": ["string", "null"]},
        },
    }
    return {
        "summary": "The chat's messages, newest page first",
        "parameters": [_CHAT_ID, limit, before],
        "responses": _answers(
            s200={
                "description": "A page, oldest message first",
                "content": {"application/json": {"schema": page}},
            },
            s401=_ERROR,
            s403=_ERROR,
        ),
    }
