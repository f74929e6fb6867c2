/* MPEG audio layers I, II and III through libmpg123. */
#include "mpg123_index.h"
#include "shim.h"

#include <mpg123.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* How many frames are decoded before a target: as far as a frame can reach back for its bits, where
 * the smallest ones hold 58 bytes of them (MPEG-1), or one (MPEG-2), of the 511 or 255 there are. */
enum { MAX_CHANNELS = 2, PREFRAMES = 32, PREFRAMES_2 = 272, SAMPLES_1 = 1152 };

typedef struct {
    mpg123_handle *handle;
    unsigned char *frame; /* the rest of the last frame, in the handle's own buffer */
    size_t held;          /* in bytes */
    off_t due;            /* the byte where the next frame should begin; -1: anywhere */
    int before;           /* frames decoded before a seek's target */
    kd_frames frames;
} mpg123_state;

static mpg123_ssize_t read_bytes(void *input, void *out, size_t size)
{
    return (mpg123_ssize_t)kd_input_read(input, out, (int64_t)size);
}

static off_t seek_bytes(void *input, off_t offset, int whence)
{
    /* Without seeking, libmpg123 must fall back on its own buffered reader. */
    return kd_input_seekable(input) ? (off_t)kd_input_seek(input, offset, whence) : (off_t)-1;
}

static int format_is_ours(kd_decoder *decoder, int32_t *rate_there, int32_t *channels_there)
{
    long rate = 0;
    int channels = 0, encoding = 0;
    mpg123_state *state = decoder->state;
    if (mpg123_getformat(state->handle, &rate, &channels, &encoding) != MPG123_OK)
        return 0;
    *rate_there = (int32_t)rate;
    *channels_there = channels;
    return rate == decoder->sample_rate && channels == decoder->channels &&
           encoding == MPG123_ENC_FLOAT_32;
}

/* Whether the frame just decoded began where the one before it ended, tags between them aside. */
static int follows(mpg123_state *state)
{
    struct mpg123_frameinfo info;
    if (mpg123_info(state->handle, &info) != MPG123_OK)
        return 1;
    off_t start = mpg123_framepos(state->handle), due = state->due;
    state->due = start + info.framesize;
    int tagged = mpg123_meta_check(state->handle) & MPG123_NEW_ID3;
    mpg123_meta_free(state->handle);
    return due < 0 || start <= due || tagged;
}

static int64_t read_frames(kd_decoder *decoder, void *out, int64_t frames, int format)
{
    (void)format;
    mpg123_state *state = decoder->state;
    size_t frame_bytes = (size_t)decoder->channels * sizeof(float);
    size_t wanted = (size_t)frames * frame_bytes, done = 0;
    while (done < wanted) {
        if (state->held > 0) {
            size_t count = state->held < wanted - done ? state->held : wanted - done;
            memcpy((unsigned char *)out + done, state->frame, count);
            state->frame += count;
            state->held -= count;
            done += count;
            continue;
        }
        off_t number = 0;
        int32_t rate = 0, channels = 0;
        int code = mpg123_decode_frame(state->handle, &number, &state->frame, &state->held);
        if (code == MPG123_OK) {
            if (follows(state))
                continue;
            kd_lost(decoder, -1, "bytes that are no MPEG audio were passed over");
            break;
        }
        state->held = 0;
        if (code == MPG123_NEW_FORMAT && format_is_ours(decoder, &rate, &channels))
            continue;
        /* A last frame that the file cuts short is an end like any other. */
        if (code == MPG123_DONE || (mpg123_errcode(state->handle) == MPG123_ERR_READER &&
                                    kd_input_ended(decoder->input)))
            decoder->status = KD_END;
        else if (code == MPG123_NEW_FORMAT && channels > 0)
            kd_changed(decoder, rate, channels, 0);
        else
            kd_fail(decoder, KD_CORRUPT, mpg123_strerror(state->handle));
        break;
    }
    return (int64_t)(done / frame_bytes);
}

static int64_t seek_frame(kd_decoder *decoder, int64_t frame)
{
    /* Without a known length libmpg123 claims to reach any frame: the one before must be there. */
    int probe = decoder->frames < 0 && frame > 0;
    mpg123_state *state = decoder->state;
    state->held = 0;
    state->due = -1;
    if (frame < decoder->frames)
        kd_point_to(&state->frames, state->handle, decoder->input, frame, state->before + 2);
    off_t reached = mpg123_seek(state->handle, (off_t)(frame - probe), SEEK_SET);
    if (reached < 0)
        kd_fail(decoder, KD_CORRUPT, mpg123_strerror(state->handle));
    else if (reached != frame - probe)
        kd_fail(decoder, KD_BEYOND_END, "");
    else if (probe) {
        float before[MAX_CHANNELS];
        while (read_frames(decoder, before, 1, KD_FLOAT32) != 1 &&
               decoder->status == KD_FORMAT_CHANGED)
            kd_change_format(decoder);
        if (decoder->status == KD_END)
            kd_fail(decoder, KD_BEYOND_END, "");
    }
    return frame;
}

static void close_handle(kd_decoder *decoder)
{
    mpg123_delete(((mpg123_state *)decoder->state)->handle);
    free(decoder->state);
}

kd_decoder *kd_open_mpg123(kd_input *input)
{
    kd_decoder *decoder = kd_decoder_new(input);
    if (decoder == NULL)
        return NULL;
    int code = mpg123_init();
    mpg123_handle *handle = code == MPG123_OK ? mpg123_new(NULL, &code) : NULL;
    if (handle == NULL)
        return kd_fail(decoder, KD_NO_MEMORY, mpg123_plain_strerror(code));
    mpg123_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        mpg123_delete(handle);
        return kd_fail(decoder, KD_NO_MEMORY, "out of memory");
    }
    state->handle = handle;
    state->due = -1;
    decoder->state = state;
    decoder->read = read_frames;
    decoder->seek = seek_frame;
    decoder->close = close_handle;

    /* Not peeking at the end keeps the length honest (unknown without a Xing header); never FUZZY. */
    long flags = MPG123_QUIET | MPG123_GAPLESS | MPG123_FORCE_FLOAT | MPG123_NO_PEEK_END |
                 MPG123_SKIP_ID3V2 |
                 (kd_input_seekable(input) ? MPG123_FORCE_SEEKABLE : MPG123_SEEKBUFFER);
    long rate = 0;
    int channels = 0, encoding = 0;
    if (mpg123_param(handle, MPG123_FLAGS, flags, 0.0) != MPG123_OK ||
        mpg123_param(handle, MPG123_RESYNC_LIMIT, -1, 0.0) != MPG123_OK ||
        mpg123_replace_reader_handle(handle, read_bytes, seek_bytes, NULL) != MPG123_OK ||
        mpg123_open_handle(handle, input) != MPG123_OK ||
        mpg123_getformat(handle, &rate, &channels, &encoding) != MPG123_OK)
        return kd_fail(decoder, KD_CORRUPT, mpg123_strerror(handle));
    if (encoding != MPG123_ENC_FLOAT_32)
        return kd_fail(decoder, KD_UNSUPPORTED, "this libmpg123 was built without 32-bit float output");
    decoder->sample_rate = (int32_t)rate;
    decoder->channels = channels;
    state->before = mpg123_spf(handle) == SAMPLES_1 ? PREFRAMES : PREFRAMES_2;
    if (mpg123_param(handle, MPG123_PREFRAMES, state->before, 0.0) != MPG123_OK)
        return kd_fail(decoder, KD_CORRUPT, mpg123_strerror(handle));
    off_t length = mpg123_length(handle);
    decoder->frames = length > 0 ? (int64_t)length : -1;
    return decoder;
}
