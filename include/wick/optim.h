/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPTIM_H
#define WICK_OPTIM_H

/* Optimizers. wk_sgd_create(network, ...) and its like make them. */

#include <wick/optimizers.gen.h>

WK_BEGIN_C

WK_API void wk_optimizer_free(wk_optimizer *optimizer); /* [any thread] */

/* Applies the gradients to the parameters, then clears them: the next backward overwrites. A
 * parameter without a gradient, or frozen, stays as it is. [one thread at a time per object] */
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

/* Its name ("adam") and the number of steps taken. [any thread] */
WK_API const char *wk_optimizer_name(const wk_optimizer *optimizer);
WK_API int64_t wk_optimizer_step_count(const wk_optimizer *optimizer); /* [any thread] */

WK_END_C

#endif
