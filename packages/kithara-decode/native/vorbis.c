/* Ogg Vorbis through libvorbisfile (its seeks are exact, it decodes chained streams). */
#define OV_EXCLUDE_STATIC_CALLBACKS
#include "shim.h"

#include <errno.h>
#include <stdlib.h>
#include <vorbis/vorbisfile.h>

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

static int64_t read_frames(kd_decoder *decoder, float *out, int64_t frames)
{
    int64_t done = 0;
    while (done < frames) {
        float **planes = NULL;
        int64_t wanted = frames - done > 4096 ? 4096 : frames - done;
        int link = 0;
        long got = ov_read_float(decoder->state, &planes, (int)wanted, &link);
        if (got == OV_HOLE)
            continue; /* lost packets; a stream with a known total is counted at its end */
        if (got < 0) {
            kd_fail(decoder, KD_CORRUPT, "the Ogg Vorbis stream is damaged");
            break;
        }
        if (got == 0) {
            decoder->status = KD_END;
            break;
        }
        vorbis_info *info = ov_info(decoder->state, -1);
        if (info->rate != decoder->sample_rate || info->channels != decoder->channels) {
            kd_fail(decoder, KD_FORMAT_CHANGED, "");
            break;
        }
        float *frame = out + done * decoder->channels;
        for (int channel = 0; channel < decoder->channels; channel++)
            for (long i = 0; i < got; i++)
                frame[i * decoder->channels + channel] = planes[channel][i];
        done += got;
    }
    return done;
}

static int64_t seek_frame(kd_decoder *decoder, int64_t frame)
{
    if (ov_pcm_seek(decoder->state, frame) != 0)
        kd_fail(decoder, KD_CORRUPT, "libvorbisfile could not seek");
    return ov_pcm_tell(decoder->state);
}

static const char *get_tag(kd_decoder *decoder, int index, const char **value)
{
    vorbis_comment *comments = ov_comment(decoder->state, -1);
    *value = NULL;
    return comments != NULL && index < comments->comments ? comments->user_comments[index] : NULL;
}

static void close_file(kd_decoder *decoder)
{
    ov_clear(decoder->state);
    free(decoder->state);
}

kd_decoder *kd_open_vorbis(kd_input *input)
{
    kd_decoder *decoder = kd_decoder_new(input);
    if (decoder == NULL)
        return NULL;
    OggVorbis_File *file = calloc(1, sizeof *file);
    if (file == NULL)
        return kd_fail(decoder, KD_NO_MEMORY, "out of memory");
    ov_callbacks callbacks = {read_bytes, NULL, NULL, NULL};
    if (kd_input_seekable(input)) {
        callbacks.seek_func = seek_bytes;
        callbacks.tell_func = tell_bytes;
    }
    int code = ov_open_callbacks(input, file, NULL, 0, callbacks);
    if (code != 0) {
        free(file);
        return kd_fail(decoder, KD_CORRUPT, "libvorbisfile found no readable Vorbis headers");
    }
    decoder->state = file;
    decoder->read = read_frames;
    decoder->seek = seek_frame;
    decoder->tag = get_tag;
    decoder->close = close_file;
    vorbis_info *info = ov_info(file, -1);
    decoder->sample_rate = (int32_t)info->rate;
    decoder->channels = info->channels;
    ogg_int64_t total = kd_input_seekable(input) ? ov_pcm_total(file, -1) : -1;
    decoder->frames = total >= 0 ? total : -1;
    return kd_input_failed(input) ? kd_fail(decoder, KD_INPUT_FAILED, "") : decoder;
}
