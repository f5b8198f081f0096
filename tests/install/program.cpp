// SPDX-License-Identifier: Apache-2.0
// An outside program in C++17: ops are inline functions there, other calls with settings go through
// their _at functions. Trains a little, looks at results and errors, and prints the version.

#include <cmath>
#include <cstdio>
#include <cstring>

#include <wick/wick.h>

namespace {

int failures = 0;

void expect(bool right, const char *what) {
  if (right) return;
  std::fprintf(stderr, "not so: %s\n", what);
  failures++;
}

// Ops, their settings, and scopes that close themselves.
void use_ops() {
  WK_SCOPE;
  const float ones[18] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(1, 3, 3, 2), WK_F32, ones, nullptr);
  wk_tensor *weight = wk_full(WK_SHAPE(4, 3, 3, 2), 0.5);
  expect(wk_item(wk_max(wk_conv2d(x, weight))) == 9, "18 halves are 9");

  wk_conv2d_arguments padded = {};
  padded.padding[0] = padded.padding[1] = 1;
  expect(wk_tensor_dim(wk_conv2d(x, weight, padded), 1) == 3, "padding keeps the size");

  wk_permute_arguments none = {};
  wk_tensor *turned = wk_permute(x, WK_AXES(0, 3, 1, 2), none);
  expect(wk_tensor_dim(turned, 1) == 2 && wk_tensor_rank(turned) == 4, "channels are in front");

  wk_tensor *list[] = {x, x};
  expect(wk_tensor_dim(wk_concatenate(wk_tensors{2, list}, 3), 3) == 4, "2 and 2 channels are 4");
}

// A scope closes whichever way its block is left.
void use_exceptions() {
  try {
    WK_SCOPE;
    expect(wk_item(wk_full(WK_SCALAR, 3)) == 3 && wk_scope_count() > 0, "a scope holds it");
    throw 1;
  } catch (int) {
    expect(wk_scope_count() == 0, "the exception has closed the scope");
  }
}

// The first error wins and knows the line of this file that made it.
void use_errors() {
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(2, 3), 1);
  const int line = __LINE__ + 1;
  wk_tensor *nothing = wk_matmul(x, x);
  expect(nothing == nullptr && wk_relu(x) == nullptr, "after an error nothing is done");
  wk_error error = {};
  error.struct_size = sizeof error;
  expect(wk_error_take(&error), "an error is pending");
  expect(error.status == WK_ERROR_SHAPE && error.line == line, "it is this one");
  expect(std::strstr(error.file, "program.cpp") != nullptr, "it names this file");
}

wk_module *make_network() {
  wk_linear_layer_arguments hidden = {}, last = {};
  hidden.struct_size = last.struct_size = sizeof(wk_linear_layer_arguments);
  hidden.out_features = 32;
  last.out_features = 10;
  wk_module *layers[] = {
      wk_flatten_layer_at(WK_HERE, nullptr), wk_linear_layer_at(WK_HERE, &hidden),
      wk_relu_layer_at(WK_HERE, nullptr), wk_linear_layer_at(WK_HERE, &last)};
  return wk_sequential_at(WK_HERE, 4, layers);
}

double train_step(wk_module *network, wk_optimizer *optimizer, wk_tensors batch) {
  WK_SCOPE;
  wk_backward_arguments backward = {};
  backward.struct_size = sizeof backward;
  backward.loss = wk_cross_entropy(wk_forward(network, batch.item[0]), batch.item[1]);
  wk_backward_at(WK_HERE, &backward);
  wk_optimizer_step(optimizer);
  return wk_item(backward.loss);
}

void use_training() {
  wk_dataset_arguments set = {};
  set.struct_size = sizeof set;
  set.name = "glyphs";
  set.count = 320;
  wk_dataset *digits = wk_dataset_open_at(WK_HERE, &set);
  wk_loader_arguments loading = {};
  loading.struct_size = sizeof loading;
  loading.dataset = digits;
  loading.batch_size = 32;
  loading.shuffle = true;
  wk_loader *batches = wk_loader_create_at(WK_HERE, &loading);
  wk_module *network = make_network();
  wk_module_build(network, digits);
  wk_adam_arguments adam = {};
  adam.struct_size = sizeof adam;
  adam.module = network;
  adam.learning_rate = 1e-2;
  wk_optimizer *optimizer = wk_adam_create_at(WK_HERE, &adam);

  double first = NAN, last = NAN;
  for (int epoch = 0; epoch < 3 && wk_error_status() == WK_OK; epoch++)
    for (wk_tensors batch; wk_loader_next(batches, &batch) == WK_OK;) {
      last = train_step(network, optimizer, batch);
      if (std::isnan(first)) first = last;
    }
  expect(last < first, "training lowers the loss");
  {
    WK_SCOPE;
    WK_NO_GRADIENT;
    expect(!wk_gradients_are_recorded(), "nothing is recorded in here");
  }
  wk_optimizer_free(optimizer);
  wk_module_free(network);
  wk_loader_free(batches);
  wk_dataset_free(digits);
}

} // namespace

int main() {
  use_ops();
  use_exceptions();
  use_errors();
  use_training();
  expect(wk_scope_count() == 0, "no tensor is left in a scope");
  if (wk_error_report(stderr) != 0 || failures != 0) return 1;
  std::printf("%s\n", wk_version());
  return 0;
}
