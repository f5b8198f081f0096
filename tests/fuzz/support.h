/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_FUZZ_SUPPORT_H
#define WICK_TESTS_FUZZ_SUPPORT_H

/* What the fuzz targets share. A target is a reader of tests/support/readers.h, and a mutator where
 * plain changes would never get past a checksum or a compression. */

#include <stddef.h>
#include <stdint.h>

/* What libFuzzer calls, and what it lends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* Has the reader called `kind` read the bytes; returns 0. */
int fuzz_reader(const char *kind, const uint8_t *data, size_t size);

/* Changes what a zlib (window_bits 15) or gzip (31) stream holds, and compresses it again in place.
 * Returns its new size, 0 when the stream is damaged or the new one does not fit. */
size_t mutate_deflated(uint8_t *data, size_t size, size_t most, int window_bits, unsigned seed);

/* Numbers of `size` bytes in files. */
uint64_t get_little_endian(const uint8_t *bytes, int size);
void put_little_endian(uint8_t *bytes, int size, uint64_t value);
uint32_t get_big_endian(const uint8_t *bytes);
void put_big_endian(uint8_t *bytes, uint32_t value);

#endif
