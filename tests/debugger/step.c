/* SPDX-License-Identifier: Apache-2.0 */
/* One training step, for the debuggers of tests/cli/debugger.sh to stop in. */
#include <wick/wick.h>

typedef struct trainer {
  wk_module *network;
  wk_optimizer *optimizer;
} trainer;

static wk_tensor *train_step(trainer *t, wk_tensor *x, wk_tensor *labels) {
  wk_shape shape = wk_tensor_shape(x);
  wk_tensor *turned = wk_permute(x, WK_AXES(1, 0));
  wk_tensor *output = wk_forward(t->network, x);
  wk_tensor *loss = wk_cross_entropy(output, labels);
  wk_backward(loss); /* stop here */
  wk_optimizer_step(t->optimizer);
  return shape.rank == 2 && turned ? loss : NULL;
}

int main(void) {
  WK_SCOPE;
  const float values[2][3] = {{1, 2, 3}, {4, 5, 6.5f}};
  const int64_t classes[2] = {1, 0};
  wk_module *network = wk_sequential(wk_linear_layer(4), wk_relu_layer(), wk_linear_layer(2));
  wk_module_build_for(network, WK_SHAPE(3), WK_F32, NULL);
  trainer t = {network, wk_sgd_create(network, .learning_rate = 0.1)};
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, values, NULL);
  train_step(&t, x, wk_tensor_from_data(WK_SHAPE(2), WK_I64, classes, NULL));
  wk_optimizer_free(t.optimizer);
  wk_add(x, wk_full(WK_SHAPE(5), 1)); /* a mistake, which leaves an error pending */
  wk_module_free(network);            /* stop here too */
  return wk_error_report(NULL);
}
