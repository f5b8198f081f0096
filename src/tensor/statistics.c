/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/statistics.h"

#include <math.h>

#include "base/parallel.h"
#include "base/text.h"
#include "tensor/element.h"

enum { PIECE = 1 << 15 }; /* elements scanned between two looks at whether the answer is known */

/* ---- the quick look ---- */

/* Adding one to an exponent whose bits are all set carries into the sign, which was masked out:
 * steps that all vector units have. Four sums, so that they do not wait for each other. */
typedef uint32_t words __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint64_t wide_words __attribute__((vector_size(16), aligned(8), may_alias));

#define DEFINE_SCAN(name, word, vector, exponent, one, sign)                                       \
  static bool name(const word *bits, int64_t count) {                                              \
    enum { LANES = 16 / sizeof(word) };                                                            \
    vector a = {0}, b = {0}, c = {0}, d = {0};                                                     \
    int64_t i = 0;                                                                                 \
    for (; i + 4 * LANES <= count; i += 4 * LANES) {                                               \
      const vector *v = (const vector *)(const void *)(bits + i);                                  \
      a |= (v[0] & exponent) + one, b |= (v[1] & exponent) + one;                                  \
      c |= (v[2] & exponent) + one, d |= (v[3] & exponent) + one;                                  \
    }                                                                                              \
    a |= b | c | d;                                                                                \
    word carried = 0;                                                                              \
    for (; i < count; i++) carried |= (bits[i] & exponent) + one;                                  \
    for (int lane = 0; lane < LANES; lane++) carried |= a[lane];                                   \
    return carried >> sign;                                                                        \
  }

DEFINE_SCAN(scan_f32, uint32_t, words, 0x7F800000u, 0x00800000u, 31)
DEFINE_SCAN(scan_f64, uint64_t, wide_words, 0x7FF0000000000000u, 0x0010000000000000u, 63)

typedef struct scan {
  const char *data;
  bool wide;
  atomic_bool found;
} scan;

static void scan_range(void *context, int64_t begin, int64_t end) {
  scan *s = context;
  for (int64_t at = begin; at < end; at += PIECE) {
    if (atomic_load_explicit(&s->found, memory_order_relaxed)) return;
    const int64_t count = end - at < PIECE ? end - at : PIECE;
    if (s->wide ? scan_f64((const uint64_t *)(const void *)s->data + at, count)
                : scan_f32((const uint32_t *)(const void *)s->data + at, count))
      atomic_store_explicit(&s->found, true, memory_order_relaxed);
  }
}

bool wk_tensor_has_anomaly(const wk_tensor *tensor) {
  if (!wk_dtype_is_float(tensor->layout.dtype) || !wk_tensor_device_of(tensor)->host_memory ||
      tensor->root->storage->traced)
    return false;
  if (!wk_layout_is_contiguous(&tensor->layout) || wk_dtype_size(tensor->layout.dtype) < 4) {
    wk_statistics s;
    return wk_tensor_statistics(tensor, &s) && s.not_a_number + s.infinite > 0;
  }
  scan s = {.data = wk_tensor_data(tensor), .wide = tensor->layout.dtype == WK_F64};
  wk_parallel_for(wk_layout_count(&tensor->layout), PIECE, scan_range, &s);
  return atomic_load(&s.found);
}

/* ---- the long look ---- */

bool wk_tensor_statistics(const wk_tensor *tensor, wk_statistics *statistics) {
  const wk_layout *layout = &tensor->layout;
  if (!wk_dtype_is_float(layout->dtype) || !wk_tensor_device_of(tensor)->host_memory ||
      tensor->root->storage->traced)
    return false;
  const char *data = wk_tensor_data(tensor);
  wk_statistics s = {.count = wk_layout_count(layout), .least = INFINITY, .most = -INFINITY};
  double sum = 0;
  for (int64_t i = 0; i < s.count; i++) {
    const int64_t at = wk_layout_position(layout, i);
    const double value =
        wk_read_real(layout->dtype, data + at * (int64_t)wk_dtype_size(layout->dtype));
    if (isnan(value)) {
      s.not_a_number++;
    } else if (isinf(value)) {
      s.infinite++;
    } else {
      sum += value;
      if (value < s.least) s.least = value;
      if (value > s.most) s.most = value;
    }
  }
  const int64_t finite = s.count - s.not_a_number - s.infinite;
  s.mean = sum / (double)finite;
  if (!finite) s.least = s.most = s.mean = (double)NAN;
  *statistics = s;
  return true;
}

size_t wk_statistics_text(const wk_statistics *s, char *buffer, size_t size) {
  size_t used =
      wk_print_into(buffer, size, 0, "min %.6g, max %.6g, mean %.6g", s->least, s->most, s->mean);
  if (s->not_a_number)
    used = wk_print_into(buffer, size, used, ", %lld NaN", (long long)s->not_a_number);
  if (s->infinite)
    used = wk_print_into(buffer, size, used, ", %lld infinite", (long long)s->infinite);
  return used;
}
