import kithara_decode
from kithara_decode import (
    CorruptAudio,
    DecodeError,
    DecoderClosed,
    DecoderPoisoned,
    EncodedLengthMismatch,
    SeekRefused,
    UnsupportedFormat,
)


def test_all_errors_share_a_base_that_is_no_oserror() -> None:
    for name in kithara_decode.__all__:
        member = getattr(kithara_decode, name)
        if isinstance(member, type) and issubclass(member, Exception):
            assert issubclass(member, DecodeError)
            assert not issubclass(member, OSError)


def test_facts_are_attributes_and_messages_are_one_line() -> None:
    mismatch = EncodedLengthMismatch(container="flac", promised=10, produced=7)
    assert (mismatch.promised, mismatch.produced, mismatch.frame) == (10, 7, 7)
    poisoned = DecoderPoisoned(position=5)
    assert poisoned.position == 5
    refused = SeekRefused("it is a pipe", frame=3, frames=None)
    assert (refused.frame, refused.frames) == (3, None)
    unsupported = UnsupportedFormat("no", container="adts", extra="kithara-decode[av]")
    assert unsupported.extra == "kithara-decode[av]"
    for error in (mismatch, poisoned, refused, unsupported, DecoderClosed("decoder")):
        assert "\n" not in str(error)


def test_what_a_seek_repairs_is_recoverable() -> None:
    assert DecoderPoisoned(position=0).recoverable
    assert SeekRefused("", frame=0, frames=None).recoverable
    assert not CorruptAudio("", container="mp3").recoverable
