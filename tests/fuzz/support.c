/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/support.h"

#include <stdlib.h>
#include <string.h>

#include <wick/base.h>
#include <zlib.h>

#include "support/readers.h"

int fuzz_reader(const char *kind, const uint8_t *data, size_t size) {
  static unsigned runs;
  wk_text detail = {0};
  if (runs == 0) wk_set_thread_count(1);
  reader_run(reader_find(kind), data, size, &detail);
  wk_error_clear();
  wk_text_free(&detail);
  if (++runs % 256 == 0) wk_shutdown(); /* names that were met are kept until then */
  return 0;
}

/* ---- compressed data ---- */

enum { MOST_INFLATED = 1 << 16 };

static size_t inflate_into(uint8_t *to, const uint8_t *data, size_t size, int window_bits) {
  z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size};
  if (inflateInit2(&stream, window_bits) != Z_OK) return 0;
  stream.next_out = to;
  stream.avail_out = MOST_INFLATED;
  const int code = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  return code == Z_STREAM_END ? MOST_INFLATED - stream.avail_out : 0;
}

static size_t deflate_into(uint8_t *to, size_t most, uint8_t *data, size_t size, int window_bits,
                           unsigned seed) {
  static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_FIXED, Z_RLE};
  z_stream stream = {.next_in = data, .avail_in = (uInt)size};
  if (deflateInit2(&stream, (int)(seed % 10), Z_DEFLATED, window_bits, 8,
                   strategies[seed / 10 % 4]) != Z_OK)
    return 0;
  stream.next_out = to;
  stream.avail_out = (uInt)most;
  const int code = deflate(&stream, Z_FINISH);
  deflateEnd(&stream);
  return code == Z_STREAM_END ? most - stream.avail_out : 0;
}

size_t mutate_deflated(uint8_t *data, size_t size, size_t most, int window_bits, unsigned seed) {
  static uint8_t inflated[MOST_INFLATED];
  size_t count = inflate_into(inflated, data, size, window_bits);
  if (count == 0) return 0;
  count = LLVMFuzzerMutate(inflated, count, sizeof inflated);
  uint8_t *packed = malloc(most);
  const size_t new_size =
      packed ? deflate_into(packed, most, inflated, count, window_bits, seed) : 0;
  if (new_size > 0) memcpy(data, packed, new_size);
  free(packed);
  return new_size;
}

/* ---- numbers ---- */

uint64_t get_little_endian(const uint8_t *bytes, int size) {
  uint64_t value = 0;
  for (int i = 0; i < size; i++) value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

void put_little_endian(uint8_t *bytes, int size, uint64_t value) {
  for (int i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

uint32_t get_big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void put_big_endian(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}
