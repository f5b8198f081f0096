/* SPDX-License-Identifier: Apache-2.0 */
#include "format/crc32c.h"
#include "fuzz/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return fuzz_reader("events", data, size);
}

/* Makes the checksums of all frames right; a length that reaches past the end becomes what is left.
 */
static void repair(uint8_t *data, size_t size) {
  while (size >= 16) {
    uint64_t length = get_little_endian(data, 8);
    if (length > size - 16) put_little_endian(data, 8, length = size - 16);
    put_little_endian(data + 8, 4, wk_crc32c_masked(data, 8));
    put_little_endian(data + 12 + length, 4, wk_crc32c_masked(data + 12, (size_t)length));
    data += 16 + length;
    size -= 16 + (size_t)length;
  }
}

/* Mostly changes what records hold, not whether they are whole. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (seed % 8) repair(data, size);
  return size;
}
