"""CRC-32 (ISO 3309), the fastest there is: carry-less multiplication where ISA-L has wheels."""

from __future__ import annotations

try:
    from isal.isal_zlib import crc32
except ImportError:  # a platform without wheels, see the dependencies: the same sums, slower
    from zlib import crc32

__all__ = ("crc32",)
