/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_SUPPORT_READERS_H
#define WICK_TESTS_SUPPORT_READERS_H

/* Every reader of files, behind one door: what the fuzz targets and read_file call. Each reads all
 * that it accepts, so that nothing is only accepted because nobody looked. */

#include <stddef.h>

#include "base/text.h"

typedef struct reader {
  const char *kind;
  /* Reads the bytes; adds to `detail` what it found. */
  wk_status (*read)(const uint8_t *data, size_t size, wk_text *detail);
  /* It may hold `fixed + factor * size` bytes at once. */
  size_t fixed, factor;
} reader;

extern const reader readers[];
extern const size_t reader_count;

const reader *reader_find(const char *kind); /* NULL if there is none */

/* Reads a copy of the bytes that ends where memory ends, holds the reader to its share of memory,
 * and to returning the error that it raised. Ends the process when it breaks a promise. The error
 * stays pending. */
wk_status reader_run(const reader *how, const void *data, size_t size, wk_text *detail);

#endif
