"""What a type checker makes of a program that uses kithara-storage."""

from typing import assert_type

from kithara_storage import (
    AtomicResource,
    DiskWriter,
    Durability,
    ResourceStatus,
    StorageError,
    StreamingResource,
    WaitOutcome,
)


async def use(path: str) -> None:
    with (
        DiskWriter() as writer,
        StreamingResource.open(path, writer, durability=Durability.FULL) as resource,
    ):
        assert_type(resource, StreamingResource)
        assert_type(resource.wait_range(0, 5, timeout=1), WaitOutcome)
        assert_type(resource.read_at(0, 5), bytes)
        assert_type(resource.status, ResourceStatus)
        assert_type(resource.length, int | None)
        assert_type(resource.available(0), int)
        try:
            await resource.write_at(0, b"bytes")
            await resource.commit(length=5)
        except StorageError as error:
            assert_type(error.recoverable, bool)
    atomic = AtomicResource(path)
    await atomic.write(b"all of it")
    assert_type(await atomic.read(), bytes)
