/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/attribute.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static void *field(const wk_attribute *attribute, const void *settings) {
  return (char *)(uintptr_t)settings + attribute->offset;
}

/* ---- defaults and ranges ---- */

static void add_range_hint(const wk_attribute *attribute) {
  const double usual = attribute->range->usual;
  char text[32];
  wk_format_number(text, sizeof text, usual);
  if (attribute->required ||
      !(usual >= attribute->range->minimum && usual <= attribute->range->maximum))
    wk_error_add_hint("%s is the %s, and has to be given", attribute->name, attribute->doc);
  else
    wk_error_add_hint("%s is the %s; left out it is %s", attribute->name, attribute->doc, text);
}

wk_status wk_attribute_check(const wk_attribute *attribute, const char *what, double value) {
  if (value >= attribute->range->minimum && value <= attribute->range->maximum) return WK_OK;
  if (isinf(attribute->range->minimum) && isinf(attribute->range->maximum))
    return WK_OK; /* a NaN */
  char low[32], high[32], given[32];
  wk_format_number(low, sizeof low, attribute->range->minimum);
  wk_format_number(high, sizeof high, attribute->range->maximum);
  wk_format_number(given, sizeof given, value);
  if (attribute->range->maximum > 1e300)
    wk_fail(WK_ERROR_ARGUMENT, "%s of %s is %s; it must be at least %s", attribute->name, what,
            given, low);
  else
    wk_fail(WK_ERROR_ARGUMENT, "%s of %s is %s; it must be from %s to %s", attribute->name, what,
            given, low, high);
  add_range_hint(attribute);
  return WK_ERROR_ARGUMENT;
}

/* The only pair whose second part may be an intended zero is padding: {1, 0} pads one way only. */
static bool zero_is_meant(const wk_attribute *attribute) {
  return attribute->range->minimum == 0 && attribute->range->usual == 0;
}

/* A pair or triple. */
static wk_status resolve_several(const wk_attribute *attribute, const char *what, int count,
                                 int64_t *values) {
  const bool keeps_zeros = zero_is_meant(attribute) && values[0] != 0;
  for (int i = 0; i < count; i++) {
    if (values[i] == 0 && !keeps_zeros)
      values[i] = values[0] != 0 ? values[0] : (int64_t)attribute->range->usual;
    const wk_status status = wk_attribute_check(attribute, what, (double)values[i]);
    if (status != WK_OK) return status;
  }
  return WK_OK;
}

static wk_status check_enum(const wk_attribute *attribute, const char *what, int value) {
  int count = 0;
  while (attribute->names[count]) count++;
  if (value >= 0 && value < count) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "%s of %s is %d; there are %d choices, from 0 (%s)",
                 attribute->name, what, value, count, attribute->names[0]);
}

static wk_status resolve_field(const wk_attribute *attribute, const char *what, void *settings) {
  void *at = field(attribute, settings);
  switch (attribute->type) {
  case WK_ATTRIBUTE_INT: {
    int64_t *value = at;
    if (*value == 0 && !attribute->required) *value = (int64_t)attribute->range->usual;
    return wk_attribute_check(attribute, what, (double)*value);
  }
  case WK_ATTRIBUTE_DOUBLE: {
    double *value = at;
    if (*value == 0 && !attribute->required && !signbit(*value)) *value = attribute->range->usual;
    return wk_attribute_check(attribute, what, *value);
  }
  case WK_ATTRIBUTE_PAIR:
    return resolve_several(attribute, what, 2, at);
  case WK_ATTRIBUTE_TRIPLE:
    return resolve_several(attribute, what, 3, at);
  case WK_ATTRIBUTE_SHAPE: {
    const wk_shape *shape = at;
    if (shape->rank >= 0 && shape->rank <= WK_MAX_RANK) return WK_OK;
    return wk_fail(WK_ERROR_SHAPE, "%s of %s has %d dimensions; 0 to %d are possible",
                   attribute->name, what, shape->rank, WK_MAX_RANK);
  }
  case WK_ATTRIBUTE_AXES: {
    const wk_axes *axes = at;
    if (axes->count >= 0 && axes->count <= WK_MAX_RANK) return WK_OK;
    return wk_fail(WK_ERROR_ARGUMENT, "%s of %s lists %d axes; 0 to %d are possible",
                   attribute->name, what, axes->count, WK_MAX_RANK);
  }
  case WK_ATTRIBUTE_DTYPE: {
    const wk_dtype *dtype = at;
    if (*dtype == WK_DTYPE_DEFAULT || wk_dtype_size(*dtype) != 0) return WK_OK;
    return wk_fail(WK_ERROR_DTYPE, "%s of %s is %d, which is no dtype", attribute->name, what,
                   (int)*dtype);
  }
  case WK_ATTRIBUTE_ENUM:
    return check_enum(attribute, what, *(const int *)at);
  case WK_ATTRIBUTE_TEXT:
    if (*(const char **)at || !attribute->required) return WK_OK;
    return wk_fail(WK_ERROR_ARGUMENT, "%s of %s is NULL", attribute->name, what);
  case WK_ATTRIBUTE_AXIS:
  case WK_ATTRIBUTE_BOOL:
  case WK_ATTRIBUTE_UINT:
  case WK_ATTRIBUTE_DEVICE:
  case WK_ATTRIBUTE_GENERATOR:
    return WK_OK;
  }
  return WK_OK;
}

/* A caller compiled against a newer header may set fields that this library does not know. */
static wk_status check_unknown_tail(const char *what, const void *given, size_t size,
                                    size_t given_size) {
  const unsigned char *bytes = given;
  for (size_t i = size; i < given_size; i++) {
    if (bytes[i] != 0) {
      return wk_fail(WK_ERROR_UNSUPPORTED, "%s was given a setting that this version (%s) lacks",
                     what, wk_version());
    }
  }
  return WK_OK;
}

wk_status wk_settings_copy(const char *what, const void *given, size_t required_size, size_t size,
                           void *copy) {
  size_t given_size = 0;
  if (given) memcpy(&given_size, given, sizeof given_size);
  if (given_size == size) {
    memcpy(copy, given, size);
    return WK_OK;
  }
  memset(copy, 0, size);
  if (!given) return wk_fail(WK_ERROR_ARGUMENT, "the settings of %s are NULL", what);
  if (given_size < required_size || given_size > 1 << 16) {
    return wk_fail(WK_ERROR_ARGUMENT, "the settings of %s have struct_size %zu, not %zu", what,
                   given_size, size);
  }
  memcpy(copy, given, given_size < size ? given_size : size);
  return check_unknown_tail(what, given, size, given_size);
}

wk_status wk_settings_resolve(const wk_settings *settings, const char *what, const void *given,
                              void *resolved) {
  wk_status status = WK_OK;
  if (given)
    status = wk_settings_copy(what, given, settings->required_size, settings->size, resolved);
  else
    memset(resolved, 0, settings->size);
  memcpy(resolved, &settings->size, sizeof settings->size);
  for (int i = 0; i < settings->count && status == WK_OK; i++) {
    status = resolve_field(&settings->attributes[i], what, resolved);
  }
  return status;
}

/* How many dimensions or axes there are stands first in both. */
static bool is_possible(const wk_attribute *attribute, const void *given) {
  const int count =
      attribute->type == WK_ATTRIBUTE_BOOL ? 0 : *(const int *)field(attribute, given);
  return count >= 0 && count <= WK_MAX_RANK;
}

const void *wk_settings_resolved(const wk_settings *settings, const char *what, const void *given,
                                 void *copy) {
  size_t size = 0;
  if (given && settings->in_place) memcpy(&size, given, sizeof size);
  bool whole = size == settings->size;
  for (int i = 0; i < settings->count && whole; i++)
    whole = is_possible(&settings->attributes[i], given);
  if (whole) return given;
  return wk_settings_resolve(settings, what, given, copy) == WK_OK ? copy : NULL;
}

static bool same_axes(const wk_axes *a, const wk_axes *b) {
  return a->count == b->count && memcmp(a->axis, b->axis, (size_t)a->count * sizeof *a->axis) == 0;
}

static bool same_shape(const wk_shape *a, const wk_shape *b) {
  return a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

static bool same_value(const wk_attribute *attribute, const void *a, const void *b) {
  static const size_t sizes[] = {
      [WK_ATTRIBUTE_INT] = sizeof(int64_t),        [WK_ATTRIBUTE_AXIS] = sizeof(int),
      [WK_ATTRIBUTE_DOUBLE] = sizeof(double),      [WK_ATTRIBUTE_BOOL] = sizeof(bool),
      [WK_ATTRIBUTE_UINT] = sizeof(uint64_t),      [WK_ATTRIBUTE_PAIR] = sizeof(int64_t[2]),
      [WK_ATTRIBUTE_TRIPLE] = sizeof(int64_t[3]),  [WK_ATTRIBUTE_DTYPE] = sizeof(wk_dtype),
      [WK_ATTRIBUTE_DEVICE] = sizeof(wk_device *), [WK_ATTRIBUTE_GENERATOR] = sizeof(void *),
      [WK_ATTRIBUTE_ENUM] = sizeof(int),           [WK_ATTRIBUTE_TEXT] = sizeof(char *),
  };
  const void *x = field(attribute, a), *y = field(attribute, b);
  if (attribute->type == WK_ATTRIBUTE_AXES) return same_axes(x, y);
  if (attribute->type == WK_ATTRIBUTE_SHAPE) return same_shape(x, y);
  return memcmp(x, y, sizes[attribute->type]) == 0;
}

bool wk_settings_equal(const wk_settings *settings, const void *a, const void *b) {
  for (int i = 0; i < settings->count; i++)
    if (!same_value(&settings->attributes[i], a, b)) return false;
  return true;
}

const wk_attribute *wk_settings_find(const wk_settings *settings, const char *name) {
  for (int i = 0; i < settings->count; i++) {
    if (strcmp(settings->attributes[i].name, name) == 0) return &settings->attributes[i];
  }
  return NULL;
}

/* ---- text ---- */

static wk_status append_list(wk_text *text, int count, const int64_t *values) {
  wk_status status = wk_text_append(text, "[");
  for (int i = 0; i < count && status == WK_OK; i++) {
    status = wk_text_append(text, i ? ", %lld" : "%lld", (long long)values[i]);
  }
  return status == WK_OK ? wk_text_append(text, "]") : status;
}

static wk_status append_axes(wk_text *text, const wk_axes *axes) {
  int64_t values[WK_MAX_RANK];
  for (int i = 0; i < axes->count; i++) values[i] = axes->axis[i];
  return append_list(text, axes->count, values);
}

wk_status wk_attribute_to_text(const wk_attribute *attribute, const void *settings, wk_text *text) {
  const void *at = field(attribute, settings);
  switch (attribute->type) {
  case WK_ATTRIBUTE_INT:
    return wk_text_append(text, "%lld", (long long)*(const int64_t *)at);
  case WK_ATTRIBUTE_AXIS:
    return wk_text_append(text, "%d", *(const int *)at);
  case WK_ATTRIBUTE_DOUBLE:
    return wk_text_append_number(text, *(const double *)at);
  case WK_ATTRIBUTE_BOOL:
    return wk_text_append(text, *(const bool *)at ? "true" : "false");
  case WK_ATTRIBUTE_UINT:
    return wk_text_append(text, "%llu", (unsigned long long)*(const uint64_t *)at);
  case WK_ATTRIBUTE_PAIR:
    return append_list(text, 2, at);
  case WK_ATTRIBUTE_TRIPLE:
    return append_list(text, 3, at);
  case WK_ATTRIBUTE_SHAPE:
    return append_list(text, ((const wk_shape *)at)->rank, ((const wk_shape *)at)->dims);
  case WK_ATTRIBUTE_AXES:
    return append_axes(text, at);
  case WK_ATTRIBUTE_DTYPE:
    return wk_text_append(text, "\"%s\"", wk_dtype_name(*(const wk_dtype *)at));
  case WK_ATTRIBUTE_ENUM:
    return wk_text_append(text, "\"%s\"", attribute->names[*(const int *)at]);
  case WK_ATTRIBUTE_TEXT:
    return wk_text_append(text, "\"%s\"", *(const char *const *)at);
  case WK_ATTRIBUTE_DEVICE:
  case WK_ATTRIBUTE_GENERATOR:
    return wk_text_append(text, "null");
  }
  return WK_OK;
}

/* Reads "[1, 2]" into at most `limit` values; -1 if the text is not such a list. */
static int parse_list(const char *text, int limit, int64_t *values) {
  while (isspace((unsigned char)*text)) text++;
  if (*text++ != '[') return -1;
  int count = 0;
  for (;;) {
    while (isspace((unsigned char)*text) || *text == ',') text++;
    if (*text == ']') return text[1 + strspn(text + 1, " \n\t")] == '\0' ? count : -1;
    char *end;
    const long long value = strtoll(text, &end, 10);
    if (end == text || count == limit) return -1;
    values[count++] = value;
    text = end;
  }
}

static bool parse_axes(const char *text, wk_axes *axes) {
  int64_t values[WK_MAX_RANK];
  const int count = parse_list(text, WK_MAX_RANK, values);
  if (count < 0) return false;
  axes->count = count;
  for (int i = 0; i < count; i++) axes->axis[i] = (int)values[i];
  return true;
}

static bool is_quoted(const char *text, const char *name) {
  const size_t length = strlen(name);
  return text[0] == '"' && strncmp(text + 1, name, length) == 0 &&
         strcmp(text + 1 + length, "\"") == 0;
}

static bool parse_dtype(const char *text, wk_dtype *dtype) {
  for (int d = WK_DTYPE_DEFAULT; d == WK_DTYPE_DEFAULT || wk_dtype_size((wk_dtype)d); d++) {
    if (is_quoted(text, wk_dtype_name((wk_dtype)d))) {
      *dtype = (wk_dtype)d;
      return true;
    }
  }
  return false;
}

static bool parse_enum(const wk_attribute *attribute, const char *text, int *value) {
  for (int i = 0; attribute->names[i]; i++) {
    if (!is_quoted(text, attribute->names[i])) continue;
    *value = i;
    return true;
  }
  return false;
}

/* Kept for ever, as such texts are few. Without escapes. */
static bool parse_text(const char *text, const char **value) {
  char plain[256];
  const size_t length = strlen(text);
  if (length < 2 || length - 2 >= sizeof plain || text[0] != '"' || text[length - 1] != '"')
    return false;
  memcpy(plain, text + 1, length - 2);
  plain[length - 2] = '\0';
  *value = wk_intern(plain);
  return *value != NULL;
}

static bool parse_field(const wk_attribute *attribute, void *at, const char *text) {
  int64_t integer = 0;
  switch (attribute->type) {
  case WK_ATTRIBUTE_INT:
    return wk_parse_integer(text, at);
  case WK_ATTRIBUTE_AXIS:
    if (!wk_parse_integer(text, &integer) || integer < INT32_MIN || integer > INT32_MAX) {
      return false;
    }
    *(int *)at = (int)integer;
    return true;
  case WK_ATTRIBUTE_DOUBLE:
    return wk_parse_number(text, at);
  case WK_ATTRIBUTE_BOOL:
    *(bool *)at = strcmp(text, "true") == 0;
    return *(bool *)at || strcmp(text, "false") == 0;
  case WK_ATTRIBUTE_UINT: {
    char *end;
    *(uint64_t *)at = strtoull(text, &end, 10);
    return end != text && *end == '\0' && *text != '-';
  }
  case WK_ATTRIBUTE_PAIR:
    return parse_list(text, 2, at) == 2;
  case WK_ATTRIBUTE_TRIPLE:
    return parse_list(text, 3, at) == 3;
  case WK_ATTRIBUTE_SHAPE: {
    wk_shape *shape = at;
    shape->rank = parse_list(text, WK_MAX_RANK, shape->dims);
    return shape->rank >= 0;
  }
  case WK_ATTRIBUTE_AXES:
    return parse_axes(text, at);
  case WK_ATTRIBUTE_DTYPE:
    return parse_dtype(text, at);
  case WK_ATTRIBUTE_ENUM:
    return parse_enum(attribute, text, at);
  case WK_ATTRIBUTE_TEXT:
    return parse_text(text, at);
  case WK_ATTRIBUTE_DEVICE:
  case WK_ATTRIBUTE_GENERATOR:
    return strcmp(text, "null") == 0;
  }
  return false;
}

wk_status wk_attribute_from_text(const wk_attribute *attribute, void *settings, const char *text) {
  if (parse_field(attribute, field(attribute, settings), text)) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "%s cannot be %s", attribute->name, text);
}

double wk_attribute_number(const wk_attribute *attribute, const void *settings) {
  const void *at = (const char *)settings + attribute->offset;
  return attribute->type == WK_ATTRIBUTE_BOOL ? *(const bool *)at : 0.0 + *(const double *)at;
}

void wk_attribute_set_number(const wk_attribute *attribute, void *settings, double value) {
  void *at = (char *)settings + attribute->offset;
  if (attribute->type == WK_ATTRIBUTE_BOOL)
    *(bool *)at = value != 0;
  else
    *(double *)at = value == 0 ? WK_EXACTLY_ZERO : value;
}
