"""The few facts of an MP4 file that decide how it is read."""


def is_fragmented(head: bytes) -> bool | None:
    """Whether the samples lie in fragments (moof); None if the given bytes do not tell."""
    at = 0
    while at + 8 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4]), head[at + 4 : at + 8]
        if size == 1 and at + 16 <= len(head):
            size = int.from_bytes(head[at + 8 : at + 16])
        if kind == b"moof":
            return True
        if kind == b"moov":
            if b"mvex" in head[at : at + size]:
                return True
            return False if at + size <= len(head) else None
        if size < 8:
            return None
        at += size
    return None
