from __future__ import annotations

import json

from chat_transport_google_genai._partial_args import PartialArgs


def written(*pieces: dict[str, object]) -> tuple[str, str]:
    arguments = PartialArgs()
    text = "".join(arguments.feed([piece]) for piece in pieces)
    whole, rest = arguments.end()
    return text + rest, whole


def test_the_deltas_are_the_text_of_the_whole():
    text, whole = written(
        {"jsonPath": "$.recipe.name", "stringValue": "Las", "willContinue": True},
        {"jsonPath": "$.recipe.name", "stringValue": 'ag"na'},
        {"jsonPath": "$.recipe.steps[0].text", "stringValue": "boil"},
        {"jsonPath": "$.recipe.steps[1].minutes", "numberValue": 3},
        {"jsonPath": "$.recipe.tags[]"},
        {"jsonPath": "$.vegan", "boolValue": False},
        {"jsonPath": "$.note", "nullValue": None},
    )
    assert text == whole
    assert json.loads(whole) == {
        "recipe": {"name": 'Lasag"na', "steps": [{"text": "boil"}, {"minutes": 3}], "tags": []},
        "vegan": False,
        "note": None,
    }


def test_an_index_beyond_the_end_is_ignored():
    assert written({"jsonPath": "$.items[5]", "stringValue": "x"}) == ("{}", "{}")


def test_a_string_is_open_until_it_ends():
    arguments = PartialArgs()
    first = arguments.feed([{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}])
    assert first == '{"a":"x'
    assert arguments.feed([{"jsonPath": "$.a", "stringValue": "y"}]) == 'y"'
    assert arguments.end() == ('{"a":"xy"}', "}")
