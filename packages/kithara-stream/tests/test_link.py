from kithara_stream._link import Link


def test_before_anything_is_measured_a_usual_link_is_assumed() -> None:
    link = Link()
    assert link.request_in_bytes == 64 * 1024
    link.answered(0.1)
    assert link.request_in_bytes == 64 * 1024


def test_a_request_costs_what_arrives_until_its_first_byte() -> None:
    link = Link()
    link.answered(0.2)
    for _ in range(10):
        link.received(100_000, 0.1)
    assert link.request_in_bytes == 200_000


def test_the_answer_is_bounded_on_both_sides() -> None:
    slow, fast = Link(), Link()
    slow.answered(0.01)
    slow.received(1_000, 1.0)
    assert slow.request_in_bytes == 16 * 1024
    fast.answered(0.5)
    fast.received(100_000_000, 0.0)
    assert fast.request_in_bytes == 1024 * 1024


def test_a_link_that_changes_is_believed_soon() -> None:
    link = Link()
    link.answered(0.1)
    for _ in range(50):
        link.received(1_000_000, 0.1)
    for _ in range(100):
        link.received(200_000, 0.1)
    assert 200_000 <= link.request_in_bytes < 220_000
