from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kithara_assets._index import Index

NAMES = st.sampled_from("abcdef")
SIZES = st.integers(0, 1 << 44)
USES = st.integers(1, 1 << 50)


class IndexMachine(RuleBasedStateMachine):
    """The index beside plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.index = Index()
        self.used: dict[str, int] = {}
        self.size: dict[str, int] = {}
        self.grown: dict[str, int] = {}

    @rule(name=NAMES, used=USES)
    def touch(self, name: str, used: int) -> None:
        self.index.touch(name, used)
        self.used[name] = used
        self.size.setdefault(name, 0)

    @rule(name=NAMES, used=USES, size=SIZES)
    def measured(self, name: str, used: int, size: int) -> None:
        self.index.measured(name, used, size)
        self.used[name] = max(used, self.used.get(name, 0))
        self.size[name] = -(-size // 512) * 512
        self.grown.pop(name, None)

    @rule(name=NAMES, count=SIZES)
    def grow(self, name: str, count: int) -> None:
        self.index.grow(name, count)
        self.grown[name] = self.grown.get(name, 0) + count

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        self.index.forget(name)
        for facts in (self.used, self.size, self.grown):
            facts.pop(name, None)

    @rule()
    def through_a_snapshot(self) -> None:
        fresh = Index()
        fresh.adopt(self.index.numbers())
        for name, count in self.grown.items():
            fresh.grow(name, count)
        self.index = fresh

    @invariant()
    def it_is_what_was_said(self) -> None:
        index = self.index
        assert len(index) == len(self.used)
        assert set(index.names()) == set(self.used)
        assert index.bytes == sum(self.size.values()) + sum(self.grown.values())
        assert set(index.growing()) == set(self.grown)
        for name, used in self.used.items():
            assert (index.used(name), index.size(name)) == (used, self.size[name])
        by_use = [self.used[name] for name in index.oldest(4)]
        assert by_use == sorted(self.used.values())[:4]


TestIndex = IndexMachine.TestCase


def test_a_snapshot_does_not_undo_what_happened_since() -> None:
    index = Index()
    index.touch("used", 9)
    old = Index()
    old.measured("used", 3, 1024)
    old.measured("other", 4, 512)
    index.adopt(old.numbers())
    assert (index.used("used"), index.size("used")) == (9, 1024)
    assert index.oldest(2) == ["other", "used"]
    assert index.bytes == 1536
