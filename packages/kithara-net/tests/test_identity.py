import pytest

from kithara_net import ResponseHead, Validator
from kithara_net._identity import Identity, compare, may_rotate

DAY = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Mon, 07 Nov 1994 08:49:37 GMT"


def validator(etag: str | None = None, date: str | None = None, strong: bool = True) -> Validator:
    return Validator(etag=etag, last_modified=date, if_range=(etag or date) if strong else None)


def head(validator: Validator | None, url: str = "http://h/a") -> ResponseHead:
    return ResponseHead(
        status=200,
        final_url=url,
        headers={},
        start=0,
        stop=None,
        total=None,
        validator=validator,
        accepts_ranges=True,
        media_type=None,
    )


@pytest.mark.parametrize(
    ("first", "later", "identity"),
    [
        (validator('"a"'), validator('"a"'), Identity.SAME),
        (validator('"a"'), validator('"b"'), Identity.CHANGED),
        (validator('"a"', DAY), validator('"a"', LATER), Identity.SAME),
        (validator('W/"a"', strong=False), validator('W/"a"', strong=False), Identity.UNKNOWN),
        (validator('W/"a"', strong=False), validator('W/"b"', strong=False), Identity.CHANGED),
        (validator(date=DAY), validator(date=DAY), Identity.SAME),
        (validator(date=DAY, strong=False), validator(date=DAY, strong=False), Identity.UNKNOWN),
        (validator(date=DAY), validator(date=LATER), Identity.CHANGED),
        (validator('"a"', DAY), validator(date=LATER), Identity.CHANGED),
        (validator('"a"', DAY), validator(date=DAY), Identity.UNKNOWN),
        (validator('"a"'), None, Identity.UNKNOWN),
        (None, validator('"a"'), Identity.UNKNOWN),
        (None, None, Identity.UNKNOWN),
        (validator('"a"'), validator(date=DAY), Identity.UNKNOWN),
    ],
)
def test_compare(first: Validator | None, later: Validator | None, identity: Identity) -> None:
    assert compare(head(first), head(later)) is identity


def test_validators_belong_to_an_address() -> None:
    same, other = validator('"a"'), validator('"b"')
    assert compare(head(same, "http://h/a?t=1"), head(same, "http://h/a?t=2")) is Identity.SAME
    for later in (same, other):
        found = compare(head(same, "http://h/a"), head(later, "http://mirror/a"))
        assert found is Identity.UNKNOWN


def test_may_rotate() -> None:
    one, two, three = validator('"1"'), validator('"2"'), validator('"3"')
    assert may_rotate(one, two, three)
    assert not may_rotate(one, two, two)
    assert not may_rotate(one, two, one)
    assert not may_rotate(one, two, None)
    dated = [validator(f'"{n}"', DAY) for n in range(3)]
    assert may_rotate(*dated)
    assert not may_rotate(dated[0], dated[1], validator('"9"', LATER))
