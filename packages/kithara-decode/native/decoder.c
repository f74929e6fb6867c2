/* What all decoders share. */
#include "shim.h"

#include <stdlib.h>

kd_decoder *kd_decoder_new(kd_input *input)
{
    kd_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder != NULL) {
        decoder->input = input;
        decoder->frames = -1;
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

/* Frames written; fewer than asked only with a status other than KD_OK. */
int64_t kd_read(kd_decoder *decoder, float *out, int64_t frames)
{
    decoder->status = KD_OK;
    int64_t got = decoder->read(decoder, out, frames);
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
