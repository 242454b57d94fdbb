"""A chat on a terminal: finished blocks are printed once, what still grows is drawn live below.

Rule: a block is printed when it can no longer change, so a long reply costs no redrawing of its
beginning and scrolls back as ordinary text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text

from ..chat import ChatState
from ..messages import (
    DataPart,
    DynamicToolPart,
    FilePart,
    ReasoningPart,
    SourceUrlPart,
    TextPart,
    ToolPart,
    UIMessage,
    UIMessagePart,
)

__all__ = ["Screen", "describe_call", "split_blocks"]

PROMPT = "> "
SHOWN_VALUE = 200
"""Characters of a tool's input or output that are shown."""


@dataclass(frozen=True, slots=True)
class _Block:
    key: tuple[object, ...]
    shown: RenderableType
    is_final: bool


class Screen:
    """Draws the states of one chat.

    Attributes:
        own_ids: User messages that were typed here: the terminal shows them already.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: set[tuple[object, ...]] = set()
        self._live: Live | None = None
        self._is_prompting = False
        self._error: Exception | None = None
        self.own_ids: set[str] = set()

    def show(self, state: ChatState) -> None:
        """Print what is new and final, draw what is under way."""
        is_idle = state.status in {"ready", "error"}
        final: list[RenderableType] = []
        growing: list[RenderableType] = []
        for message in state.messages:
            self._sort(message, final, growing, is_idle=is_idle)
        if state.error is not self._error:
            self._error = state.error
            if state.error is not None:
                final.append(Text(f"error: {state.error}", style="red"))
        if is_idle:
            self._stop_live()
        self._print(final)
        if not is_idle:
            self._draw(growing or [Spinner("dots", style="dim")])

    def prompt(self) -> None:
        """Show that it is the user's turn."""
        self._stop_live()
        self._is_prompting = True
        self._write(PROMPT)

    def answered(self) -> None:
        """The user has pressed enter."""
        self._is_prompting = False

    def ask(self, question: str) -> None:
        """Ask for a word; the answer follows on the same line."""
        self._stop_live()
        self._write(question)

    def note(self, sentence: str) -> None:
        """Say something about the chat."""
        self._print([Text(sentence, style="dim")])

    def close(self) -> None:
        """Leave the terminal as it was, at the beginning of a line."""
        self._stop_live()
        if self._is_prompting:
            self._is_prompting = False
            self._write("\n")

    def _sort(
        self,
        message: UIMessage,
        final: list[RenderableType],
        growing: list[RenderableType],
        *,
        is_idle: bool,
    ) -> None:
        if message.role != "assistant" and message.id in self.own_ids:
            return
        for block in _blocks(message):
            key = (message.id, *block.key)
            if key in self._printed:
                continue
            if growing or not (block.is_final or is_idle):
                growing.append(block.shown)
            else:
                self._printed.add(key)
                final.append(block.shown)

    def _print(self, renderables: list[RenderableType]) -> None:
        if not renderables:
            return
        if self._is_prompting and self._console.is_terminal:
            self._write("\r\x1b[K")
        for renderable in renderables:
            self._console.print(renderable)
        if self._is_prompting:
            self._write(PROMPT)

    def _draw(self, renderables: list[RenderableType]) -> None:
        if not self._console.is_terminal:
            return
        if self._live is None:
            self._live = Live(
                console=self._console, transient=True, auto_refresh=False, redirect_stdout=False
            )
            self._live.start()
        self._live.update(Group(*renderables), refresh=True)

    def _stop_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()


def _blocks(message: UIMessage) -> Iterator[_Block]:
    if message.role != "assistant":
        yield _Block(
            ("user",), Text(f"{message.role}: {message.text}", style="bold"), is_final=True
        )
        return
    for index, part in enumerate(message.parts):
        yield from _part_blocks(index, part)


def _part_blocks(index: int, part: UIMessagePart) -> Iterator[_Block]:
    if isinstance(part, TextPart):
        blocks = split_blocks(part.text)
        for number, block in enumerate(blocks):
            is_final = part.state != "streaming" or number < len(blocks) - 1
            yield _Block((index, number), Markdown(block), is_final)
    elif isinstance(part, ReasoningPart):
        if part.text:
            is_final = part.state != "streaming"
            yield _Block((index,), Text(part.text, style="dim italic"), is_final)
    elif isinstance(part, (ToolPart, DynamicToolPart)):
        is_final = part.state not in {"input-streaming", "input-available", "approval-responded"}
        yield _Block((index, part.state), _tool_line(part), is_final)
    elif isinstance(part, SourceUrlPart):
        yield _Block(
            (index,), Text(f"source: {part.title or part.url} {part.url}", style="dim"), True
        )
    elif isinstance(part, FilePart):
        where = part.url if not part.url.startswith("data:") else f"{len(part.url)} characters"
        yield _Block((index,), Text(f"file: {part.media_type} {where}", style="dim"), True)
    elif isinstance(part, DataPart):
        yield _Block((index,), Text(f"{part.name}: {_short(part.data)}", style="dim"), True)


def _tool_line(part: ToolPart | DynamicToolPart) -> Text:
    call = escape(describe_call(part))
    match part.state:
        case "output-available":
            words = f"[green]✓[/] {call} → {escape(_short(part.output))}"
        case "output-error":
            words = f"[red]✗[/] {call}: {escape(part.error_text or '')}"
        case "output-denied":
            words = f"[red]✗[/] {call}: refused"
        case "approval-requested":
            words = f"[yellow]?[/] {call} needs your approval"
        case _:
            words = f"[cyan]…[/] {call}"
    return Text.from_markup(words)


def describe_call(part: ToolPart | DynamicToolPart) -> str:
    """Say a tool call in one line."""
    return f"{part.title or part.tool_name}({_short(part.input)})"


def split_blocks(text: str) -> list[str]:
    """Split markdown at blank lines outside of fences: each block can be drawn by itself."""
    blocks: list[list[str]] = [[]]
    fence = ""
    for line in text.split("\n"):
        mark = line.lstrip()[:3]
        if mark in {"```", "~~~"}:
            fence = "" if fence == mark else fence or mark
        if line.strip() or fence:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if block]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_VALUE else f"{text[:SHOWN_VALUE]}…"
