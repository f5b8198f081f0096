/* SPDX-License-Identifier: Apache-2.0 */
/* Interpolation: every mode is a sparse matrix along one axis, so one op and its transpose do for
 * all, and each is the other's gradient. */
#include "ops/resample.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "ops/window.h"

/* ---- taps ---- */

void wk_taps_free(wk_taps *taps) {
  wk_deallocate(taps->start);
  wk_deallocate(taps->index);
  wk_deallocate(taps->weight);
  *taps = (wk_taps){0};
}

static wk_status allocate_taps(wk_taps *taps, int64_t count, int64_t terms) {
  *taps = (wk_taps){.count = count};
  taps->start = wk_allocate_zeroed((size_t)count + 1, sizeof *taps->start);
  taps->index = wk_allocate_zeroed((size_t)terms + 1, sizeof *taps->index);
  taps->weight = wk_allocate_zeroed((size_t)terms + 1, sizeof *taps->weight);
  if (taps->start && taps->index && taps->weight) return WK_OK;
  wk_taps_free(taps);
  return wk_error_status();
}

typedef struct axis {
  const wk_resample_settings *settings;
  int64_t from, to;
  double ratio; /* old elements to one new one */
} axis;

static double quotient(const wk_resample_settings *s, int64_t from, int64_t to) {
  if (s->align_corners) return to > 1 ? (double)(from - 1) / (double)(to - 1) : 0;
  return s->ratio > 0 ? s->ratio : (double)from / (double)to;
}

static int64_t clamp(int64_t i, int64_t size) { return i < 0 ? 0 : i >= size ? size - 1 : i; }

static void add_tap(wk_taps *taps, int64_t *used, int64_t index, double weight) {
  taps->index[*used] = index;
  taps->weight[(*used)++] = weight;
}

static void add_nearest(const axis *a, wk_taps *taps, int64_t i, int64_t *used) {
  const bool exact = a->settings->mode == WK_INTERPOLATION_NEAREST_EXACT;
  int64_t at;
  if (a->settings->ratio > 0)
    at = (int64_t)floor(((double)i + (exact ? 0.5 : 0)) * a->ratio);
  else /* without rounding */
    at = exact ? (2 * i + 1) * a->from / (2 * a->to) : i * a->from / a->to;
  add_tap(taps, used, clamp(at, a->from), 1);
}

/* Where new element i lies among the old ones. */
static double place_of(const axis *a, int64_t i) {
  return a->settings->align_corners ? (double)i * a->ratio : ((double)i + 0.5) * a->ratio - 0.5;
}

static void add_linear(const axis *a, wk_taps *taps, int64_t i, int64_t *used) {
  const double place = fmax(place_of(a, i), 0);
  const int64_t low = clamp((int64_t)place, a->from);
  const double part = fmin(place - (double)low, 1);
  if (part < 1) add_tap(taps, used, low, 1 - part);
  if (part > 0) add_tap(taps, used, clamp(low + 1, a->from), part);
}

/* Keys' cubic convolution; `a` is its one parameter. */
static double cubic_filter(double x, double a) {
  x = fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

static void add_cubic(const axis *a, wk_taps *taps, int64_t i, int64_t *used) {
  const double place = place_of(a, i), low = floor(place);
  for (int k = -1; k <= 2; k++)
    add_tap(taps, used, clamp((int64_t)low + k, a->from), cubic_filter(place - low - k, -0.75));
}

static void add_area(const axis *a, wk_taps *taps, int64_t i, int64_t *used) {
  int64_t begin, end;
  wk_adaptive_bin(a->from, a->to, i, &begin, &end);
  for (int64_t k = begin; k < end; k++) add_tap(taps, used, k, 1 / (double)(end - begin));
}

/* How far the antialiasing filter reaches on either side. */
static double filter_reach(const axis *a) {
  const double reach = a->settings->mode == WK_INTERPOLATION_CUBIC ? 2 : 1;
  return reach * fmax(a->ratio, 1);
}

static void add_antialias(const axis *a, wk_taps *taps, int64_t i, int64_t *used) {
  const bool cubic = a->settings->mode == WK_INTERPOLATION_CUBIC;
  const double centre = a->ratio * ((double)i + 0.5), reach = filter_reach(a);
  const double shrink = 1 / fmax(a->ratio, 1);
  const int64_t begin = (int64_t)fmax(centre - reach + 0.5, 0);
  const int64_t end = (int64_t)fmin(centre + reach + 0.5, (double)a->from);
  const int64_t first = *used;
  double sum = 0;
  for (int64_t k = begin; k < end; k++) {
    const double x = ((double)k - centre + 0.5) * shrink;
    const double weight = cubic ? cubic_filter(x, -0.5) : fmax(1 - fabs(x), 0);
    add_tap(taps, used, k, weight);
    sum += weight;
  }
  for (int64_t k = first; k < *used && sum != 0; k++) taps->weight[k] /= sum;
}

/* The most terms that one new element can have. */
static int64_t most_terms(const axis *a) {
  if (a->settings->mode == WK_INTERPOLATION_AREA) return a->from / a->to + 2;
  if (a->settings->antialias) return (int64_t)fmin(2 * filter_reach(a) + 3, (double)a->from + 1);
  return 4;
}

wk_status wk_taps_make(const wk_resample_settings *settings, int64_t from, int64_t to,
                       wk_taps *taps) {
  const axis a = {settings, from, to, quotient(settings, from, to)};
  int64_t terms;
  *taps = (wk_taps){0};
  if (!wk_multiply_count(to, most_terms(&a), &terms))
    return wk_fail(WK_ERROR_SHAPE, "the result is too large");
  if (allocate_taps(taps, to, terms) != WK_OK) return wk_error_status();
  int64_t used = 0;
  for (int64_t i = 0; i < to; i++) {
    if (settings->mode == WK_INTERPOLATION_AREA)
      add_area(&a, taps, i, &used);
    else if (settings->mode == WK_INTERPOLATION_NEAREST ||
             settings->mode == WK_INTERPOLATION_NEAREST_EXACT)
      add_nearest(&a, taps, i, &used);
    else if (settings->antialias)
      add_antialias(&a, taps, i, &used);
    else if (settings->mode == WK_INTERPOLATION_LINEAR)
      add_linear(&a, taps, i, &used);
    else
      add_cubic(&a, taps, i, &used);
    taps->start[i + 1] = used;
  }
  return WK_OK;
}

wk_status wk_taps_transpose(const wk_taps *taps, int64_t from, wk_taps *transposed) {
  const int64_t terms = taps->start[taps->count];
  if (allocate_taps(transposed, from, terms) != WK_OK) return wk_error_status();
  int64_t *start = transposed->start;
  for (int64_t k = 0; k < terms; k++) start[taps->index[k] + 1]++;
  for (int64_t i = 0; i < from; i++) start[i + 1] += start[i];
  for (int64_t i = 0; i < taps->count; i++) /* start[j] moves to the end of j's terms, */
    for (int64_t k = taps->start[i]; k < taps->start[i + 1]; k++) {
      const int64_t to = start[taps->index[k]]++;
      transposed->index[to] = i;
      transposed->weight[to] = taps->weight[k];
    }
  for (int64_t i = from; i > 0; i--) start[i] = start[i - 1]; /* and back */
  start[0] = 0;
  return WK_OK;
}

/* ---- resample and its transpose ---- */

#define SETTINGS_OF(type)                                                                          \
  do {                                                                                             \
    const type *a = arguments;                                                                     \
    s = (wk_resample_settings){a->axis,      a->size,  a->mode,  a->align_corners,                 \
                               a->antialias, a->ratio, a->across};                                 \
  } while (0)

wk_resample_settings wk_resample_settings_of(const wk_op *op, const void *arguments) {
  wk_resample_settings s;
  if (op->id == WK_OP_RESAMPLE)
    SETTINGS_OF(wk_resample_arguments);
  else
    SETTINGS_OF(wk_resample_gradient_arguments);
  return s;
}

static wk_status infer(wk_call *call, int *resolved) {
  const wk_layout *x = &call->inputs[0]->layout;
  const wk_resample_settings s = wk_resample_settings_of(call->op, call->arguments);
  const int at = wk_axis_resolve(s.axis, x->rank);
  if (at < 0) return wk_error_status();
  *resolved = at;
  wk_shape y = wk_layout_shape(x);
  for (int i = 0; i < (s.across ? 2 : 1); i++) {
    const int64_t size = i ? s.across : s.size;
    if (at + i >= x->rank || y.dims[at + i] < 1 || y.dims[at + i] > INT32_MAX || size > INT32_MAX)
      return wk_fail(WK_ERROR_SHAPE, "dimension %d cannot change its size from %lld to %lld",
                     at + i, at + i < x->rank ? (long long)y.dims[at + i] : 0, (long long)size);
    y.dims[at + i] = size;
  }
  return wk_infer_output(call, x->dtype, y.rank, y.dims);
}

wk_status wk_infer_resample(wk_call *call) {
  return infer(call, &((wk_resample_arguments *)call->arguments)->axis);
}

wk_status wk_infer_resample_gradient(wk_call *call) {
  return infer(call, &((wk_resample_gradient_arguments *)call->arguments)->axis);
}

wk_status wk_vjp_resample(wk_vjp *vjp) {
  const wk_resample_arguments *a = vjp->arguments;
  vjp->input_gradients[0] =
      wk_resample_gradient(vjp->output_gradients[0], a->axis, vjp->input_layouts[0].dims[a->axis],
                           .mode = a->mode, .align_corners = a->align_corners,
                           .antialias = a->antialias, .ratio = a->ratio,
                           .across = a->across ? vjp->input_layouts[0].dims[a->axis + 1] : 0);
  return wk_error_status();
}

wk_status wk_vjp_resample_gradient(wk_vjp *vjp) {
  const wk_resample_gradient_arguments *a = vjp->arguments;
  vjp->input_gradients[0] =
      wk_resample(vjp->output_gradients[0], a->axis, vjp->input_layouts[0].dims[a->axis],
                  .mode = a->mode, .align_corners = a->align_corners, .antialias = a->antialias,
                  .ratio = a->ratio,
                  .across = a->across ? vjp->input_layouts[0].dims[a->axis + 1] : 0);
  return wk_error_status();
}

/* ---- interpolate ---- */

/* The new sizes of the middle axes. */
static wk_status new_sizes(const wk_layout *x, const wk_interpolate_arguments *a, int64_t *sizes) {
  const int count = x->rank - 2;
  if (count < 1 || count > 3) {
    wk_fail(WK_ERROR_SHAPE,
            "x has %d dimensions; it must be [N, L, C], [N, H, W, C] or "
            "[N, D, H, W, C]",
            x->rank);
    wk_error_add_hint("wk_reshape can add a missing dimension: one image is [1, H, W, C]");
    return WK_ERROR_SHAPE;
  }
  if ((a->size.rank > 0) == (a->scale > 0)) {
    wk_fail(WK_ERROR_ARGUMENT, "either size or scale must be given, and not both");
    wk_error_add_hint("%s", ".size = WK_SHAPE(height, width), or .scale = 2");
    return WK_ERROR_ARGUMENT;
  }
  if (a->size.rank > 0 && a->size.rank != count)
    return wk_fail(WK_ERROR_ARGUMENT, "size must list %d sizes, one for each middle axis of x",
                   count);
  for (int i = 0; i < count; i++) {
    const double scaled = floor((double)x->dims[1 + i] * a->scale);
    sizes[i] = a->size.rank > 0     ? a->size.dims[i]
               : scaled < INT32_MAX ? (int64_t)scaled
                                    : INT64_MAX;
    if (sizes[i] < 1 || sizes[i] > INT32_MAX || x->dims[1 + i] < 1)
      return wk_fail(WK_ERROR_SHAPE, "dimension %d cannot change its size from %lld to %lld", 1 + i,
                     (long long)x->dims[1 + i], (long long)sizes[i]);
  }
  return WK_OK;
}

static wk_status check_mode(const wk_interpolate_arguments *a) {
  const bool smooth = a->mode == WK_INTERPOLATION_LINEAR || a->mode == WK_INTERPOLATION_CUBIC;
  if (smooth || !(a->align_corners || a->antialias)) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "%s is for linear and cubic interpolation only",
                 a->align_corners ? "align_corners" : "antialias");
}

/* One axis after the other, the one that shrinks most first; one and the next are one op. */
wk_status wk_composite_interpolate(wk_call *call) {
  const wk_interpolate_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  int64_t sizes[3];
  if (new_sizes(&x->layout, a, sizes) != WK_OK || check_mode(a) != WK_OK) return wk_error_status();
  const int count = x->layout.rank - 2;
  const double ratio = a->scale > 0 ? 1 / a->scale : 0;
  bool done[3] = {false};
  for (int turn = 0; turn < count && x; turn++) {
    int best = -1;
    double least = 0;
    for (int i = 0; i < count; i++) {
      const double factor = (double)sizes[i] / (double)x->layout.dims[1 + i];
      if (done[i] || (best >= 0 && factor >= least)) continue;
      best = i, least = factor;
    }
    if (best < 0) break;
    done[best] = true;
    const int next = best + 1;
    const bool stays = ratio == 0 || ratio == 1;
    if (sizes[best] == x->layout.dims[1 + best] && stays) continue;
    const bool both =
        next < count && !done[next] && !(sizes[next] == x->layout.dims[1 + next] && stays);
    if (both) done[next] = true;
    x = wk_resample(x, 1 + best, sizes[best], .mode = a->mode, .align_corners = a->align_corners,
                    .antialias = a->antialias, .ratio = ratio, .across = both ? sizes[next] : 0);
  }
  const bool unchanged = x == call->inputs[0];
  call->outputs[0] = unchanged ? wk_reshape(x, wk_layout_shape(&x->layout)) : x;
  return wk_error_status();
}

/* ---- blocks of pixels ---- */

wk_status wk_composite_pixel_shuffle(wk_call *call) {
  const int64_t f = ((const wk_pixel_shuffle_arguments *)call->arguments)->factor;
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank != 4 || f > INT16_MAX || x->dims[3] % (f * f) != 0) {
    wk_fail(WK_ERROR_SHAPE, "x must be [N, H, W, C * %lld * %lld]", (long long)f, (long long)f);
    wk_error_add_hint("a factor f needs a number of channels that is a multiple of f * f");
    return WK_ERROR_SHAPE;
  }
  const int64_t *d = x->dims, channels = d[3] / (f * f);
  wk_tensor *blocks = wk_reshape(call->inputs[0], WK_SHAPE(d[0], d[1], d[2], channels, f, f));
  call->outputs[0] = wk_reshape(wk_permute(blocks, WK_AXES(0, 1, 4, 2, 5, 3)),
                                WK_SHAPE(d[0], d[1] * f, d[2] * f, channels));
  return wk_error_status();
}

wk_status wk_composite_pixel_unshuffle(wk_call *call) {
  const int64_t f = ((const wk_pixel_unshuffle_arguments *)call->arguments)->factor;
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank != 4 || f > INT16_MAX || x->dims[1] % f != 0 || x->dims[2] % f != 0) {
    wk_fail(WK_ERROR_SHAPE, "x must be [N, H * %lld, W * %lld, C]", (long long)f, (long long)f);
    wk_error_add_hint("height and width must be multiples of the factor");
    return WK_ERROR_SHAPE;
  }
  const int64_t *d = x->dims;
  wk_tensor *blocks = wk_reshape(call->inputs[0], WK_SHAPE(d[0], d[1] / f, f, d[2] / f, f, d[3]));
  call->outputs[0] = wk_reshape(wk_permute(blocks, WK_AXES(0, 1, 3, 5, 2, 4)),
                                WK_SHAPE(d[0], d[1] / f, d[2] / f, d[3] * f * f));
  return wk_error_status();
}
