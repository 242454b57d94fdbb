"""A chat in the terminal: Textual shows what a `Chat` holds. `python chat_app.py [url]`."""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Markdown, Static

from chat_transport import Chat, ChatTransport, ChatTransportError
from chat_transport.transports.http import HttpChatTransport

REFRESH_S = 0.05
"""Between two paints of a growing reply: more often nobody can read."""


class ChatApp(App[None]):
    """One chat; it knows no transport."""

    CSS = """
    .user { color: $accent; }
    #status { height: 1; color: $text-muted; }
    """
    BINDINGS = [  # noqa: RUF012  # as Textual has it
        ("escape", "stop", "Stop"),
        ("ctrl+r", "regenerate", "Again"),
        ("ctrl+q", "quit", "Quit"),
    ]

    def __init__(self, transport: ChatTransport, chat_id: str) -> None:
        super().__init__()
        self.transport = transport
        self.chat = Chat(transport, id=chat_id)
        self.shown: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        yield VerticalScroll(id="messages")
        yield Static("connecting", id="status")
        yield Input(placeholder="Say something", disabled=True)
        yield Footer()

    def on_mount(self) -> None:
        self.run_worker(self.hold_chat())

    async def hold_chat(self) -> None:
        """Keep transport and chat open as long as the application lives, and paint each state."""
        status, words = self.query_one("#status", Static), self.query_one(Input)
        try:
            async with self.transport, self.chat:
                await self.chat.load_history()
                self.run_worker(self.chat.resume_stream())
                words.disabled = False
                words.focus()
                async for state in self.chat.updates(throttle_s=REFRESH_S):
                    await self.paint([(message.role, message.text) for message in state.messages])
                    status.update(str(state.error or state.status))
        except ChatTransportError as error:
            words.disabled = True
            status.update(str(error))

    async def paint(self, messages: list[tuple[str, str]]) -> None:
        """Change what has changed: messages that stay as they are cost nothing."""
        box = self.query_one("#messages", VerticalScroll)
        pairs = zip(messages, self.shown, strict=False)
        same = next((at for at, (new, old) in enumerate(pairs) if new != old), None)
        if same is None:
            same = min(len(messages), len(self.shown))
        elif messages[same][0] == self.shown[same][0]:  # one that grew
            await box.query(Markdown)[same].update(messages[same][1])
            same += 1
        await box.remove_children(box.children[same:])
        await box.mount_all(Markdown(text, classes=role) for role, text in messages[same:])
        self.shown = messages
        box.scroll_end(animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.input.clear()
        self.run_worker(self.chat.send(event.value))

    def action_stop(self) -> None:
        self.run_worker(self.chat.stop())

    def action_regenerate(self) -> None:
        self.run_worker(self.chat.regenerate())


if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/api/chat"
    ChatApp(HttpChatTransport(address), "textual").run()
