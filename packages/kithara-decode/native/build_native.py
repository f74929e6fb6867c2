"""Describes the C extension `kithara_decode._native` to cffi; used by setup.py only."""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
SOURCES = [
    "input", "decoder", "mpg123", "mpg123_index", "sndfile", "flac",
    "ogg", "ogg_link", "vorbis", "opus",
]  # fmt: skip

ffibuilder = FFI()

ffibuilder.cdef(
    """
    extern "Python+C" int kd_refill(void *owner, int64_t offset, void *buffer, int size);

    #define KD_OK ...
    #define KD_END ...
    #define KD_INPUT_FAILED ...
    #define KD_CORRUPT ...
    #define KD_UNSUPPORTED ...
    #define KD_FORMAT_CHANGED ...
    #define KD_BEYOND_END ...
    #define KD_NO_MEMORY ...
    #define KD_LOST ...
    #define KD_FLOAT32 ...
    #define KD_FLOAT64 ...
    #define KD_INT16 ...
    #define KD_INT32 ...

    typedef struct kd_input kd_input;
    kd_input *kd_input_new(void *owner, int64_t length, int seekable, int64_t header_bytes);
    void kd_input_free(kd_input *input);
    void kd_input_reset(kd_input *input);
    void kd_input_go_linkwise(kd_input *input);

    typedef struct {
        int32_t sample_rate;
        int32_t channels;
        int64_t frames;
        int64_t lost_frames;
        int32_t frame_bytes;
        int32_t bits;
        int32_t link;
        int32_t next_rate, next_channels, next_bits;
        int status;
        char message[192];
        ...;
    } kd_decoder;
    kd_decoder *kd_open_mpg123(kd_input *input);
    kd_decoder *kd_open_sndfile(kd_input *input);
    kd_decoder *kd_open_vorbis(kd_input *input);
    kd_decoder *kd_open_opus(kd_input *input);
    kd_decoder *kd_open_flac(kd_input *input);
    kd_decoder *kd_open_ogg_flac(kd_input *input);
    int64_t kd_read(kd_decoder *decoder, void *out, int64_t frames, int format);
    int64_t kd_seek(kd_decoder *decoder, int64_t frame);
    void kd_change_format(kd_decoder *decoder);
    const char *kd_tag(kd_decoder *decoder, int index, const char **value);
    void kd_close(kd_decoder *decoder);
    void kd_interleave(void *out, const uintptr_t *planes, const unsigned char *order,
                       int channels, int64_t frames, int width);
    """
)

ffibuilder.set_source(
    "kithara_decode._native",
    '#include "shim.h"',
    sources=[f"native/{name}.c" for name in SOURCES],
    include_dirs=[str(HERE)],
    define_macros=[("_FILE_OFFSET_BITS", "64")],
)
