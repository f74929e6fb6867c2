/* The buffered input under every library: 64 KiB here, one callback into Python to refill it. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

struct kd_input {
    void *owner;
    unsigned char *buffer;
    int64_t capacity;
    int64_t start;    /* input offset of buffer[0] */
    int64_t filled;   /* valid bytes in the buffer */
    int64_t position; /* where the library reads next */
    int64_t length;   /* -1: unknown */
    int seekable;
    int linkwise;
    int64_t header_bytes;
    int failed;
    int ended;   /* a refill proved the end */
    int opening; /* a header is being parsed, all bytes are kept */
};

kd_input *kd_input_new(void *owner, int64_t length, int seekable, int64_t header_bytes)
{
    kd_input *input = calloc(1, sizeof *input);
    if (input == NULL)
        return NULL;
    input->buffer = malloc(KD_BUFFER_BYTES);
    if (input->buffer == NULL) {
        free(input);
        return NULL;
    }
    input->owner = owner;
    input->capacity = KD_BUFFER_BYTES;
    input->length = length;
    input->seekable = seekable;
    input->linkwise = !seekable;
    input->header_bytes = header_bytes;
    return input;
}

void kd_input_free(kd_input *input)
{
    if (input != NULL) {
        free(input->buffer);
        free(input);
    }
}

/* Forget the failure and the bytes, and stand at the start again. */
void kd_input_reset(kd_input *input)
{
    input->start = input->filled = input->position = 0;
    input->failed = input->ended = input->opening = 0;
}

/* Whether the library has taken the last byte there is. */
int kd_input_ended(const kd_input *input)
{
    if (input->length >= 0)
        return input->position >= input->length;
    return input->ended && input->position >= input->start + input->filled;
}

int64_t kd_input_tell(const kd_input *input) { return input->position; }
int64_t kd_input_length(const kd_input *input) { return input->length; }
int kd_input_seekable(const kd_input *input) { return input->seekable; }
int kd_input_failed(const kd_input *input) { return input->failed; }

/* Whether the links of this Ogg stream can only be read one after the other, from the first one on:
   no search by serial numbers finds them. */
int kd_input_linkwise(const kd_input *input) { return input->linkwise; }
void kd_input_go_linkwise(kd_input *input) { input->linkwise = 1; }

void kd_input_opening(kd_input *input, int opening)
{
    input->opening = opening && !input->seekable;
}

/* Make room behind what is buffered; 0 without memory. */
static int make_room(kd_input *input)
{
    if (input->filled < input->capacity)
        return 1;
    if (!input->opening) {
        input->start += input->filled;
        input->filled = 0;
        return 1;
    }
    unsigned char *larger = realloc(input->buffer, (size_t)input->capacity * 2);
    if (larger == NULL)
        return 0;
    input->buffer = larger;
    input->capacity *= 2;
    return 1;
}

/* More bytes at or nearer to the position. Bytes, 0 at the end, -1 on failure. */
static int refill(kd_input *input)
{
    if (input->seekable) {
        if (input->position != input->start + input->filled) {
            input->start = input->position;
            input->filled = 0;
        }
    } else if (input->position < input->start) {
        input->failed = 1;
        return -1;
    }
    if (!make_room(input)) {
        input->failed = 1;
        return -1;
    }
    int got = kd_refill(input->owner, input->start + input->filled, input->buffer + input->filled,
                        (int)(input->capacity - input->filled));
    if (got < 0) {
        input->failed = 1;
        return -1;
    }
    if (got == 0)
        input->ended = 1;
    input->filled += got;
    return got;
}

/* Exactly `size` bytes unless the input ends; -1 after a failure, until the input is reset. */
int64_t kd_input_read(kd_input *input, void *out, int64_t size)
{
    int64_t done = 0;
    while (done < size) {
        if (input->failed)
            return -1;
        int64_t at = input->position - input->start;
        if (at >= 0 && at < input->filled) {
            int64_t count = input->filled - at;
            if (count > size - done)
                count = size - done;
            memcpy((unsigned char *)out + done, input->buffer + at, (size_t)count);
            input->position += count;
            done += count;
            continue;
        }
        if (input->length >= 0 && input->position >= input->length)
            break;
        if (input->opening && input->position >= input->header_bytes)
            break;
        int got = refill(input);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
    }
    return done;
}

/* What is buffered, or one refill of it: at least a byte unless the input ends. */
int64_t kd_input_read_some(kd_input *input, void *out, int64_t size)
{
    int64_t ready = input->start + input->filled - input->position;
    if (input->position < input->start || ready <= 0) {
        if (input->failed)
            return -1;
        unsigned char first = 0;
        if (size == 0 || kd_input_read(input, &first, 1) != 1)
            return input->failed ? -1 : 0;
        input->position--;
        ready = input->start + input->filled - input->position;
    }
    return kd_input_read(input, out, ready < size ? ready : size);
}

/* What is buffered before the next byte of that value; maybe nothing. */
int64_t kd_input_read_before(kd_input *input, unsigned char stop, void *out, int64_t size)
{
    int64_t at = input->position - input->start, ready = input->filled - at;
    if (at < 0 || ready <= 0 || size <= 0)
        return 0;
    const unsigned char *found = memchr(input->buffer + at, stop, (size_t)ready);
    int64_t count = found != NULL ? found - (input->buffer + at) : ready;
    return kd_input_read(input, out, count < size ? count : size);
}

int64_t kd_input_seek(kd_input *input, int64_t offset, int whence)
{
    int64_t target = offset;
    if (whence == SEEK_CUR)
        target += input->position;
    else if (whence == SEEK_END) {
        if (input->length < 0)
            return -1;
        target += input->length;
    }
    if (target < 0 || input->failed)
        return -1;
    input->position = target;
    return target;
}
