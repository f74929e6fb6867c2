"""A decoder over any of the C libraries: through the shim they all look the same."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, NoReturn, cast

from ._decoder import BaseDecoder
from ._errors import CorruptAudio, SeekRefused, UnsupportedFormat
from ._input import Input
from ._options import Options
from ._pcm import LAYOUTS, AnySamples, PcmSpec
from ._shim import ffi, lib
from ._tags import merged_tags, normal_tags

if TYPE_CHECKING:
    from ._native import CData

_FORMATS = {
    "float32": lib.KD_FLOAT32,
    "float64": lib.KD_FLOAT64,
    "int16": lib.KD_INT16,
    "int32": lib.KD_INT32,
}
HEADER_BYTES = 1 << 20  # how far a parser may look into unseekable input before the first frame


class _Refill:
    """What the callback reaches through its handle; keeps the exception that a refill raised."""

    def __init__(self, source: Input) -> None:
        self.source = source
        self.error: BaseException | None = None


def _keep(_type: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    # Left alone, cffi prints the exception and the library takes it for the end of the file.
    if trace is not None:
        cast("_Refill", ffi.from_handle(trace.tb_frame.f_locals["owner"])).error = error


@ffi.def_extern(error=-1, onerror=_keep)
def kd_refill(owner: object, offset: int, buffer: object, size: int) -> int:
    """Answer the C side's wish for bytes, in whatever thread decodes."""
    refill = cast("_Refill", ffi.from_handle(owner))
    return refill.source.read_at(offset, memoryview(ffi.buffer(buffer, size)))


class NativeDecoder(BaseDecoder):
    """Decodes with the C library that `opener` opens."""

    _layouts: Mapping[int, str] = LAYOUTS  # by the number of channels

    def __init__(
        self,
        source: Input,
        opener: "Callable[[CData], CData]",
        *,
        container: str,
        options: Options,
        header_bytes: int = HEADER_BYTES,
    ) -> None:
        self._opener = opener
        self._format = _FORMATS[options.dtype]
        self._container = container
        self._refill = _Refill(source)
        self._handle = ffi.new_handle(self._refill)
        length = -1 if source.length is None else source.length
        self._input = _owned(
            lib.kd_input_new(self._handle, length, int(source.seekable), header_bytes),
            lib.kd_input_free,
        )
        self._lead_in = 0  # frames of the library before the first one of the sound
        self._next = 0  # the frame that the library delivers next; negative before the sound
        self._unchecked = False  # the next frames may be of another format than `spec`
        self._stopped = lib.KD_OK  # why its last read was short, for the next one to tell
        self._native = self._open()
        super().__init__(
            container=container,
            spec=self._next_spec(),
            frames=self._native.frames if self._native.frames >= 0 else None,
            seekable=source.seekable,
            tags=source.tags,
            raw_tags=source.raw_tags,
            options=options,
        )
        self._enter_link()

    def _open(self) -> "CData":
        native = _owned(self._opener(self._input), lib.kd_close)
        if native.status != lib.KD_OK:
            try:
                self._raise(native, None)
            finally:
                ffi.release(native)
        self._stopped = lib.KD_OK
        return native

    def _raise(self, native: "CData", frame: int | None) -> NoReturn:
        status, message = native.status, ffi.string(native.message).decode(errors="replace")
        where = "cannot be opened" if frame is None else f"cannot be decoded at frame {frame}"
        if status == lib.KD_INPUT_FAILED and self._refill.error is not None:
            error, self._refill.error = self._refill.error, None
            raise error
        if status == lib.KD_INPUT_FAILED:
            message = "its bytes are needed again, and the input is not seekable"
        if status == lib.KD_NO_MEMORY:
            raise MemoryError(message)
        text = f"the {self._container} input {where}: {message.rstrip('.')}"
        if status == lib.KD_UNSUPPORTED:
            raise UnsupportedFormat(text, container=self._container)
        raise CorruptAudio(text, container=self._container, frame=frame)

    def _enter_link(self) -> None:
        """Tell the tags of the link that is read, and those before the base of the input."""
        self._link, source = self._native.link, self._refill.source
        found = list(self._read_tags())
        self._tags = MappingProxyType(merged_tags(source.tags, normal_tags(found)))
        self._raw_tags = (*source.raw_tags, *found)

    def _read_tags(self) -> Iterator[tuple[str, str]]:
        value = ffi.new("const char **")
        index = 0
        while name := lib.kd_tag(self._native, index, value):
            index += 1
            text = ffi.string(name).decode(errors="replace")
            if value[0]:
                yield text, ffi.string(value[0]).decode(errors="replace")
            elif "=" in text:
                key, _, content = text.partition("=")
                yield key, content

    def _next_spec(self) -> PcmSpec:
        return PcmSpec(
            sample_rate=self._native.sample_rate,
            channels=self._native.channels,
            layout=self._layouts.get(self._native.channels),
            bits=self._native.bits or None,
        )

    def _fill(self, out: AnySamples) -> int:
        got = 0
        if self._unchecked:
            self._check_format(self._next)
            self._unchecked = False
        if self._stopped == lib.KD_OK:
            pointer = ffi.from_buffer(out, require_writable=True)
            got = lib.kd_read(self._native, pointer, len(out), self._format)
            self._stopped = self._native.status
            if self._native.link != self._link:
                self._enter_link()
        if got and self._stopped != lib.KD_INPUT_FAILED:
            self._next += got
        elif self._stopped == lib.KD_LOST:
            self._stopped = lib.KD_OK
            self._next += self._lose(self._next, self._native)
        elif self._stopped == lib.KD_FORMAT_CHANGED:
            lib.kd_change_format(self._native)
            self._stopped, self._unchecked = lib.KD_OK, True
            self._check_format(self._next)
        elif self._stopped != lib.KD_END:
            self._raise(self._native, self._next)
        return got

    def _lose(self, frame: int, native: "CData") -> int:
        count, reason = native.lost_frames, ffi.string(native.message).decode()
        self._lost(max(0, frame), count if count >= 0 else None, reason)
        return max(0, count)

    def _go_to(self, frame: int) -> None:
        if self._broken:
            ffi.release(self._native)
            lib.kd_input_reset(self._input)
            self._refill.error = None
            self._native = self._open()
        lib.kd_seek(self._native, self._lead_in + frame)
        if self._native.status == lib.KD_BEYOND_END:
            raise SeekRefused("it lies beyond the end", frame=frame, frames=None)
        self._next, self._stopped, self._unchecked = frame, lib.KD_OK, True
        if self._native.status == lib.KD_LOST:  # the target lies within what is missing
            self._next += self._lose(frame, self._native)
        elif self._native.status != lib.KD_OK:
            self._raise(self._native, frame)

    def _free(self) -> None:
        ffi.release(self._native)
        ffi.release(self._input)


def _owned(cdata: "CData", free: "Callable[[CData], None]") -> "CData":
    if not cdata:
        raise MemoryError
    return ffi.gc(cdata, free)
