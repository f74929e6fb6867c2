/* One shape for all C libraries: an input that Python refills, and decoders that read PCM frames.
 *
 * None of this calls the Python API: the GIL is released around every function here, and taken
 * again only inside kd_refill, which the cffi module generates. */
#ifndef KITHARA_DECODE_SHIM_H
#define KITHARA_DECODE_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h> /* SEEK_SET and its friends */

enum { KD_BUFFER_BYTES = 65536, KD_MESSAGE_BYTES = 192 };

/* Why kd_read, kd_seek or an open stopped. */
enum {
    KD_OK = 0,
    KD_END = 1,            /* no more frames */
    KD_INPUT_FAILED = 2,   /* the refill callback failed, or an unseekable input was asked to go back */
    KD_CORRUPT = 3,        /* the library gave up; kd_message says why */
    KD_UNSUPPORTED = 4,    /* the library knows that it cannot decode this */
    KD_FORMAT_CHANGED = 5, /* another format from here on, read after kd_change_format */
    KD_BEYOND_END = 6,     /* a seek past the last frame */
    KD_NO_MEMORY = 7,
    KD_LOST = 8            /* frames are missing here, the message says why; reading goes on behind them */
};

/* What kd_read writes; also the bits of kd_decoder.formats. */
enum { KD_FLOAT32 = 1, KD_FLOAT64 = 2, KD_INT16 = 4, KD_INT32 = 8 };

typedef struct kd_input kd_input;
typedef struct kd_decoder kd_decoder;

/* Written in Python: at most `size` bytes from `offset` on; 0 is the proven end, -1 a kept exception. */
extern int kd_refill(void *owner, int64_t offset, void *buffer, int size);

/* While a header is parsed, unseekable input seems to end after header_bytes: parsers look behind
 * the sound, and nobody could come back from there. */
kd_input *kd_input_new(void *owner, int64_t length, int seekable, int64_t header_bytes);
void kd_input_free(kd_input *input);
void kd_input_reset(kd_input *input);
int64_t kd_input_read(kd_input *input, void *out, int64_t size);
int64_t kd_input_read_some(kd_input *input, void *out, int64_t size);
int64_t kd_input_read_before(kd_input *input, unsigned char stop, void *out, int64_t size);
int64_t kd_input_seek(kd_input *input, int64_t offset, int whence);
int64_t kd_input_tell(const kd_input *input);
int64_t kd_input_length(const kd_input *input);
int kd_input_ended(const kd_input *input);
int kd_input_seekable(const kd_input *input);
int kd_input_failed(const kd_input *input);
int kd_input_linkwise(const kd_input *input);
void kd_input_go_linkwise(kd_input *input);
void kd_input_opening(kd_input *input, int opening);

typedef struct {
    unsigned char header[27 + 255]; /* of the page that is being read */
    int64_t held, taken, body;      /* of it; and how much of the page follows it */
    unsigned char stray[4096];      /* bytes that belong to no page */
    int64_t strays;
    int unsure; /* the header is some bytes that may begin a page */
    int inside; /* a page was seen that does not begin a stream */
    int over;   /* the header is the next link's */
} kd_ogg_link;
void kd_link_moved(kd_ogg_link *link, int64_t offset);
void kd_link_enter(kd_ogg_link *link);
int64_t kd_link_ahead(const kd_ogg_link *link);
int64_t kd_link_serial(const kd_ogg_link *link);
int64_t kd_link_read(kd_ogg_link *link, kd_input *input, void *out, int64_t size);
int64_t kd_link_skip(kd_ogg_link *link, kd_input *input);

struct kd_decoder {
    int32_t sample_rate;
    int32_t channels;
    int64_t frames;      /* -1: not told */
    int64_t lost_frames; /* how many are missing, with KD_LOST; -1: not known */
    int32_t frame_bytes; /* encoded bytes per frame where that is constant, else 0 */
    int32_t bits;        /* of the samples that went into a lossless encoder, else 0 */
    int32_t link;        /* another number for each link of a chain that is read: other tags */
    int32_t next_rate, next_channels, next_bits; /* with KD_FORMAT_CHANGED, what comes next */
    int32_t formats;     /* what `read` itself can write: KD_FLOAT32, others maybe */
    int status;
    char message[KD_MESSAGE_BYTES];
    kd_input *input;
    void *state;
    int64_t (*read)(kd_decoder *decoder, void *out, int64_t frames, int format);
    int64_t (*seek)(kd_decoder *decoder, int64_t frame);
    const char *(*tag)(kd_decoder *decoder, int index, const char **value);
    void (*close)(kd_decoder *decoder);
};

/* Every open returns a decoder (NULL only without memory); its status tells whether it may be used. */
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

/* For the backends. */
kd_decoder *kd_decoder_new(kd_input *input);
kd_decoder *kd_fail(kd_decoder *decoder, int status, const char *message);
void kd_changed(kd_decoder *decoder, int32_t sample_rate, int32_t channels, int32_t bits);
void kd_lost(kd_decoder *decoder, int64_t frames, const char *reason);
int64_t kd_walk(kd_decoder *decoder, int64_t at, int64_t frame);
const unsigned char *kd_wave_order(int channels);
void kd_interleave(void *out, const uintptr_t *planes, const unsigned char *order, int channels,
                   int64_t frames, int width);
void *kd_sample(void *out, int64_t index, int format);

#endif
