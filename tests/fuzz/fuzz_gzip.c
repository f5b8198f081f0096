/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return fuzz_reader("gzip", data, size);
}

/* Half the time changes what the stream holds. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  const size_t packed = seed % 2 ? mutate_deflated(data, size, most, 31, seed / 2) : 0;
  return packed ? packed : LLVMFuzzerMutate(data, size, most);
}
