/* Ogg Opus through libopusfile; always 48 kHz. */
#include "ogg.h"

#include <opusfile.h>
#include <string.h>

enum { OPUS_RATE = 48000, OPUS_CHANNELS = 8, MAX_PACKET_FRAMES = 5760 };
static const int64_t PREROLL_BITS = 131072; /* 16 KiB */

typedef struct {
    kd_ogg ogg;
    OggOpusFile *file;
    float block[MAX_PACKET_FRAMES * OPUS_CHANNELS];
} opus_state;

static OggOpusFile *file_of(kd_ogg *ogg) { return ((opus_state *)ogg)->file; }

static int read_bytes(void *ogg, unsigned char *out, int size)
{
    return (int)kd_ogg_read(ogg, out, size);
}

static int seek_bytes(void *ogg, opus_int64 offset, int whence)
{
    return kd_ogg_seek(ogg, offset, whence) < 0 ? -1 : 0;
}

static opus_int64 tell_bytes(void *ogg) { return kd_ogg_tell(ogg); }

static int open_file(kd_ogg *ogg)
{
    OpusFileCallbacks callbacks = {read_bytes, NULL, NULL, NULL};
    if (ogg->indexed) {
        callbacks.seek = seek_bytes;
        callbacks.tell = tell_bytes;
    }
    OggOpusFile *file = op_open_callbacks(ogg, &callbacks, NULL, 0, NULL);
    if (file == NULL)
        return 0;
    ((opus_state *)ogg)->file = file;
    ogg->rate = OPUS_RATE;
    ogg->channels = op_channel_count(file, -1);
    return 1;
}

static void close_file(kd_ogg *ogg) { op_free(file_of(ogg)); }

static int64_t load_block(kd_ogg *ogg, int *link)
{
    opus_state *state = (opus_state *)ogg;
    int got = op_read_float(state->file, state->block, MAX_PACKET_FRAMES * OPUS_CHANNELS, link);
    if (got > 0)
        ogg->channels = op_channel_count(state->file, *link);
    return got >= 0 ? got : got == OP_HOLE ? KD_HOLE : KD_DAMAGE;
}

static void give_frames(kd_ogg *ogg, float *out, int64_t from, int64_t frames)
{
    int channels = ogg->channels;
    const float *block = ((opus_state *)ogg)->block + from * channels;
    const unsigned char *order = kd_wave_order(channels);
    if (channels <= 2 || order == NULL)
        memcpy(out, block, (size_t)(frames * channels) * sizeof *out);
    else
        for (int64_t i = 0; i < frames; i++, block += channels)
            for (int channel = 0; channel < channels; channel++)
                *out++ = block[order[channel]];
}

static int64_t tell_frame(kd_ogg *ogg) { return op_pcm_tell(file_of(ogg)); }

static int64_t total_frames(kd_ogg *ogg)
{
    ogg_int64_t total = op_pcm_total(file_of(ogg), -1);
    return total >= 0 ? total : -1;
}

/* libopusfile's own 80 ms leave the first frames up to a tenth off. Music agrees after a second; what
   is coded as speech, at low bit rates, may not before it pauses. */
static int64_t preroll_frames(kd_ogg *ogg)
{
    int64_t bitrate = op_bitrate(file_of(ogg), -1);
    int64_t frames = bitrate > 0 ? PREROLL_BITS * OPUS_RATE / bitrate : OPUS_RATE;
    return frames < OPUS_RATE ? OPUS_RATE : frames > 10 * OPUS_RATE ? 10 * OPUS_RATE : frames;
}

static int seek_frame(kd_ogg *ogg, int64_t frame) { return op_pcm_seek(file_of(ogg), frame) == 0; }

static int64_t next_serial(kd_ogg *ogg)
{
    int next = op_current_link(file_of(ogg)) + 1;
    return next > 0 && next < op_link_count(file_of(ogg)) ? (int64_t)op_serialno(file_of(ogg), next)
                                                          : -1;
}

static const char *get_comment(kd_ogg *ogg, int index)
{
    const OpusTags *tags = op_tags(file_of(ogg), -1);
    return tags != NULL && index < tags->comments ? tags->user_comments[index] : NULL;
}

kd_decoder *kd_open_opus(kd_input *input)
{
    static const kd_ogg_codec codec = {
        .no_headers = "libopusfile found no readable Opus headers",
        .open = open_file,
        .close = close_file,
        .load = load_block,
        .give = give_frames,
        .tell = tell_frame,
        .preroll = preroll_frames,
        .total = total_frames,
        .seek = seek_frame,
        .next_serial = next_serial,
        .comment = get_comment,
    };
    return kd_ogg_open(input, &codec, sizeof(opus_state));
}
