/* Ogg Opus through libopusfile; always 48 kHz. */
#include "shim.h"

#include <opusfile.h>

enum { PREROLL_FRAMES = 48000, OPUS_CHANNELS = 8 };

static int read_bytes(void *input, unsigned char *out, int size)
{
    return (int)kd_input_read(input, out, size);
}

static int seek_bytes(void *input, opus_int64 offset, int whence)
{
    return kd_input_seek(input, offset, whence) < 0 ? -1 : 0;
}

static opus_int64 tell_bytes(void *input) { return kd_input_tell(input); }

static int64_t read_frames(kd_decoder *decoder, float *out, int64_t frames)
{
    int64_t done = 0;
    while (done < frames) {
        int64_t wanted = (frames - done) * decoder->channels;
        int link = 0;
        int got = op_read_float(decoder->state, out + done * decoder->channels,
                                wanted > 65536 ? 65536 : (int)wanted, &link);
        if (got == OP_HOLE)
            continue; /* lost packets; a stream with a known total is counted at its end */
        if (got < 0) {
            kd_fail(decoder, KD_CORRUPT, "the Ogg Opus stream is damaged");
            break;
        }
        if (got == 0) {
            decoder->status = KD_END;
            break;
        }
        if (op_channel_count(decoder->state, link) != decoder->channels) {
            kd_fail(decoder, KD_FORMAT_CHANGED, "");
            break;
        }
        done += got;
    }
    return done;
}

static int64_t seek_frame(kd_decoder *decoder, int64_t frame)
{
    /* Its own 80 ms of preroll leave the first frames up to a tenth off; after a second they agree. */
    int64_t start = frame > PREROLL_FRAMES ? frame - PREROLL_FRAMES : 0;
    if (op_pcm_seek(decoder->state, start) != 0)
        kd_fail(decoder, KD_CORRUPT, "libopusfile could not seek");
    float waste[960 * OPUS_CHANNELS];
    while (decoder->status == KD_OK && start < frame)
        start += read_frames(decoder, waste, frame - start > 960 ? 960 : frame - start);
    return start;
}

static const char *get_tag(kd_decoder *decoder, int index, const char **value)
{
    const OpusTags *tags = op_tags(decoder->state, -1);
    *value = NULL;
    return tags != NULL && index < tags->comments ? tags->user_comments[index] : NULL;
}

static void close_file(kd_decoder *decoder) { op_free(decoder->state); }

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
    int code = 0;
    OggOpusFile *file = op_open_callbacks(input, &callbacks, NULL, 0, &code);
    if (file == NULL)
        return kd_fail(decoder, KD_CORRUPT, "libopusfile found no readable Opus headers");
    decoder->state = file;
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
