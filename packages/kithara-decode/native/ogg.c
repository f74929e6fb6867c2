/* Chained Ogg through a library that decodes one codec. */
#include "ogg.h"

#include <stdlib.h>

int64_t kd_ogg_tell(const kd_ogg *ogg)
{
    return kd_input_tell(ogg->decoder->input) - kd_link_ahead(&ogg->link);
}

int64_t kd_ogg_seek(kd_ogg *ogg, int64_t offset, int whence)
{
    if (whence == SEEK_CUR) {
        offset += kd_ogg_tell(ogg);
        whence = SEEK_SET;
    }
    int64_t reached = kd_input_seek(ogg->decoder->input, offset, whence);
    if (reached >= 0)
        kd_link_moved(&ogg->link, reached);
    return reached;
}

/* Bytes for the library, never of two pages; 0 at the end of a link whose successor it does not know. */
int64_t kd_ogg_read(kd_ogg *ogg, void *out, int64_t size)
{
    kd_input *input = ogg->decoder->input;
    int64_t got = kd_link_read(&ogg->link, input, out, size);
    if (got == 0 && ogg->link.over &&
        (ogg->searching ||
         (ogg->indexed && kd_link_serial(&ogg->link) == ogg->codec->next_serial(ogg)))) {
        kd_link_enter(&ogg->link);
        got = kd_link_read(&ogg->link, input, out, size);
    }
    return got;
}

static void close_library(kd_ogg *ogg)
{
    if (ogg->opened)
        ogg->codec->close(ogg);
    ogg->opened = 0;
    ogg->held = ogg->hole = 0;
}

/* Begin to decode where the input stands. */
static int begin(kd_ogg *ogg)
{
    close_library(ogg);
    ogg->indexed = !kd_input_linkwise(ogg->decoder->input);
    ogg->next = ogg->indexed ? 0 : -1;
    ogg->decoder->link = ogg->indexed ? 0 : ogg->decoder->link + 1;
    ogg->searching = ogg->indexed;
    ogg->opened = ogg->codec->open(ogg);
    ogg->searching = 0;
    return ogg->opened;
}

/* Begin with the first link, or behind headers without sound, which libopusfile refuses. */
static int begin_first(kd_ogg *ogg)
{
    while (!begin(ogg)) {
        unsigned char unread = 0;
        if (ogg->indexed || kd_ogg_read(ogg, &unread, 1) != 0 || !ogg->link.over)
            return 0;
        kd_link_enter(&ogg->link);
    }
    return 1;
}

/* Another link begins, which no index tells: from now on they are read one after the other. */
static void enter_link(kd_ogg *ogg)
{
    int64_t skipped = 0, missed = 0;
    kd_input_go_linkwise(ogg->decoder->input);
    ogg->decoder->frames = -1;
    for (;;) {
        kd_link_enter(&ogg->link);
        if (begin(ogg))
            break;
        skipped = kd_link_skip(&ogg->link, ogg->decoder->input);
        if (skipped < 0) {
            kd_fail(ogg->decoder, KD_CORRUPT, "a link of the chain has no readable headers");
            return;
        }
        missed += skipped;
    }
    if (missed > 0)
        kd_lost(ogg->decoder, -1, "a link of the chain has no readable headers");
}

/* Decode until a block is there. The decoder's status tells why there is none, or what precedes it. */
static void load_block(kd_ogg *ogg)
{
    kd_decoder *decoder = ogg->decoder;
    int link = 0;
    int64_t got = ogg->codec->load(ogg, &link);
    if (got == KD_HOLE)
        ogg->hole = 1;
    else if (got < 0 && !ogg->link.over) /* libopusfile minds an end where it knows of none */
        kd_fail(decoder, KD_CORRUPT, "the Ogg stream is damaged");
    else if (got <= 0 && ogg->hole) {
        ogg->hole = 0;
        kd_lost(decoder, -1, "packets are missing");
    } else if (got <= 0 && ogg->link.over)
        enter_link(ogg);
    else if (got == 0)
        decoder->status = KD_END;
    if (got <= 0)
        return;
    int64_t end = ogg->codec->tell(ogg), gap = end - got - ogg->next;
    int changed = ogg->rate != decoder->sample_rate || ogg->channels != decoder->channels;
    /* Positions are known at the end of a page: only there it shows how much is missing. */
    int told = !changed && ogg->hole && ogg->next >= 0 && gap > 0;
    if (changed || told)
        ogg->hole = 0;
    ogg->held = got;
    ogg->taken = 0;
    ogg->next = end;
    if (ogg->indexed)
        decoder->link = link;
    if (changed)
        kd_changed(decoder, ogg->rate, ogg->channels, 0);
    if (told)
        kd_lost(decoder, gap, "packets are missing");
}

static int64_t read_frames(kd_decoder *decoder, void *out, int64_t frames, int format)
{
    (void)format;
    kd_ogg *ogg = decoder->state;
    int64_t done = 0;
    while (done < frames && decoder->status == KD_OK) {
        if (ogg->held == 0) {
            load_block(ogg);
            continue;
        }
        int64_t count = ogg->held < frames - done ? ogg->held : frames - done;
        ogg->codec->give(ogg, (float *)out + done * decoder->channels, ogg->taken, count);
        ogg->taken += count;
        ogg->held -= count;
        done += count;
    }
    return done;
}

static int64_t seek_frame(kd_decoder *decoder, int64_t frame)
{
    kd_ogg *ogg = decoder->state;
    int64_t start = 0;
    int worked = 0;
    if (ogg->indexed) {
        int64_t preroll = ogg->codec->preroll(ogg);
        start = frame > preroll ? frame - preroll : 0;
        ogg->searching = 1;
        worked = ogg->codec->seek(ogg, start);
        ogg->searching = 0;
        ogg->held = ogg->hole = 0;
        ogg->next = start;
    } else
        worked = kd_ogg_seek(ogg, 0, SEEK_SET) == 0 && begin_first(ogg);
    if (!worked)
        kd_fail(decoder, KD_CORRUPT, "it cannot be sought in");
    return kd_walk(decoder, start, frame);
}

static const char *get_tag(kd_decoder *decoder, int index, const char **value)
{
    kd_ogg *ogg = decoder->state;
    *value = NULL;
    return ogg->opened ? ogg->codec->comment(ogg, index) : NULL;
}

static void close_file(kd_decoder *decoder)
{
    close_library(decoder->state);
    free(decoder->state);
}

kd_decoder *kd_ogg_open(kd_input *input, const kd_ogg_codec *codec, size_t state_bytes)
{
    kd_decoder *decoder = kd_decoder_new(input);
    if (decoder == NULL)
        return NULL;
    kd_ogg *ogg = calloc(1, state_bytes);
    if (ogg == NULL)
        return kd_fail(decoder, KD_NO_MEMORY, "out of memory");
    decoder->state = ogg;
    decoder->read = read_frames;
    decoder->seek = seek_frame;
    decoder->tag = get_tag;
    decoder->close = close_file;
    ogg->codec = codec;
    ogg->decoder = decoder;
    if (!begin_first(ogg))
        return kd_fail(decoder, KD_CORRUPT, codec->no_headers);
    if (ogg->indexed)
        decoder->frames = codec->total(ogg);
    decoder->sample_rate = ogg->rate;
    decoder->channels = ogg->channels;
    return kd_input_failed(input) ? kd_fail(decoder, KD_INPUT_FAILED, "") : decoder;
}
