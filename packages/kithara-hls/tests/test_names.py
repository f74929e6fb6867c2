from hypothesis import given
from hypothesis import strategies as st

from kithara_hls._names import CacheNames
from kithara_net import RangeSpec

hosts = st.sampled_from(["a.test", "b.test", "b.test:8080"])
paths = st.sampled_from(["/s/1.ts", "/s/2.ts", "/a.test/s/1.ts", "/http/a.test/s/1.ts", "/"])
queries = st.sampled_from(["", "?t=1", "?t=2", "?0-5", "?%230-5"])
ranges = st.sampled_from([None, RangeSpec(0, 5), RangeSpec(5, 10)])
resources = st.tuples(st.builds("http://{}{}{}".format, hosts, paths, queries), ranges)


@given(st.lists(resources, unique=True))
def test_two_resources_of_a_playlist_never_share_a_name(made: list[tuple[str, RangeSpec]]) -> None:
    names = CacheNames("root", "segments/master", made)
    assert len({names.key(*resource) for resource in made}) == len(made)


def test_a_token_changes_no_name() -> None:
    first = CacheNames("root", "segments/master", [("http://h/s/1.ts?t=1", None)])
    then = CacheNames("root", "segments/master", [("http://u:p@h/s/1.ts?t=2", None)])
    assert first.key("http://h/s/1.ts?t=1") == then.key("http://u:p@h/s/1.ts?t=2")
    assert first.key("http://h/s/1.ts?t=1").rel_path == "segments/master/s/1.ts"
