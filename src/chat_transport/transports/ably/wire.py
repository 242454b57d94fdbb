"""What the shell needs of a wire, client's end and agent's end.

Rule: the shell knows channels, serials and clocks; a wire knows what messages mean. Everything
here is called in the channel's order and never waits. Which wire is spoken is one argument,
`wire=`, of `AblyChatTransport` and `AblyAgent`. What only some wires can do is in `wire_abilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ...chunks import UIMessageChunk
from ...codecs.ably.operations import Inbound, Operation, OutboundMessage, Publish
from ...inputs import SendMessages, Trigger
from ...messages import UIMessage
from ...transport import Ask

__all__ = [
    "Act",
    "ActKind",
    "AgentWire",
    "Branches",
    "ClientWire",
    "Event",
    "Heard",
    "Orphan",
    "Outgoing",
    "RunRef",
    "RunTask",
    "Speaker",
    "Wire",
]

Event: TypeAlias = Literal["input", "cancel", "run-start", "run-resume", "run-suspend", "run-end"]
NewId: TypeAlias = Callable[[], str]
ActKind: TypeAlias = Literal["start", "cancel", "approve", "answer", "steer", "speak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRef:
    """A run as both ends name it.

    Attributes:
        input_id: The input that this part of the run answers; replies are told apart by it.
        message_id: The message that the reply continues or takes the place of, if any.
    """

    run_id: str | None
    input_id: str | None
    message_id: str | None = None

    def means(self, other: RunRef) -> bool:
        """Whether `other` is the run that this names, by its id or by its input."""
        if self.run_id is not None:
            return self.run_id == other.run_id
        return self.input_id is not None and self.input_id == other.input_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one message on the channel said, beyond what was known.

    Attributes:
        ref: The run and input it belongs to.
        chunks: What the agent said.
        event: What else happened.
        event_id: For `input`: how an invocation names it.
        message: For `input`: the user's message as far as it has come, if it is one.
        after_id: Which message that follows; None for none.
        reason: For `run-end`: how.
        error_text: For `run-end` by an error: the agent's words.
        is_edit: For `input`: the message takes the place of another one, and of what followed it.
        is_replaced: What was said before has been replaced: read it anew.
        is_other_answer: For `run-start`: the reply takes the place of one that was given before.
    """

    ref: RunRef
    chunks: Sequence[UIMessageChunk] = ()
    event: Event | None = None
    event_id: str | None = None
    message: UIMessage | None = None
    after_id: str | None = None
    reason: Literal["complete", "cancelled", "error"] | None = None
    error_text: str | None = None
    is_edit: bool = False
    is_replaced: bool = False
    is_other_answer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An input to publish; its reply comes under `input_id`.

    Attributes:
        wakes: An agent that lives for one input is woken for it, though it is not the last one.
    """

    publish: Publish
    input_id: str
    event_id: str
    wakes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """The alternatives at a message, oldest first, and which is selected."""

    siblings: Sequence[UIMessage]
    index: int


class ClientWire(Protocol):
    """One chat as a client reads and writes it."""

    def feed(self, message: Inbound, *, live: bool) -> Heard | None:
        """Take a message; None if it says nothing new.

        Args:
            message: From the channel or its history.
            live: Off for history: pages newest first, each page oldest first.
        """
        ...

    def messages(self) -> Sequence[UIMessage]:
        """Give the conversation on the selected branch, oldest first."""
        ...

    def needs_older(self, request: SendMessages) -> bool:
        """Whether `request` names messages that have not been read yet."""
        ...

    def meets(self, known: AbstractSet[str]) -> bool:
        """Whether one of these messages is shown, and all after it hangs together."""
        ...

    def encode(self, request: SendMessages) -> Sequence[Outgoing]:
        """Give the inputs that the request amounts to; the last one wakes the agent.

        Raises:
            RequestRejected: If there is nothing to ask, or a message is not known.
        """
        ...

    def cancel(self, ref: RunRef) -> Outgoing:
        """Ask that a run end."""
        ...

    def active_runs(self) -> Sequence[RunRef]:
        """Give the runs under way, oldest first."""
        ...

    def lacks_start(self, ref: RunRef) -> bool:
        """Whether the beginning of a run is on a page of history that has not been read."""
        ...

    def reply(self, ref: RunRef) -> Sequence[UIMessageChunk]:
        """Give what an active run has said so far, from `start`, in few chunks."""
        ...

    def oldest_open(self) -> str | None:
        """Give the serial from which an active run may still change; None if all is idle."""
        ...

    def branches(self, message_id: str) -> Branches:
        """Give the alternatives at a message."""
        ...

    def select(self, message_id: str, index: int) -> None:
        """Select an alternative; `messages` follows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody wants of the agent, before anything of it is believed.

    Attributes:
        kind: What.
        owner: Client id of whoever started the run that it is about; None if anonymous.
        is_known: Whether that run has been read; if not, older history may tell its owner.
        also: What the same message wants besides.
    """

    kind: ActKind
    run_id: str | None = None
    owner: str | None = None
    is_known: bool = True
    also: ActKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """A trigger resolved: what the agent is to do, and under which names.

    Attributes:
        ref: The run; `message_id` is the message that is regenerated or continued.
        continues: It resumes a run that waited.
        reply_id: What the reply is called, if the wire says so or a process that died has begun
            it; None lets the agent name it.
        token: The wire's own.
    """

    ref: RunRef
    trigger: Trigger
    owner: str | None
    continues: bool
    token: object
    reply_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A run that nobody serves any more.

    Attributes:
        appends: Serial of each message left open, and what to append to close it.
        publish: What ends the run, marked as failed.
    """

    ref: RunRef
    appends: Sequence[tuple[str, OutboundMessage]]
    publish: Sequence[Publish]


class Speaker(Protocol):
    """What an agent says in one invocation, as operations in order."""

    def start(self) -> Sequence[Operation]:
        """Announce the run, or that it goes on."""
        ...

    def encode(self, chunk: UIMessageChunk) -> Sequence[Operation]:
        """Say a chunk.

        Raises:
            LocalProtocolError: If the wire cannot carry it.
        """
        ...

    def suspend(self) -> Sequence[Operation]:
        """Wait for a person or a client."""
        ...

    def end(
        self,
        reason: Literal["complete", "cancelled", "error"],
        *,
        code: int | None = None,
        message: str | None = None,
    ) -> Sequence[Operation]:
        """Close what is open and end the run."""
        ...

    def acknowledged(self, key: str, serial: str) -> Sequence[Operation]:
        """Take the serial of a publish; give what was held for it."""
        ...


class AgentWire(Protocol):
    """One chat as an agent reads and writes it."""

    def act(self, message: Inbound) -> Act | None:
        """Say what the message wants; None if it is not of this wire."""
        ...

    def feed(self, message: Inbound, *, live: bool) -> Heard | None:
        """Take a message that is believed."""
        ...

    def knows(self, event_id: str) -> bool:
        """Whether the input has been read."""
        ...

    def lacks_run(self, event_id: str) -> bool:
        """Whether the input is about a run whose beginning has not been read yet."""
        ...

    def resolve(self, event_id: str) -> RunTask | None:
        """Give what the input asks for; None if it is not known, or is no trigger (yet)."""
        ...

    def needs_older(self, task: RunTask) -> bool:
        """Whether the prompt reaches back to messages that have not been read yet."""
        ...

    def answered_by(self, task: RunTask) -> str | None:
        """Give the run that answers this trigger already; None if none does."""
        ...

    def is_cancelled(self, task: RunTask) -> bool:
        """Whether the user has taken it back."""
        ...

    def prompt(self, task: RunTask) -> Sequence[UIMessage]:
        """Give the conversation that the run works on."""
        ...

    def speaker(self, task: RunTask) -> Speaker:
        """Begin to speak."""
        ...

    def active_runs(self) -> Sequence[RunRef]:
        """Give the runs that are under way on the channel, ours or not."""
        ...

    def orphan(self, ref: RunRef, reason: Literal["cancelled", "error"]) -> Orphan:
        """Give what closes a run that nobody serves."""
        ...

    def suspended(self, ref: RunRef) -> RunRef | None:
        """Give the waiting run that a cancel names, if it is one."""
        ...

    def oldest_open(self) -> str | None:
        """Give the serial from which an active run may still change; None if all is idle."""
        ...


class Wire(Protocol):
    """A wire: makes both ends."""

    @property
    def steers(self) -> bool:
        """Whether one can say something to a run that is under way."""
        ...

    @property
    def branches(self) -> bool:
        """Whether edits and regenerations keep what they replace."""
        ...

    @property
    def drops(self) -> frozenset[str]:
        """Chunk types that it cannot carry."""
        ...

    @property
    def refuses(self) -> frozenset[Ask]:
        """What it has no word for: `encode` raises `NotSupported`."""
        ...

    def client(self, *, client_id: str | None, new_id: NewId) -> ClientWire:
        """Begin to read a chat as a client."""
        ...

    def agent(self, *, client_id: str | None, new_id: NewId) -> AgentWire:
        """Begin to read a chat as an agent; `client_id` is whose outputs are believed."""
        ...
