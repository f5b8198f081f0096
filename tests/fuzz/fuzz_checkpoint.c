/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return fuzz_reader("checkpoint", data, size);
}
