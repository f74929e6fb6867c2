/* WAV, AIFF, CAF, W64, RF64 and AU through libsndfile. */
#include "shim.h"

#include <sndfile.h>

static sf_count_t length_bytes(void *input)
{
    int64_t length = kd_input_length(input);
    return length >= 0 ? length : SF_COUNT_MAX;
}

static sf_count_t seek_bytes(sf_count_t offset, int whence, void *input)
{
    return kd_input_seek(input, offset, whence);
}

static sf_count_t read_bytes(void *out, sf_count_t size, void *input)
{
    int64_t got = kd_input_read(input, out, size);
    return got < 0 ? 0 : got;
}

static sf_count_t tell_bytes(void *input) { return kd_input_tell(input); }

static SF_VIRTUAL_IO io_functions = {length_bytes, seek_bytes, read_bytes, NULL, tell_bytes};

/* libsndfile converts 16 bits to floats one by one; compilers do it eight at a time. */
static sf_count_t read_floats_of_shorts(SNDFILE *file, float *out, sf_count_t frames, int channels)
{
    enum { PIECE = 8192 };
    short piece[PIECE];
    sf_count_t done = 0, most = PIECE / channels;
    while (done < frames) {
        sf_count_t wanted = frames - done < most ? frames - done : most;
        sf_count_t got = sf_readf_short(file, piece, wanted);
        float *place = out + done * channels;
        for (sf_count_t i = 0; i < got * channels; i++)
            place[i] = (float)piece[i] * (1.0f / 32768.0f);
        if (got > 0)
            done += got;
        if (got < wanted)
            break;
    }
    return done;
}

static int64_t read_frames(kd_decoder *decoder, void *out, int64_t frames, int format)
{
    sf_count_t got = format == KD_FLOAT32 && decoder->bits == 16 && decoder->frame_bytes > 0
                         ? read_floats_of_shorts(decoder->state, out, frames, decoder->channels)
                     : format == KD_FLOAT32 ? sf_readf_float(decoder->state, out, frames)
                     : format == KD_FLOAT64 ? sf_readf_double(decoder->state, out, frames)
                     : format == KD_INT16   ? sf_readf_short(decoder->state, out, frames)
                                            : sf_readf_int(decoder->state, out, frames);
    if (got >= frames)
        return got;
    if (sf_error(decoder->state) != SF_ERR_NO_ERROR)
        kd_fail(decoder, KD_CORRUPT, sf_strerror(decoder->state));
    else
        decoder->status = KD_END;
    return got < 0 ? 0 : got;
}

static SNDFILE *open_file(kd_input *input, SF_INFO *info)
{
    kd_input_opening(input, 1);
    SNDFILE *file = sf_open_virtual(&io_functions, SFM_READ, info, input);
    kd_input_opening(input, 0);
    return file;
}

/* From the first frame on: libsndfile does not seek in GSM 6.10, G.721 and their like. */
static sf_count_t walk_to(kd_decoder *decoder, sf_count_t frame)
{
    float waste[4096];
    SF_INFO info = {0};
    sf_count_t most = (sf_count_t)(sizeof waste / sizeof waste[0]) / decoder->channels, at = 0, got = 1;
    sf_close(decoder->state);
    decoder->state = NULL;
    if (kd_input_seek(decoder->input, 0, SEEK_SET) == 0)
        decoder->state = open_file(decoder->input, &info);
    if (decoder->state == NULL || info.channels != decoder->channels)
        return -1;
    while (at < frame && got > 0) {
        got = sf_readf_float(decoder->state, waste, frame - at < most ? frame - at : most);
        at += got > 0 ? got : 0;
    }
    return at;
}

static int64_t seek_frame(kd_decoder *decoder, int64_t frame)
{
    sf_count_t reached = sf_seek(decoder->state, frame, SEEK_SET);
    if (reached < 0 && !kd_input_failed(decoder->input))
        reached = walk_to(decoder, frame);
    if (reached < 0)
        kd_fail(decoder, KD_CORRUPT, sf_strerror(decoder->state));
    else if (reached != frame)
        kd_fail(decoder, KD_BEYOND_END, "");
    return reached;
}

static const char *get_tag(kd_decoder *decoder, int index, const char **value)
{
    static const struct { const char *name; int id; } names[] = {
        {"title", SF_STR_TITLE}, {"artist", SF_STR_ARTIST}, {"album", SF_STR_ALBUM},
        {"date", SF_STR_DATE}, {"comment", SF_STR_COMMENT}, {"genre", SF_STR_GENRE},
        {"track", SF_STR_TRACKNUMBER}, {"copyright", SF_STR_COPYRIGHT}, {"encoder", SF_STR_SOFTWARE},
    };
    if (index < 0 || index >= (int)(sizeof names / sizeof names[0]))
        return NULL;
    *value = sf_get_string(decoder->state, names[index].id);
    return names[index].name;
}

static int32_t sample_bytes(int format)
{
    switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8: case SF_FORMAT_PCM_U8: case SF_FORMAT_ULAW: case SF_FORMAT_ALAW: return 1;
    case SF_FORMAT_PCM_16: return 2;
    case SF_FORMAT_PCM_24: return 3;
    case SF_FORMAT_PCM_32: case SF_FORMAT_FLOAT: return 4;
    case SF_FORMAT_DOUBLE: return 8;
    default: return 0;
    }
}

static int32_t source_bits(int format)
{
    switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8: case SF_FORMAT_PCM_U8: case SF_FORMAT_DPCM_8: return 8;
    case SF_FORMAT_PCM_16: case SF_FORMAT_DPCM_16: case SF_FORMAT_ALAC_16: return 16;
    case SF_FORMAT_ALAC_20: return 20;
    case SF_FORMAT_PCM_24: case SF_FORMAT_ALAC_24: return 24;
    case SF_FORMAT_PCM_32: case SF_FORMAT_FLOAT: case SF_FORMAT_ALAC_32: return 32;
    case SF_FORMAT_DOUBLE: return 64;
    default: return 0;
    }
}

static void close_file(kd_decoder *decoder) { sf_close(decoder->state); }

kd_decoder *kd_open_sndfile(kd_input *input)
{
    kd_decoder *decoder = kd_decoder_new(input);
    if (decoder == NULL)
        return NULL;
    SF_INFO info = {0};
    SNDFILE *file = open_file(input, &info);
    if (file == NULL) {
        int code = sf_error(NULL);
        int unsupported = code == SF_ERR_UNRECOGNISED_FORMAT || code == SF_ERR_UNSUPPORTED_ENCODING;
        return kd_fail(decoder, unsupported ? KD_UNSUPPORTED : KD_CORRUPT, sf_strerror(NULL));
    }
    decoder->state = file;
    decoder->read = read_frames;
    decoder->seek = seek_frame;
    decoder->tag = get_tag;
    decoder->close = close_file;
    decoder->sample_rate = info.samplerate;
    decoder->channels = info.channels;
    decoder->frame_bytes = sample_bytes(info.format) * info.channels;
    decoder->bits = source_bits(info.format);
    int subtype = info.format & SF_FORMAT_SUBMASK;
    decoder->formats |= KD_FLOAT64;
    if (subtype != SF_FORMAT_FLOAT && subtype != SF_FORMAT_DOUBLE)
        decoder->formats |= KD_INT16 | KD_INT32; /* libsndfile does not clip floats */
    /* Formats that count from the file's length answer something near 2^63 when it is unknown. */
    decoder->frames = info.frames < (SF_COUNT_MAX >> 8) ? info.frames : -1;
    return kd_input_failed(input) ? kd_fail(decoder, KD_INPUT_FAILED, "") : decoder;
}
