/* SPDX-License-Identifier: Apache-2.0 */
#include "format/gzip.h"

#include <stdint.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/error.h"
#include "base/memory.h"

/* zlib counts in unsigned int; larger buffers are handed over in pieces. */
#define PIECE ((size_t)1 << 30)
#define GZIP_WINDOW (15 + 16)

typedef struct inflater {
  z_stream stream;
  const uint8_t *next; /* input that zlib has not been handed yet */
  size_t left;
  bool ended;
} inflater;

static voidpf allocate_for_zlib(voidpf context, uInt items, uInt size) {
  (void)context;
  size_t bytes;
  return wk_multiply_size(items, size, &bytes) ? wk_allocate(bytes) : Z_NULL;
}

static void free_for_zlib(voidpf context, voidpf memory) {
  (void)context;
  wk_deallocate(memory);
}

bool wk_is_gzip(const void *data, size_t size) {
  const uint8_t *bytes = data;
  return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static wk_status inflater_open(inflater *in, const void *data, size_t size) {
  memset(in, 0, sizeof(*in));
  if (!wk_is_gzip(data, size)) return wk_fail(WK_ERROR_FORMAT, "not a gzip stream");
  in->next = data;
  in->left = size;
  in->stream.zalloc = allocate_for_zlib;
  in->stream.zfree = free_for_zlib;
  if (inflateInit2(&in->stream, GZIP_WINDOW) != Z_OK)
    return wk_fail(WK_ERROR_MEMORY, "no memory to inflate a gzip stream");
  return WK_OK;
}

static void feed(inflater *in) {
  if (in->stream.avail_in > 0 || in->left == 0) return;
  const size_t piece = in->left < PIECE ? in->left : PIECE;
  in->stream.next_in = in->next;
  in->stream.avail_in = (uInt)piece;
  in->next += piece;
  in->left -= piece;
}

/* A member has ended. Another may follow, or zeros that pad the file. */
static wk_status next_member(inflater *in) {
  const uint8_t *rest = in->stream.next_in;
  const size_t size = in->stream.avail_in + in->left; /* pieces lie side by side in memory */
  size_t zeros = 0;
  while (zeros < size && rest[zeros] == 0) zeros++;
  if (zeros == size) {
    in->ended = true;
    return WK_OK;
  }
  if (zeros > 0 || !wk_is_gzip(rest, size))
    return wk_fail(WK_ERROR_FORMAT, "%zu bytes that are no gzip data follow the gzip stream", size);
  inflateReset(&in->stream);
  return WK_OK;
}

static wk_status inflate_failed(const inflater *in, int code) {
  if (code == Z_MEM_ERROR) return wk_fail(WK_ERROR_MEMORY, "no memory to inflate a gzip stream");
  if (code == Z_BUF_ERROR) return wk_fail(WK_ERROR_FORMAT, "the gzip stream ends too early");
  return wk_fail(WK_ERROR_FORMAT, "damaged gzip stream: %s",
                 in->stream.msg ? in->stream.msg : "it asks for a dictionary");
}

/* Inflates until `size` bytes are there or the stream ends; *got says how many there are. */
static wk_status inflater_read(inflater *in, uint8_t *to, size_t size, size_t *got) {
  *got = 0;
  while (*got < size && !in->ended) {
    const size_t piece = size - *got < PIECE ? size - *got : PIECE;
    feed(in);
    in->stream.next_out = to + *got;
    in->stream.avail_out = (uInt)piece;
    const int code = inflate(&in->stream, Z_NO_FLUSH);
    *got += piece - in->stream.avail_out;
    if (code == Z_STREAM_END) {
      const wk_status status = next_member(in);
      if (status < 0) return status;
    } else if (code != Z_OK) {
      return inflate_failed(in, code);
    }
  }
  return WK_OK;
}

wk_status wk_gunzip_head(const void *data, size_t size, void *buffer, size_t size_wanted,
                         size_t *got) {
  inflater in;
  *got = 0;
  wk_status status = inflater_open(&in, data, size);
  if (status == WK_OK) status = inflater_read(&in, buffer, size_wanted, got);
  inflateEnd(&in.stream);
  return status;
}

/* Reads the whole stream into memory that doubles as it fills. One byte over the limit is asked
 * for, so that the checks at the stream's end are made and a longer stream is noticed. */
static wk_status read_all(inflater *in, size_t first_capacity, size_t limit, uint8_t **bytes,
                          size_t *count) {
  size_t capacity = first_capacity < limit ? first_capacity : limit;
  for (;;) {
    uint8_t *larger = wk_reallocate(*bytes, capacity + 1, 1);
    if (!larger) return wk_error_status();
    *bytes = larger;
    size_t got;
    const wk_status status = inflater_read(in, *bytes + *count, capacity + 1 - *count, &got);
    if (status < 0) return status;
    *count += got;
    if (in->ended && *count <= limit) return WK_OK;
    if (*count > limit)
      return wk_fail(WK_ERROR_FORMAT, "the gzip stream holds more than the expected %zu bytes",
                     limit);
    capacity = capacity < limit / 2 ? capacity * 2 : limit;
  }
}

wk_status wk_gunzip(const void *data, size_t size, size_t limit, void **result,
                    size_t *result_size) {
  *result = NULL;
  *result_size = 0;
  if (limit > PTRDIFF_MAX - 1) limit = PTRDIFF_MAX - 1;
  inflater in;
  uint8_t *bytes = NULL;
  size_t count = 0;
  wk_status status = inflater_open(&in, data, size);
  if (status == WK_OK)
    status = read_all(&in, size < limit / 2 ? size * 2 : limit, limit, &bytes, &count);
  inflateEnd(&in.stream);
  if (status < 0) {
    wk_deallocate(bytes);
    return status;
  }
  *result = bytes;
  *result_size = count;
  return WK_OK;
}
