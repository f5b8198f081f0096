/* SPDX-License-Identifier: Apache-2.0 */
#include "format/idx.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/gzip.h"

#define TYPE_BYTES 0x08
#define MAX_HEADER (4 + 4 * WK_MAX_RANK)

static const char *type_name(int type) {
  switch (type) {
  case 0x09:
    return "signed bytes";
  case 0x0B:
    return "16-bit integers";
  case 0x0C:
    return "32-bit integers";
  case 0x0D:
    return "32-bit floating point";
  case 0x0E:
    return "64-bit floating point";
  default:
    return NULL;
  }
}

static wk_status check_type(const uint8_t *header) {
  const int type = header[2];
  if (header[0] == 0 && header[1] == 0 && type == TYPE_BYTES) return WK_OK;
  if (header[0] == 0 && header[1] == 0 && type_name(type))
    return wk_fail(WK_ERROR_UNSUPPORTED, "IDX file of %s; only unsigned bytes can be read",
                   type_name(type));
  return wk_fail(WK_ERROR_FORMAT, "not an IDX file: it begins with %02x %02x %02x, not 00 00 08",
                 header[0], header[1], header[2]);
}

/* Reads the sizes; *total is the size that the whole data must have. */
static wk_status read_header(const uint8_t *header, size_t size, wk_shape *shape,
                             size_t *header_size, size_t *total) {
  if (size < 4) return wk_fail(WK_ERROR_FORMAT, "IDX header cut short: %zu bytes", size);
  const wk_status status = check_type(header);
  if (status < 0) return status;
  const int rank = header[3];
  if (rank < 1 || rank > WK_MAX_RANK)
    return wk_fail(WK_ERROR_FORMAT, "IDX data of %d dimensions; 1 to %d are possible", rank,
                   WK_MAX_RANK);
  *header_size = 4 + 4 * (size_t)rank;
  if (size < *header_size)
    return wk_fail(WK_ERROR_FORMAT, "IDX header cut short: %zu bytes of %zu", size, *header_size);
  shape->rank = rank;
  size_t values = 1;
  bool fits = true;
  for (int i = 0; i < rank; i++) {
    const uint8_t *b = header + 4 + 4 * i;
    const uint32_t dim = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    shape->dims[i] = dim;
    fits = fits && wk_multiply_size(values, dim, &values);
  }
  if (!fits || values > PTRDIFF_MAX - MAX_HEADER)
    return wk_fail(WK_ERROR_FORMAT, "IDX header claims sizes whose product is too large");
  *total = *header_size + values;
  return WK_OK;
}

static wk_status parse_plain(const void *data, size_t size, wk_idx *idx) {
  size_t header_size = 0, total = 0;
  const wk_status status = read_header(data, size, &idx->shape, &header_size, &total);
  if (status < 0) return status;
  if (size != total)
    return wk_fail(WK_ERROR_FORMAT, "IDX header announces %zu bytes, but there are %zu", total,
                   size);
  idx->values = (const uint8_t *)data + header_size;
  return WK_OK;
}

/* The header is inflated first, so that a stream longer than it says is given up at that point. */
static wk_status parse_gzip(const void *data, size_t size, wk_idx *idx) {
  uint8_t header[MAX_HEADER];
  size_t got = 0, header_size = 0, total = 0, inflated_size = 0;
  wk_status status = wk_gunzip_head(data, size, header, sizeof(header), &got);
  if (status == WK_OK) status = read_header(header, got, &idx->shape, &header_size, &total);
  if (status == WK_OK) status = wk_gunzip(data, size, total, &idx->memory, &inflated_size);
  if (status == WK_OK) status = parse_plain(idx->memory, inflated_size, idx);
  return status;
}

wk_status wk_idx_parse(const void *data, size_t size, wk_idx *idx) {
  memset(idx, 0, sizeof(*idx));
  const wk_status status =
      wk_is_gzip(data, size) ? parse_gzip(data, size, idx) : parse_plain(data, size, idx);
  if (status < 0) wk_idx_clear(idx);
  return status;
}

wk_status wk_idx_load(const char *path, wk_idx *idx) {
  void *data = NULL;
  size_t size = 0;
  memset(idx, 0, sizeof(*idx));
  wk_status status = wk_file_read(path, 0, &data, &size);
  if (status < 0) return status;
  status = wk_idx_parse(data, size, idx);
  if (status < 0) {
    wk_error_wrap("cannot read the IDX file '%s'", path);
    if (status == WK_ERROR_FORMAT)
      wk_error_add_hint("it is another kind of file, or damaged; fetch it anew, plain or gzipped");
  }
  if (status == WK_OK && !idx->memory)
    idx->memory = data;
  else
    wk_deallocate(data);
  return status;
}

void wk_idx_clear(wk_idx *idx) {
  wk_deallocate(idx->memory);
  memset(idx, 0, sizeof(*idx));
}
