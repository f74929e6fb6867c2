"""Two facts of FLAC's STREAMINFO, by the first 42 bytes of the stream."""


def flac_bits(head: bytes) -> int | None:
    """Return the bits per sample, None if the bytes end before."""
    return (int.from_bytes(head[20:22]) >> 4 & 0x1F) + 1 if len(head) >= 26 else None


def flac_frames(head: bytes) -> int | None:
    """Return the promised number of frames, None if there is no promise."""
    return int.from_bytes(head[21:26]) & 0xFFFFFFFFF or None if len(head) >= 26 else None
