"""What Ably's errors mean for us: which exception, and what the reader should do about it.

Rule: three kinds are kept apart, because a writer does different things after each: refused
(`RequestRejected`), certainly not sent (`ConnectFailed`), perhaps sent (`StreamInterrupted`).
Source: ably.com/docs/platform/errors/codes, read 2026-08; ably-python 3.1.4.
"""

from __future__ import annotations

from ...errors import ConnectFailed, RequestRejected, StreamInterrupted, TransportError

__all__ = ["MESSAGE_LIMIT", "is_fatal", "is_rate_limit", "require_size", "translate"]

MESSAGE_LIMIT = 65_536
"""Bytes of one message with name, data and extras, and of a grown message as a whole."""

REMEDIES: dict[int, str] = {
    93002: "the channel's namespace does not allow updates and appends: switch on 'Message"
    " annotations, updates, deletes and appends' for it (Ably dashboard, app, Rules)",
    40160: "the key or token lacks this operation on this channel: clients need publish,"
    " subscribe, history and presence; agents also message-update-own",
    40165: "the key or token lacks this operation on this channel",
    40166: "only an identified creator may change a message: give the agent a client id",
    40009: f"a message may have {MESSAGE_LIMIT} bytes: split it or send a link",
    40010: "choose another channel name: it must not begin with ':', ',' or '['",
    40012: "the token is for another client id",
    40101: "the key or token is not valid: copy it again from the Ably dashboard (API keys)",
    40102: "the token is for another client id",
    40142: "the token has expired, and no new one could be had",
    40144: "the token's signature is wrong: was it signed with this app's key?",
    40170: "the token could not be fetched: check the token function or address",
    40400: "the app or message is not known: check the key",
    80019: "the token could not be fetched: check the token function or address",
    90008: "the attach point is too old for this read: attach again",
}
"""Ably code -> cause and remedy in one clause."""

FATAL = frozenset({40005, 40100, 40101, 40102, 40103, 40105, 40170, 40171, 40300, 40400})
"""Connection errors that trying again cannot cure."""

_LOST = frozenset({50003, 80000, 80001, 80002, 80003, 80006, 80008, 80014, 80017, 80018, 90007})
_NOT_SENT = frozenset({90000, 90001})


def translate(*, code: int | None, status: int | None, text: str, doing: str) -> TransportError:
    """Give our exception for an Ably error met while `doing` ("append to channel 'ai:1'")."""
    if code is not None and status is not None and status > 999:
        # ably-python swaps the two in errors it makes itself ("Connection failed").
        code, status = status, code
    if code in _NOT_SENT or (code == 40001 and "connection state" in text):
        return ConnectFailed(f"unable to {doing}; not connected to Ably ({text})")
    if code is None or code in _LOST or 50_000 <= code < 60_000:
        return StreamInterrupted(
            f"unable to {doing}; the connection to Ably was lost before the answer ({text})",
            resumable=True,
        )
    remedy = REMEDIES.get(code)
    sentence = f"unable to {doing}; Ably refused with {code}: {text}"
    if remedy is not None:
        sentence += f"; {remedy}"
    return RequestRejected(sentence, status=status, body=text, code=code)


def is_rate_limit(error: TransportError) -> bool:
    """Whether the same request may succeed a little later."""
    code = error.code if isinstance(error, RequestRejected) else None
    return code is not None and (42_910 <= code < 42_930 or code == 42_900)


def is_fatal(code: int | None) -> bool:
    """Whether a connection error with this code is final."""
    return code in FATAL


def require_size(size: int, name: str) -> None:
    """Refuse what is too large for one message, before Ably does.

    Raises:
        RequestRejected: If it has more than `MESSAGE_LIMIT` bytes.
    """
    if size > MESSAGE_LIMIT:
        raise translate(
            code=40009, status=413, text=f"the message has {size} bytes", doing=f"send to {name!r}"
        )
