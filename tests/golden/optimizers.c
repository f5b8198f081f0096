/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes with optimizers, clipping and mixed precision. */
#include "golden/mistakes.h"

static wk_module *small_network(void) {
  wk_module *network = wk_sequential(wk_linear_layer(10));
  wk_module_build_for(network, WK_SHAPE(4), WK_F32, NULL);
  return network;
}

static void clipping_by_both(void) {
  WK_SCOPE;
  wk_module *network = small_network();
  wk_optimizer *optimizer = wk_adamw_create(network, .clip_norm = 1, .clip_value = 0.5);
  wk_backward(wk_sum(wk_forward(network, wk_full(WK_SHAPE(2, 4), 1))));
  wk_optimizer_step(optimizer);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

static void pattern_of_nothing(void) {
  wk_module *network = small_network();
  wk_optimizer *optimizer = wk_adamw_create(network);
  wk_optimizer_set_for(optimizer, "*.gamma", "weight_decay", 0);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

static void clip_norm_of_a_part(void) {
  wk_module *network = small_network();
  wk_optimizer *optimizer = wk_adamw_create(network);
  wk_optimizer_set_for(optimizer, "*.bias", "clip_norm", 1);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

static void too_much_dampening(void) {
  wk_module *network = small_network();
  wk_optimizer_free(wk_sgd_create(network, .momentum = 0.9, .dampening = 1.5));
  wk_module_free(network);
}

static void clip_to_nothing(void) {
  wk_module *network = small_network();
  wk_clip_gradient_norm(wk_module_parameters(network), 0);
  wk_module_free(network);
}

static void autocast_to_integers(void) { WK_AUTOCAST(WK_I8); }

static void scaler_that_shrinks(void) { wk_loss_scaler_free(wk_loss_scaler_create(.growth = 0.5)); }

static void unscaled_twice(void) {
  WK_SCOPE;
  wk_module *network = small_network();
  wk_optimizer *optimizer = wk_adamw_create(network);
  wk_loss_scaler *scaler = wk_loss_scaler_create();
  wk_tensor *loss = wk_sum(wk_forward(network, wk_full(WK_SHAPE(2, 4), 1)));
  wk_backward(wk_loss_scaler_scale(scaler, loss));
  wk_loss_scaler_unscale(scaler, optimizer);
  wk_loss_scaler_unscale(scaler, optimizer);
  wk_loss_scaler_free(scaler);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

const mistake optimizer_mistakes[] = {
    MISTAKE(clipping_by_both, ""),
    MISTAKE(pattern_of_nothing, ""),
    MISTAKE(clip_norm_of_a_part, ""),
    MISTAKE(too_much_dampening, ""),
    MISTAKE(clip_to_nothing, ""),
    MISTAKE(autocast_to_integers, ""),
    MISTAKE(scaler_that_shrinks, ""),
    MISTAKE(unscaled_twice, ""),
    {NULL, NULL, NULL},
};
