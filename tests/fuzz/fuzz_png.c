/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <zlib.h>

#include "fuzz/support.h"

enum { SIGNATURE = 8, CHUNK_HEAD = 8, CHUNK_CRC = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return fuzz_reader("png", data, size);
}

/* The offset of the chunk behind the one at `at`, or 0 when that one is not whole. */
static size_t next_chunk(const uint8_t *data, size_t size, size_t at) {
  if (size - at < CHUNK_HEAD + CHUNK_CRC) return 0;
  const size_t length = get_big_endian(data + at);
  if (length > size - at - CHUNK_HEAD - CHUNK_CRC) return 0;
  return at + CHUNK_HEAD + length + CHUNK_CRC;
}

static void repair(uint8_t *data, size_t size) {
  for (size_t at = SIGNATURE, end; at < size && (end = next_chunk(data, size, at)); at = end)
    put_big_endian(data + end - CHUNK_CRC,
                   (uint32_t)crc32_z(0, data + at + 4, end - CHUNK_CRC - at - 4));
}

/* Changes the rows of the first IDAT chunk, if they are all in it. */
static size_t mutate_rows(uint8_t *data, size_t size, size_t most, unsigned seed) {
  size_t at = SIGNATURE, end = 0;
  while (at < size && (end = next_chunk(data, size, at)) && memcmp(data + at + 4, "IDAT", 4))
    at = end;
  if (at >= size || !end) return 0;
  static uint8_t rows[1 << 16];
  const size_t length = end - CHUNK_CRC - at - CHUNK_HEAD;
  const size_t room = most - (size - length) < sizeof rows ? most - (size - length) : sizeof rows;
  if (length > sizeof rows) return 0;
  memcpy(rows, data + at + CHUNK_HEAD, length);
  const size_t new_length = mutate_deflated(rows, length, room, 15, seed);
  if (!new_length) return 0;
  memmove(data + end - CHUNK_CRC - length + new_length, data + end - CHUNK_CRC,
          size - end + CHUNK_CRC);
  memcpy(data + at + CHUNK_HEAD, rows, new_length);
  put_big_endian(data + at, (uint32_t)new_length);
  return size - length + new_length;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  size_t new_size = size > SIGNATURE && seed % 4 == 0 ? mutate_rows(data, size, most, seed / 4) : 0;
  if (!new_size) new_size = LLVMFuzzerMutate(data, size, most);
  if (seed % 8 && new_size > SIGNATURE) repair(data, new_size);
  return new_size;
}
