/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_TEXT_H
#define WICK_BASE_TEXT_H

/* Strings: a growing buffer, interned names, numbers free of the locale. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wick/base.h>

/* A growing string. Zero-initialise it; `data` is NULL or ends in '\0'. A failed append leaves an
 * error pending and the text as it was. */
typedef struct wk_text {
  char *data;
  size_t length, capacity;
} wk_text;

wk_status wk_text_append(wk_text *text, const char *format, ...) WK_PRINTF(2, 3);
wk_status wk_text_append_bytes(wk_text *text, const void *bytes, size_t size);
wk_status wk_text_append_number(wk_text *text, double value); /* shortest text that reads back */
void wk_text_free(wk_text *text);                             /* leaves it empty */

/* One copy of `name` that lives until wk_shutdown; equal names give the same pointer. NULL with an
 * error pending when memory cannot be had. [any thread] */
const char *wk_intern(const char *name);

/* vsnprintf, with '.' in numbers whatever the locale; a cut text ends in "..." and never in half a
 * character. */
size_t wk_format_text(char *buffer, size_t size, const char *format, va_list values)
    __attribute__((format(printf, 3, 0)));

/* "60,000"; as snprintf. */
size_t wk_format_count(char *buffer, size_t size, int64_t count);

/* "1.50 GiB", "12 bytes"; as snprintf. */
size_t wk_format_bytes(char *buffer, size_t size, uint64_t bytes);

/* The system's text for an errno value, in English whatever the locale. */
const char *wk_errno_text(int number);

/* Shortest decimal text that reads back to the same double, with '.' whatever the locale; as
 * snprintf. wk_parse_number reads the whole of `text` and returns false if it is not a number. */
size_t wk_format_number(char *buffer, size_t size, double value);
bool wk_parse_number(const char *text, double *value);
bool wk_parse_integer(const char *text, int64_t *value);

/* True when the bytes are well-formed UTF-8 (RFC 3629): no surrogates, nothing overlong. */
bool wk_is_utf8(const void *bytes, size_t size);

/* Writes into a fixed buffer behind `used`, never past `size`; returns the new length used, which
 * may exceed `size` as snprintf's does. */
size_t wk_print_into(char *buffer, size_t size, size_t used, const char *format, ...)
    WK_PRINTF(4, 5);

#endif
