/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"

/* ---- the C locale ---- */

static _Atomic(locale_t) c_locale;

static void free_c_locale(void) {
  locale_t locale = atomic_exchange(&c_locale, (locale_t)0);
  if (locale) freelocale(locale);
}

/* The C locale, or 0 when even that cannot be had (then the thread's own one stays in use). */
static locale_t get_c_locale(void) {
  locale_t locale = atomic_load(&c_locale);
  if (locale) return locale;
  locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  locale_t expected = (locale_t)0;
  if (!locale || atomic_compare_exchange_strong(&c_locale, &expected, locale)) {
    wk_at_shutdown(free_c_locale);
    return locale;
  }
  freelocale(locale);
  return expected;
}

const char *wk_errno_text(int number) {
  locale_t locale = get_c_locale();
  return locale ? strerror_l(number, locale) : "unknown system error";
}

/* ---- formatting ---- */

/* Ends a text that did not fit in "...", without leaving half a UTF-8 character before it. */
static void mark_cut(char *buffer, size_t size) {
  if (size < 4) return;
  size_t end = size - 4;
  while (end > 0 && ((unsigned char)buffer[end] & 0xC0) == 0x80) end--;
  memcpy(buffer + end, "...", 4);
}

static int format_in_c(char *buffer, size_t size, const char *format, va_list values)
    WK_PRINTF(3, 0);
static int format_in_c(char *buffer, size_t size, const char *format, va_list values) {
  locale_t locale = get_c_locale();
  locale_t old = locale ? uselocale(locale) : (locale_t)0;
  const int length = vsnprintf(buffer, size, format, values);
  if (old) uselocale(old);
  return length;
}

size_t wk_format_text(char *buffer, size_t size, const char *format, va_list values) {
  const int length = format_in_c(buffer, size, format, values);
  if (length < 0) {
    if (size) buffer[0] = '\0';
    return 0;
  }
  if ((size_t)length >= size) mark_cut(buffer, size);
  return (size_t)length;
}

size_t wk_print_into(char *buffer, size_t size, size_t used, const char *format, ...) {
  va_list values;
  va_start(values, format);
  const bool room = used < size;
  const int length =
      format_in_c(room ? buffer + used : NULL, room ? size - used : 0, format, values);
  va_end(values);
  return length < 0 ? used : used + (size_t)length;
}

size_t wk_format_count(char *buffer, size_t size, int64_t count) {
  char digits[24];
  const size_t length = wk_print_into(digits, sizeof digits, 0, "%lld", (long long)count);
  size_t used = wk_print_into(buffer, size, 0, "%s", "");
  for (size_t i = 0; i < length; i++) {
    const bool group = i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-';
    used = wk_print_into(buffer, size, used, group ? ",%c" : "%c", digits[i]);
  }
  return used;
}

size_t wk_format_bytes(char *buffer, size_t size, uint64_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return wk_print_into(buffer, size, 0, "%d bytes", (int)bytes);
  int unit = 0;
  double value = (double)bytes / 1024;
  for (; value >= 1024 && unit < 5; unit++) value /= 1024;
  return wk_print_into(buffer, size, 0, value < 10 ? "%.2f %s" : "%.1f %s", value, units[unit]);
}

size_t wk_format_number(char *buffer, size_t size, double value) {
  if (isnan(value)) return wk_print_into(buffer, size, 0, "nan");
  if (isinf(value)) return wk_print_into(buffer, size, 0, value < 0 ? "-inf" : "inf");
  /* Fifteen digits print every shorter decimal as it was written, except among denormals. */
  char text[40];
  for (int digits = fabs(value) < 0x1p-1000 ? 1 : 15; digits <= 17; digits++) {
    double back;
    wk_print_into(text, sizeof text, 0, "%.*g", digits, value);
    if (digits == 17 || (wk_parse_number(text, &back) && back == value)) break;
  }
  return wk_print_into(buffer, size, 0, "%s", text);
}

/* ---- parsing ---- */

bool wk_parse_number(const char *text, double *value) {
  const char *digits = text + (*text == '-' || *text == '+');
  const bool infinite = !strcmp(digits, "inf");
  if (infinite || !strcmp(digits, "nan")) {
    *value = copysign(infinite ? (double)INFINITY : (double)NAN, *text == '-' ? -1.0 : 1.0);
    return true;
  }
  /* strtod also takes blanks, hexadecimal and more names of infinity, which are not for files. */
  if (!*digits || digits[strspn(digits, "0123456789.eE+-")]) return false;
  locale_t locale = get_c_locale();
  locale_t old = locale ? uselocale(locale) : (locale_t)0;
  const int number = errno;
  char *end;
  const double result = strtod(text, &end);
  errno = number;
  if (old) uselocale(old);
  if (end == text || *end || isinf(result)) return false;
  *value = result;
  return true;
}

bool wk_parse_integer(const char *text, int64_t *value) {
  const bool negative = *text == '-';
  const char *digit = text + (negative || *text == '+');
  if (!*digit) return false;
  int64_t result = 0; /* kept negative, whose range is the larger one */
  for (; *digit; digit++) {
    if (*digit < '0' || *digit > '9') return false;
    if (__builtin_mul_overflow(result, 10, &result)) return false;
    if (__builtin_sub_overflow(result, *digit - '0', &result)) return false;
  }
  if (!negative && result == INT64_MIN) return false;
  *value = negative ? result : -result;
  return true;
}

/* The size of the character that `bytes` begin with, 0 if it is malformed. The second byte's range
 * is narrower after E0, F0 (overlong), ED (surrogates) and F4 (past U+10FFFF). */
static size_t utf8_character_size(const unsigned char *bytes, size_t left) {
  const unsigned first = bytes[0];
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (left < size) return 0;
  const unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (bytes[1] < least || bytes[1] > most) return 0;
  for (size_t i = 2; i < size; i++)
    if ((bytes[i] & 0xC0) != 0x80) return 0;
  return size;
}

bool wk_is_utf8(const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t step; size > 0; at += step, size -= step)
    if (!(step = utf8_character_size(at, size))) return false;
  return true;
}

/* ---- growing text ---- */

/* Makes room for `more` bytes and a terminator. */
static wk_status reserve(wk_text *text, size_t more) {
  size_t needed, doubled;
  if (!wk_add_size(text->length, more, &needed) || !wk_add_size(needed, 1, &needed))
    return wk_fail_memory(SIZE_MAX);
  if (needed <= text->capacity) return WK_OK;
  if (wk_multiply_size(text->capacity, 2, &doubled) && doubled > needed) needed = doubled;
  if (needed < 64) needed = 64;
  char *data = wk_reallocate(text->data, needed, 1);
  if (!data) return WK_ERROR_MEMORY;
  text->data = data, text->capacity = needed;
  return WK_OK;
}

wk_status wk_text_append_bytes(wk_text *text, const void *bytes, size_t size) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = reserve(text, size);
  if (status) return status;
  if (size) memcpy(text->data + text->length, bytes, size);
  text->length += size;
  text->data[text->length] = '\0';
  return WK_OK;
}

wk_status wk_text_append(wk_text *text, const char *format, ...) {
  if (wk_failed()) return wk_error_pending;
  va_list values, again;
  va_start(values, format);
  va_copy(again, values);
  const size_t length = wk_format_text(NULL, 0, format, values);
  const wk_status status = reserve(text, length);
  if (!status) text->length += wk_format_text(text->data + text->length, length + 1, format, again);
  va_end(again);
  va_end(values);
  return status;
}

wk_status wk_text_append_number(wk_text *text, double value) {
  char number[40];
  return wk_text_append_bytes(text, number, wk_format_number(number, sizeof number, value));
}

void wk_text_free(wk_text *text) {
  wk_deallocate(text->data);
  *text = (wk_text){0};
}

/* ---- interned names ---- */

/* Open addressing over a power of two, at most half full. */
static struct {
  pthread_mutex_t lock;
  char **names;
  size_t capacity, count;
} interned = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t hash_name(const char *name) { /* FNV-1a */
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
  return hash;
}

/* The slot that holds `name`, or the empty one where it belongs. */
static char **find_slot(char **names, size_t capacity, const char *name) {
  size_t index = (size_t)hash_name(name) & (capacity - 1);
  while (names[index] && strcmp(names[index], name)) index = (index + 1) & (capacity - 1);
  return &names[index];
}

static bool grow_interned(void) {
  const size_t capacity = interned.capacity ? 2 * interned.capacity : 256;
  char **names = wk_allocate_zeroed(capacity, sizeof *names);
  if (!names) return false;
  for (size_t i = 0; i < interned.capacity; i++)
    if (interned.names[i]) *find_slot(names, capacity, interned.names[i]) = interned.names[i];
  wk_deallocate(interned.names);
  interned.names = names, interned.capacity = capacity;
  return true;
}

static void free_interned(void) {
  pthread_mutex_lock(&interned.lock);
  for (size_t i = 0; i < interned.capacity; i++) wk_deallocate(interned.names[i]);
  wk_deallocate(interned.names);
  interned.names = NULL, interned.capacity = interned.count = 0;
  pthread_mutex_unlock(&interned.lock);
}

const char *wk_intern(const char *name) {
  wk_at_fork_lock(&interned.lock);
  pthread_mutex_lock(&interned.lock);
  char **slot = NULL;
  if (2 * interned.count < interned.capacity || grow_interned()) {
    wk_at_shutdown(free_interned);
    slot = find_slot(interned.names, interned.capacity, name);
    if (!*slot && (*slot = wk_duplicate_string(name))) interned.count++;
  }
  const char *result = slot ? *slot : NULL;
  pthread_mutex_unlock(&interned.lock);
  return result;
}
