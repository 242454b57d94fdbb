from __future__ import annotations

import pytest
from chat_transport_demo import demo_tools, send_email, weather

pytestmark = pytest.mark.anyio


async def test_the_weather_of_a_city_never_changes():
    assert await weather("Paris") == {"city": "Paris", "temperatureC": 11, "sky": "cloudy"}


async def test_an_email_says_what_it_sent():
    sent = await send_email("Ada", "lunch", "Noon?")
    assert sent == {"to": "Ada", "subject": "lunch", "length": 5, "sent": True}


async def test_only_the_email_needs_approval():
    assert {tool.name: tool.approval for tool in demo_tools()} == {
        "weather": "never",
        "send_email": "always",
    }
    assert demo_tools()[1].spec.input_schema["required"] == ["to", "subject", "body"]
