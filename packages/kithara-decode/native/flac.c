/* FLAC of any depth, native and in Ogg, through libFLAC. */
#include "shim.h"

#include <FLAC/stream_decoder.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 8, MAX_BLOCK = 65536, MAX_GAP_SECONDS = 600 };

typedef struct {
    FLAC__StreamDecoder *flac;
    kd_decoder *decoder;
    int in_ogg;
    kd_ogg_link link;
    int info_seen; /* the link has said what it is */
    int32_t *block; /* the rest of the last block, interleaved */
    int64_t held, taken;
    int bits;          /* of the block's samples */
    int64_t next;      /* the frame that is due, by the stream's own numbers */
    int64_t total;     /* what the link promises, else 0 */
    int64_t origin;    /* the number of the first frame: not 0 where a broadcast was joined */
    int64_t silent;    /* the frame behind the silence that stands for missing blocks */
    int64_t gap;       /* frames missing before the block */
    int seeking;
    int damaged;       /* libFLAC complained since the last good block */
    int changed;       /* the block has this rate and count of channels, unlike those before it */
    int32_t rate, channels;
    const char *reason;
    int comments_count;
    char **comments;
} flac_state;

static FLAC__StreamDecoderReadStatus read_bytes(const FLAC__StreamDecoder *flac, FLAC__byte *out,
                                                size_t *size, void *client)
{
    (void)flac;
    flac_state *state = client;
    kd_input *input = state->decoder->input;
    int64_t got = state->in_ogg ? kd_link_read(&state->link, input, out, (int64_t)*size)
                                : kd_input_read_some(input, out, (int64_t)*size);
    *size = got > 0 ? (size_t)got : 0;
    return got < 0    ? FLAC__STREAM_DECODER_READ_STATUS_ABORT
           : got == 0 ? FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM
                      : FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
}

static FLAC__StreamDecoderSeekStatus seek_bytes(const FLAC__StreamDecoder *flac, FLAC__uint64 offset,
                                                void *client)
{
    (void)flac;
    kd_input *input = ((flac_state *)client)->decoder->input;
    if (!kd_input_seekable(input))
        return FLAC__STREAM_DECODER_SEEK_STATUS_UNSUPPORTED;
    kd_link_moved(&((flac_state *)client)->link, (int64_t)offset);
    return kd_input_seek(input, (int64_t)offset, SEEK_SET) < 0 ? FLAC__STREAM_DECODER_SEEK_STATUS_ERROR
                                                               : FLAC__STREAM_DECODER_SEEK_STATUS_OK;
}

static FLAC__StreamDecoderTellStatus tell_bytes(const FLAC__StreamDecoder *flac, FLAC__uint64 *offset,
                                                void *client)
{
    (void)flac;
    *offset = (FLAC__uint64)kd_input_tell(((flac_state *)client)->decoder->input);
    return FLAC__STREAM_DECODER_TELL_STATUS_OK;
}

static FLAC__StreamDecoderLengthStatus length_bytes(const FLAC__StreamDecoder *flac,
                                                    FLAC__uint64 *length, void *client)
{
    (void)flac;
    int64_t known = kd_input_length(((flac_state *)client)->decoder->input);
    if (known < 0)
        return FLAC__STREAM_DECODER_LENGTH_STATUS_UNSUPPORTED;
    *length = (FLAC__uint64)known;
    return FLAC__STREAM_DECODER_LENGTH_STATUS_OK;
}

static FLAC__bool at_end(const FLAC__StreamDecoder *flac, void *client)
{
    (void)flac;
    flac_state *state = client;
    return state->in_ogg ? state->link.over : kd_input_ended(state->decoder->input);
}

static int is_silent(const FLAC__int32 *const planes[], unsigned channels, unsigned frames)
{
    for (unsigned channel = 0; channel < channels; channel++)
        for (unsigned i = 0; i < frames; i++)
            if (planes[channel][i] != 0)
                return 0;
    return 1;
}

static FLAC__StreamDecoderWriteStatus take_block(const FLAC__StreamDecoder *flac, const FLAC__Frame *frame,
                                                 const FLAC__int32 *const planes[], void *client)
{
    (void)flac;
    flac_state *state = client;
    kd_decoder *decoder = state->decoder;
    unsigned channels = frame->header.channels, frames = frame->header.blocksize;
    int64_t number = (int64_t)frame->header.number.sample_number;
    /* Newer versions put silence where blocks are missing; the numbers tell how much that is. */
    if (state->damaged && !state->seeking && is_silent(planes, channels, frames)) {
        state->silent = number + frames;
        return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
    }
    if (channels > MAX_CHANNELS || frames > MAX_BLOCK)
        return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT; /* what the format rules out */
    state->rate = (int32_t)frame->header.sample_rate;
    state->channels = (int32_t)channels;
    state->changed = state->rate != decoder->sample_rate || state->channels != decoder->channels;
    if (number > state->next)
        state->gap += number - state->next;
    if (channels == 2) /* in a loop of its own, which compilers make a fast one of */
        for (unsigned i = 0; i < frames; i++) {
            state->block[2 * i] = planes[0][i];
            state->block[2 * i + 1] = planes[1][i];
        }
    for (unsigned i = 0; channels != 2 && i < frames; i++)
        for (unsigned channel = 0; channel < channels; channel++)
            state->block[i * channels + channel] = planes[channel][i];
    state->bits = (int)frame->header.bits_per_sample;
    state->held = frames;
    state->taken = 0;
    state->next = number + frames;
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
}

static void take_metadata(const FLAC__StreamDecoder *flac, const FLAC__StreamMetadata *metadata, void *client)
{
    (void)flac;
    flac_state *state = client;
    kd_decoder *decoder = state->decoder;
    if (metadata->type == FLAC__METADATA_TYPE_STREAMINFO) {
        state->info_seen = 1;
        state->total = (int64_t)metadata->data.stream_info.total_samples;
    }
    if (metadata->type == FLAC__METADATA_TYPE_STREAMINFO && decoder->sample_rate == 0) {
        const FLAC__StreamMetadata_StreamInfo *info = &metadata->data.stream_info;
        decoder->sample_rate = (int32_t)info->sample_rate;
        decoder->channels = (int32_t)info->channels;
        decoder->bits = (int32_t)info->bits_per_sample;
        decoder->frames = state->total > 0 ? state->total : -1;
    } else if (metadata->type == FLAC__METADATA_TYPE_VORBIS_COMMENT && state->comments == NULL) {
        const FLAC__StreamMetadata_VorbisComment *found = &metadata->data.vorbis_comment;
        state->comments = calloc(found->num_comments ? found->num_comments : 1, sizeof(char *));
        for (FLAC__uint32 i = 0; state->comments != NULL && i < found->num_comments; i++) {
            char *copy = calloc((size_t)found->comments[i].length + 1, 1);
            if (copy == NULL)
                break;
            if (found->comments[i].length > 0)
                memcpy(copy, found->comments[i].entry, found->comments[i].length);
            state->comments[state->comments_count++] = copy;
        }
    }
}

static void take_error(const FLAC__StreamDecoder *flac, FLAC__StreamDecoderErrorStatus status, void *client)
{
    (void)flac;
    flac_state *state = client;
    state->damaged = 1;
    state->reason = status == FLAC__STREAM_DECODER_ERROR_STATUS_FRAME_CRC_MISMATCH
                        ? "a block's checksum is wrong"
                        : "blocks are missing or damaged";
}

static void forget_comments(flac_state *state)
{
    for (int i = 0; i < state->comments_count; i++)
        free(state->comments[i]);
    free(state->comments);
    state->comments = NULL;
    state->comments_count = 0;
}

/* Begin to read a stream where the input stands. */
static int begin(flac_state *state)
{
    FLAC__StreamDecoderInitStatus (*init)(FLAC__StreamDecoder *, FLAC__StreamDecoderReadCallback,
        FLAC__StreamDecoderSeekCallback, FLAC__StreamDecoderTellCallback,
        FLAC__StreamDecoderLengthCallback, FLAC__StreamDecoderEofCallback,
        FLAC__StreamDecoderWriteCallback, FLAC__StreamDecoderMetadataCallback,
        FLAC__StreamDecoderErrorCallback, void *) =
        state->in_ogg ? FLAC__stream_decoder_init_ogg_stream : FLAC__stream_decoder_init_stream;
    if (state->flac != NULL)
        FLAC__stream_decoder_delete(state->flac);
    state->flac = FLAC__stream_decoder_new();
    if (state->flac == NULL)
        return 0;
    state->held = state->taken = state->next = state->gap = state->silent = 0;
    state->damaged = state->changed = state->info_seen = 0;
    forget_comments(state);
    state->decoder->link++;
    FLAC__stream_decoder_set_metadata_respond(state->flac, FLAC__METADATA_TYPE_VORBIS_COMMENT);
    return init(state->flac, read_bytes, seek_bytes, tell_bytes, length_bytes, at_end, take_block,
                take_metadata, take_error, state) == FLAC__STREAM_DECODER_INIT_STATUS_OK &&
           FLAC__stream_decoder_process_until_end_of_metadata(state->flac) && state->info_seen;
}

/* Stand at the first byte with nothing read. */
static int start(flac_state *state)
{
    kd_link_moved(&state->link, 0);
    return kd_input_seek(state->decoder->input, 0, SEEK_SET) == 0 && begin(state);
}

static void write_samples(void *out, int format, const int32_t *samples, int64_t count, int bits)
{
    if (format == KD_FLOAT32) {
        float scale = 1.0f / (float)(1u << (bits - 1));
        for (int64_t i = 0; i < count; i++)
            ((float *)out)[i] = (float)samples[i] * scale;
    } else if (format == KD_FLOAT64) {
        double scale = 1.0 / (double)(1u << (bits - 1));
        for (int64_t i = 0; i < count; i++)
            ((double *)out)[i] = (double)samples[i] * scale;
    } else if (format == KD_INT32) {
        for (int64_t i = 0; i < count; i++)
            ((int32_t *)out)[i] = (int32_t)((uint32_t)samples[i] << (32 - bits));
    } else {
        for (int64_t i = 0; i < count; i++)
            ((int16_t *)out)[i] = (int16_t)(((int32_t)((uint32_t)samples[i] << (32 - bits))) >> 16);
    }
}

/* Begin with the next link of a chain that can be read. */
static void enter_link(flac_state *state)
{
    kd_decoder *decoder = state->decoder;
    int missed = 0;
    decoder->frames = -1;
    kd_input_go_linkwise(decoder->input);
    for (;; missed = 1) {
        kd_link_enter(&state->link);
        if (begin(state))
            break;
        if (kd_link_skip(&state->link, decoder->input) < 0) {
            kd_fail(decoder, KD_CORRUPT, "a link of the chain has no readable headers");
            return;
        }
    }
    if (missed)
        kd_lost(decoder, -1, "a link of the chain has no readable headers");
}

/* Decode until a block is there. The decoder's status tells why there is none. */
static void load_block(flac_state *state)
{
    kd_decoder *decoder = state->decoder;
    while (state->held == 0) {
        int64_t due = state->next;
        int worked = FLAC__stream_decoder_process_single(state->flac);
        if (state->changed && state->held != 0) {
            state->changed = 0;
            kd_changed(decoder, state->rate, state->channels, state->bits);
            return;
        }
        if (state->held != 0) {
            int64_t longest = (int64_t)decoder->sample_rate * MAX_GAP_SECONDS;
            int told = state->gap > 0 || state->damaged;
            if (due == 0 && state->total == 0) {
                state->origin = state->gap;
                told = 0;
            }
            if (told && state->gap > longest)
                kd_fail(decoder, KD_CORRUPT, "the numbers of its blocks jump");
            else if (told)
                kd_lost(decoder, state->gap, state->damaged ? state->reason : "blocks are missing");
            state->gap = 0;
            state->damaged = 0;
            return;
        }
        switch (FLAC__stream_decoder_get_state(state->flac)) {
        case FLAC__STREAM_DECODER_END_OF_STREAM:
            if (state->damaged) {
                state->damaged = 0;
                kd_lost(decoder, state->silent > due ? state->silent - due : -1, state->reason);
            } else if (state->link.over)
                enter_link(state);
            else
                decoder->status = KD_END;
            return;
        case FLAC__STREAM_DECODER_MEMORY_ALLOCATION_ERROR:
            kd_fail(decoder, KD_NO_MEMORY, "libFLAC ran out of memory");
            return;
        default:
            if (!worked) {
                kd_fail(decoder, KD_CORRUPT, FLAC__stream_decoder_get_resolved_state_string(state->flac));
                return;
            }
        }
    }
}

static int64_t read_frames(kd_decoder *decoder, void *out, int64_t frames, int format)
{
    flac_state *state = decoder->state;
    int64_t done = 0;
    while (done < frames && decoder->status == KD_OK) {
        if (state->held == 0) {
            load_block(state);
            continue;
        }
        int64_t count = state->held < frames - done ? state->held : frames - done;
        write_samples(kd_sample(out, done * decoder->channels, format), format,
                      state->block + state->taken * decoder->channels, count * decoder->channels,
                      state->bits);
        state->taken += count;
        state->held -= count;
        done += count;
    }
    return done;
}

static int64_t seek_frame(kd_decoder *decoder, int64_t frame)
{
    flac_state *state = decoder->state;
    int64_t number = frame + state->origin;
    state->held = state->taken = 0;
    state->next = number;
    state->seeking = 1;
    int found = !kd_input_linkwise(decoder->input) &&
                FLAC__stream_decoder_seek_absolute(state->flac, (FLAC__uint64)number);
    int exact = found && state->held > 0 && state->next - state->held == number;
    state->seeking = 0;
    state->gap = 0;
    state->damaged = 0;
    if (exact && state->changed) {
        kd_changed(decoder, state->rate, state->channels, state->bits);
        kd_change_format(decoder);
    }
    state->changed = 0;
    if (exact || kd_input_failed(decoder->input))
        return frame;
    /* From the first frame on, as a read would go: right where it is too damaged to search in. */
    if (!start(state))
        kd_fail(decoder, KD_CORRUPT, "its headers cannot be read again");
    return kd_walk(decoder, 0, frame);
}

static const char *get_tag(kd_decoder *decoder, int index, const char **value)
{
    flac_state *state = decoder->state;
    *value = NULL;
    return index >= 0 && index < state->comments_count ? state->comments[index] : NULL;
}

static void close_file(kd_decoder *decoder)
{
    flac_state *state = decoder->state;
    if (state->flac != NULL)
        FLAC__stream_decoder_delete(state->flac);
    forget_comments(state);
    free(state->block);
    free(state);
}

static kd_decoder *open_flac(kd_input *input, int in_ogg)
{
    kd_decoder *decoder = kd_decoder_new(input);
    if (decoder == NULL)
        return NULL;
    flac_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return kd_fail(decoder, KD_NO_MEMORY, "out of memory");
    decoder->state = state;
    decoder->read = read_frames;
    decoder->seek = seek_frame;
    decoder->tag = get_tag;
    decoder->close = close_file;
    decoder->formats = KD_FLOAT32 | KD_FLOAT64 | KD_INT16 | KD_INT32;
    state->decoder = decoder;
    state->in_ogg = in_ogg;
    state->block = malloc(sizeof(int32_t) * MAX_BLOCK * MAX_CHANNELS);
    if (state->block == NULL)
        return kd_fail(decoder, KD_NO_MEMORY, "out of memory");
    if (!start(state) || decoder->sample_rate <= 0 || decoder->channels <= 0)
        return kd_fail(decoder, KD_CORRUPT, "libFLAC found no readable headers");
    return decoder;
}

kd_decoder *kd_open_flac(kd_input *input) { return open_flac(input, 0); }
kd_decoder *kd_open_ogg_flac(kd_input *input)
{
    return FLAC_API_SUPPORTS_OGG_FLAC ? open_flac(input, 1) : NULL;
}
