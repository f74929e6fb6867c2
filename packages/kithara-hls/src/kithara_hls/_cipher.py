"""AES-128-CBC at any offset: the block before is the IV of a block, so nothing is read twice."""

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

__all__ = ("BLOCK", "SegmentCipher")

BLOCK: Final = 16


class SegmentCipher:
    """Decrypts whole blocks of one part. Safe to use from several threads at once."""

    __slots__ = ("_algorithm", "_iv", "key_url")

    def __init__(self, key: bytes, iv: bytes, *, key_url: str) -> None:
        self._algorithm = AES(key)
        self._iv = iv
        self.key_url = key_url

    def decrypt(self, before: bytes, blocks: bytes) -> bytes:
        """Decrypt ``blocks`` (a multiple of 16 bytes); ``before`` is the encrypted block before.

        Empty ``before`` means that ``blocks`` begin the part. Padding is not taken off.
        """
        decryptor = Cipher(self._algorithm, CBC(before or self._iv)).decryptor()
        return decryptor.update(blocks) + decryptor.finalize()

    def padding(self, before: bytes, last: bytes) -> int | None:
        """Count the bytes of padding (1 to 16, PKCS7) in the last block; None if they are bad."""
        clear = self.decrypt(before, last)
        count = clear[-1]
        if not 1 <= count <= BLOCK or clear[-count:] != bytes([count]) * count:
            return None
        return count
