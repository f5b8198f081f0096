/* SPDX-License-Identifier: Apache-2.0 */
/* Every optimizer with all its settings beside what PyTorch's makes of the same gradients, and what
 * all of them share: clipping, settings by pattern, slots in checkpoints. */
#include "support/unit.h"

#include <math.h>
#include <string.h>

#include <wick/wick.h>

#include "base/text.h"
#include "optim/optimizer.h"
#include "support/temporary.h"

enum { STEPS = 8, FIRST = 5, SECOND = 3, VALUES = FIRST + SECOND };

/* ---- a set of two parameters whose gradients a formula gives ---- */

static void add(wk_parameters *set, const char *name, int size, int parameter) {
  double values[FIRST];
  for (int i = 0; i < size; i++) values[i] = sin(1 + i + 10 * parameter);
  wk_tensor *tensor = wk_tensor_retain(wk_tensor_from_data(WK_SHAPE(size), WK_F64, values, NULL));
  tensor->name = wk_intern(name);
  assert_int_equal(wk_parameters_add(set, tensor), WK_OK);
}

static wk_parameters *make_set(void) {
  WK_SCOPE;
  wk_parameters *set = wk_parameters_create();
  add(set, "a.weight", FIRST, 0);
  add(set, "a.bias", SECOND, 1);
  assert_int_equal(wk_parameters_lay_out(set), WK_OK);
  return set;
}

static void set_gradients(wk_parameters *set, int step, double factor) {
  for (int p = 0; p < 2; p++) {
    wk_tensor *gradient = wk_leaf_gradient(wk_parameters_get(set, (size_t)p));
    double *values = (double *)(void *)wk_tensor_data(gradient);
    for (int i = 0; i < (p ? SECOND : FIRST); i++)
      values[i] = factor * cos(0.7 * i + 3 * p + 0.9 * step);
    wk_parameters_get(set, (size_t)p)->leaf->valid = true;
  }
}

static void read_values(const wk_parameters *set, double *values) {
  wk_tensor_read(wk_parameters_get(set, 0), values, FIRST * sizeof(double));
  wk_tensor_read(wk_parameters_get(set, 1), values + FIRST, SECOND * sizeof(double));
  assert_no_error();
}

static wk_optimizer *make(const char *name, wk_parameters *set, const void *arguments) {
  for (int i = 0; i < wk_optimizer_table_count; i++)
    if (strcmp(wk_optimizer_table[i].name, name) == 0)
      return wk_optimizer_create_type(&wk_optimizer_table[i], set, WK_HERE, arguments);
  return NULL;
}

/* ---- beside PyTorch ---- */

typedef struct optimizer_case {
  const char *name;
  const void *arguments;
  const char *settings;
  double results[VALUES];
} optimizer_case;

#define PLAIN(...) __VA_ARGS__
#define CASE(name, results, ...)                                                                   \
  {                                                                                                \
#name, &(const wk_##name##_arguments){                                                         \
               .struct_size = sizeof(wk_##name##_arguments), __VA_ARGS__ }, #__VA_ARGS__, {        \
      PLAIN results                                                                                \
    }                                                                                              \
  }
#include "support/optimizers.gen.h"

static void test_as_pytorch(void **state) {
  (void)state;
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    wk_parameters *set = make_set();
    wk_optimizer *optimizer = make(cases[c].name, set, cases[c].arguments);
    assert_no_error();
    for (int step = 1; step <= STEPS; step++) {
      set_gradients(set, step, 1);
      assert_int_equal(wk_optimizer_step(optimizer), WK_OK);
    }
    double found[VALUES];
    read_values(set, found);
    for (int i = 0; i < VALUES; i++)
      if (!(fabs(found[i] - cases[c].results[i]) < 1e-12))
        fail_msg("%s(%s): element %d is %.17g, PyTorch's %.17g", cases[c].name, cases[c].settings,
                 i, found[i], cases[c].results[i]);
    wk_optimizer_free(optimizer);
    wk_parameters_free(set);
  }
}

static void test_lion_follows_its_formula(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  wk_optimizer *lion = make("lion", set,
                            &(wk_lion_arguments){.struct_size = sizeof(wk_lion_arguments),
                                                 .learning_rate = 0.1,
                                                 .weight_decay = 0.2});
  double w[VALUES], found[VALUES], mean[VALUES] = {0};
  read_values(set, w);
  for (int step = 1; step <= STEPS; step++) {
    set_gradients(set, step, 1);
    wk_optimizer_step(lion);
    for (int i = 0; i < VALUES; i++) {
      const int p = i >= FIRST;
      const double g = cos(0.7 * (p ? i - FIRST : i) + 3 * p + 0.9 * step);
      const double direction = 0.9 * mean[i] + (1 - 0.9) * g;
      w[i] = (1 - 0.1 * 0.2) * w[i] - 0.1 * ((direction > 0) - (direction < 0));
      mean[i] = 0.99 * mean[i] + (1 - 0.99) * g;
    }
  }
  read_values(set, found);
  for (int i = 0; i < VALUES; i++) assert_true(fabs(found[i] - w[i]) < 1e-12);
  wk_optimizer_free(lion);
  wk_parameters_free(set);
}

/* ---- clipping ---- */

static double norm_of_formula(int step) {
  double sum = 0;
  for (int p = 0; p < 2; p++)
    for (int i = 0; i < (p ? SECOND : FIRST); i++) sum += pow(cos(0.7 * i + 3 * p + 0.9 * step), 2);
  return sqrt(sum);
}

static void read_gradients(wk_parameters *set, double *values) {
  wk_tensor_read(wk_tensor_gradient(wk_parameters_get(set, 0)), values, FIRST * sizeof(double));
  wk_tensor_read(wk_tensor_gradient(wk_parameters_get(set, 1)), values + FIRST,
                 SECOND * sizeof(double));
}

static void test_public_clipping(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  double before[VALUES], after[VALUES];
  set_gradients(set, 1, 1);
  read_gradients(set, before);
  const double norm = norm_of_formula(1);
  assert_true(fabs(wk_clip_gradient_norm(set, INFINITY) - norm) < 1e-12);
  assert_true(fabs(wk_clip_gradient_norm(set, 2 * norm) - norm) < 1e-12);
  read_gradients(set, after);
  assert_memory_equal(before, after, sizeof before);
  assert_true(fabs(wk_clip_gradient_norm(set, 0.5) - norm) < 1e-12);
  read_gradients(set, after);
  for (int i = 0; i < VALUES; i++)
    assert_true(fabs(after[i] - before[i] * (0.5 / (norm + 1e-6))) < 1e-14);
  set_gradients(set, 1, 1);
  assert_int_equal(wk_clip_gradient_value(set, 0.25), WK_OK);
  read_gradients(set, after);
  for (int i = 0; i < VALUES; i++) assert_true(after[i] == fmin(fmax(before[i], -0.25), 0.25));
  assert_true(isnan(wk_clip_gradient_norm(set, 0)));
  assert_error_says(WK_ERROR_ARGUMENT, "must be positive");
  wk_clip_gradient_value(set, -1);
  assert_error_says(WK_ERROR_ARGUMENT, "must be positive");
  wk_clip_gradient_value(NULL, 1);
  assert_error(WK_ERROR_ARGUMENT);
  wk_parameters_free(set);
}

static void test_one_kind_of_clipping(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  wk_optimizer *sgd = make("sgd", set, NULL);
  wk_optimizer_set(sgd, "clip_norm", 1);
  wk_optimizer_set(sgd, "clip_value", 1);
  set_gradients(set, 1, 1);
  assert_int_equal(wk_optimizer_step(sgd), WK_ERROR_ARGUMENT);
  assert_error_says(WK_ERROR_ARGUMENT, "only one can be set");
  assert_int_equal(wk_optimizer_step_count(sgd), 0);
  assert_non_null(wk_tensor_gradient(wk_parameters_get(set, 0)));
  wk_optimizer_free(sgd);
  wk_parameters_free(set);
}

/* ---- settings by pattern ---- */

static void test_groups(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  double before[VALUES], after[VALUES];
  wk_optimizer *sgd = make("sgd", set, NULL);
  wk_optimizer_set(sgd, "learning_rate", 0.1);
  wk_optimizer_set(sgd, "weight_decay", 0.5);
  assert_int_equal(wk_optimizer_set_for(sgd, "*.bias", "weight_decay", 0), WK_OK);
  assert_int_equal(wk_optimizer_set_for(sgd, "a.w*", "learning_rate", 0.2), WK_OK);
  for (int round = 0; round < 2; round++) {
    read_values(set, before);
    set_gradients(set, 1, 1);
    assert_int_equal(wk_optimizer_step(sgd), WK_OK);
    read_values(set, after);
    const double rate = round ? 0.01 : 0.1; /* the part's is always twice that */
    for (int i = 0; i < VALUES; i++) {
      const bool bias = i >= FIRST;
      const double g = cos(0.7 * (bias ? i - FIRST : i) + 3 * bias + 0.9);
      const double expected = before[i] - (bias ? rate * g : 2 * rate * (g + 0.5 * before[i]));
      assert_true(fabs(after[i] - expected) < 1e-14);
    }
    wk_optimizer_set(sgd, "learning_rate", 0.01);
  }
  wk_optimizer_free(sgd);
  wk_parameters_free(set);
}

static void test_wrong_groups(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  wk_optimizer *sgd = make("sgd", set, NULL);
  wk_optimizer_set_for(sgd, "*.scale", "weight_decay", 0);
  assert_error_says(WK_ERROR_NOT_FOUND, "no parameter is called *.scale");
  wk_optimizer_set_for(sgd, "*", "decay", 0);
  assert_error_says(WK_ERROR_NOT_FOUND, "sgd has no setting decay");
  wk_optimizer_set_for(sgd, "*", "clip_norm", 1);
  assert_error_says(WK_ERROR_ARGUMENT, "is one for all parameters");
  wk_optimizer_set_for(sgd, "*", "momentum", -1);
  assert_error_says(WK_ERROR_ARGUMENT, "momentum of sgd is -1");
  wk_optimizer_set_for(sgd, NULL, "momentum", 1);
  assert_error(WK_ERROR_ARGUMENT);
  wk_optimizer_set(sgd, "learning_rate", 0);
  wk_optimizer_set_for(sgd, "*", "learning_rate", 1);
  assert_error_says(WK_ERROR_STATE, "learning rate of sgd itself is 0");
  wk_optimizer_free(sgd);
  wk_parameters_free(set);
}

/* ---- slots ---- */

static void test_slots_that_are_not_used(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  wk_optimizer *adam = make("adam", set, NULL);
  set_gradients(set, 1, 1);
  wk_optimizer_step(adam);
  assert_true(wk_optimizer_slot_exists(adam, 1));
  assert_false(wk_optimizer_slot_exists(adam, 2));
  wk_optimizer_set(adam, "amsgrad", 1);
  set_gradients(set, 2, 1);
  wk_optimizer_step(adam);
  assert_true(wk_optimizer_slot_exists(adam, 2));
  wk_optimizer_free(adam);
  wk_parameters_free(set);
}

/* Steps with every optimizer, a checkpoint between them: the same bits as without. */
static void run_with_checkpoint(const char *name, bool interrupted, double *values) {
  WK_SCOPE;
  const char *path = temporary_path("optimizers.safetensors");
  wk_generator_set(wk_generator_default(), 3, 0);
  wk_module *network = wk_sequential(wk_linear_layer(2));
  wk_module_build_for(network, WK_SHAPE(3), WK_F32, NULL);
  wk_parameters *set = wk_module_parameters(network);
  wk_tensor *x = wk_full(WK_SHAPE(4, 3), 0.5), *y = wk_full(WK_SHAPE(4), 0, .dtype = WK_I64);
  wk_dataset *data = wk_dataset_from_tensors(x, y);
  wk_loader *loader = wk_loader_create(data, .batch_size = 2);
  wk_optimizer *optimizer = make(name, set, NULL);
  for (int step = 0; step < 6; step++) {
    wk_backward(wk_cross_entropy(wk_forward(network, x), y));
    wk_optimizer_step(optimizer);
    if (step != 2 || !interrupted) continue;
    wk_checkpoint_save(path, network, optimizer, loader);
    wk_optimizer_free(optimizer);
    optimizer = make(name, set, NULL);
    wk_backward(wk_cross_entropy(wk_forward(network, x), y));
    wk_optimizer_step(optimizer); /* to be forgotten */
    wk_checkpoint_load(path, network, optimizer, loader);
  }
  assert_no_error();
  wk_tensor_read(wk_parameters_get(set, 0), values, 6 * sizeof(float));
  wk_optimizer_free(optimizer);
  wk_loader_free(loader);
  wk_dataset_free(data);
  wk_module_free(network);
}

static void test_checkpoints(void **state) {
  (void)state;
  for (int i = 0; i < wk_optimizer_table_count; i++) {
    double with[3], without[3];
    run_with_checkpoint(wk_optimizer_table[i].name, true, with);
    run_with_checkpoint(wk_optimizer_table[i].name, false, without);
    assert_memory_equal(with, without, sizeof with);
  }
}

/* ---- loss scaling ---- */

static void test_scaled_steps(void **state) {
  (void)state;
  double plain[VALUES], scaled[VALUES];
  for (int with = 0; with < 2; with++) {
    wk_parameters *set = make_set();
    wk_optimizer *adam = make("adam", set, NULL);
    wk_optimizer_set(adam, "clip_norm", 0.5);
    wk_loss_scaler *scaler = wk_loss_scaler_create(.scale = 1024, .interval = 2);
    for (int step = 1; step <= STEPS; step++) {
      set_gradients(set, step, with ? wk_loss_scaler_factor(scaler) : 1);
      if (with && step == 3) wk_loss_scaler_unscale(scaler, adam);
      if (with)
        assert_int_equal(wk_loss_scaler_step(scaler, adam), WK_OK);
      else
        assert_int_equal(wk_optimizer_step(adam), WK_OK);
      wk_loss_scaler_update(scaler);
    }
    assert_true(wk_loss_scaler_factor(scaler) == 1024 * 16);
    read_values(set, with ? scaled : plain);
    wk_loss_scaler_free(scaler);
    wk_optimizer_free(adam);
    wk_parameters_free(set);
  }
  for (int i = 0; i < VALUES; i++) assert_true(fabs(plain[i] - scaled[i]) < 1e-13);
}

static void test_skipped_steps(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  wk_optimizer *adam = make("adam", set, NULL);
  wk_loss_scaler *scaler = wk_loss_scaler_create();
  double before[VALUES], after[VALUES];
  read_values(set, before);
  const double bad[] = {INFINITY, -INFINITY, NAN};
  for (int i = 0; i < 3; i++) {
    set_gradients(set, 1, 1);
    ((double *)(void *)wk_tensor_data(wk_leaf_gradient(wk_parameters_get(set, 1))))[2] = bad[i];
    assert_int_equal(wk_loss_scaler_step(scaler, adam), WK_OK);
    assert_int_equal(wk_loss_scaler_update(scaler), WK_OK);
    assert_null(wk_tensor_gradient(wk_parameters_get(set, 0)));
  }
  read_values(set, after);
  assert_memory_equal(before, after, sizeof before);
  assert_true(wk_loss_scaler_factor(scaler) == 8192);
  assert_int_equal(wk_loss_scaler_skipped(scaler), 3);
  assert_int_equal(wk_optimizer_step_count(adam), 0);
  set_gradients(set, 1, 1);
  wk_loss_scaler_unscale(scaler, adam);
  wk_loss_scaler_unscale(scaler, adam);
  assert_error_says(WK_ERROR_STATE, "unscaled already");
  wk_loss_scaler_free(scaler);
  wk_optimizer_free(adam);
  wk_parameters_free(set);
}

static void test_wrong_scalers(void **state) {
  (void)state;
  assert_null(wk_loss_scaler_create(.scale = -1));
  assert_error_says(WK_ERROR_ARGUMENT, "scale of the loss scaler is -1");
  assert_null(wk_loss_scaler_create(.growth = 0.5));
  assert_error_says(WK_ERROR_ARGUMENT, "growth of the loss scaler is 0.5");
  assert_null(wk_loss_scaler_create(.backoff = 2));
  assert_error_says(WK_ERROR_ARGUMENT, "backoff of the loss scaler is 2");
  assert_null(wk_loss_scaler_create(.interval = -1));
  assert_error_says(WK_ERROR_ARGUMENT, "interval of the loss scaler is -1");
  assert_int_equal(wk_loss_scaler_step(NULL, NULL), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  assert_int_equal(wk_loss_scaler_update(NULL), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_loss_scaler_scale(NULL, NULL));
  assert_error(WK_ERROR_ARGUMENT);
  wk_loss_scaler_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_as_pytorch),
      cmocka_unit_test(test_lion_follows_its_formula),
      cmocka_unit_test(test_public_clipping),
      cmocka_unit_test(test_one_kind_of_clipping),
      cmocka_unit_test(test_groups),
      cmocka_unit_test(test_wrong_groups),
      cmocka_unit_test(test_slots_that_are_not_used),
      cmocka_unit_test(test_checkpoints),
      cmocka_unit_test(test_scaled_steps),
      cmocka_unit_test(test_skipped_steps),
      cmocka_unit_test(test_wrong_scalers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
