/* SPDX-License-Identifier: Apache-2.0 */
/* The networks of models/: their parameter counts are the published ones, and they come back from a
 * file. */
#include "support/unit.h"

#include <string.h>

#include <wick/wick.h>

#include "models/models.h"
#include "support/temporary.h"
#include "tensor/tensor.h"

static int64_t trainable(wk_module *network) {
  const wk_parameters *set = wk_module_parameters(network);
  int64_t count = 0;
  for (size_t i = 0; i < wk_parameters_count(set); i++)
    if (!wk_parameters_get(set, i)->frozen) count += wk_tensor_count(wk_parameters_get(set, i));
  return count;
}

static void parameters_are_as_many_as_published(void **state) {
  (void)state;
  for (int i = 0; i < wk_model_count; i++) {
    const wk_model *model = &wk_models[i];
    wk_module *network = model->create(model->classes);
    wk_module_build_for(network, model->example, model->dtype, NULL);
    assert_no_error();
    if (trainable(network) != model->parameters)
      fail_msg("%s has %lld", model->name, (long long)trainable(network));
    wk_module_free(network);
  }
}

/* Saved and loaded, with modules of types of their own in them, they give the same. */
static void assert_comes_back(const char *name, wk_shape example, wk_tensor *x) {
  const wk_model *model = wk_model_find(name);
  assert_non_null(model);
  wk_module *network = model->create(10);
  wk_module_build_for(network, example, model->dtype, NULL);
  wk_module_set_training(network, false);
  const char *path = temporary_path("network.safetensors");
  wk_module_save(network, path);
  wk_module *again = wk_module_load(path);
  assert_no_error();
  WK_NO_GRADIENT;
  wk_tensor *y = wk_forward(network, x), *z = wk_forward(again, x);
  assert_true(wk_item(wk_all(wk_equal(y, z))) == 1);
  assert_no_error();
  wk_module_free(network);
  wk_module_free(again);
}

static void networks_come_back_from_files(void **state) {
  (void)state;
  WK_SCOPE;
  assert_comes_back("resnet50", WK_SHAPE(32, 32, 3), wk_uniform(WK_SHAPE(2, 32, 32, 3), -1, 1));
  assert_comes_back("transformer", WK_SHAPE(12), wk_random_integers(WK_SHAPE(2, 12), 8192));
}

int main(void) {
  wk_models_register();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parameters_are_as_many_as_published),
      cmocka_unit_test(networks_come_back_from_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
