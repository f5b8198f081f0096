/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include "fuzz/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return fuzz_reader("safetensors", data, size);
}

/* Mostly changes the header alone and writes its new length before it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  static uint8_t header[1 << 16];
  const uint64_t length = size >= 8 ? get_little_endian(data, 8) : 0;
  const bool framed = length > 0 && length <= size - 8 && length <= sizeof header && most > size;
  if (!framed || seed % 4 == 0) return LLVMFuzzerMutate(data, size, most);
  const size_t body = size - 8 - (size_t)length;
  const size_t room = most - 8 - body < sizeof header ? most - 8 - body : sizeof header;
  memcpy(header, data + 8, (size_t)length);
  const size_t new_length = LLVMFuzzerMutate(header, (size_t)length, room);
  memmove(data + 8 + new_length, data + 8 + length, body);
  memcpy(data + 8, header, new_length);
  put_little_endian(data, 8, new_length);
  return 8 + new_length + body;
}
