/* What libvorbisfile and libopusfile have in common. */
#ifndef KITHARA_DECODE_OGG_H
#define KITHARA_DECODE_OGG_H

#include "shim.h"

typedef struct kd_ogg kd_ogg;

enum { KD_HOLE = -1, KD_DAMAGE = -2 };

typedef struct {
    const char *no_headers; /* what to say where `open` finds none */
    int64_t (*preroll)(kd_ogg *ogg); /* frames to decode before the one that is sought */
    int (*open)(kd_ogg *ogg); /* with an index of the links only if ogg->indexed; 0 on failure */
    void (*close)(kd_ogg *ogg);
    int64_t (*load)(kd_ogg *ogg, int *link); /* the next block: its frames, 0 at the end, a KD_HOLE */
    void (*give)(kd_ogg *ogg, float *out, int64_t from, int64_t frames); /* of the block, interleaved */
    int64_t (*tell)(kd_ogg *ogg);
    int64_t (*total)(kd_ogg *ogg);
    int (*seek)(kd_ogg *ogg, int64_t frame);
    int64_t (*next_serial)(kd_ogg *ogg); /* of the next link that the index knows; -1: none */
    const char *(*comment)(kd_ogg *ogg, int index);
} kd_ogg_codec;

/* The first member of a codec's own state. */
struct kd_ogg {
    const kd_ogg_codec *codec;
    kd_decoder *decoder;
    kd_ogg_link link;
    int opened;
    int indexed;   /* the library knows all links; otherwise it is given one at a time */
    int searching; /* it looks around in the file */
    int32_t rate, channels; /* of the block */
    int64_t held, taken;    /* of the block */
    int64_t next;           /* the frame that is due, by the stream's own count; -1: any */
    int hole;
};

kd_decoder *kd_ogg_open(kd_input *input, const kd_ogg_codec *codec, size_t state_bytes);
int64_t kd_ogg_read(kd_ogg *ogg, void *out, int64_t size);
int64_t kd_ogg_seek(kd_ogg *ogg, int64_t offset, int whence);
int64_t kd_ogg_tell(const kd_ogg *ogg);

#endif
