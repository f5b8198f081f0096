/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/label.h"
#include "ops/records.gen.h"
#include "ops/row.h"

static double largest_of(const double *x, int64_t columns) {
  double largest = -INFINITY;
  for (int64_t i = 0; i < columns; i++)
    if (x[i] > largest) largest = x[i];
  return largest;
}

/* Sum of exp(x - shift) over a row. */
static double sum_exp(const double *x, int64_t columns, double shift) {
  double sum = 0;
  for (int64_t i = 0; i < columns; i++) sum += exp(x[i] - shift);
  return sum;
}

static void softmax_row(int64_t columns, const double *const *in, double *y) {
  const double *x = in[0];
  const double largest = largest_of(x, columns), sum = sum_exp(x, columns, largest);
  for (int64_t i = 0; i < columns; i++) y[i] = exp(x[i] - largest) / sum;
}

static void log_softmax_row(int64_t columns, const double *const *in, double *y) {
  const double *x = in[0];
  const double largest = largest_of(x, columns), log_sum = log(sum_exp(x, columns, largest));
  for (int64_t i = 0; i < columns; i++) y[i] = x[i] - largest - log_sum;
}

static void softmax_gradient_row(int64_t columns, const double *const *in, double *x_gradient) {
  const double *g = in[0], *y = in[1];
  double sum = 0;
  for (int64_t i = 0; i < columns; i++) sum += g[i] * y[i];
  for (int64_t i = 0; i < columns; i++) x_gradient[i] = y[i] * (g[i] - sum);
}

static void log_softmax_gradient_row(int64_t columns, const double *const *in, double *x_gradient) {
  const double *g = in[0], *y = in[1];
  double sum = 0;
  for (int64_t i = 0; i < columns; i++) sum += g[i];
  for (int64_t i = 0; i < columns; i++) x_gradient[i] = g[i] - exp(y[i]) * sum;
}

/* Works row by row on one or two inputs of the result's sizes, each row brought side by side. */
static wk_status run_rows(const wk_kernel_call *call, const wk_axes *axes,
                          void (*row)(int64_t columns, const double *const *in, double *out)) {
  const int64_t count = wk_layout_count(&call->outputs[0].layout);
  wk_middle m;
  const wk_status status = wk_middle_of(axes, &call->outputs[0].layout, &m);
  if (count == 0 || status != WK_OK) return status;
  WK_REALS first = wk_reals_load(&call->inputs[0]);
  WK_REALS second = wk_reals_load(&call->inputs[call->input_count - 1]);
  WK_REALS out = wk_reals_zeroed(count);
  WK_REALS line = wk_reals_zeroed(3 * m.count);
  if (!first || !second || !out || !line) return wk_error_status();
  for (int64_t i = 0; i < m.outer * m.inner; i++) {
    const int64_t start = i / m.inner * m.count * m.inner + i % m.inner;
    for (int64_t k = 0; k < m.count; k++) {
      line[k] = first[start + k * m.inner];
      line[m.count + k] = second[start + k * m.inner];
    }
    row(m.count, (const double *[]){line, line + m.count}, line + 2 * m.count);
    for (int64_t k = 0; k < m.count; k++) out[start + k * m.inner] = line[2 * m.count + k];
  }
  wk_reals_store(out, &call->outputs[0]);
  return WK_OK;
}

wk_status wk_reference_run_softmax(const wk_kernel_call *call) {
  const wk_softmax_arguments *a = call->arguments;
  return run_rows(call, &a->axes, softmax_row);
}
wk_status wk_reference_run_softmax_gradient(const wk_kernel_call *call) {
  const wk_softmax_gradient_arguments *a = call->arguments;
  return run_rows(call, &a->axes, softmax_gradient_row);
}
wk_status wk_reference_run_log_softmax(const wk_kernel_call *call) {
  const wk_log_softmax_arguments *a = call->arguments;
  return run_rows(call, &a->axes, log_softmax_row);
}
wk_status wk_reference_run_log_softmax_gradient(const wk_kernel_call *call) {
  const wk_log_softmax_gradient_arguments *a = call->arguments;
  return run_rows(call, &a->axes, log_softmax_gradient_row);
}

/* ---- labels, which the ops' own checks have found to fit ---- */

static int64_t label_of(const wk_operand *labels, int64_t row) {
  return wk_element_integer(labels, wk_layout_position(&labels->layout, row));
}

wk_status wk_reference_run_cross_entropy(const wk_kernel_call *call) {
  const wk_operand *labels = &call->inputs[1];
  const int64_t rows = call->inputs[0].layout.dims[0], classes = call->inputs[0].layout.dims[1];
  wk_status status = wk_labels_check(labels, classes, -INFINITY);
  if (status < 0) return status;
  WK_REALS logits = wk_reals_load(&call->inputs[0]);
  if (!logits) return wk_error_status();
  double sum = 0;
  for (int64_t row = 0; row < rows; row++) {
    const double *x = logits + row * classes;
    const double largest = largest_of(x, classes);
    sum += log(sum_exp(x, classes, largest)) - (x[label_of(labels, row)] - largest);
  }
  wk_element_set_real(&call->outputs[0], 0, sum / (double)rows);
  return WK_OK;
}

wk_status wk_reference_run_cross_entropy_gradient(const wk_kernel_call *call) {
  const wk_operand *labels = &call->inputs[2];
  const int64_t rows = call->inputs[1].layout.dims[0], classes = call->inputs[1].layout.dims[1];
  wk_status status = wk_labels_check(labels, classes, -INFINITY);
  if (status < 0) return status;
  WK_REALS logits = wk_reals_load(&call->inputs[1]);
  WK_REALS out = wk_reals_zeroed(rows * classes);
  if (!logits || !out) return wk_error_status();
  const double scale = wk_element_real(&call->inputs[0], 0) / (double)rows;
  for (int64_t row = 0; row < rows; row++) {
    double *y = out + row * classes;
    softmax_row(classes, (const double *[]){logits + row * classes}, y);
    y[label_of(labels, row)] -= 1;
    for (int64_t i = 0; i < classes; i++) y[i] *= scale;
  }
  wk_reals_store(out, &call->outputs[0]);
  return WK_OK;
}

/* Element `label` of a row is `step` elements from its first one. */
wk_status wk_reference_run_pick_label(const wk_kernel_call *call) {
  const wk_pick_label_arguments *a = call->arguments;
  const wk_operand *x = &call->inputs[0], *labels = &call->inputs[1], *y = &call->outputs[0];
  wk_layout rows = x->layout; /* of x, without its last axis */
  const int64_t classes = rows.dims[--rows.rank], step = rows.strides[rows.rank];
  const wk_status status = wk_labels_check(labels, classes, a->ignore_index);
  if (status != WK_OK) return status;
  const int64_t count = wk_layout_count(&rows);
  for (int64_t row = 0; row < count; row++) {
    const int64_t label = label_of(labels, row);
    if ((double)label == a->ignore_index)
      wk_element_set_real(y, row, 0);
    else
      wk_element_copy(y, row, x, wk_layout_position(&rows, row) + label * step);
  }
  return WK_OK;
}

wk_status wk_reference_run_spread_label(const wk_kernel_call *call) {
  const wk_spread_label_arguments *a = call->arguments;
  const wk_operand *g = &call->inputs[0], *labels = &call->inputs[1], *y = &call->outputs[0];
  const wk_status status = wk_labels_check(labels, a->classes, a->ignore_index);
  if (status != WK_OK) return status;
  const int64_t count = wk_layout_count(&g->layout);
  memset(y->data, 0, (size_t)(count * a->classes) * wk_dtype_size(y->layout.dtype));
  for (int64_t row = 0; row < count; row++) {
    const int64_t label = label_of(labels, row);
    if ((double)label != a->ignore_index)
      wk_element_copy(y, row * a->classes + label, g, wk_layout_position(&g->layout, row));
  }
  return WK_OK;
}
