/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TRAIN_SCORE_H
#define WICK_TRAIN_SCORE_H

#include <wick/train.h>

/* Sums over examples, from which means are made. Hits are counted as integers, so an accuracy does
 * not depend on the batch size. */
typedef struct wk_score {
  int64_t examples;
  int64_t judged, correct; /* of the examples whose outputs are class scores */
  double loss_sum;
} wk_score;

typedef wk_tensor *(*wk_loss_function)(void *context, wk_tensor *output, wk_tensor *labels);

/* The mean loss of a batch: `loss`, or cross-entropy if that is NULL. */
wk_tensor *wk_batch_loss(wk_loss_function loss, void *context, wk_tensor *output,
                         wk_tensor *labels);

/* Adds a batch: the network's output, its labels, its mean loss. */
wk_status wk_score_add(wk_score *score, wk_tensor *output, wk_tensor *labels,
                       const wk_tensor *loss);

double wk_score_loss(const wk_score *score);     /* NaN without examples */
double wk_score_accuracy(const wk_score *score); /* NaN where outputs are no class scores */

/* wk_evaluate with any loss. */
wk_status wk_evaluate_score(wk_module *module, wk_loader *loader, wk_loss_function loss,
                            void *context, wk_score *score);

#endif
