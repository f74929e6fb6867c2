import os

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from kithara_hls._cipher import SegmentCipher

KEY, IV = bytes(range(16)), bytes(range(16, 32))


def encrypt(clear: bytes, key: bytes = KEY, iv: bytes = IV) -> bytes:
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return encryptor.update(padder.update(clear) + padder.finalize()) + encryptor.finalize()


@given(st.binary(max_size=100), st.data())
def test_any_block_from_the_block_before(clear: bytes, data: st.DataObject) -> None:
    coded = encrypt(clear)
    cipher = SegmentCipher(KEY, IV, key_url="http://k")
    first = data.draw(st.integers(0, len(coded) // 16)) * 16
    last = data.draw(st.integers(first // 16, len(coded) // 16)) * 16
    whole = cipher.decrypt(b"", coded)
    assert whole[: len(clear)] == clear
    assert (
        cipher.decrypt(coded[first - 16 : first] if first else b"", coded[first:last])
        == whole[first:last]
    )
    assert cipher.padding(coded[-32:-16], coded[-16:]) == len(coded) - len(clear)


def test_bad_padding_is_told() -> None:
    cipher = SegmentCipher(KEY, IV, key_url="http://k")
    encryptor = Cipher(AES(KEY), CBC(IV)).encryptor()
    for block in (bytes(16), b"\x11" * 16, bytes(13) + b"\x02\x03\x03"):
        encryptor = Cipher(AES(KEY), CBC(IV)).encryptor()
        assert cipher.padding(b"", encryptor.update(block) + encryptor.finalize()) is None


def test_the_key_is_in_no_repr() -> None:
    key = os.urandom(16)
    assert repr(key) not in repr(SegmentCipher(key, IV, key_url="http://k"))
