/* Where the frames of an MP3 of constant bit rate are, so that a seek need not read its way there.
 *
 * libmpg123 reads the header of every frame up to a target that it has not passed yet. Where all
 * frames have one size but for the padding, a place is computed instead, and believed only if
 * headers stand there. What the file says of itself must agree: its Info tag counts as many bytes
 * as that many frames of this size have, and the file ends there, or has a tag there. So nothing
 * was cut out or pasted in, which whole frames too little or too much would hide. */
#include "mpg123_index.h"

#include <stdlib.h>
#include <string.h>

enum {
    STEP = 16,          /* frames between two entries of the index */
    NEAR = 512,         /* so many frames ahead are read through */
    LEAST_FRAMES = 2000, /* in fewer, padding or none makes too little difference to tell */
    HEADERS = 3,        /* that follow each other at a computed place */
    HEADER_BYTES = 4,
    MOST_FRAME_BYTES = 1441,
    TAG_BYTES = 16,     /* "Info", flags, frames, bytes */
    ID3V1_BYTES = 128,
    WINDOW_BYTES = HEADERS * MOST_FRAME_BYTES + HEADER_BYTES + 2
};

static int64_t number(const unsigned char *at)
{
    return (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static int64_t read_at(kd_input *input, int64_t offset, unsigned char *out, int64_t size)
{
    return kd_input_seek(input, offset, SEEK_SET) == offset ? kd_input_read(input, out, size) : -1;
}

/* How many frames and bytes the Info tag just before the first frame counts, and where its own frame
 * begins, from which it counts; 0 if there is none. */
static int read_info(const kd_frames *all, kd_input *input, int64_t *frames, int64_t *bytes,
                     int64_t *begin)
{
    unsigned char before[MOST_FRAME_BYTES];
    int64_t size = all->start < MOST_FRAME_BYTES ? all->start : MOST_FRAME_BYTES;
    int mono = (all->header[3] & 0xC0) == 0xC0, version_1 = (all->header[1] & 8) != 0;
    int side = version_1 ? (mono ? 17 : 32) : (mono ? 9 : 17);
    if (read_at(input, all->start - size, before, size) != size)
        return 0;
    for (int64_t at = 0; at + TAG_BYTES <= size; at++) {
        if (memcmp(before + at, "Info", 4) == 0 && (before[at + 7] & 3) == 3) {
            *frames = number(before + at + 8);
            *bytes = number(before + at + 12);
            *begin = all->start - size + at - HEADER_BYTES - side;
            return 1;
        }
    }
    return 0;
}

/* Whether nothing but tags lies behind a place. */
static int is_end(kd_input *input, int64_t place)
{
    static const char *const tags[] = {"TAG", "APETAGEX", "LYRICSBEGIN", "ID3"};
    int64_t rest = kd_input_length(input) - place;
    if (rest == 0 || rest == ID3V1_BYTES) /* not worth a read so far away */
        return 1;
    char there[16] = {0};
    if (rest < 0 || read_at(input, place, (unsigned char *)there, sizeof there - 1) <= 0)
        return 0;
    for (size_t index = 0; index < sizeof tags / sizeof *tags; index++)
        if (strncmp(there, tags[index], strlen(tags[index])) == 0)
            return 1;
    return 0;
}

static int about(int64_t one, int64_t other, int64_t slack)
{
    return one - other <= slack && other - one <= slack;
}

/* Whether all frames have one size, by what the file says. */
static int is_uniform(kd_frames *all, mpg123_handle *handle, kd_input *input)
{
    struct mpg123_frameinfo info;
    off_t *offsets = NULL, step = 0;
    size_t fill = 0;
    int64_t frames = 0, bytes = 0, begin = 0;
    if (mpg123_info(handle, &info) != MPG123_OK || info.layer != 3 || info.bitrate <= 0 ||
        mpg123_index(handle, &offsets, &step, &fill) != MPG123_OK || fill == 0)
        return 0;
    all->start = offsets[0];
    all->samples = mpg123_spf(handle);
    if (all->samples <= 0 || read_at(input, all->start, all->header, HEADER_BYTES) != HEADER_BYTES ||
        !read_info(all, input, &frames, &bytes, &begin) || frames < LEAST_FRAMES ||
        !is_end(input, begin + bytes))
        return 0;
    /* A frame of n samples has n / 8 bits per bit per sample. */
    all->bytes = (int64_t)all->samples / 8 * info.bitrate * 1000;
    all->per = info.rate;
    all->least = all->bytes / all->per;
    int64_t slack = 2 * all->least;
    if (!about(bytes, frames * all->bytes / all->per, slack)) {
        all->bytes = all->least, all->per = 1; /* encoders that never pad */
        if (!about(bytes, frames * all->least, slack))
            return 0;
    }
    return 1;
}

static int is_header(const kd_frames *all, const unsigned char *at)
{
    return at[0] == all->header[0] && at[1] == all->header[1] &&
           (at[2] & 0xFC) == (all->header[2] & 0xFC); /* padding and a private bit aside */
}

/* Where frame `count` begins: within a byte of where it should, as the padding goes; -1: not there. */
static int64_t place_of(const kd_frames *all, kd_input *input, int64_t count)
{
    static const int tries[] = {1, 0, 2};
    unsigned char window[WINDOW_BYTES];
    int64_t begin = all->start + count * all->bytes / all->per - 1;
    int64_t size = read_at(input, begin, window, WINDOW_BYTES);
    for (size_t index = 0; index < sizeof tries / sizeof *tries; index++) {
        int64_t at = tries[index];
        int seen = 0;
        while (seen < HEADERS && at + HEADER_BYTES <= size && is_header(all, window + at)) {
            at += all->least + (window[at + 2] >> 1 & 1);
            seen++;
        }
        if (seen == HEADERS)
            return begin + tries[index];
    }
    return -1;
}

/* Tell libmpg123 where frame `count`, a multiple of STEP, is; what lies before is never used. */
static int set_index(const kd_frames *all, mpg123_handle *handle, int64_t count, int64_t place)
{
    size_t fill = (size_t)(count / STEP) + 1;
    off_t *offsets = malloc(fill * sizeof *offsets);
    if (offsets == NULL)
        return 0;
    for (size_t index = 0; index < fill; index++)
        offsets[index] = (off_t)(all->start + (int64_t)index * STEP * all->bytes / all->per);
    offsets[fill - 1] = (off_t)place;
    int code = mpg123_set_index(handle, offsets, STEP, fill);
    free(offsets);
    return code == MPG123_OK;
}

void kd_point_to(kd_frames *all, mpg123_handle *handle, kd_input *input, int64_t sample, int before)
{
    off_t *offsets = NULL, step = 0;
    size_t fill = 0;
    int samples = mpg123_spf(handle);
    if (all->kind == KD_UNEVEN || samples <= 0 || !kd_input_seekable(input) ||
        mpg123_index(handle, &offsets, &step, &fill) != MPG123_OK)
        return;
    int64_t wanted = sample / samples, now = mpg123_tellframe(handle);
    int known = all->kind == KD_UNKNOWN && wanted <= (int64_t)fill * step + NEAR;
    if (known || (wanted >= now && wanted <= now + NEAR))
        return;
    int64_t position = kd_input_tell(input);
    int64_t count = wanted > before ? (wanted - before) / STEP * STEP : 0, place = -1;
    int even = all->kind == KD_EVEN || is_uniform(all, handle, input);
    if (even)
        place = count > 0 ? place_of(all, input, count) : all->start;
    if (place >= 0 && set_index(all, handle, count, place)) {
        all->kind = KD_EVEN;
    } else if (!kd_input_failed(input)) { /* a read that failed tells nothing */
        if (all->kind == KD_EVEN)
            set_index(all, handle, 0, all->start);
        all->kind = KD_UNEVEN;
    }
    kd_input_seek(input, position, SEEK_SET);
}
