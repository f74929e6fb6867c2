/* Ogg Vorbis through libvorbisfile (its seeks are exact, it decodes chained streams). */
#define OV_EXCLUDE_STATIC_CALLBACKS
#include "ogg.h"

#include <errno.h>
#include <vorbis/vorbisfile.h>

enum { BLOCK_FRAMES = 4096, MAX_CHANNELS = 255 };

typedef struct {
    kd_ogg ogg;
    OggVorbis_File file;
    float **planes; /* the block, libvorbisfile's own */
} vorbis_state;

static OggVorbis_File *file_of(kd_ogg *ogg) { return &((vorbis_state *)ogg)->file; }

static size_t read_bytes(void *out, size_t size, size_t count, void *ogg)
{
    int64_t got = kd_ogg_read(ogg, out, (int64_t)(size * count));
    if (got < 0) {
        errno = EIO; /* zero bytes and an errno is how vorbisfile hears of a failure */
        return 0;
    }
    return size ? (size_t)got / size : 0;
}

static int seek_bytes(void *ogg, ogg_int64_t offset, int whence)
{
    return kd_ogg_seek(ogg, offset, whence) < 0 ? -1 : 0;
}

static long tell_bytes(void *ogg) { return (long)kd_ogg_tell(ogg); }

static void look_at_format(kd_ogg *ogg)
{
    const vorbis_info *info = ov_info(file_of(ogg), -1);
    ogg->rate = (int32_t)info->rate;
    ogg->channels = info->channels;
}

static int open_file(kd_ogg *ogg)
{
    ov_callbacks callbacks = {read_bytes, NULL, NULL, NULL};
    if (ogg->indexed) {
        callbacks.seek_func = seek_bytes;
        callbacks.tell_func = tell_bytes;
    }
    OggVorbis_File *file = file_of(ogg);
    if (ov_open_callbacks(ogg, file, NULL, 0, callbacks) != 0)
        return 0;
    /* Behind a first link of one page libvorbisfile takes itself for being in the second one, and
       tells that one's format, until it seeks. */
    if (ov_streams(file) > 1)
        ov_pcm_seek(file, 0);
    look_at_format(ogg);
    return 1;
}

static void close_file(kd_ogg *ogg) { ov_clear(file_of(ogg)); }

static int64_t load_block(kd_ogg *ogg, int *link)
{
    long got = ov_read_float(file_of(ogg), &((vorbis_state *)ogg)->planes, BLOCK_FRAMES, link);
    if (got > 0)
        look_at_format(ogg);
    return got >= 0 ? got : got == OV_HOLE ? KD_HOLE : KD_DAMAGE;
}

static void give_frames(kd_ogg *ogg, float *out, int64_t from, int64_t frames)
{
    uintptr_t planes[MAX_CHANNELS];
    for (int channel = 0; channel < ogg->channels; channel++)
        planes[channel] = (uintptr_t)(((vorbis_state *)ogg)->planes[channel] + from);
    kd_interleave(out, planes, kd_wave_order(ogg->channels), ogg->channels, frames, sizeof *out);
}

static int64_t tell_frame(kd_ogg *ogg) { return ov_pcm_tell(file_of(ogg)); }

static int64_t total_frames(kd_ogg *ogg)
{
    ogg_int64_t total = ov_pcm_total(file_of(ogg), -1);
    return total >= 0 ? total : -1;
}

static int64_t preroll_frames(kd_ogg *ogg)
{
    (void)ogg;
    return 0; /* libvorbisfile sees to it */
}

static int seek_frame(kd_ogg *ogg, int64_t frame) { return ov_pcm_seek(file_of(ogg), frame) == 0; }

static int64_t next_serial(kd_ogg *ogg)
{
    const OggVorbis_File *file = file_of(ogg);
    int next = file->current_link + 1;
    return next < file->links ? (int64_t)(uint32_t)file->serialnos[next] : -1;
}

static const char *get_comment(kd_ogg *ogg, int index)
{
    const vorbis_comment *comments = ov_comment(file_of(ogg), -1);
    return comments != NULL && index < comments->comments ? comments->user_comments[index] : NULL;
}

kd_decoder *kd_open_vorbis(kd_input *input)
{
    static const kd_ogg_codec codec = {
        .no_headers = "libvorbisfile found no readable Vorbis headers",
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
    return kd_ogg_open(input, &codec, sizeof(vorbis_state));
}
