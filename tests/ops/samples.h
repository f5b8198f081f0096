/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_OPS_SAMPLES_H
#define WICK_TESTS_OPS_SAMPLES_H

/* The samples of the records in schema/, and the tensors that their texts stand for.
 *
 * A tensor's text is its values, its sizes and, if it is not what the run is about, its dtype:
 *   uniform(-1, 1) [2, 3]       evenly spread over [-1, 1)
 *   dominant(-1, 1) [3, 3]      the same, and the size more on the diagonals of matrices
 *   integers(0, 9) [5] i64      whole numbers from 0 to 9
 *   bits [9] bool               0 or 1
 *   special [64]                infinities, NaN, both zeros, denormals and the edges of functions
 * Values depend on the seed alone. Without a dtype a tensor is of the run's: f32, then f64. */

#include <wick/tensor.h>

#define WK_SAMPLE_TENSORS 24
#define WK_SAMPLE_SETTINGS 10

typedef struct wk_sample {
  const char *op;
  int tensor_count;
  const char *tensors[WK_SAMPLE_TENSORS]; /* NULL: an optional input that is left out */
  int setting_count;
  struct {
    const char *name, *text; /* an attribute and its value as JSON */
  } settings[WK_SAMPLE_SETTINGS];
  double ulp[2]; /* how far a result may be from the reference's, for f32 and f64; 0: equal bits */
} wk_sample;

extern const wk_sample wk_sample_table[];
extern const int wk_sample_table_count;

/* Values on the host, row-major. `data` is NULL where an optional input is left out. */
typedef struct sample_tensor {
  wk_dtype dtype;
  wk_shape shape;
  int64_t count;
  void *data;
  bool special;
} sample_tensor;

/* Makes the tensor that `text` says; NULL text: an absent one. False if the text makes no sense. */
bool sample_tensor_make(sample_tensor *tensor, const char *text, wk_dtype dtype, uint64_t seed);
bool sample_tensor_copy(sample_tensor *copy, const sample_tensor *original);
void sample_tensor_free(sample_tensor *tensor);

/* Whether the text names its dtype. */
bool sample_text_has_dtype(const char *text);

/* The dtype that the text names, or WK_DTYPE_DEFAULT; and whether its values, whole numbers, are in
 * the range of an integer dtype. */
wk_dtype sample_text_dtype(const char *text);
bool sample_text_fits(const char *text, wk_dtype dtype);

/* As sample_tensor_make, but of `dtype` whatever the text names. */
bool sample_tensor_make_as(sample_tensor *tensor, const char *text, wk_dtype dtype, uint64_t seed);

/* Element `index` as a double, and its change; of any float dtype. */
double sample_real(const sample_tensor *tensor, int64_t index);
void sample_set_real(const sample_tensor *tensor, int64_t index, double value);

static inline bool is_float(wk_dtype dtype) {
  return dtype == WK_F32 || dtype == WK_F64 || dtype == WK_F16 || dtype == WK_BF16;
}

#endif
