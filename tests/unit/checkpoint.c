/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>

#include <wick/wick.h>

#include "support/temporary.h"

enum { EXAMPLES = 40, FEATURES = 6, CLASSES = 3 };

/* A network, its optimizer and its data, made the same way each time. */
typedef struct setting {
  wk_dataset *data;
  wk_loader *loader;
  wk_module *network;
  wk_optimizer *optimizer;
} setting;

static setting make(int64_t hidden, int64_t batch_size, bool adam) {
  WK_SCOPE;
  int64_t labels[EXAMPLES];
  for (int i = 0; i < EXAMPLES; i++) labels[i] = i % CLASSES;
  setting s = {.data = wk_dataset_from_tensors(
                   wk_uniform(WK_SHAPE(EXAMPLES, FEATURES), .keyed = true, .seed = 1),
                   wk_tensor_from_data(WK_SHAPE(EXAMPLES), WK_I64, labels, NULL))};
  s.loader = wk_loader_create(s.data, .batch_size = batch_size, .shuffle = true, .seed = 2);
  s.network = wk_sequential(wk_linear_layer(hidden), wk_relu_layer(), wk_dropout_layer(0.5),
                            wk_linear_layer(CLASSES));
  wk_module_build(s.network, s.data);
  s.optimizer = adam ? wk_adam_create(s.network, .learning_rate = 0.05)
                     : wk_sgd_create(s.network, .learning_rate = 0.05, .momentum = 0.9);
  assert_no_error();
  return s;
}

static void free_setting(setting *s) {
  wk_optimizer_free(s->optimizer);
  wk_module_free(s->network);
  wk_loader_free(s->loader);
  wk_dataset_free(s->data);
}

static void take_steps(setting *s, int count) {
  while (count > 0) {
    WK_SCOPE;
    wk_tensors batch;
    if (wk_loader_next(s->loader, &batch) == WK_END) continue;
    wk_backward(wk_cross_entropy(wk_forward(s->network, batch.item[0]), batch.item[1]));
    wk_optimizer_step(s->optimizer);
    assert_no_error();
    count--;
  }
}

/* All parameters one after the other. */
static void read_parameters(const setting *s, float *values, size_t limit) {
  const wk_parameters *set = wk_module_parameters(s->network);
  assert_true((size_t)wk_parameters_element_count(set) <= limit);
  for (size_t i = 0; i < wk_parameters_count(set); i++) {
    const wk_tensor *tensor = wk_parameters_get(set, i);
    wk_tensor_read(tensor, values, (size_t)wk_tensor_count(tensor) * sizeof(float));
    values += wk_tensor_count(tensor);
  }
  assert_no_error();
}

static void check_same_bits(bool adam, int before, int after) {
  float expected[128] = {0}, found[128] = {0};
  const char *path = temporary_path("run.safetensors");
  setting s = make(8, 16, adam);
  take_steps(&s, before);
  wk_optimizer_set(s.optimizer, "learning_rate", 0.01); /* settings are restored too */
  assert_int_equal(wk_checkpoint_save(path, s.network, s.optimizer, s.loader), WK_OK);
  take_steps(&s, after);
  read_parameters(&s, expected, 128);
  free_setting(&s);
  s = make(8, 16, adam); /* other first values: the generator has moved on */
  take_steps(&s, 1);
  assert_int_equal(wk_checkpoint_load(path, s.network, s.optimizer, s.loader), WK_OK);
  assert_int_equal(wk_optimizer_step_count(s.optimizer), before);
  assert_true(wk_optimizer_get(s.optimizer, "learning_rate") == 0.01);
  take_steps(&s, after);
  read_parameters(&s, found, 128);
  assert_memory_equal(expected, found, sizeof expected);
  free_setting(&s);
}

static void test_training_goes_on_bit_for_bit(void **state) {
  (void)state;
  check_same_bits(true, 4, 7);
  check_same_bits(false, 5, 4);
  check_same_bits(true, 3, 5); /* at the end of an epoch of three batches */
  check_same_bits(true, 0, 2);
}

static void test_a_checkpoint_is_a_model_file(void **state) {
  (void)state;
  const char *path = temporary_path("both.safetensors");
  setting s = make(8, 16, true);
  take_steps(&s, 2);
  wk_checkpoint_save(path, s.network, s.optimizer, s.loader);
  wk_module *loaded = wk_module_load(path);
  assert_no_error();
  assert_int_equal(wk_parameters_count(wk_module_parameters(loaded)), 4);
  wk_module_free(loaded);
  free_setting(&s);
}

static void test_what_does_not_fit_is_refused(void **state) {
  (void)state;
  const char *path = temporary_path("other.safetensors");
  setting s = make(8, 16, true), wider = make(9, 16, true), slower = make(8, 10, true),
          other = make(8, 16, false);
  take_steps(&s, 2);
  wk_checkpoint_save(path, s.network, s.optimizer, s.loader);
  float before[128] = {0}, after[128] = {0};
  read_parameters(&wider, before, 128);
  assert_true(wk_checkpoint_load(path, wider.network, wider.optimizer, wider.loader) < 0);
  assert_error_says(WK_ERROR_FORMAT, "0.weight");
  read_parameters(&wider, after, 128);
  assert_memory_equal(before, after, sizeof before);
  assert_true(wk_checkpoint_load(path, slower.network, slower.optimizer, slower.loader) < 0);
  assert_error_says(WK_ERROR_STATE, "3 batches of 40 examples");
  assert_true(wk_checkpoint_load(path, other.network, other.optimizer, other.loader) < 0);
  assert_error_says(WK_ERROR_FORMAT, "sgd");
  assert_true(wk_checkpoint_load(path, s.network, NULL, s.loader) < 0);
  assert_error(WK_ERROR_ARGUMENT);
  wk_module_save(s.network, path);
  assert_true(wk_checkpoint_load(path, s.network, s.optimizer, s.loader) < 0);
  assert_error_says(WK_ERROR_FORMAT, "wick_checkpoint");
  free_setting(&s);
  free_setting(&wider);
  free_setting(&slower);
  free_setting(&other);
}

/* A file cut short anywhere is refused, and changes nothing. */
static void test_a_cut_file(void **state) {
  (void)state;
  setting s = make(8, 16, true);
  const char *path = temporary_path("cut.safetensors");
  wk_checkpoint_save(path, s.network, s.optimizer, s.loader);
  static char bytes[1 << 16];
  FILE *file = fopen(path, "rb");
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  for (size_t length = 0; length < size; length += 97) {
    const char *cut = temporary_file("cut.safetensors", bytes, length);
    assert_true(wk_checkpoint_load(cut, s.network, s.optimizer, s.loader) < 0);
    assert_error(WK_ERROR_FORMAT);
  }
  free_setting(&s);
}

typedef struct attempt {
  setting s;
  const char *path;
} attempt;

static bool try_save_and_load(void *context) {
  attempt *a = context;
  if (wk_checkpoint_save(a->path, a->s.network, a->s.optimizer, a->s.loader) < 0) return false;
  return wk_checkpoint_load(a->path, a->s.network, a->s.optimizer, a->s.loader) == WK_OK;
}

static void test_without_memory(void **state) {
  (void)state;
  attempt a = {make(8, 16, true), temporary_path("memory.safetensors")};
  fail_each_allocation(try_save_and_load, &a);
  free_setting(&a.s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_training_goes_on_bit_for_bit),
      cmocka_unit_test(test_a_checkpoint_is_a_model_file),
      cmocka_unit_test(test_what_does_not_fit_is_refused),
      cmocka_unit_test(test_a_cut_file),
      cmocka_unit_test(test_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
