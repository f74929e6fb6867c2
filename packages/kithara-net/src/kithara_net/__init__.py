"""HTTP byte ranges that are what was asked for, or a typed error."""

from kithara_net._models import RangeSpec

__all__ = ("RangeSpec",)
