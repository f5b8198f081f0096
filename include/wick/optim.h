/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPTIM_H
#define WICK_OPTIM_H

/* Optimizers. wk_sgd_create(network, ...) and its like make them. */

#include <wick/optimizers.gen.h>

WK_BEGIN_C

WK_API void wk_optimizer_free(wk_optimizer *optimizer); /* [any thread] */

/* Applies the gradients to the parameters, then clears them: the next backward overwrites. A
 * parameter without a gradient, or frozen, stays as it is. With .clip_norm or .clip_value the
 * gradients are bounded in the same pass; only one of them can be set.
 *   wk_optimizer *optimizer = wk_adamw_create(network, .learning_rate = 1e-3, .clip_norm = 1);
 * [one thread at a time per object] */
WK_API wk_status wk_optimizer_step_at(wk_place here, wk_optimizer *optimizer);
#define wk_optimizer_step(...) wk_optimizer_step_at(WK_HERE, __VA_ARGS__)

/* A setting by its name, such as "learning_rate"; NaN / WK_ERROR_NOT_FOUND if there is no such one.
 * [one thread at a time per object] */
WK_API double wk_optimizer_get_at(wk_place here, const wk_optimizer *optimizer,
                                  const char *name); /* [any thread] */
#define wk_optimizer_get(...) wk_optimizer_get_at(WK_HERE, __VA_ARGS__)
WK_API wk_status wk_optimizer_set_at(wk_place here, wk_optimizer *optimizer, const char *name,
                                     double value);
#define wk_optimizer_set(...) wk_optimizer_set_at(WK_HERE, __VA_ARGS__)

/* Another value of a setting, a number, for the parameters whose names match `pattern`, in which '*'
 * stands for any text; the last call that matches counts. A learning rate keeps its ratio to the
 * optimizer's own, so that a schedule of that changes all. Checkpoints do not hold them: set them
 * again before loading one.
 *   wk_optimizer_set_for(adamw, "*.bias", "weight_decay", 0);
 *   wk_optimizer_set_for(adamw, "0.*", "learning_rate", 1e-5);
 * WK_ERROR_NOT_FOUND if no parameter matches. [one thread at a time per object] */
WK_API wk_status wk_optimizer_set_for_at(wk_place here, wk_optimizer *optimizer,
                                         const char *pattern, const char *name, double value);
#define wk_optimizer_set_for(...) wk_optimizer_set_for_at(WK_HERE, __VA_ARGS__)

/* Its name ("adam") and the number of steps taken. [any thread] */
WK_API const char *wk_optimizer_name(const wk_optimizer *optimizer);
WK_API int64_t wk_optimizer_step_count(const wk_optimizer *optimizer); /* [any thread] */

/* ---- gradients of a whole parameter set ---- */

/* Scales all gradients so that their norm, that of one vector of them all, is at most `most`;
 * returns what it was, NaN on failure. INFINITY only measures. Between wk_backward and
 * wk_optimizer_step; an optimizer's .clip_norm does the same without writing the gradients.
 *   const double norm = wk_clip_gradient_norm(wk_module_parameters(network), 1);
 * [one thread at a time per object] */
WK_API double wk_clip_gradient_norm_at(wk_place here, wk_parameters *parameters, double most);
#define wk_clip_gradient_norm(...) wk_clip_gradient_norm_at(WK_HERE, __VA_ARGS__)

/* Brings every element of the gradients to -most .. most. [one thread at a time per object] */
WK_API wk_status wk_clip_gradient_value_at(wk_place here, wk_parameters *parameters, double most);
#define wk_clip_gradient_value(...) wk_clip_gradient_value_at(WK_HERE, __VA_ARGS__)

WK_END_C

#endif
