from kithara_file._rate import Rate


def test_the_rate_is_that_of_the_last_two_seconds() -> None:
    rate = Rate()
    assert rate.after(100, now=10.0) == 0.0
    assert rate.after(200, now=10.5) == 200.0
    assert rate.after(1000, now=12.0) == 450.0
    assert rate.after(1000, now=13.0) == 0.0 + (1000 - 200) / 2.5
    assert rate.after(1000, now=20.0) == 0.0


def test_bytes_that_come_at_once_have_no_rate_yet() -> None:
    rate = Rate()
    assert [rate.after(size, now=5.0) for size in (1, 2, 3)] == [0.0] * 3
