from __future__ import annotations

from chat_transport.chat._board import Board, Placing
from chat_transport.chat._notices import Notices
from chat_transport.chunks import Start, TextDelta, TextStart
from chat_transport.messages import TextPart, UIMessage
from chat_transport.reducer import MessageReducer


def board(*messages: UIMessage) -> tuple[Board, list[str]]:
    notices, told = Notices(), []
    made = Board(messages, notices)
    notices.subscribe(lambda: told.append(made.status), 0)
    return made, told


def reply(message_id: str = "a", earlier_id: str | None = None) -> Placing:
    return Placing(MessageReducer(message_id=message_id), earlier_id)


def write(shown: Board, placing: Placing, chunk: object) -> None:
    placing.reducer.feed(chunk)  # type: ignore[arg-type]
    shown.write(placing, is_renamed=isinstance(chunk, Start))


def test_a_reply_is_added_once_and_read_when_looked_at():
    shown, _ = board(UIMessage.user("q", id="u"))
    placing = reply()
    write(shown, placing, TextStart(id="t"))
    for _ in range(3):
        write(shown, placing, TextDelta(id="t", delta="x"))
    assert [message.text for message in shown.messages] == ["q", "xxx"]
    assert shown.messages is shown.messages
    before = shown.messages
    write(shown, placing, TextDelta(id="t", delta="y"))
    assert shown.messages is not before
    assert before[1].text == "xxx"


def test_what_is_not_news_does_not_show_before_the_next_write():
    shown, _ = board()
    placing = reply()
    write(shown, placing, TextStart(id="t"))
    write(shown, placing, TextDelta(id="t", delta="x"))
    shown.flush(placing)
    placing.reducer.feed(TextDelta(id="t", delta="silent"))
    assert shown.messages[0].text == "x"


def test_a_renamed_reply_takes_the_earlier_place_else_the_end():
    first = UIMessage(id="a", role="assistant", parts=[TextPart(text="old")])
    shown, _ = board(first, UIMessage.user("q", id="u"))
    write(shown, reply("new", earlier_id="a"), Start(message_id="b"))
    assert [message.id for message in shown.messages] == ["b", "u"]
    write(shown, reply("new", earlier_id="gone"), Start(message_id="c"))
    assert [message.id for message in shown.messages] == ["b", "u", "c"]


def test_a_reply_finds_its_place_again_after_the_list_changed():
    shown, _ = board(UIMessage.user("q", id="u"))
    placing = reply()
    write(shown, placing, TextStart(id="t"))
    shown.assign([])
    write(shown, placing, TextDelta(id="t", delta="x"))
    assert [message.text for message in shown.messages] == ["x"]


def test_status_and_error_are_told_once():
    shown, told = board()
    error = ValueError("bad")
    shown.set_status("error", error)
    shown.set_status("error", error)
    assert (shown.status, shown.error, len(told)) == ("error", error, 1)
    shown.clear_error()
    assert (shown.status, shown.error, len(told)) == ("ready", None, 3)
    shown.clear_error()
    assert len(told) == 3


def test_parts_change_in_the_first_message_that_has_them():
    shown, told = board(
        UIMessage(id="1", role="assistant", parts=[TextPart(text="x"), TextPart(text="y")]),
        UIMessage(id="2", role="assistant", parts=[TextPart(text="x")]),
    )

    def is_x(part: object) -> bool:
        return isinstance(part, TextPart) and part.text == "x"

    changed = shown.update_part(is_x, lambda _: TextPart(text="z"))
    assert changed is shown.messages[0]
    assert [message.text for message in shown.messages] == ["zy", "x"]
    assert shown.update_part(lambda _: False, lambda part: part) is None
    assert len(told) == 1


def test_steers_behind_a_reply_are_not_what_was_last_asked():
    messages = [UIMessage.user(name, id=name) for name in "abc"]
    shown, _ = board(*messages)
    assert shown.asking is shown.messages
    shown.steers = {"a", "c"}
    assert [message.id for message in shown.asking] == ["a", "b"]
    assert shown.last is messages[1]
    shown.steers = {"a", "b", "c"}
    assert shown.last is None
