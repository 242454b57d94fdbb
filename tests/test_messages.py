from __future__ import annotations

import pytest
from pydantic import ValidationError

from chat_transport.messages import (
    DataPart,
    DynamicToolPart,
    FilePart,
    TextPart,
    ToolPart,
    UIMessage,
)

WIRE = {
    "id": "a",
    "role": "assistant",
    "metadata": None,
    "parts": [
        {"type": "step-start"},
        {"type": "text", "text": "x", "state": "done", "providerMetadata": {"v": {"k": 1}}},
        {"type": "reasoning", "text": "r", "id": "0"},
        {"type": "file", "mediaType": "m/t", "url": "u", "filename": "f"},
        {"type": "data-x", "data": None, "id": ""},
        {"type": "tool-get-weather", "toolCallId": "c", "state": "output-available", "input": None, "output": None},
        {"type": "dynamic-tool", "toolName": "g", "toolCallId": "d", "state": "approval-requested", "input": 1,
         "approval": {"id": "p", "inputSchemaInput": None}, "dynamic": False},
        {"type": "source-url", "sourceId": "s", "url": "u", "later": [1]},
        {"type": "steering-message", "id": "q", "parts": [{"type": "text", "text": "no"}]},
    ],
}  # fmt: skip


def test_the_wire_survives_a_round_trip_with_null_absent_and_unknown_keys():
    assert UIMessage.model_validate(WIRE).to_wire() == WIRE


def test_parts_have_their_classes_and_names():
    parts = UIMessage.model_validate(WIRE).parts
    assert isinstance(parts[4], DataPart)
    assert parts[4].name == "x"
    assert isinstance(parts[5], ToolPart)
    assert parts[5].tool_name == "get-weather"
    assert isinstance(parts[6], DynamicToolPart)


@pytest.mark.parametrize("kind", ["novel", None, 1, [], {}])
def test_an_unknown_part_type_is_refused(kind: object):
    with pytest.raises(ValidationError, match="parts"):
        UIMessage.model_validate({"id": "a", "role": "user", "parts": [{"type": kind}]})


def test_a_user_message_has_its_files_before_its_text():
    file = FilePart(media_type="image/png", url="https://x.example/a.png")
    message = UIMessage.user("see", id="u", files=[file])
    assert [part.type for part in message.parts] == ["file", "text"]
    assert message.text == "see"
    assert UIMessage.user("", id="u").parts == []


def test_models_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        TextPart(text="x").text = "y"  # type: ignore[misc]


def test_assembling_is_building_without_checking():
    assembled = TextPart.assemble({"type": "text", "text": "x"}, {"later": 1})
    assert assembled == TextPart.model_validate({"type": "text", "text": "x", "later": 1})
    assert assembled.to_wire() == {"type": "text", "text": "x", "later": 1}
    assert assembled.state is None
    assert assembled.model_copy(update={"text": "y"}).to_wire()["text"] == "y"
