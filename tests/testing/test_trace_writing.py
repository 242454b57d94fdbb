from __future__ import annotations

from pathlib import Path

import pytest

from chat_transport.codecs.ably.ai_transport import Conversation
from chat_transport.codecs.ably.ai_transport.openai_responses import (
    ResponsesCodec,
    ResponsesConversation,
)
from chat_transport.codecs.ably.ai_transport.ui_chunks import UIChunkCodec
from chat_transport.testing._trace_file import read_trace
from chat_transport.testing._trace_writing import write_trace

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "ably"


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_our_encoders_write_what_the_package_wrote(path):
    trace = read_trace(path)
    if trace.speaks_ui:
        written = write_trace(trace.operations, UIChunkCodec(), Conversation())
    else:
        written = write_trace(trace.operations, ResponsesCodec(), ResponsesConversation())
    assert written == []


def test_a_missing_operation_is_a_difference():
    operations = list(read_trace(VECTORS / "09-edit.jsonl").operations)
    del operations[-2]  # the end of a step
    differences = write_trace(operations, UIChunkCodec(), Conversation())
    assert len(differences) == 1
