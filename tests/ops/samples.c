/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/random.h"

typedef enum kind { UNIFORM, INTEGERS, BITS, SPECIAL } kind;

/* Each is used with both signs. */
static const double special_f32[] = {
    0,       0x1p-149, 0x1.8p-140, 0x1.fffffcp-127, 0x1p-126, 1e-30,         1e-10,    0x1p-24,
    0x1p-12, 0.1,      0.25,       0.34657359,      0.5,      0x1.fffffep-1, 1,        0x1.000002p0,
    2,       2.5,      9.0109,     17.3287,         0x1p24,   87.336,        88.7228,  88.73,
    103.972, 103.98,   1e10,       2147483648.0,    0x1p63,   FLT_MAX,       INFINITY, NAN};
static const double special_f64[] = {0,
                                     0x1p-1074,
                                     0x1.8p-1060,
                                     0x1.ffffffffffffep-1023,
                                     0x1p-1022,
                                     1e-300,
                                     1e-10,
                                     0x1p-53,
                                     0x1p-26,
                                     0.1,
                                     0.25,
                                     0.34657359027997264,
                                     0.5,
                                     0x1.fffffffffffffp-1,
                                     1,
                                     0x1.0000000000001p0,
                                     2,
                                     2.5,
                                     9.0109,
                                     19.0615,
                                     0x1p53,
                                     37.43,
                                     709.782712893384,
                                     709.79,
                                     745.133219101941,
                                     745.14,
                                     1e10,
                                     2147483648.0,
                                     0x1p63,
                                     DBL_MAX,
                                     INFINITY,
                                     NAN};
/* Of both 16-bit floats; what one of them cannot hold becomes 0 or infinity. */
static const double special_half[] = {0,        0x1p-24,    0x1.8p-20, 0x1.ff8p-15, 0x1p-14,
                                      0x1p-133, 0x1.cp-130, 0x1p-126,  0x1p-8,      0.1,
                                      0.25,     0.34657359, 0.5,       0x1.ffp-1,   1,
                                      0x1.01p0, 2,          2.5,       9,           10.4,
                                      0x1p10,   11.09,      17,        87.5,        88.5,
                                      103,      1000,       65504,     0x1.fep127,  0x1p63,
                                      INFINITY, NAN};
#define SPECIAL_COUNT (sizeof special_f32 / sizeof *special_f32)
_Static_assert(sizeof special_f64 == sizeof special_f32 &&
                   sizeof special_half == sizeof special_f32,
               "the lists stand for each other");

static const double *special_list(wk_dtype dtype) {
  return dtype == WK_F64 ? special_f64 : dtype == WK_F32 ? special_f32 : special_half;
}

/* ---- texts ---- */

typedef struct description {
  kind kind;
  double low, high;
  wk_shape shape;
  wk_dtype dtype; /* 0: not named */
  bool dominant;  /* uniform, with larger diagonals */
} description;

/* Steps over spaces and commas, then over `word` if it stands there. */
static bool skip(const char **text, const char *word) {
  *text += strspn(*text, " ,");
  const size_t length = strlen(word);
  if (strncmp(*text, word, length) != 0) return false;
  *text += length;
  return true;
}

static bool read_number(const char **text, double *value) {
  skip(text, "");
  char *end;
  *value = strtod(*text, &end); /* tests never leave the C locale */
  if (end == *text) return false;
  *text = end;
  return true;
}

static bool read_range(const char **text, description *d) {
  return skip(text, "(") && read_number(text, &d->low) && read_number(text, &d->high) &&
         skip(text, ")");
}

static bool read_kind(const char **text, description *d) {
  if (skip(text, "uniform")) return d->kind = UNIFORM, read_range(text, d);
  if (skip(text, "dominant")) return d->dominant = true, read_range(text, d);
  if (skip(text, "integers")) return d->kind = INTEGERS, read_range(text, d);
  if (skip(text, "bits")) return d->kind = BITS, true;
  if (skip(text, "special")) return d->kind = SPECIAL, true;
  return false;
}

static bool read_description(const char *text, description *d) {
  *d = (description){.kind = UNIFORM};
  if (!read_kind(&text, d) || !skip(&text, "[")) return false;
  while (!skip(&text, "]")) {
    double size;
    if (d->shape.rank == WK_MAX_RANK || !read_number(&text, &size)) return false;
    d->shape.dims[d->shape.rank++] = (int64_t)size;
  }
  skip(&text, "");
  if (*text == '\0') return true;
  for (int dtype = WK_F32; wk_dtype_size((wk_dtype)dtype); dtype++)
    if (strcmp(wk_dtype_name((wk_dtype)dtype), text) == 0) d->dtype = (wk_dtype)dtype;
  return d->dtype != WK_DTYPE_DEFAULT;
}

wk_dtype sample_text_dtype(const char *text) {
  description d;
  return read_description(text, &d) ? d.dtype : WK_DTYPE_DEFAULT;
}

bool sample_text_has_dtype(const char *text) { return sample_text_dtype(text) != WK_DTYPE_DEFAULT; }

bool sample_text_fits(const char *text, wk_dtype dtype) {
  description d;
  if (!read_description(text, &d) || d.kind == UNIFORM || d.kind == SPECIAL) return false;
  const double bits = 8 * (double)wk_dtype_size(dtype);
  const double low = dtype == WK_U8 ? 0 : -ldexp(1, (int)bits - 1);
  const double high = dtype == WK_U8 ? 255 : ldexp(1, (int)bits - 1) - 1;
  return d.kind == BITS || (d.low >= low && d.high <= high);
}

/* ---- values ---- */

/* Added to the diagonals of matrices over the last two axes, so that they are far from singular. */
static double dominance(const description *d, int64_t index) {
  if (!d->dominant || d->shape.rank < 2) return 0;
  const int64_t rows = d->shape.dims[d->shape.rank - 2], columns = d->shape.dims[d->shape.rank - 1];
  return index % columns == index / columns % rows ? (double)columns : 0;
}

static double value_at(const description *d, wk_dtype dtype, uint64_t seed, int64_t index) {
  const wk_philox_block block = wk_philox(seed, (uint64_t)index, 0);
  switch (d->kind) {
  case UNIFORM:
    return d->low + (d->high - d->low) * wk_random_unit_double(block.word[0], block.word[1]) +
           dominance(d, index);
  case INTEGERS: {
    const uint64_t word = (uint64_t)block.word[0] << 32 | block.word[1];
    return d->low + (double)wk_random_below(word, (uint64_t)(d->high - d->low) + 1);
  }
  case BITS:
    return block.word[0] & 1;
  case SPECIAL: {
    const double *list = special_list(dtype);
    const double value = list[(size_t)index / 2 % SPECIAL_COUNT];
    return index % 2 ? -value : value;
  }
  }
  return 0;
}

static void store(void *data, wk_dtype dtype, int64_t index, double value) {
  void *at = (char *)data + index * (int64_t)wk_dtype_size(dtype);
  const int64_t whole = fabs(value) < 0x1p63 ? (int64_t)value : 0;
  switch (dtype) {
  case WK_F32:
    *(float *)at = (float)value;
    break;
  case WK_F64:
    *(double *)at = value;
    break;
  case WK_F16:
    *(uint16_t *)at = wk_f64_to_f16(value);
    break;
  case WK_BF16:
    *(uint16_t *)at = wk_f64_to_bf16(value);
    break;
  default: /* little-endian: the low bytes of an integer are the smaller one */
    memcpy(at, &whole, wk_dtype_size(dtype));
  }
}

static bool make(sample_tensor *tensor, const char *text, wk_dtype dtype, bool forced,
                 uint64_t seed) {
  *tensor = (sample_tensor){.dtype = dtype};
  if (!text) return true;
  description d;
  if (!read_description(text, &d)) return false;
  if (d.dtype && !forced) tensor->dtype = d.dtype;
  tensor->shape = d.shape;
  tensor->special = d.kind == SPECIAL;
  tensor->count = 1;
  for (int i = 0; i < d.shape.rank; i++) tensor->count *= d.shape.dims[i];
  tensor->data = calloc((size_t)tensor->count + 1, wk_dtype_size(tensor->dtype));
  if (!tensor->data) return false;
  for (int64_t i = 0; i < tensor->count; i++)
    store(tensor->data, tensor->dtype, i, value_at(&d, tensor->dtype, seed, i));
  return true;
}

bool sample_tensor_make(sample_tensor *tensor, const char *text, wk_dtype dtype, uint64_t seed) {
  return make(tensor, text, dtype, false, seed);
}

bool sample_tensor_make_as(sample_tensor *tensor, const char *text, wk_dtype dtype, uint64_t seed) {
  return make(tensor, text, dtype, true, seed);
}

bool sample_tensor_copy(sample_tensor *copy, const sample_tensor *original) {
  *copy = *original;
  if (!original->data) return true;
  const size_t size = ((size_t)original->count + 1) * wk_dtype_size(original->dtype);
  copy->data = malloc(size);
  if (copy->data) memcpy(copy->data, original->data, size);
  return copy->data != NULL;
}

void sample_tensor_free(sample_tensor *tensor) {
  free(tensor->data);
  tensor->data = NULL;
}

double sample_real(const sample_tensor *tensor, int64_t index) {
  switch (tensor->dtype) {
  case WK_F32:
    return (double)((float *)tensor->data)[index];
  case WK_F16:
    return (double)wk_f16_to_f32(((uint16_t *)tensor->data)[index]);
  case WK_BF16:
    return (double)wk_bf16_to_f32(((uint16_t *)tensor->data)[index]);
  default:
    return ((double *)tensor->data)[index];
  }
}

void sample_set_real(const sample_tensor *tensor, int64_t index, double value) {
  store(tensor->data, tensor->dtype, index, value);
}
