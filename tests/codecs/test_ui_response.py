from __future__ import annotations

import pytest

from chat_transport.codecs.ui_response import read_head, rejection, response_headers


@pytest.mark.parametrize(
    ("status", "resumes", "has_body", "kind"),
    [
        (200, False, True, "stream"),
        (299, True, True, "stream"),
        (204, True, False, "nothing-to-resume"),
        (204, False, False, "no-body"),
        (304, True, False, "rejected"),
        (404, True, True, "rejected"),
        (500, False, True, "rejected"),
    ],
)
def test_only_204_on_a_resume_says_that_nothing_runs(
    status: int, resumes: object, has_body: object, kind: str
):
    assert read_head(status, resumes=bool(resumes), has_body=bool(has_body)) == kind


def test_the_body_is_the_error_text():
    error = rejection(503, "busy")
    assert (str(error), error.status, error.body) == ("busy", 503, "busy")
    assert str(rejection(500, "")) == "Failed to fetch the chat response."
    assert str(rejection(204, "")) == "The response body is empty."


def test_an_applications_headers_win():
    headers = response_headers([("Cache-Control", "no-store"), ("x-own", "1")])
    assert headers["cache-control"] == "no-store"
    assert headers["x-own"] == "1"
    assert headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert "connection" not in headers
    assert response_headers(hop_by_hop=True)["connection"] == "keep-alive"
