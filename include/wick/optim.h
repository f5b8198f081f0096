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

/* Another value of a setting, a number, for the parameters whose names match `pattern`, in which
 * '*' stands for any text; the last call that matches counts. A learning rate keeps its ratio to
 * the optimizer's own, so that a schedule of that changes all. Checkpoints do not hold them: set
 * them again before loading one. wk_optimizer_set_for(adamw, "*.bias", "weight_decay", 0);
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
 * returns what it was, NaN on failure and while a function is compiled. INFINITY only measures.
 * Between wk_backward and wk_optimizer_step; an optimizer's .clip_norm does the same without
 * writing the gradients.
 *   const double norm = wk_clip_gradient_norm(wk_module_parameters(network), 1);
 * [one thread at a time per object] */
WK_API double wk_clip_gradient_norm_at(wk_place here, wk_parameters *parameters, double most);
#define wk_clip_gradient_norm(...) wk_clip_gradient_norm_at(WK_HERE, __VA_ARGS__)

/* Brings every element of the gradients to -most .. most. [one thread at a time per object] */
WK_API wk_status wk_clip_gradient_value_at(wk_place here, wk_parameters *parameters, double most);
#define wk_clip_gradient_value(...) wk_clip_gradient_value_at(WK_HERE, __VA_ARGS__)

/* ---- loss scaling, for autocast to f16 ---- */

/* f16 gradients of small losses would be rounded to zero: a loss scaler multiplies the loss,
 * divides the gradients again as the optimizer takes its step, leaves a step out whose gradients
 * are not all finite, and finds the largest factor that goes well.
 *   wk_backward(wk_loss_scaler_scale(scaler, loss));
 *   wk_loss_scaler_step(scaler, optimizer);
 *   wk_loss_scaler_update(scaler); */
typedef struct wk_loss_scaler wk_loss_scaler;

typedef struct wk_loss_scaler_arguments {
  size_t struct_size;
  double scale;     /* to begin with; 65536 if not given */
  double growth;    /* of the scale, when `interval` steps went well; 2 if not given */
  double backoff;   /* of the scale, when one did not; 0.5 if not given */
  int64_t interval; /* 2000 if not given */
} wk_loss_scaler_arguments;

/* Freed with wk_loss_scaler_free. [any thread] */
WK_API wk_loss_scaler *wk_loss_scaler_create_at(wk_place here,
                                                const wk_loss_scaler_arguments *arguments);
#ifndef __cplusplus
#define wk_loss_scaler_create(...)                                                                 \
  wk_loss_scaler_create_at(WK_HERE, &(wk_loss_scaler_arguments){.struct_size = sizeof(             \
                                                                    wk_loss_scaler_arguments),     \
                                                                __VA_ARGS__})
#else
extern "C++" inline wk_loss_scaler *wk_loss_scaler_create(wk_loss_scaler_arguments arguments = {},
                                                          wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  return wk_loss_scaler_create_at(here, &arguments);
}
#endif
WK_API void wk_loss_scaler_free(wk_loss_scaler *scaler); /* [any thread] */

/* The loss times the scale, in the innermost scope. [one thread at a time per object] */
WK_API wk_tensor *wk_loss_scaler_scale_at(wk_place here, wk_loss_scaler *scaler, wk_tensor *loss);
#define wk_loss_scaler_scale(...) wk_loss_scaler_scale_at(WK_HERE, __VA_ARGS__)

/* Divides the optimizer's gradients in place, for whoever looks at them before the step, which then
 * does not. An optimizer's own clip_norm and clip_value need it not.
 * [one thread at a time per object] */
WK_API wk_status wk_loss_scaler_unscale_at(wk_place here, wk_loss_scaler *scaler,
                                           wk_optimizer *optimizer);
#define wk_loss_scaler_unscale(...) wk_loss_scaler_unscale_at(WK_HERE, __VA_ARGS__)

/* wk_optimizer_step with the gradients divided by the scale, or none, only letting go of the
 * gradients, if one of them is not finite. [one thread at a time per object] */
WK_API wk_status wk_loss_scaler_step_at(wk_place here, wk_loss_scaler *scaler,
                                        wk_optimizer *optimizer);
#define wk_loss_scaler_step(...) wk_loss_scaler_step_at(WK_HERE, __VA_ARGS__)

/* Changes the scale by how the steps since the last update went. After the steps of all optimizers.
 * [one thread at a time per object] */
WK_API wk_status wk_loss_scaler_update_at(wk_place here, wk_loss_scaler *scaler);
#define wk_loss_scaler_update(...) wk_loss_scaler_update_at(WK_HERE, __VA_ARGS__)

/* The scale, and how many steps were left out. [any thread] */
WK_API double wk_loss_scaler_factor(const wk_loss_scaler *scaler);
WK_API int64_t wk_loss_scaler_skipped(const wk_loss_scaler *scaler); /* [any thread] */

WK_END_C

#endif
