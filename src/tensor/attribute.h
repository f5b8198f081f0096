/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TENSOR_ATTRIBUTE_H
#define WICK_TENSOR_ATTRIBUTE_H

/* Settings described by tables, so that ops, layers and optimizers share one way of defaulting,
 * checking, reading and setting them by name. The tables are generated from the records. */

#include <wick/tensor.h>

#include "base/text.h"

typedef enum __attribute__((packed)) wk_attribute_type {
  WK_ATTRIBUTE_INT,       /* int64_t */
  WK_ATTRIBUTE_AXIS,      /* int */
  WK_ATTRIBUTE_DOUBLE,    /* double */
  WK_ATTRIBUTE_BOOL,      /* bool */
  WK_ATTRIBUTE_UINT,      /* uint64_t */
  WK_ATTRIBUTE_PAIR,      /* int64_t[2]; a zero second one repeats the first */
  WK_ATTRIBUTE_TRIPLE,    /* int64_t[3]; likewise */
  WK_ATTRIBUTE_SHAPE,     /* wk_shape */
  WK_ATTRIBUTE_AXES,      /* wk_axes */
  WK_ATTRIBUTE_DTYPE,     /* wk_dtype */
  WK_ATTRIBUTE_DEVICE,    /* wk_device *, has no text */
  WK_ATTRIBUTE_GENERATOR, /* wk_generator *, has no text */
  WK_ATTRIBUTE_ENUM,      /* an enum of the public API; its value's name is its text */
  WK_ATTRIBUTE_TEXT       /* const char *, borrowed for the call: of composites only */
} wk_attribute_type;

/* What zero stands for, for numbers, and what they may be. */
typedef struct wk_attribute_range {
  double usual, minimum, maximum;
} wk_attribute_range;

typedef struct wk_attribute {
  const char *name;
  const wk_attribute_range *range; /* many attributes share one */
  const char *doc;
  const char *const *names; /* of an enum's values, ending in NULL */
  uint16_t offset;          /* in the struct of settings */
  wk_attribute_type type;
  bool required; /* positional: zero means zero */
} wk_attribute;

/* A struct of settings: its size_t struct_size first, then what `attributes` lists. */
typedef struct wk_settings {
  const wk_attribute *attributes;
  size_t size;            /* of the struct as this library knows it */
  uint16_t count;         /* of the attributes */
  uint16_t required_size; /* up to the end of the last field that must be given */
  bool in_place;          /* there is nothing to fill in: all are shapes, axes and flags */
} wk_settings;

/* Copies a caller's struct, of its own, perhaps older or newer, size, to `copy` of `size` bytes:
 * what an older caller does not have becomes zero, and what only a newer one has must be zero.
 * `required_size`: up to the end of the last field that must be given. */
wk_status wk_settings_copy(const char *what, const void *given, size_t required_size, size_t size,
                           void *copy);

/* Copies the caller's struct (of its own, perhaps older or newer, size) to `resolved`, of
 * settings->size bytes, with defaults filled in and ranges checked; NULL has no field set. `what`
 * names the op or layer in errors. */
wk_status wk_settings_resolve(const wk_settings *settings, const char *what, const void *given,
                              void *resolved);

/* As wk_settings_resolve, but where the caller's struct is already as it should be the result is
 * that itself, else `copy`. NULL: an error. */
const void *wk_settings_resolved(const wk_settings *settings, const char *what, const void *given,
                                 void *copy);

/* Raises WK_ERROR_ARGUMENT unless the value is in the attribute's range. */
wk_status wk_attribute_check(const wk_attribute *attribute, const char *what, double value);

/* Whether two resolved structs have the same values in all attributes; what else is in them (the
 * op's tensors) does not count. */
bool wk_settings_equal(const wk_settings *settings, const void *a, const void *b);

/* The attribute called `name`, or NULL. */
const wk_attribute *wk_settings_find(const wk_settings *settings, const char *name);

/* The value of an attribute that is a bool or a double, in resolved settings; an unset number is 0.
 * What is set to 0 stays so when the settings are resolved again. */
double wk_attribute_number(const wk_attribute *attribute, const void *settings);
void wk_attribute_set_number(const wk_attribute *attribute, void *settings, double value);

/* One attribute's value as JSON text (numbers, true, [1, 2], "f32") and back. Reading raises
 * WK_ERROR_ARGUMENT naming the attribute when the text is not such a value. */
wk_status wk_attribute_to_text(const wk_attribute *attribute, const void *settings, wk_text *text);
wk_status wk_attribute_from_text(const wk_attribute *attribute, void *settings, const char *text);

#endif
