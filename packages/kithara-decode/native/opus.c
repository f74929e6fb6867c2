/* Ogg Opus through libopusfile; always 48 kHz. */
#include "shim.h"

#include <opusfile.h>
#include <stdlib.h>
#include <string.h>

enum { PREROLL_FRAMES = 48000, OPUS_CHANNELS = 8, MAX_PACKET_FRAMES = 5760 };

static int read_bytes(void *input, unsigned char *out, int size)
{
    return (int)kd_input_read(input, out, size);
}

static int seek_bytes(void *input, opus_int64 offset, int whence)
{
    return kd_input_seek(input, offset, whence) < 0 ? -1 : 0;
}

static opus_int64 tell_bytes(void *input) { return kd_input_tell(input); }

typedef struct {
    OggOpusFile *file;
    float late[MAX_PACKET_FRAMES * OPUS_CHANNELS]; /* frames behind a hole, until that has been told */
    int64_t held, taken;
    int64_t next; /* the frame that is due, by the stream's own count; -1: any */
    int hole;
} opus_state;

static int64_t take_late(opus_state *state, float *out, int channels, int64_t frames)
{
    int64_t count = state->held < frames ? state->held : frames;
    memcpy(out, state->late + state->taken * channels, (size_t)(count * channels) * sizeof(float));
    state->taken += count;
    state->held -= count;
    return count;
}

static void reorder(float *frame, int channels, int frames)
{
    const unsigned char *order = kd_wave_order(channels);
    float before[OPUS_CHANNELS];
    for (int i = 0; order != NULL && channels > 2 && i < frames; i++, frame += channels) {
        memcpy(before, frame, (size_t)channels * sizeof(float));
        for (int channel = 0; channel < channels; channel++)
            frame[channel] = before[order[channel]];
    }
}

static int64_t read_frames(kd_decoder *decoder, void *out, int64_t frames, int format)
{
    (void)format;
    opus_state *state = decoder->state;
    int64_t done = 0;
    while (done < frames && decoder->status == KD_OK) {
        float *place = (float *)out + done * decoder->channels;
        if (state->held > 0) {
            done += take_late(state, place, decoder->channels, frames - done);
            continue;
        }
        int64_t wanted = frames - done > MAX_PACKET_FRAMES ? MAX_PACKET_FRAMES : frames - done;
        int link = 0;
        int got = op_read_float(state->file, place, (int)(wanted * decoder->channels), &link);
        if (got == OP_HOLE) {
            state->hole = 1;
            continue;
        }
        if (got < 0) {
            kd_fail(decoder, KD_CORRUPT, "the Ogg Opus stream is damaged");
            break;
        }
        if (got == 0) {
            decoder->status = KD_END;
            if (state->hole)
                kd_lost(decoder, -1, "packets are missing");
            state->hole = 0;
            break;
        }
        decoder->link = link;
        int channels = op_channel_count(state->file, link);
        if (channels != decoder->channels) {
            memcpy(state->late, place, (size_t)got * (size_t)channels * sizeof(float));
            reorder(state->late, channels, got);
            state->held = got;
            state->taken = state->hole = 0;
            state->next = kd_input_seekable(decoder->input) ? op_pcm_tell(state->file) : -1;
            kd_changed(decoder, 48000, channels, 0);
            break;
        }
        reorder(place, decoder->channels, got);
        int64_t start = op_pcm_tell(state->file) - got, gap = start - state->next;
        int told = state->hole && state->next >= 0 && gap > 0;
        state->next = start + got;
        if (told) {
            memcpy(state->late, place, (size_t)got * (size_t)decoder->channels * sizeof(float));
            state->held = got;
            state->taken = state->hole = 0;
            kd_lost(decoder, gap, "packets are missing");
            break;
        }
        done += got;
    }
    return done;
}

static int64_t seek_frame(kd_decoder *decoder, int64_t frame)
{
    opus_state *state = decoder->state;
    /* Its own 80 ms of preroll leave the first frames up to a tenth off; after a second they agree. */
    int64_t start = frame > PREROLL_FRAMES ? frame - PREROLL_FRAMES : 0;
    if (op_pcm_seek(state->file, start) != 0)
        kd_fail(decoder, KD_CORRUPT, "libopusfile could not seek");
    state->held = state->hole = 0;
    state->next = start;
    float waste[960 * OPUS_CHANNELS];
    while ((decoder->status == KD_OK || decoder->status == KD_LOST) && start < frame) {
        decoder->status = KD_OK;
        start += read_frames(decoder, waste, frame - start > 960 ? 960 : frame - start, KD_FLOAT32);
        if (decoder->status == KD_FORMAT_CHANGED)
            kd_change_format(decoder);
        if (decoder->status == KD_LOST && decoder->lost_frames > 0) {
            start += decoder->lost_frames;
            decoder->lost_frames = start - frame; /* what of the silence lies behind the target */
        }
    }
    if (decoder->status == KD_LOST && start <= frame)
        decoder->status = KD_OK;
    return start;
}

static const char *get_tag(kd_decoder *decoder, int index, const char **value)
{
    const OpusTags *tags = op_tags(((opus_state *)decoder->state)->file, -1);
    *value = NULL;
    return tags != NULL && index < tags->comments ? tags->user_comments[index] : NULL;
}

static void close_file(kd_decoder *decoder)
{
    op_free(((opus_state *)decoder->state)->file);
    free(decoder->state);
}

kd_decoder *kd_open_opus(kd_input *input)
{
    kd_decoder *decoder = kd_decoder_new(input);
    if (decoder == NULL)
        return NULL;
    OpusFileCallbacks callbacks = {read_bytes, NULL, NULL, NULL};
    if (kd_input_seekable(input)) {
        callbacks.seek = seek_bytes;
        callbacks.tell = tell_bytes;
    }
    opus_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return kd_fail(decoder, KD_NO_MEMORY, "out of memory");
    int code = 0;
    OggOpusFile *file = op_open_callbacks(input, &callbacks, NULL, 0, &code);
    if (file == NULL) {
        free(state);
        return kd_fail(decoder, KD_CORRUPT, "libopusfile found no readable Opus headers");
    }
    state->file = file;
    state->next = kd_input_seekable(input) ? 0 : -1;
    decoder->state = state;
    decoder->read = read_frames;
    decoder->seek = seek_frame;
    decoder->tag = get_tag;
    decoder->close = close_file;
    decoder->sample_rate = 48000;
    decoder->channels = op_channel_count(file, -1);
    ogg_int64_t total = kd_input_seekable(input) ? op_pcm_total(file, -1) : -1;
    decoder->frames = total >= 0 ? total : -1;
    return kd_input_failed(input) ? kd_fail(decoder, KD_INPUT_FAILED, "") : decoder;
}
