/* SPDX-License-Identifier: Apache-2.0 */
#include "train/score.h"

#include <math.h>

#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"

wk_tensor *wk_batch_loss(wk_loss_function loss, void *context, wk_tensor *output,
                         wk_tensor *labels) {
  if (!loss) return wk_cross_entropy(output, labels);
  if (wk_failed()) return NULL;
  wk_tensor *value = loss(context, output, labels);
  if (!value && !wk_failed()) wk_fail(WK_ERROR_CALLBACK, "the loss function gave no result");
  return value;
}

static wk_status count_correct(wk_score *score, wk_tensor *output, wk_tensor *labels) {
  const wk_tensor *chosen = wk_argmax(output, -1);
  const int64_t count = wk_tensor_dim(labels, 0);
  const size_t size = (size_t)count * sizeof(int64_t);
  int64_t *values = wk_failed() ? NULL : wk_allocate(2 * size);
  if (!values) return wk_error_status();
  wk_tensor_read(chosen, values, size);
  if (wk_tensor_read(labels, values + count, size) == WK_OK)
    for (int64_t i = 0; i < count; i++) score->correct += values[i] == values[count + i];
  score->judged += count;
  wk_deallocate(values);
  return wk_error_status();
}

wk_status wk_score_add(wk_score *score, wk_tensor *output, wk_tensor *labels,
                       const wk_tensor *loss) {
  const double mean = wk_item(loss);
  if (wk_failed()) return wk_error_pending;
  const int64_t count = wk_tensor_dim(output, 0);
  score->examples += count;
  score->loss_sum += mean * (double)count;
  const bool classes = wk_tensor_rank(output) == 2 && wk_tensor_rank(labels) == 1 &&
                       wk_tensor_dtype(labels) == WK_I64 && wk_tensor_dim(labels, 0) == count;
  return classes ? count_correct(score, output, labels) : WK_OK;
}

double wk_score_loss(const wk_score *score) {
  return score->examples > 0 ? score->loss_sum / (double)score->examples : (double)NAN;
}

double wk_score_accuracy(const wk_score *score) {
  return score->judged > 0 ? (double)score->correct / (double)score->judged : (double)NAN;
}
