"""A scripted loopback HTTP server for tests and demonstrations; no network, no mocks."""

from kithara_net.testing._content import Content, GeneratedContent, pattern_bytes
from kithara_net.testing._faults import (
    CHANGED_CONTENT,
    FAULT_CONTENT,
    FAULT_SIZE,
    FAULTS,
    Fault,
)
from kithara_net.testing._resource import Behaviour, RequestRecord, Resource
from kithara_net.testing._server import Server
from kithara_net.testing._threaded import ThreadedServer

__all__ = (
    # servers
    "Server",
    "ThreadedServer",
    # what they serve, and how
    "Behaviour",
    "Content",
    "GeneratedContent",
    "Resource",
    "pattern_bytes",
    # a catalogue of faults
    "Fault",
    "FAULTS",
    "FAULT_CONTENT",
    "FAULT_SIZE",
    "CHANGED_CONTENT",
    # what they saw
    "RequestRecord",
)
