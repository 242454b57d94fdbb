from __future__ import annotations

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport.facts import RunFacts, StepFacts
from chat_transport.codecs.ably.ai_transport.nodes import Node, Wire
from chat_transport.codecs.ably.ai_transport.payload import StreamView
from chat_transport.codecs.ably.ai_transport.ui_chunks import UIChunkCodec
from chat_transport.codecs.ably.ai_transport.ui_fold import UIFold

CODEC = UIChunkCodec()


def texts(node):
    return [message.text for _, message in node.entries(UIFold(), CODEC)]


def streamed(serial, *pieces):
    codec = {"kind": "text", "id": serial}
    view = StreamView(serial, "ai-output", serial, {}, codec, serial, pieces=list(pieces))
    return Wire(serial, "m", stream=view)


def say(node, wire, text):
    wire.stream.pieces.append(text)
    node.record(wire, CODEC.delta(wire.stream, text))


def test_messages_grow_with_their_wires():
    node = Node("r", "1", run=RunFacts())
    wire = streamed("1", "a")
    node.record(wire, ())
    assert texts(node) == ["a"]
    say(node, wire, "b")
    assert texts(node) == ["ab"]


def test_a_wire_that_comes_late_is_folded_in_its_place():
    node = Node("r", "5", run=RunFacts())
    node.record(streamed("5", "second"), ())
    assert texts(node) == ["second"]
    node.record(streamed("3", "first "), ())
    assert texts(node) == ["first second"]


def test_many_unread_chunks_are_folded_anew_instead_of_kept():
    node = Node("r", "1", run=RunFacts())
    wire = streamed("1")
    node.record(wire, ())
    texts(node)
    for _ in range(2000):
        say(node, wire, "x")
    assert len(node._waiting) < 600
    assert texts(node) == ["x" * 2000]


def test_void_attempts_do_not_count():
    run = RunFacts(steps={"s": StepFacts(canonical="2")})
    node = Node("r", "1", run=run)
    for serial, attempt in (("3", "1"), ("4", "2")):
        wire = streamed(serial, f"attempt {attempt}")
        wire.step = ("s", attempt)
        node.record(wire, ())
    assert texts(node) == ["attempt 2"]
    assert [wire.serial for wire in node.ordered()] == ["4"]


def test_a_runs_start_says_the_parent_else_its_earliest_message():
    node = Node("r", "5", run=RunFacts())
    node.link("m-5", "5")
    node.link("m-3", "3")
    node.link("m-7", "7")
    node.link(None, "1")
    assert node.parent == "m-3"
    node.link("m-1", "9", authoritative=True)
    assert node.parent == "m-1"


def test_a_node_stands_where_its_first_message_stands():
    node = Node("r", "5", run=RunFacts())
    for serial in ("7", "3", ""):
        node.seen(serial)
    assert node.serial == "3"


def test_a_stream_is_said_as_one_delta():
    wire = streamed("1", "a", "b")
    assert wire.all_chunks(CODEC) == [c.TextStart(id="1"), c.TextDelta(id="1", delta="ab")]
    wire.stream.closing = wire.stream.codec
    assert wire.all_chunks(CODEC)[-1] == c.TextEnd(id="1")


def test_output_that_belongs_to_no_message_is_not_shown():
    node = Node("r", "1", run=RunFacts())
    node.record(Wire("1", "", chunks=(c.Start(message_id="a"),)), ())
    assert texts(node) == []
