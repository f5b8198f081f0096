/* SPDX-License-Identifier: Apache-2.0 */
/* Trains a small convolutional network on Fashion-MNIST and saves it. With an argument --compiled
 * the same train_step runs as one graph: the same bits in less memory. */
#include <string.h>
#include <wick/wick.h>

typedef struct {
  wk_module *network;
  wk_optimizer *optimizer;
} trainer;

/* in: images [N, 28, 28, 1] f32 in 0..1, labels [N] i64. Returns the mean loss. */
static wk_tensor *train_step(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = wk_cross_entropy(wk_forward(t->network, in.item[0]), in.item[1]);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer); /* applies the gradients, then clears them */
  return loss;                     /* NULL if anything above failed */
}

int main(int argc, char **argv) {
  const bool compiled = argc > 1 && strcmp(argv[1], "--compiled") == 0;
  wk_dataset *train_set = wk_dataset_open("fashion-mnist");
  wk_dataset *test_set = wk_dataset_open("fashion-mnist", .test = true);
  wk_loader *batches = wk_loader_create(train_set, .batch_size = 64, .shuffle = true, .seed = 1);
  wk_loader *unseen = wk_loader_create(test_set, .batch_size = 500);
  wk_module *network =
      wk_sequential(wk_conv2d_layer(32, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                    wk_conv2d_layer(64, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                    wk_flatten_layer(), wk_linear_layer(10));
  wk_module_build(network, train_set); /* infers input sizes, initialises the parameters */
  trainer t = {network, wk_adam_create(network, .learning_rate = 1e-3)};
  wk_function *step = wk_compile(train_step, &t);
  for (int epoch = 1; epoch <= 5 && wk_error_status() == WK_OK; epoch++) {
    for (wk_tensors batch; wk_loader_next(batches, &batch) == WK_OK;) {
      WK_SCOPE;
      compiled ? wk_call(step, batch) : train_step(&t, batch);
    }
    printf("epoch %d: test accuracy %.2f%%\n", epoch, 100 * wk_accuracy(network, unseen));
  }
  wk_module_save(network, "fashion.safetensors");
  wk_function_free(step);
  wk_optimizer_free(t.optimizer);
  wk_module_free(network);
  wk_loader_free(batches);
  wk_loader_free(unseen);
  wk_dataset_free(train_set);
  wk_dataset_free(test_set);
  return wk_error_report(stderr); /* 0, or prints the first error and returns 1 */
}
