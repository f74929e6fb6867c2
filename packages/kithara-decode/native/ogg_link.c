/* One link of a chained Ogg stream at a time: ends where the first page of another one begins. */
#include "shim.h"

#include <string.h>

enum { PAGE_HEADER = 27, FIRST_PAGE = 2, MOST_STRAYS = sizeof((kd_ogg_link *)0)->stray - 4 };

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

/* Hand out what cannot begin a page: the header's first byte, and all before the next 'O'. */
static void pass_strays(kd_ogg_link *link, kd_input *input)
{
    int64_t count = 1;
    while (count < link->held && link->header[count] != 'O')
        count++;
    memcpy(link->stray + link->strays, link->header, (size_t)count);
    link->strays += count;
    link->held -= count;
    memmove(link->header, link->header + count, (size_t)link->held);
    if (link->held == 0)
        link->strays += kd_input_read_before(input, 'O', link->stray + link->strays,
                                             MOST_STRAYS - link->strays);
}

/* Read the next page's header, or what is no page before it. 0 on failure. */
static int next_page(kd_ogg_link *link, kd_input *input)
{
    if (!link->unsure)
        link->held = 0;
    link->taken = link->unsure = 0;
    for (;;) {
        int64_t got = kd_input_read(input, link->header + link->held, 4 - link->held);
        if (got < 0)
            return 0;
        link->held += got;
        if (link->held < 4)
            return 1;
        if (memcmp(link->header, "OggS", 4) == 0)
            break;
        pass_strays(link, input);
        link->unsure = link->strays >= MOST_STRAYS;
        if (link->unsure)
            return 1;
    }
    int64_t got = kd_input_read(input, link->header + 4, PAGE_HEADER - 4);
    if (got < PAGE_HEADER - 4) {
        link->held += got > 0 ? got : 0;
        return got >= 0;
    }
    got = kd_input_read(input, link->header + PAGE_HEADER, link->header[26]);
    link->held = PAGE_HEADER + (got > 0 ? got : 0);
    for (int64_t i = PAGE_HEADER; i < link->held; i++)
        link->body += link->header[i];
    if (!is_first(link->header))
        link->inside = 1;
    else if (link->inside)
        link->over = 1;
    return got >= 0;
}

/* As kd_input_read_some, and 0 at the end of the link. */
int64_t kd_link_read(kd_ogg_link *link, kd_input *input, void *out, int64_t size)
{
    int done = link->taken == link->held && link->body == 0 && !link->over;
    if (link->strays == 0 && (done || link->unsure) && !next_page(link, input))
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

/* Leave the rest of the link unread: how many bytes that was, -1 if no other link follows. */
int64_t kd_link_skip(kd_ogg_link *link, kd_input *input)
{
    unsigned char waste[4096];
    int64_t got = 0, skipped = 0;
    while ((got = kd_link_read(link, input, waste, sizeof waste)) > 0)
        skipped += got;
    return link->over ? skipped : -1;
}
