/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/label.h"
#include "ops/records.gen.h"

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

/* Works row by row on one or two inputs of the result's sizes. */
static wk_status run_rows(const wk_kernel_call *call,
                          void (*row)(int64_t columns, const double *const *in, double *out)) {
  const wk_layout *layout = &call->outputs[0].layout;
  const int64_t count = wk_layout_count(layout);
  if (count == 0) return WK_OK;
  const int64_t columns = layout->dims[layout->rank - 1];
  WK_REALS first = wk_reals_load(&call->inputs[0]);
  WK_REALS second = wk_reals_load(&call->inputs[call->input_count - 1]);
  WK_REALS out = wk_reals_zeroed(count);
  if (!first || !second || !out) return wk_error_status();
  for (int64_t i = 0; i < count; i += columns)
    row(columns, (const double *[]){first + i, second + i}, out + i);
  wk_reals_store(out, &call->outputs[0]);
  return WK_OK;
}

wk_status wk_reference_run_softmax(const wk_kernel_call *call) {
  return run_rows(call, softmax_row);
}
wk_status wk_reference_run_softmax_gradient(const wk_kernel_call *call) {
  return run_rows(call, softmax_gradient_row);
}
wk_status wk_reference_run_log_softmax(const wk_kernel_call *call) {
  return run_rows(call, log_softmax_row);
}
wk_status wk_reference_run_log_softmax_gradient(const wk_kernel_call *call) {
  return run_rows(call, log_softmax_gradient_row);
}

/* The label of a row; labels were checked. */
static int64_t label_of(const wk_operand *labels, int64_t row) {
  return wk_element_integer(labels, row * labels->layout.strides[0]);
}

wk_status wk_reference_run_cross_entropy(const wk_kernel_call *call) {
  const wk_operand *labels = &call->inputs[1];
  const int64_t rows = call->inputs[0].layout.dims[0], classes = call->inputs[0].layout.dims[1];
  wk_status status = wk_labels_check(labels, classes);
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
  wk_status status = wk_labels_check(labels, classes);
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
