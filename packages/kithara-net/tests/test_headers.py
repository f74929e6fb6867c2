from kithara_net._headers import HeaderMap


def test_names_are_case_insensitive_and_repeated_fields_joined() -> None:
    headers = HeaderMap([("X-A", "1"), ("x-a", "2"), ("B", "3")])
    assert headers["x-A"] == "1, 2"
    assert list(headers.getall("X-a")) == ["1", "2"]
    assert headers.getall("c") == ()
    assert "b" in headers
    assert 1 not in headers  # type: ignore[comparison-overlap] # any object may be asked for
    assert list(headers) == ["X-A", "B"]
    assert len(headers) == 2
    assert headers.get("C") is None
    assert dict(headers) == {"X-A": "1, 2", "B": "3"}
