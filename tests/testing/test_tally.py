"""Every recording is counted once, and both ways of counting are told."""

from __future__ import annotations

from chat_transport.testing.tally import Tally, summary


def test_the_summary_tells_what_is_equal_by_default_and_with_the_option():
    streams = {"a": Tally(equal=7, with_option=2, failed=1, replayed=5), "b": Tally(listed=10)}
    streams["a"].paragraphs.update({"17.1": 2, "4": 1})
    streams["b"].paragraphs.update({"4": 2})
    lines = list(summary(streams, {"r": Tally(equal=1)}, {"z": 3}))
    tail = "more replayed without golden chunks"
    option = "0 equal with option"
    assert lines[:4] == [
        f"a: 9 passed (7 equal, 2 equal with option, 0 listed differences), 1 failed; 5 {tail}",
        f"b: 10 passed (0 equal, {option}, 10 listed differences), 0 failed; 0 {tail}",
        f"r: 1 passed (1 equal, {option}, 0 listed differences), 0 failed; 0 {tail}",
        "z: not replayed, no installed adapter has a recipe for it (3 recordings)",
    ]
    assert lines[4:] == [
        "differences by default, by the paragraph that asks for them: 17.1 (2), 4 (3)",
        "streams equal by default: 7 of 20 (35.0%)",
        (
            'streams equal with compat="ai-sdk" where they differ: 9 of 20 (45.0%); '
            "listed differences left: 10"
        ),
    ]


def test_nothing_compared_gives_no_share():
    assert not any("%" in line for line in summary({"a": Tally(replayed=1)}, {}, {}))
