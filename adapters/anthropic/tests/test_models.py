from __future__ import annotations

import pytest
from chat_transport_anthropic._models import most_output_tokens


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-sonnet-5", 128_000),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000),
        ("claude-opus-4-20250514", 32_000),
        ("claude-3-haiku-20240307", 4_096),
        ("someone-elses-model", 4_096),
    ],
)
def test_each_model_has_its_bound(model: str, limit: int):
    assert most_output_tokens(model) == limit
