/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DATA_ARGUMENTS_H
#define WICK_DATA_ARGUMENTS_H

#include <string.h>

#include "base/error.h"

/* Copies a caller's settings, whose first member is their size, into `to` of `size` bytes: settings
 * that an older caller does not have become zero; those of a newer one must be zero. */
static inline wk_status wk_arguments_read(void *to, size_t size, const void *from) {
  size_t given;
  if (!from) return wk_fail(WK_ERROR_ARGUMENT, "the settings are NULL");
  memcpy(&given, from, sizeof(given));
  if (given < sizeof(given))
    return wk_fail(WK_ERROR_ARGUMENT, "the settings' struct_size is not set");
  for (size_t i = size; i < given; i++)
    if (((const char *)from)[i] != 0)
      return wk_fail(WK_ERROR_UNSUPPORTED,
                     "the settings have a field that this version of Wick "
                     "(%s) does not know",
                     wk_version());
  memset(to, 0, size);
  memcpy(to, from, given < size ? given : size);
  return WK_OK;
}

#endif
