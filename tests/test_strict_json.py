from __future__ import annotations

import pytest

from chat_transport._strict_json import dumps, loads


@pytest.mark.parametrize(
    "text",
    ["NaN", "[1,]", "{'a':1}", '"\n"', "", "[Infinity]", '{"__proto__":1}', '{"a":[{"__proto__":1}]}',
     '{"\\u005f_proto__":1}', '{"constructor":{"prototype":1}}', "[" * 100_000],
)  # fmt: skip
def test_what_clients_refuse_is_refused(text: str):
    with pytest.raises(ValueError, match=r".+"):
        loads(text)
    with pytest.raises(ValueError, match=r".+"):
        loads(text.encode())


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"a":1,"a":2}', {"a": 2}), ('"\\ud83d"', "\ud83d"), (' {"a" : null} ', {"a": None}),
     ('{"constructor":"x"}', {"constructor": "x"}), ('"__proto__"', "__proto__"), ("1e400", float("inf"))],
)  # fmt: skip
def test_what_clients_read_is_read(text: str, value: object):
    assert loads(text) == value


def test_writing_is_compact_and_keeps_lone_surrogates_as_escapes():
    assert dumps({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()
    assert dumps({"a": "x\ud83d"}) == b'{"a":"x\\ud83d"}'


def test_what_is_not_json_cannot_be_written():
    with pytest.raises(TypeError):
        dumps({"a": object()})
