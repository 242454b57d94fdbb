"""The one exception tree. Leaves differ by what a caller does next.

    ChatTransportError                     everything we raise on purpose
    ├── ProtocolError                      the rules of a wire or of the chunk grammar were broken
    │   ├── LocalProtocolError             by our caller: a bug here, do not retry
    │   └── RemoteProtocolError            by the peer: data attached, do not retry
    ├── TransportError                     the rules were kept, the bytes did not arrive
    │   ├── ConnectFailed                  nothing was sent: safe to send again
    │   ├── RequestRejected                the peer said no: status, body, code attached
    │   ├── StreamInterrupted              resumable says whether reconnect_to_stream can help
    │   ├── NotSupported                   this transport has no such capability
    │   ├── RequestAborted                 this side gave the request up: nothing to tell
    │   └── TransportClosed                used before opening or after closing
    └── AgentError                         made by Chat from an `error` chunk, held, not raised

A stopped run is an outcome, not an exception.
"""

from __future__ import annotations

__all__ = [
    "AgentError",
    "ChatTransportError",
    "ConnectFailed",
    "LocalProtocolError",
    "NotSupported",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestAborted",
    "RequestRejected",
    "StreamInterrupted",
    "TransportClosed",
    "TransportError",
]


class ChatTransportError(Exception):
    """Everything this library raises on purpose."""


class ProtocolError(ChatTransportError):
    """The rules of a wire or of the chunk grammar were broken. Do not retry."""


class LocalProtocolError(ProtocolError):
    """Our caller broke a rule: a bug on this side."""


class RemoteProtocolError(ProtocolError):
    """The peer broke a rule.

    Attributes:
        data: What was received, as far as it could be read.
    """

    def __init__(self, message: str, *, data: object = None) -> None:
        super().__init__(message)
        self.data = data


class TransportError(ChatTransportError):
    """The rules were kept, but the bytes did not arrive."""


class ConnectFailed(TransportError):
    """Nothing was sent: it is safe to send again."""


class RequestRejected(TransportError):
    """The peer received the request and said no.

    Attributes:
        status: HTTP status, or the status code in the peer's error; None if it gave none.
        body: The peer's own words; empty if it gave none.
        code: The peer's error code, such as Ably's 40160; None if it gave none.
    """

    def __init__(
        self, message: str, *, status: int | None = None, body: str = "", code: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.code = code


class StreamInterrupted(TransportError):
    """A stream ended before its terminal chunk.

    Attributes:
        resumable: Whether `reconnect_to_stream` can give the rest.
    """

    def __init__(self, message: str, *, resumable: bool = False) -> None:
        super().__init__(message)
        self.resumable = resumable


class NotSupported(TransportError):
    """This transport has no such capability; `ChatTransport.capabilities` says so beforehand."""


class RequestAborted(TransportError):
    """This side gave the request up (its stream or socket was closed here): nothing to report."""


class TransportClosed(TransportError):
    """Used before opening or after closing."""


class AgentError(ChatTransportError):
    """The agent reported an `error` chunk. Held in `Chat.error`, not raised."""
