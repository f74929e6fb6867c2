/* Ogg Vorbis through libvorbisfile (its seeks are exact, it decodes chained streams). */
#define OV_EXCLUDE_STATIC_CALLBACKS
#include "shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <vorbis/vorbisfile.h>

enum { BLOCK_FRAMES = 4096 };

static size_t read_bytes(void *out, size_t size, size_t count, void *input)
{
    int64_t got = kd_input_read(input, out, (int64_t)(size * count));
    if (got < 0) {
        errno = EIO; /* zero bytes and an errno is how vorbisfile hears of a failure */
        return 0;
    }
    return size ? (size_t)got / size : 0;
}

static int seek_bytes(void *input, ogg_int64_t offset, int whence)
{
    return kd_input_seek(input, offset, whence) < 0 ? -1 : 0;
}

static long tell_bytes(void *input) { return (long)kd_input_tell(input); }

typedef struct {
    OggVorbis_File file;
    float *late; /* frames behind a hole, kept until the hole has been told */
    int64_t held, taken;
    int64_t next; /* the frame that is due, by the stream's own count; -1: any */
    int hole;
} vorbis_state;

static void interleave(float *out, float **planes, int channels, long frames)
{
    kd_interleave(out, (const uintptr_t *)planes, kd_wave_order(channels), channels, frames, sizeof *out);
}

static int64_t take_late(vorbis_state *state, float *out, int channels, int64_t frames)
{
    int64_t count = state->held < frames ? state->held : frames;
    memcpy(out, state->late + state->taken * channels, (size_t)(count * channels) * sizeof(float));
    state->taken += count;
    state->held -= count;
    return count;
}

static int64_t read_frames(kd_decoder *decoder, void *out, int64_t frames, int format)
{
    (void)format;
    vorbis_state *state = decoder->state;
    int64_t done = 0;
    while (done < frames && decoder->status == KD_OK) {
        float *place = (float *)out + done * decoder->channels;
        if (state->held > 0) {
            done += take_late(state, place, decoder->channels, frames - done);
            continue;
        }
        float **planes = NULL;
        int64_t wanted = frames - done > BLOCK_FRAMES ? BLOCK_FRAMES : frames - done;
        int link = decoder->link;
        long got = ov_read_float(&state->file, &planes, (int)wanted, &link);
        if (got == OV_HOLE) {
            state->hole = 1;
            continue;
        }
        if (got < 0) {
            kd_fail(decoder, KD_CORRUPT, "the Ogg Vorbis stream is damaged");
            break;
        }
        if (got == 0) {
            decoder->status = KD_END;
            if (state->hole)
                kd_lost(decoder, -1, "packets are missing");
            state->hole = 0;
            break;
        }
        vorbis_info *info = ov_info(&state->file, -1);
        if (info->rate != decoder->sample_rate || info->channels != decoder->channels) {
            float *late = realloc(state->late, sizeof(float) * BLOCK_FRAMES * (size_t)info->channels);
            if (late == NULL) {
                kd_fail(decoder, KD_NO_MEMORY, "out of memory");
                break;
            }
            state->late = late;
            interleave(late, planes, info->channels, got);
            state->held = got;
            state->taken = state->hole = 0;
            decoder->link = link;
            state->next = kd_input_seekable(decoder->input) ? ov_pcm_tell(&state->file) : -1;
            kd_changed(decoder, (int32_t)info->rate, info->channels, 0);
            break;
        }
        int64_t start = ov_pcm_tell(&state->file) - got, gap = start - state->next;
        if (!kd_input_seekable(decoder->input) && link != decoder->link) {
            state->next = -1; /* each link counts for itself */
            state->hole = 0;  /* libvorbisfile reads the last page of its headers twice */
        }
        int told = state->hole && state->next >= 0 && gap > 0;
        state->next = start + got;
        decoder->link = link;
        if (told) {
            /* Positions are known at the end of a page: only there it shows how much is missing. */
            interleave(state->late, planes, decoder->channels, got);
            state->held = got;
            state->taken = state->hole = 0;
            kd_lost(decoder, gap, "packets are missing");
            break;
        }
        interleave(place, planes, decoder->channels, got);
        done += got;
    }
    return done;
}

static int64_t seek_frame(kd_decoder *decoder, int64_t frame)
{
    vorbis_state *state = decoder->state;
    if (ov_pcm_seek(&state->file, frame) != 0)
        kd_fail(decoder, KD_CORRUPT, "libvorbisfile could not seek");
    state->held = state->hole = 0;
    state->next = -1;
    return ov_pcm_tell(&state->file);
}

static const char *get_tag(kd_decoder *decoder, int index, const char **value)
{
    vorbis_comment *comments = ov_comment(&((vorbis_state *)decoder->state)->file, -1);
    *value = NULL;
    return comments != NULL && index < comments->comments ? comments->user_comments[index] : NULL;
}

static void close_file(kd_decoder *decoder)
{
    vorbis_state *state = decoder->state;
    ov_clear(&state->file);
    free(state->late);
    free(state);
}

kd_decoder *kd_open_vorbis(kd_input *input)
{
    kd_decoder *decoder = kd_decoder_new(input);
    if (decoder == NULL)
        return NULL;
    vorbis_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return kd_fail(decoder, KD_NO_MEMORY, "out of memory");
    ov_callbacks callbacks = {read_bytes, NULL, NULL, NULL};
    if (kd_input_seekable(input)) {
        callbacks.seek_func = seek_bytes;
        callbacks.tell_func = tell_bytes;
    }
    OggVorbis_File *file = &state->file;
    if (ov_open_callbacks(input, file, NULL, 0, callbacks) != 0) {
        free(state);
        return kd_fail(decoder, KD_CORRUPT, "libvorbisfile found no readable Vorbis headers");
    }
    /* Behind a first link of one page libvorbisfile takes itself for being in the second one, and
       tells that one's format, until it seeks. */
    if (kd_input_seekable(input) && ov_streams(file) > 1)
        ov_pcm_seek(file, 0);
    decoder->state = state;
    decoder->read = read_frames;
    decoder->seek = seek_frame;
    decoder->tag = get_tag;
    decoder->close = close_file;
    vorbis_info *info = ov_info(file, -1);
    decoder->sample_rate = (int32_t)info->rate;
    decoder->channels = info->channels;
    state->late = malloc(sizeof(float) * BLOCK_FRAMES * (size_t)info->channels);
    if (state->late == NULL)
        return kd_fail(decoder, KD_NO_MEMORY, "out of memory");
    state->next = kd_input_seekable(input) ? 0 : -1;
    ogg_int64_t total = kd_input_seekable(input) ? ov_pcm_total(file, -1) : -1;
    decoder->frames = total >= 0 ? total : -1;
    return kd_input_failed(input) ? kd_fail(decoder, KD_INPUT_FAILED, "") : decoder;
}
