from __future__ import annotations

from openapi_spec_validator import validate

from chat_transport.transports.http.openapi import describe
from chat_transport.transports.http.settings import HttpSettings


def test_paths_follow_the_setting():
    document = describe(HttpSettings(path="/talk/"))
    assert set(document["paths"]) == {"/talk", "/talk/{id}", "/talk/{id}/stream", "/talk/{id}/stop"}


def test_every_operation_says_what_it_does_and_answers():
    for path in describe(HttpSettings())["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert "200" in operation["responses"]


def test_the_document_is_what_the_specification_says():
    for path in ("/api/chat", "/", ""):
        validate(describe(HttpSettings(path=path)))
