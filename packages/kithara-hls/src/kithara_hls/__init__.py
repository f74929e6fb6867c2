"""HLS VOD: playlists, keys and segments as one readable, cached stream."""

__all__ = ()
