"""Resilient transports for AI chat: one `ChatTransport`, several wires behind it.

Names are loaded when they are first used, so that importing the package costs next to nothing.
The wires' own names: `chat_transport.transports.http`, `chat_transport.transports.ably`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent.approvals import ApprovalSigner
    from .agent.message_stream import MessageStream, StreamEnd
    from .agent.reply_writer import ReplyWriter
    from .agent.run import Handler, Run, RunEnd, RunEndReason, RunRequest, User
    from .agent.runtime import ActiveRun, Agent
    from .agent.smoothing import smooth
    from .agent.tool_loop import StepEnd, ToolLoop
    from .agent.tools import Tool, ToolContext, ToolError, client_tool, tool
    from .agent.trust import TrustRules
    from .chat import Chat, ChatFinish, ChatState, RequestOptions, SyncChat
    from .chunks import ABSENT, UIMessageChunk, is_terminal
    from .conversion import convert_to_model_messages
    from .errors import (
        AgentError,
        ChatTransportError,
        ConnectFailed,
        LocalProtocolError,
        NotSupported,
        ProtocolError,
        RemoteProtocolError,
        RequestRejected,
        StreamInterrupted,
        TransportClosed,
        TransportError,
    )
    from .inputs import ApprovalResponse, Reconnect, SendMessages, Stop, ToolOutput, Trigger
    from .messages import (
        CustomPart,
        DataPart,
        DynamicToolPart,
        FilePart,
        ReasoningFilePart,
        ReasoningPart,
        SourceDocumentPart,
        SourceUrlPart,
        SteeringMessagePart,
        StepStartPart,
        TextPart,
        ToolApproval,
        ToolPart,
        UIMessage,
        UIMessagePart,
    )
    from .model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
    from .predicates import is_complete_with_approval_responses, is_complete_with_tool_calls
    from .pruning import prune_messages
    from .reducer import MessageReducer
    from .transport import (
        AgentPresence,
        Capabilities,
        ChatChange,
        ChatTransport,
        ChunkStream,
        History,
        MessageSeen,
        MessagesReplaced,
        RunSeen,
    )
    from .transports.debug import DebugChatTransport
    from .transports.direct import DirectChatTransport, DirectHost
    from .validation import load_messages, validate_messages

__all__ = [
    "ABSENT",
    "ActiveRun",
    "Agent",
    "AgentError",
    "AgentPresence",
    "ApprovalResponse",
    "ApprovalSigner",
    "Capabilities",
    "Chat",
    "ChatChange",
    "ChatFinish",
    "ChatState",
    "ChatTransport",
    "ChatTransportError",
    "ChunkStream",
    "ConnectFailed",
    "CustomPart",
    "DataPart",
    "DebugChatTransport",
    "DirectChatTransport",
    "DirectHost",
    "DynamicToolPart",
    "FilePart",
    "Handler",
    "History",
    "LocalProtocolError",
    "MessageReducer",
    "MessageSeen",
    "MessageStream",
    "MessagesReplaced",
    "ModelAdapter",
    "ModelSettings",
    "NotSupported",
    "ProtocolError",
    "ProviderTool",
    "ReasoningFilePart",
    "ReasoningPart",
    "Reconnect",
    "RemoteProtocolError",
    "ReplyWriter",
    "RequestOptions",
    "RequestRejected",
    "Run",
    "RunEnd",
    "RunEndReason",
    "RunRequest",
    "RunSeen",
    "SendMessages",
    "SourceDocumentPart",
    "SourceUrlPart",
    "SteeringMessagePart",
    "StepEnd",
    "StepStartPart",
    "Stop",
    "StreamEnd",
    "StreamInterrupted",
    "SyncChat",
    "TextPart",
    "Tool",
    "ToolApproval",
    "ToolContext",
    "ToolError",
    "ToolLoop",
    "ToolOutput",
    "ToolPart",
    "ToolSpec",
    "TransportClosed",
    "TransportError",
    "Trigger",
    "TrustRules",
    "UIMessage",
    "UIMessageChunk",
    "UIMessagePart",
    "User",
    "client_tool",
    "convert_to_model_messages",
    "is_complete_with_approval_responses",
    "is_complete_with_tool_calls",
    "is_terminal",
    "load_messages",
    "prune_messages",
    "smooth",
    "tool",
    "validate_messages",
]

_HOMES = {
    "AgentError": "errors",
    "ChatTransportError": "errors",
    "ConnectFailed": "errors",
    "LocalProtocolError": "errors",
    "NotSupported": "errors",
    "ProtocolError": "errors",
    "RemoteProtocolError": "errors",
    "RequestRejected": "errors",
    "StreamInterrupted": "errors",
    "TransportClosed": "errors",
    "TransportError": "errors",
    "ABSENT": "chunks",
    "UIMessageChunk": "chunks",
    "is_terminal": "chunks",
    "CustomPart": "messages",
    "DataPart": "messages",
    "DynamicToolPart": "messages",
    "FilePart": "messages",
    "ReasoningFilePart": "messages",
    "ReasoningPart": "messages",
    "SourceDocumentPart": "messages",
    "SourceUrlPart": "messages",
    "SteeringMessagePart": "messages",
    "StepStartPart": "messages",
    "TextPart": "messages",
    "ToolApproval": "messages",
    "ToolPart": "messages",
    "UIMessage": "messages",
    "UIMessagePart": "messages",
    "ApprovalResponse": "inputs",
    "Reconnect": "inputs",
    "SendMessages": "inputs",
    "Stop": "inputs",
    "ToolOutput": "inputs",
    "Trigger": "inputs",
    "AgentPresence": "transport",
    "Capabilities": "transport",
    "ChatChange": "transport",
    "ChatTransport": "transport",
    "ChunkStream": "transport",
    "History": "transport",
    "MessageSeen": "transport",
    "MessagesReplaced": "transport",
    "RunSeen": "transport",
    "ModelAdapter": "model",
    "ModelSettings": "model",
    "ProviderTool": "model",
    "ToolSpec": "model",
    "MessageReducer": "reducer",
    "is_complete_with_approval_responses": "predicates",
    "is_complete_with_tool_calls": "predicates",
    "load_messages": "validation",
    "validate_messages": "validation",
    "Handler": "agent.run",
    "Run": "agent.run",
    "RunEnd": "agent.run",
    "RunEndReason": "agent.run",
    "RunRequest": "agent.run",
    "User": "agent.run",
    "ActiveRun": "agent.runtime",
    "Agent": "agent.runtime",
    "ApprovalSigner": "agent.approvals",
    "StepEnd": "agent.tool_loop",
    "ToolLoop": "agent.tool_loop",
    "Tool": "agent.tools",
    "ToolContext": "agent.tools",
    "ToolError": "agent.tools",
    "client_tool": "agent.tools",
    "tool": "agent.tools",
    "TrustRules": "agent.trust",
    "Chat": "chat",
    "ChatFinish": "chat",
    "ChatState": "chat",
    "RequestOptions": "chat",
    "SyncChat": "chat",
    "DirectChatTransport": "transports.direct",
    "DirectHost": "transports.direct",
    "DebugChatTransport": "transports.debug",
    "MessageStream": "agent.message_stream",
    "StreamEnd": "agent.message_stream",
    "ReplyWriter": "agent.reply_writer",
    "smooth": "agent.smoothing",
    "convert_to_model_messages": "conversion",
    "prune_messages": "pruning",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
