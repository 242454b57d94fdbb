from __future__ import annotations

import msgspec
import pytest

from chat_transport._nested_shapes import SteeringPart, check_nested, clean_citations

SOURCE = {"type": "source", "sourceType": "url", "id": "s", "url": "u"}


def test_unknown_keys_of_a_citation_are_dropped():
    given = [{"source": {**SOURCE, "x": 1}, "startIndex": 0, "y": 2}]
    assert clean_citations(given) == [{"source": SOURCE, "startIndex": 0}]


@pytest.mark.parametrize(
    "citation",
    [{"source": {**SOURCE, "sourceType": "song"}}, {"source": SOURCE, "startIndex": -1},
     {"source": SOURCE, "endIndex": 1.5}, {"source": SOURCE, "citedText": None}, {}],
)  # fmt: skip
def test_what_is_no_citation_is_refused(citation: object):
    with pytest.raises(msgspec.ValidationError):
        clean_citations([citation])


def test_a_whole_number_may_be_written_as_a_float():
    assert clean_citations([{"source": SOURCE, "endIndex": 2.0}]) == [
        {"source": SOURCE, "endIndex": 2}
    ]


def test_steering_parts_are_text_or_files():
    check_nested(
        [{"type": "text", "text": "x"}, {"type": "file", "mediaType": "m", "url": "u"}],
        list[SteeringPart],
    )
    with pytest.raises(msgspec.ValidationError):
        check_nested([{"type": "reasoning", "text": "x"}], list[SteeringPart])
