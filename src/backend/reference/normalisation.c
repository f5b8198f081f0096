/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "base/error.h"
#include "ops/records.gen.h"

/* Sizes of x [N, P, G, K]. */
typedef struct form {
  int64_t n, p, g, k;
  int64_t count;    /* elements of a group: P * K */
  int64_t groups;   /* N * G */
  int64_t channels; /* G * K */
} form;

static form form_of(const wk_layout *x) {
  const int64_t *d = x->dims;
  return (form){d[0], d[1], d[2], d[3], d[1] * d[3], d[0] * d[2], d[2] * d[3]};
}

/* Index in x of element i of group `group`, and its channel. */
static int64_t element_of(const form *f, int64_t group, int64_t i, int64_t *channel) {
  *channel = group % f->g * f->k + i % f->k;
  return (group / f->g * f->p + i / f->k) * f->channels + *channel;
}

/* Of a group; what rounding took from the first sum is put back. */
static double mean_of(const form *f, const double *x, int64_t group) {
  double mean = 0, rest = 0;
  int64_t channel;
  if (f->count == 0) return 0;
  for (int64_t i = 0; i < f->count; i++) mean += x[element_of(f, group, i, &channel)];
  mean /= (double)f->count;
  for (int64_t i = 0; i < f->count; i++) rest += x[element_of(f, group, i, &channel)] - mean;
  return mean + rest / (double)f->count;
}

wk_status wk_reference_run_normalise(const wk_kernel_call *call) {
  const wk_normalise_arguments *a = call->arguments;
  const form f = form_of(&call->inputs[0].layout);
  const bool has_weight = call->inputs[1].data, has_bias = call->inputs[2].data;
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS weight = has_weight ? wk_reals_load(&call->inputs[1]) : wk_reals_zeroed(0);
  WK_REALS bias = has_bias ? wk_reals_load(&call->inputs[2]) : wk_reals_zeroed(0);
  if (!x || !weight || !bias) return wk_error_status();
  for (int64_t group = 0; group < f.groups; group++) {
    const double mean = a->root_mean_square ? 0 : mean_of(&f, x, group);
    double variance = 0;
    int64_t channel;
    for (int64_t i = 0; i < f.count; i++) {
      const double part = x[element_of(&f, group, i, &channel)] - mean;
      variance += part * part;
    }
    if (f.count) variance /= (double)f.count;
    const double inverse = 1 / sqrt(variance + a->epsilon);
    for (int64_t i = 0; i < f.count; i++) {
      const int64_t at = element_of(&f, group, i, &channel);
      const double z = (x[at] - mean) * inverse;
      wk_element_set_real(&call->outputs[0], at,
                          (has_weight ? weight[channel] : 1) * z + (has_bias ? bias[channel] : 0));
    }
    wk_element_set_real(&call->outputs[1], group, mean);
    wk_element_set_real(&call->outputs[2], group, variance);
  }
  return WK_OK;
}

/* One group's gradient of x; what it adds to those of weight and bias. */
static void group_gradient(const wk_normalise_gradient_arguments *a, const form *f, int64_t group,
                           double *const *in, double *const *out) {
  const double *g = in[0], *x = in[1], *weight = in[4];
  const double mean = in[2][group], inverse = 1 / sqrt(in[3][group] + a->epsilon);
  double sum = 0, products = 0;
  int64_t c;
  for (int64_t i = 0; i < f->count; i++) {
    const int64_t at = element_of(f, group, i, &c);
    const double z = (x[at] - mean) * inverse, h = (weight ? weight[c] : 1) * g[at];
    sum += h, products += h * z;
    out[1][c] += g[at] * z, out[2][c] += g[at];
  }
  if (a->root_mean_square) sum = 0;
  for (int64_t i = 0; i < f->count; i++) {
    const int64_t at = element_of(f, group, i, &c);
    const double z = (x[at] - mean) * inverse, h = (weight ? weight[c] : 1) * g[at];
    out[0][at] = inverse * (h - (sum + z * products) / (double)f->count);
  }
}

wk_status wk_reference_run_normalise_gradient(const wk_kernel_call *call) {
  const wk_normalise_gradient_arguments *a = call->arguments;
  const form f = form_of(&call->inputs[1].layout);
  const bool has_weight = call->inputs[4].data;
  WK_REALS g = wk_reals_load(&call->inputs[0]);
  WK_REALS x = wk_reals_load(&call->inputs[1]);
  WK_REALS mean = wk_reals_load(&call->inputs[2]);
  WK_REALS variance = wk_reals_load(&call->inputs[3]);
  WK_REALS weight = has_weight ? wk_reals_load(&call->inputs[4]) : wk_reals_zeroed(0);
  WK_REALS x_gradient = wk_reals_zeroed(wk_layout_count(&call->inputs[1].layout));
  WK_REALS weight_gradient = wk_reals_zeroed(f.channels);
  WK_REALS bias_gradient = wk_reals_zeroed(f.channels);
  if (!g || !x || !mean || !variance || !weight || !x_gradient || !weight_gradient ||
      !bias_gradient)
    return wk_error_status();
  double *const in[] = {g, x, mean, variance, has_weight ? weight : NULL};
  double *const out[] = {x_gradient, weight_gradient, bias_gradient};
  for (int64_t group = 0; group < f.groups; group++) group_gradient(a, &f, group, in, out);
  for (int i = 0; i < 3; i++) wk_reals_store(out[i], &call->outputs[i]);
  return WK_OK;
}
