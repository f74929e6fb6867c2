from __future__ import annotations

import itertools
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_assets import ResourceKey, encode_path
from kithara_assets._names import DEVICE_NAMES, RESERVED_SUFFIXES
from kithara_assets._url import canonical_path

HOSTILE = [
    "", ".", "..", "/", "//", "///", "./", "../", "/..", "/../", "a/..", "a/../..",
    "../../../etc/passwd", "/etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd",
    "..\\..\\windows", "C:\\x", "C:/x", "c:x", "\\\\server\\share", "//server/share",
    "file:///etc/passwd", "~", "~root", "~/x", "a~b", "a~", "a\0b", "%00", "a%00.mp3", "\n",
    "a\nb", "\t", "\r\n", "\x7f", "\x1b[2J", " ", " a", "a ", "a .ts", "a.", "a..", "...",
    "....", ".hidden", ".lease", ".part", "a.part", "a.map", "a.meta", "a.lease", "A.PART",
    "a.part/b", "CON", "con", "con.txt", "CON.ts", "aux", "nul.mp3", "prn", "com1", "lpt9.ts",
    "com¹", "conin$", "con .txt", "a/con/b.ts", "A", "a", "Ab.ts", "aB.ts", "AB.TS", "ab.ts",
    "ß.ts", "ss.ts", "SS.ts", "ſ.ts", "s.ts", "İ.ts", "i̇.ts", "ı.ts", "K.ts", "k.ts", "K.ts",
    "é.ts", "e\u0301.ts", "ﬁ.ts", "fi.ts", "x" * 300, "x" * 300 + ".mp3", "x" * 301 + ".mp3",
    "я" * 300, "a/" * 200 + "b.ts", "d.d/" * 9 + "b.ts", "x" * 64 + ".ts", "x" * 70 + ".ts",
    "a:b", "a:b:$DATA", "a|b", "a?b", "a*b", "a<b>", 'a"b', "-rf", "--help", "$(id)", "`id`",
    ";id", "a&b", "%", "%%", "%zz", "%2", "%25", "a%2fb", "a/b", "a/b/", "a//b", "v1.2",
    "v1.2/x.ts", "v1~2/x.ts", "\ud800", "\U0001f600.mp3", "\u202egpj.exe", "a\u200bb", "_index",
    "_index/format", "CACHEDIR.TAG", "cachedir.tag", "format", "a;x=1", "a,b", "a+b", "a b",
    "a%20b", "a=b", "@", "..;/x", "。。/x", "．．/x", "unnamed~aaaaaaaaaaaaaaaaaaaa", "desktop.ini",
    "thumbs.db", "seg 1.ts", "Seg 1.ts", "seg-1.ts",
]  # fmt: skip

SAFE = re.compile(r"[a-z0-9_][a-z0-9._~-]*")

text_path = st.text(max_size=40)
tricky_path = st.lists(
    st.sampled_from(
        [
            "a",
            "A",
            "b",
            ".",
            "..",
            "/",
            "//",
            "%",
            "2e",
            "%2F",
            "~",
            " ",
            "ß",
            "ss",
            "é",
            "e\u0301",
            ".ts",
            ".TS",
            ".part",
            "con",
            "CON",
            "\0",
            "\\",
            "x" * 70,
            "1",
            "K",
            "k",
            "?",
            "#",
            "ſ",
        ]
    ),
    max_size=8,
).map("".join)
any_path = text_path | tricky_path


def folded(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


def assert_safe(rel_path: str) -> None:
    parts = rel_path.split("/")
    assert len(rel_path) <= 200
    for part in parts:
        assert SAFE.fullmatch(part), rel_path
        assert len(part) <= 64 + 9, rel_path
        assert not part.endswith((".", " "))
        assert not part.endswith(RESERVED_SUFFIXES)
        assert part.partition(".")[0] not in DEVICE_NAMES
    assert folded(rel_path) == rel_path
    assert not PurePosixPath(rel_path).is_absolute()
    assert PureWindowsPath(rel_path).drive == PureWindowsPath(rel_path).root == ""
    ResourceKey("asset", rel_path)


def test_the_table_is_long_enough() -> None:
    assert len(set(HOSTILE)) >= 120


@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_become_safe_ones(path: str) -> None:
    assert_safe(encode_path(path))
    assert_safe(encode_path(path, "a=../../x"))


def test_hostile_names_share_no_file_and_all_fit_in_one_folder(tmp_path: Path) -> None:
    paths = {"/" + canonical_path(path).removeprefix("/") for path in HOSTILE}
    names = {encode_path(path) for path in paths}
    assert len(names) == len(paths)
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)  # no file stands where a folder must
        file.write_text(name)
        assert file.resolve().is_relative_to(tmp_path)
    assert all((tmp_path / name).read_text() == name for name in names)


@given(any_path, any_path, st.none() | st.text(max_size=5), st.none() | st.text(max_size=5))
def test_two_paths_never_share_a_file(
    one: str, two: str, one_query: str | None, two_query: str | None
) -> None:
    first, second = encode_path(one, one_query), encode_path(two, two_query)
    assert_safe(first)
    same = canonical_path(one).removeprefix("/") == canonical_path(two).removeprefix("/") and (
        one_query or None
    ) == (two_query or None)
    assert (folded(first) == folded(second)) == same
    if not same:
        assert not folded(first).startswith(folded(second) + "/")
        assert not folded(second).startswith(folded(first) + "/")


plain_text = st.text(st.characters(exclude_characters="%./", codec="utf-8"), max_size=20)


@given(st.lists(plain_text, min_size=1, max_size=4), st.lists(plain_text, min_size=1, max_size=4))
def test_without_escapes_and_dots_even_the_spelling_counts(one: list[str], two: list[str]) -> None:
    paths = ["x" + "/".join(one), "x" + "/".join(two)]
    assert (encode_path(paths[0]) == encode_path(paths[1])) == (paths[0] == paths[1])


def test_spellings_of_one_path_share_a_file() -> None:
    for same in (
        ("segments/seg 1.ts", "/segments/seg%201.ts", "/x/../segments/./seg 1.ts"),
        ("%61.ts", "a.ts"),
        ("é.ts", "%c3%a9.ts", "%C3%A9.ts"),
    ):
        assert len({encode_path(path) for path in same}) == 1
    assert encode_path("a%2fb") != encode_path("a/b")
    assert encode_path("a", "") == encode_path("a")


@pytest.mark.parametrize(
    ("path", "readable"),
    [
        ("master.m3u8", r"master\.m3u8"),
        ("/hls/variant_0.m3u8", r"hls/variant_0\.m3u8"),
        ("segments/0001.ts", r"segments/0001\.ts"),
        ("segments/seg 1.ts", r"segments/seg-1~\w{20}\.ts"),
        ("Episode 12 – Café.MP3", r"episode-12-cafe~\w{20}\.mp3"),
        ("key", r"key~\w{20}"),
        ("v1.2/a.ts", r"v1-2~\w{20}/a\.ts"),
        ("x" * 300 + ".mp3", r"x{32}~\w{20}\.mp3"),
        ("a.part", r"a-part~\w{20}"),
        ("con.txt", r"con~\w{20}\.txt"),
    ],
)
def test_names_stay_readable(path: str, readable: str) -> None:
    assert re.fullmatch(readable, encode_path(path))


def test_names_do_not_change_between_versions() -> None:
    """A change here orphans what users have on disk."""
    assert encode_path("segments/seg 1.ts") == "segments/seg-1~jghi7xbz43dpz3uvxijm.ts"
    assert encode_path("seg.ts", "a=1") == "seg~rxumbgeoioqayvdhs7mr.ts"
    assert encode_path("a") == "a~2wbux5pjeqfp6ja22rqn"
    assert encode_path("v1.2/x.ts") == "v1-2~3ubwb7z537mzq33fzfiq/x.ts"


def test_a_query_names_a_resource_of_its_own() -> None:
    names = {encode_path("seg.ts", query) for query in (None, "a=1", "a=2", "A=1")}
    assert len(names) == 4
    assert all(re.fullmatch(r"seg(~\w{20})?\.ts", name) for name in names)


def test_deep_and_long_paths_are_folded_without_collisions() -> None:
    folders = ["d" * 60] * 5
    paths = ["/".join([*folders, "a.ts"]), "/".join([*folders, "e", "a.ts"])]
    paths += ["/".join(map(str, range(depth))) + "/a.ts" for depth in range(1, 40)]
    names = [encode_path(path) for path in paths]
    assert len(set(names)) == len(paths)
    for name in names:
        assert_safe(name)
    for one, two in itertools.permutations(names, 2):
        assert not one.startswith(two + "/")
