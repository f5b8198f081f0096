// SPDX-License-Identifier: Apache-2.0
// An outside program in C++17, where inline functions take the place of C's macros: what must be given,
// then a struct of settings. Trains a little on tensors of its own, saves and loads, looks at results
// and errors, and prints the version.

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

  wk_tensor *turned = wk_permute(x, WK_AXES(0, 3, 1, 2));
  expect(wk_tensor_dim(turned, 1) == 2 && wk_tensor_rank(turned) == 4, "channels are in front");
  expect(wk_tensor_dim(wk_concatenate(WK_TENSORS(x, x), 3), 3) == 4, "2 and 2 channels are 4");
}

// Gradients of what is no leaf's own, too.
void use_gradients() {
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SCALAR, 3), *y = wk_full(WK_SCALAR, 5), *gradients[2];
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor_set_requires_gradient(y, true);
  wk_grad_arguments again = {};
  again.retain_graph = true;
  wk_tensor *product = wk_multiply(x, y);
  wk_grad(gradients, product, WK_TENSORS(x, y), again);
  expect(wk_item(gradients[0]) == 5 && wk_item(gradients[1]) == 3, "a product's gradients");
  wk_backward(product);
  expect(wk_item(wk_tensor_gradient(x)) == 5, "the same in the leaf");
  WK_NO_GRADIENT;
  expect(!wk_gradients_are_recorded(), "nothing is recorded in here");
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

// The pending error is of this line, and that ends it.
void expect_error(wk_status status, int line) {
  wk_error error = {};
  error.struct_size = sizeof error;
  expect(wk_error_take(&error) && error.status == status, "the error is pending");
  if (error.line != line) std::fprintf(stderr, "line %d instead of %d\n", error.line, line);
  expect(error.line == line && std::strstr(error.file, "program.cpp"), "it names its place");
  expect(std::strncmp(error.function, "use_errors", 10) == 0, "and its function");
}

// The first error wins and knows the line of this file that made it, be it an op, an inline function
// or a macro.
void use_errors() {
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(2, 3), 1);
  wk_tensor *nothing = wk_matmul(x, x);
  expect(nothing == nullptr && wk_relu(x) == nullptr, "after an error nothing is done");
  expect_error(WK_ERROR_SHAPE, __LINE__ - 2);
  wk_linear_layer(-1);
  expect_error(WK_ERROR_ARGUMENT, __LINE__ - 1);
  wk_sequential(nullptr);
  expect_error(WK_ERROR_ARGUMENT, __LINE__ - 1);
  wk_sgd_create(nullptr);
  expect_error(WK_ERROR_ARGUMENT, __LINE__ - 1);
  wk_dataset_open("no such set");
  expect_error(WK_ERROR_NOT_FOUND, __LINE__ - 1);
  wk_loader_create(nullptr);
  expect_error(WK_ERROR_ARGUMENT, __LINE__ - 1);
  wk_backward(x);
  expect_error(WK_ERROR_STATE, __LINE__ - 1);
  wk_fit(nullptr, nullptr, nullptr);
  expect_error(WK_ERROR_ARGUMENT, __LINE__ - 1);
  wk_item(x);
  expect_error(WK_ERROR_SHAPE, __LINE__ - 1);
  wk_module_load("/no such/file");
  expect_error(WK_ERROR_NOT_FOUND, __LINE__ - 1);
}

// 96 points of a plane, [96, 2], in two classes: inside and outside of a circle.
wk_dataset *make_points() {
  WK_SCOPE;
  constexpr int count = 96;
  float points[count][2];
  int64_t labels[count];
  for (int i = 0; i < count; i++) {
    const double angle = 0.7 * i, radius = i % 2 ? 0.5 : 1.5;
    points[i][0] = static_cast<float>(radius * std::cos(angle));
    points[i][1] = static_cast<float>(radius * std::sin(angle));
    labels[i] = i % 2;
  }
  return wk_dataset_from_tensors(
      wk_tensor_from_data(WK_SHAPE(count, 2), WK_F32, points, nullptr),
      wk_tensor_from_data(WK_SHAPE(count), WK_I64, labels, nullptr));
}

double train_step(wk_module *network, wk_optimizer *optimizer, wk_tensors batch) {
  WK_SCOPE;
  wk_tensor *loss = wk_cross_entropy(wk_forward(network, batch.item[0]), batch.item[1]);
  wk_backward(loss);
  wk_optimizer_step(optimizer);
  return wk_item(loss);
}

// A loop of one's own.
void train_by_hand(wk_module *network, wk_optimizer *optimizer, wk_loader *batches) {
  double first = NAN, last = NAN;
  for (int epoch = 0; epoch < 3 && wk_error_status() == WK_OK; epoch++)
    for (wk_tensors batch; wk_loader_next(batches, &batch) == WK_OK;) {
      last = train_step(network, optimizer, batch);
      if (std::isnan(first)) first = last;
    }
  expect(last < first, "training lowers the loss");
}

// The network from its file says the same as the one that was saved.
void save_and_load(wk_module *network, wk_loader *batches) {
  const char *const path = "program.safetensors";
  wk_module_save(network, path);
  wk_module *loaded = wk_module_load(path);
  std::remove(path);
  wk_evaluation saved = {}, read = {};
  saved.struct_size = read.struct_size = sizeof saved;
  wk_evaluate(network, batches, &saved);
  wk_evaluate(loaded, batches, &read);
  expect(saved.count == 96 && saved.loss == read.loss, "a file keeps the network");
  expect(wk_accuracy(loaded, batches) > 0.9, "which tells inside from outside");
  wk_module_free(loaded);
}

void use_training() {
  wk_dataset *points = make_points();
  wk_loader_arguments loading = {};
  loading.batch_size = 32;
  loading.shuffle = true;
  wk_loader *batches = wk_loader_create(points, loading);
  wk_module *network =
      wk_sequential(wk_linear_layer(32), wk_relu_layer(), wk_dropout_layer(0.01), wk_linear_layer(2));
  wk_module_build(network, points);
  wk_adam_arguments adam = {};
  adam.learning_rate = 3e-2;
  wk_optimizer *optimizer = wk_adam_create(network, adam);
  train_by_hand(network, optimizer, batches);
  wk_fit_arguments run = {};
  run.epochs = 20;
  expect(wk_fit(network, optimizer, batches, run) == WK_OK, "wk_fit goes on with it");
  wk_optimizer_set(optimizer, "learning_rate", 1e-3);
  expect(wk_optimizer_get(optimizer, "learning_rate") == 1e-3, "settings go by name");
  save_and_load(network, batches);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
  wk_loader_free(batches);
  wk_dataset_free(points);
}

// Convolutions' settings are structs, as everywhere.
void use_images() {
  WK_SCOPE;
  wk_dataset_arguments few = {};
  few.count = 8;
  wk_dataset *digits = wk_dataset_open("glyphs", few);
  wk_conv2d_layer_arguments convolution = {};
  convolution.same = true;
  convolution.stride[0] = 2;
  wk_module *network = wk_sequential(wk_conv2d_layer(4, 3, convolution), wk_max_pool2d_layer(2),
                                     wk_flatten_layer(), wk_linear_layer(10));
  wk_module_build(network, digits);
  int64_t label = -1;
  wk_tensor *image = wk_dataset_get(digits, 0, &label);
  wk_tensor *scores = wk_forward(network, wk_reshape(image, WK_SHAPE(1, 28, 28, 1)));
  expect(wk_tensor_dim(scores, 1) == 10 && label >= 0 && label < 10, "ten scores, one label");
  wk_module_free(network);
  wk_dataset_free(digits);
}

// Loops, choices and lists; bodies may be lambdas that capture nothing. Eagerly and compiled.
wk_tensor *control(void *, wk_tensors in) {
  const wk_control_condition below_five = [](void *, wk_tensors s) {
    return wk_less(s.item[0], wk_full(WK_SHAPE(1), 5));
  };
  const wk_control_body collect = [](void *list, wk_tensors s, wk_tensor **next) {
    next[0] = wk_add(s.item[0], wk_full(WK_SHAPE(1), 1));
    return wk_list_append(static_cast<wk_list *>(list), s.item[0]);
  };
  const wk_control_body add = [](void *, wk_tensors s, wk_tensor **next) {
    next[0] = next[1] = wk_add(s.item[0], s.item[1]);
    return wk_error_status();
  };
  const wk_control_body first = [](void *, wk_tensors s, wk_tensor **next) {
    next[0] = wk_clone(s.item[0]);
    return wk_error_status();
  };
  const wk_control_body sum = [](void *, wk_tensors s, wk_tensor **next) {
    next[0] = wk_add(s.item[0], s.item[1]);
    return wk_error_status();
  };
  wk_list *list = wk_list_create();
  wk_tensor *last = nullptr, *sums[2] = {}, *chosen = nullptr;
  wk_while(&last, below_five, collect, list, in);
  wk_scan(sums, add, nullptr, in, WK_TENSORS(wk_list_stack(list)), 1);
  wk_list_free(list);
  wk_cond(&chosen, wk_less(last, sums[0]), sum, first, nullptr, WK_TENSORS(sums[0], last));
  return wk_add(chosen, wk_sum(sums[1]));
}

void use_control() {
  WK_SCOPE;
  wk_tensor *two = wk_full(WK_SHAPE(1), 2);
  expect(wk_item(control(nullptr, WK_TENSORS(two))) == 38, "4, 7, 11 are 22, with 11 and 5 38");
  wk_function *compiled = wk_compile(control);
  expect(wk_item(wk_call(compiled, WK_TENSORS(two))) == 38, "the same compiled");
  wk_function_free(compiled);
}

} // namespace

int main() {
  use_ops();
  use_gradients();
  use_exceptions();
  use_errors();
  use_training();
  use_images();
  use_control();
  expect(wk_scope_count() == 0, "no tensor is left in a scope");
  if (wk_error_report(stderr) != 0 || failures != 0) return 1;
  std::printf("%s\n", wk_version());
  return 0;
}
