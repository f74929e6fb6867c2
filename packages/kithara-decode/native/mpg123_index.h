/* Frames of one size: where they are, without reading the way there. */
#ifndef KITHARA_DECODE_MPG123_INDEX_H
#define KITHARA_DECODE_MPG123_INDEX_H

#include "shim.h"

#include <mpg123.h>

typedef struct {
    enum { KD_UNKNOWN, KD_EVEN, KD_UNEVEN } kind; /* even: the index has computed places in it */
    unsigned char header[4]; /* of the first frame */
    int64_t start;           /* where that begins */
    int64_t bytes, per;      /* so many bytes in so many frames */
    int64_t least;           /* bytes of a frame without padding */
    int samples;             /* of a frame */
} kd_frames;

/* Before a seek to `sample`: put into the index of libmpg123 a frame that is `before` frames or
 * some more in front of it, if that is far from all it has read, and can be known. */
void kd_point_to(kd_frames *all, mpg123_handle *handle, kd_input *input, int64_t sample, int before);

#endif
