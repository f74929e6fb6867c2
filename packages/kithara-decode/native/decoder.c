/* What all decoders share. */
#include "shim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

kd_decoder *kd_decoder_new(kd_input *input)
{
    kd_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder != NULL) {
        decoder->input = input;
        decoder->frames = -1;
        decoder->formats = KD_FLOAT32;
    }
    return decoder;
}

/* A failed input explains every other failure. */
kd_decoder *kd_fail(kd_decoder *decoder, int status, const char *message)
{
    decoder->status = kd_input_failed(decoder->input) ? KD_INPUT_FAILED : status;
    snprintf(decoder->message, sizeof decoder->message, "%s", message != NULL ? message : "");
    return decoder;
}

/* Frames are missing before the ones that the next read delivers. */
void kd_lost(kd_decoder *decoder, int64_t frames, const char *reason)
{
    kd_fail(decoder, KD_LOST, reason);
    decoder->lost_frames = frames;
}

/* The next read delivers frames of another format, once kd_change_format has been called. */
void kd_changed(kd_decoder *decoder, int32_t sample_rate, int32_t channels, int32_t bits)
{
    kd_fail(decoder, KD_FORMAT_CHANGED, "");
    decoder->next_rate = sample_rate;
    decoder->next_channels = channels;
    decoder->next_bits = bits;
}

void kd_change_format(kd_decoder *decoder)
{
    decoder->sample_rate = decoder->next_rate;
    decoder->channels = decoder->next_channels;
    decoder->bits = decoder->next_bits;
    decoder->status = KD_OK;
}

/* Read and drop what lies before a frame. The status tells whether that frame comes next; with
   KD_LOST, lost_frames of silence do. Returns where the decoder stands. */
int64_t kd_walk(kd_decoder *decoder, int64_t at, int64_t frame)
{
    float waste[4096];
    while (at < frame && decoder->status == KD_OK) {
        int64_t room = (int64_t)(sizeof waste / sizeof *waste) / decoder->channels;
        at += decoder->read(decoder, waste, frame - at < room ? frame - at : room, KD_FLOAT32);
        if (decoder->status == KD_FORMAT_CHANGED)
            kd_change_format(decoder);
        if (decoder->status == KD_LOST) {
            at += decoder->lost_frames > 0 ? decoder->lost_frames : 0;
            decoder->status = at <= frame ? KD_OK : KD_LOST;
            decoder->lost_frames = at - frame;
        }
    }
    if (decoder->status == KD_END)
        kd_fail(decoder, KD_BEYOND_END, "");
    return at;
}

/* Where the sample of that index lies in an array of a format. */
void *kd_sample(void *out, int64_t index, int format)
{
    int64_t size = format == KD_INT16 ? 2 : format == KD_FLOAT64 ? 8 : 4;
    return (unsigned char *)out + index * size;
}

/* Where each channel, in the order of WAV and FLAC, lies in the order of Vorbis and Opus. */
const unsigned char *kd_wave_order(int channels)
{
    static const unsigned char orders[9][8] = {
        {0}, {0}, {0, 1}, {0, 2, 1}, {0, 1, 2, 3}, {0, 2, 1, 3, 4}, {0, 2, 1, 5, 3, 4},
        {0, 2, 1, 6, 5, 3, 4}, {0, 2, 1, 7, 5, 6, 3, 4}};
    return channels >= 1 && channels <= 8 ? orders[channels] : NULL;
}

static inline void put_planes(unsigned char *restrict out, const uintptr_t *planes,
                              const unsigned char *order, int channels, int64_t frames, int64_t width)
{
    for (int channel = 0; channel < channels; channel++) {
        const unsigned char *restrict plane =
            (const unsigned char *)planes[order != NULL ? order[channel] : channel];
        for (int64_t i = 0; i < frames; i++)
            memcpy(out + (i * channels + channel) * width, plane + i * width, (size_t)width);
    }
}

/* Put the samples of all planes side by side, of `width` bytes each; order: as kd_wave_order's.
   Planes come as addresses, which is how PyAV tells them. */
void kd_interleave(void *out, const uintptr_t *planes, const unsigned char *order, int channels,
                   int64_t frames, int width)
{
    if (width == 4) /* a constant makes the usual case fast */
        put_planes(out, planes, order, channels, frames, 4);
    else
        put_planes(out, planes, order, channels, frames, width);
}

/* Rounded to the nearest, halves to even; what lies beyond full scale is clipped. */
static double to_integer(double sample, double full_scale)
{
    double scaled = rint(sample * full_scale);
    if (!(scaled >= -full_scale))
        return sample == sample ? -full_scale : 0.0;
    return scaled > full_scale - 1 ? full_scale - 1 : scaled;
}

static void convert(void *out, int format, const void *samples, int from, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double sample = from == KD_FLOAT64 ? ((const double *)samples)[i] : ((const float *)samples)[i];
        if (format == KD_INT16)
            ((int16_t *)out)[i] = (int16_t)to_integer(sample, 32768.0);
        else if (format == KD_INT32)
            ((int32_t *)out)[i] = (int32_t)to_integer(sample, 2147483648.0);
        else
            ((double *)out)[i] = sample;
    }
}

/* For what the library cannot write itself: piece by piece through floats. */
static int64_t read_converted(kd_decoder *decoder, void *out, int64_t frames, int format)
{
    double piece[2048];
    int from = decoder->formats & KD_FLOAT64 ? KD_FLOAT64 : KD_FLOAT32;
    int64_t room = (int64_t)(sizeof piece / sizeof piece[0]) / decoder->channels, done = 0;
    while (done < frames && decoder->status == KD_OK) {
        int64_t wanted = frames - done < room ? frames - done : room;
        int64_t got = decoder->read(decoder, piece, wanted, from);
        convert(kd_sample(out, done * decoder->channels, format), format, piece, from,
                got * decoder->channels);
        done += got;
    }
    return done;
}

/* Frames written; fewer than asked only with a status other than KD_OK. */
int64_t kd_read(kd_decoder *decoder, void *out, int64_t frames, int format)
{
    decoder->status = KD_OK;
    int64_t got = decoder->formats & format ? decoder->read(decoder, out, frames, format)
                                            : read_converted(decoder, out, frames, format);
    if (kd_input_failed(decoder->input))
        decoder->status = KD_INPUT_FAILED;
    return got;
}

/* The frame reached, which is the frame asked for when the status is KD_OK. */
int64_t kd_seek(kd_decoder *decoder, int64_t frame)
{
    decoder->status = KD_OK;
    int64_t reached = decoder->seek(decoder, frame);
    if (kd_input_failed(decoder->input))
        decoder->status = KD_INPUT_FAILED;
    return reached;
}

/* The name of tag `index` and its value, or NULL when there are no more; value may be NULL. */
const char *kd_tag(kd_decoder *decoder, int index, const char **value)
{
    *value = NULL;
    return decoder->tag != NULL ? decoder->tag(decoder, index, value) : NULL;
}

void kd_close(kd_decoder *decoder)
{
    if (decoder != NULL) {
        if (decoder->state != NULL)
            decoder->close(decoder);
        free(decoder);
    }
}
