/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_SAFETENSORS_H
#define WICK_FORMAT_SAFETENSORS_H

#include <stddef.h>

#include <wick/format.h>

/* One element type of the format. */
typedef struct wk_safetensors_type {
  const char *name;
  unsigned bits;
  wk_dtype dtype; /* WK_DTYPE_DEFAULT where Wick has no such type */
} wk_safetensors_type;

extern const wk_safetensors_type wk_safetensors_types[];
extern const size_t wk_safetensors_type_count;

/* Reads the table of a file held in memory, which must outlive what is returned. Everything that
 * the format demands is checked: the tensors lie side by side and fill the file, with the sizes
 * that their shapes ask for. */
wk_safetensors *wk_safetensors_parse(const void *data, size_t size);

#endif
