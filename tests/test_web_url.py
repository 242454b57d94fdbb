from __future__ import annotations

import pytest

from chat_transport._web_url import normal_url


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://f.example", "https://f.example/"),
        ("HTTPS://F.Example:443/a b.png", "https://f.example/a%20b.png"),
        (" http://x:8080/a/../b/./c/.. \n", "http://x:8080/b/"),
        ("https:x.example?q='ü'#ž `", "https://x.example/?q=%27%C3%BC%27#%C5%BE%20%60"),
        ("https://me:no@bücher.example\\a", "https://me:no@xn--bcher-kva.example/a"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("data:text/plain,é ü", "data:text/plain,%C3%A9 %C3%BC"),
        ("gs://Bucket/a b", "gs://Bucket/a%20b"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_a_url_is_written_as_javascript_writes_it(given: str, normal: str):
    assert normal_url(given) == normal
    assert normal_url(normal) == normal


@pytest.mark.parametrize(
    "given",
    [
        "",
        "a.png",
        "/a",
        "https://",
        "https://a b/",
        "http://x:99999",
        "http://x:y/",
        "http://a%2fb/",
        "http://ü..a/",
    ],
)
def test_what_is_no_absolute_url_is_none(given: str):
    assert normal_url(given) is None
