from __future__ import annotations

import pytest

from chat_transport.codecs.client_profiles import V5, V6, V7
from chat_transport.transports.http.exchange import IncomingRequest
from chat_transport.transports.http.profile_choice import profile_for


def asking(query: str = "", **headers: str) -> IncomingRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return IncomingRequest(
        method="POST", headers=named, query={"client": query} if query else {}, segments=()
    )


@pytest.mark.parametrize(
    ("request_", "choice", "profile"),
    [
        (asking(), "auto", V7),
        (asking(), "v5", V5),
        (asking("6"), "auto", V6),
        (asking("v5"), "auto", V5),
        (asking(x_ai_sdk_version="6"), "auto", V6),
        (asking(user_agent="node ai-sdk/nonsense runtime"), "auto", V7),
        (asking("9.9.9"), "auto", V7),
    ],
)
def test_the_profile_is_what_the_client_says(request_, choice, profile):
    assert profile_for(request_, choice) is profile


def test_a_whole_version_gives_its_own_profile():
    assert profile_for(asking(user_agent="x ai-sdk/5.0.20 y"), "auto").version == "5.0.20"
    assert profile_for(asking(x_ai_sdk_version="6.0.326"), "auto").version == "6.0.326"
