/* One link of a chained Ogg stream at a time: ends where the first page of another one begins. */
#include "shim.h"

#include <string.h>

enum { PAGE_HEADER = 27, FIRST_PAGE = 2 };

void kd_link_moved(kd_ogg_link *link, int64_t offset)
{
    memset(link, 0, sizeof *link);
    link->inside = offset > 0;
}

/* Let the link that begins here be read. */
void kd_link_enter(kd_ogg_link *link)
{
    link->over = link->inside = 0;
}

/* How many bytes were read and not handed out. */
int64_t kd_link_ahead(const kd_ogg_link *link) { return link->strays + link->held - link->taken; }

int64_t kd_link_serial(const kd_ogg_link *link)
{
    const unsigned char *serial = link->header + 14;
    return serial[0] | serial[1] << 8 | serial[2] << 16 | (int64_t)serial[3] << 24;
}

/* Whether a page begins a stream, and does not say so by damage: its position and number are 0. */
static int is_first(const unsigned char *header)
{
    static const unsigned char zeros[8];
    return header[5] & FIRST_PAGE && memcmp(header + 6, zeros, 8) == 0 &&
           memcmp(header + 18, zeros, 4) == 0;
}

/* Read the next page's header; a byte of what is no page, since pages are found by their first ones. */
static int64_t next_page(kd_ogg_link *link, kd_input *input)
{
    link->taken = 0;
    link->held = kd_input_read(input, link->header, 4);
    while (link->held == 4 && memcmp(link->header, "OggS", 4) != 0) {
        unsigned char byte = 0;
        link->stray[link->strays++] = link->header[0];
        memmove(link->header, link->header + 1, 3);
        int64_t got = kd_input_read(input, &byte, 1);
        link->header[3] = byte;
        if (got != 1)
            link->held = 3;
        if (got < 0)
            return -1;
        if (link->strays == sizeof link->stray)
            return link->held;
    }
    if (link->held < 4)
        return link->held;
    int64_t got = kd_input_read(input, link->header + 4, PAGE_HEADER - 4);
    if (got < PAGE_HEADER - 4) {
        link->held += got > 0 ? got : 0;
        return got < 0 ? -1 : link->held;
    }
    got = kd_input_read(input, link->header + PAGE_HEADER, link->header[26]);
    link->held = PAGE_HEADER + (got > 0 ? got : 0);
    for (int64_t i = PAGE_HEADER; i < link->held; i++)
        link->body += link->header[i];
    if (!is_first(link->header))
        link->inside = 1;
    else if (link->inside)
        link->over = 1;
    return got < 0 ? -1 : link->held;
}

/* As kd_input_read_some, and 0 at the end of the link. */
int64_t kd_link_read(kd_ogg_link *link, kd_input *input, void *out, int64_t size)
{
    if (link->strays == 0 && link->taken == link->held && link->body == 0 && !link->over &&
        next_page(link, input) < 0)
        return -1;
    if (link->strays > 0) {
        int64_t count = link->strays < size ? link->strays : size;
        memcpy(out, link->stray, (size_t)count);
        memmove(link->stray, link->stray + count, (size_t)(link->strays - count));
        link->strays -= count;
        return count;
    }
    if (link->over)
        return 0;
    int64_t count = link->held - link->taken;
    if (count > 0) {
        count = count < size ? count : size;
        memcpy(out, link->header + link->taken, (size_t)count);
        link->taken += count;
        return count;
    }
    count = kd_input_read_some(input, out, link->body < size ? link->body : size);
    link->body -= count > 0 ? count : 0;
    return count;
}
