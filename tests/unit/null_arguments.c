/* SPDX-License-Identifier: Apache-2.0 */
/* NULL where something is needed is an argument error that names call and place, never a crash. */

#include <string.h>

#include <wick/wick.h>

#include "support/unit.h"

/* A line for each; what it returns does not matter, the error does. */
#define REFUSED(call)                                                                              \
  do {                                                                                             \
    (void)(call);                                                                                  \
    check_refused(#call, __LINE__);                                                                \
  } while (0)

static void check_refused(const char *call, int line) {
  wk_error error = {.struct_size = sizeof error};
  if (!wk_error_take(&error)) fail_msg("%s raises no error", call);
  if (error.status != WK_ERROR_ARGUMENT)
    fail_msg("%s raises %s: %s", call, wk_status_name(error.status), error.message);
  if (!error.message[0] || strcmp(error.file, __FILE__) != 0 || error.line != line)
    fail_msg("%s: '%s', called from %s:%d", call, error.message, error.file, error.line);
  /* "wk_tensor_read_at(...)" and "wk_tensor_read(...)" are raised in "tensor_read"; constructors go
   * by the name of what they make. */
  if (strncmp(call, "wk_", 3) != 0 || strncmp(call + 3, error.op, 3) != 0)
    fail_msg("%s names the op '%s'", call, error.op);
}

/* What other arguments are, where only one is NULL. */
typedef struct things {
  wk_tensor *tensor;
  wk_module *module;
  wk_optimizer *optimizer;
  wk_dataset *dataset;
  wk_loader *loader;
  wk_scope scope;
} things;

static int make_things(void **state) {
  static things t;
  t.scope = wk_scope_open();
  t.tensor = wk_full(WK_SHAPE(4, 3), 1);
  t.module = wk_sequential(wk_linear_layer(2));
  t.dataset = wk_dataset_from_tensors(t.tensor, wk_full(WK_SHAPE(4), 1, .dtype = WK_I64));
  wk_module_build(t.module, t.dataset);
  t.optimizer = wk_sgd_create(t.module);
  t.loader = wk_loader_create(t.dataset);
  *state = &t;
  return wk_error_report(stderr);
}

static int free_things(void **state) {
  things *t = *state;
  wk_loader_free(t->loader);
  wk_optimizer_free(t->optimizer);
  wk_dataset_free(t->dataset);
  wk_module_free(t->module);
  wk_scope_close(&t->scope);
  return wk_error_report(stderr);
}

static void tensors(void **state) {
  things *t = *state;
  float value;
  REFUSED(wk_tensor_from_data(WK_SHAPE(2), WK_F32, NULL, NULL));
  REFUSED(wk_tensor_read(NULL, &value, sizeof value));
  REFUSED(wk_tensor_read(t->tensor, NULL, 12 * sizeof value));
  REFUSED(wk_tensor_write(NULL, &value, sizeof value));
  REFUSED(wk_tensor_write(t->tensor, NULL, 12 * sizeof value));
  REFUSED(wk_item(NULL));
  REFUSED(wk_tensor_to(NULL, NULL));
  REFUSED(wk_tensor_set_requires_gradient(NULL, true));
  REFUSED(wk_detach(NULL));
  REFUSED(wk_parameters_freeze(NULL, 0, true));
  REFUSED(wk_device_get(NULL));
  REFUSED(wk_set_thread_count(0));
  assert_null(wk_scope_return(NULL)); /* says that something before failed */
  assert_int_equal(wk_error_status(), WK_OK);
}

static void gradients(void **state) {
  things *t = *state;
  wk_tensor *into[1];
  REFUSED(wk_backward_at(WK_HERE, NULL));
  REFUSED(wk_backward(NULL));
  REFUSED(wk_grad_at(WK_HERE, into, NULL));
  REFUSED(wk_grad(into, NULL, WK_TENSORS(t->tensor)));
  REFUSED(wk_grad(into, t->tensor, WK_TENSORS(NULL)));
  REFUSED(wk_grad(into, t->tensor, .inputs = {.count = 1}));
  REFUSED(wk_grad(NULL, t->tensor, WK_TENSORS(t->tensor)));
  const wk_callback empty = {.struct_size = sizeof empty};
  const wk_custom_function nameless = {.struct_size = sizeof nameless};
  const wk_op_definition unnamed = {.struct_size = sizeof unnamed};
  REFUSED(wk_tensor_add_hook(NULL, &empty, NULL));
  REFUSED(wk_tensor_add_hook(t->tensor, NULL, NULL));
  REFUSED(wk_tensor_add_arrival_hook(t->tensor, &empty, NULL));
  REFUSED(wk_function_apply(NULL, NULL, WK_TENSORS(t->tensor), into));
  REFUSED(wk_function_apply(&nameless, NULL, WK_TENSORS(t->tensor), into));
  REFUSED(wk_function_save(NULL, WK_TENSORS(t->tensor)));
  REFUSED(wk_function_saved(NULL, 0));
  REFUSED(wk_checkpoint_at(WK_HERE, NULL));
  REFUSED(wk_checkpoint(NULL, NULL, WK_TENSORS(t->tensor)));
  REFUSED(wk_gradient_check_at(WK_HERE, NULL));
  REFUSED(wk_gradient_check(NULL, NULL, WK_TENSORS(t->tensor)));
  REFUSED(wk_op_register(NULL));
  REFUSED(wk_op_register(&unnamed));
}

static void parts(void **state) {
  things *t = *state;
  wk_tensor *into[2];
  const int64_t sizes[2] = {1, 2};
  REFUSED(wk_index(NULL, WK_AT(0)));
  REFUSED(wk_index_at(WK_HERE, t->tensor, (wk_index_items){.count = 1}));
  REFUSED(wk_index(t->tensor, WK_TAKE(NULL)));
  REFUSED(wk_index_update(NULL, t->tensor, WK_AT(0)));
  REFUSED(wk_index_update(t->tensor, NULL, WK_AT(0)));
  REFUSED(wk_index_accumulate(t->tensor, NULL, WK_AT(0)));
  REFUSED(wk_assign(NULL, t->tensor));
  REFUSED(wk_assign(t->tensor, NULL));
  REFUSED(wk_split(NULL, 2, t->tensor, 0, 2));
  REFUSED(wk_split(into, 2, NULL, 0, 2));
  REFUSED(wk_split_sizes(into, 2, t->tensor, 0, NULL));
  REFUSED(wk_split_sizes(into, 2, NULL, 0, sizes));
  REFUSED(wk_chunk(into, 2, NULL, 0));
  REFUSED(wk_tensor_split(NULL, 2, t->tensor, 0));
  REFUSED(wk_unbind(into, 2, NULL, 0));
  REFUSED(wk_broadcast_tensors(NULL, WK_TENSORS(t->tensor)));
  REFUSED(wk_broadcast_tensors(into, WK_TENSORS(t->tensor, NULL)));
  REFUSED(wk_tensor_to_dlpack(NULL));
  REFUSED(wk_tensor_from_dlpack(NULL));
  REFUSED(wk_tensor_from_dlpack_legacy(NULL));
}

static wk_tensor *same(wk_module *self, void *context, wk_tensor *x) {
  (void)self, (void)context;
  return x;
}

static void modules(void **state) {
  things *t = *state;
  const wk_module_type nameless = {.struct_size = sizeof nameless, .forward = same};
  REFUSED(wk_sequential_at(WK_HERE, 1, NULL));
  REFUSED(wk_sequential(NULL));
  REFUSED(wk_forward(NULL, t->tensor));
  REFUSED(wk_module_build(NULL, t->dataset));
  REFUSED(wk_module_build(t->module, NULL));
  REFUSED(wk_module_build_for(NULL, WK_SHAPE(3), WK_F32, NULL));
  REFUSED(wk_module_parameters(NULL));
  REFUSED(wk_module_save(NULL, "nothing"));
  REFUSED(wk_module_save(t->module, NULL));
  REFUSED(wk_module_load(NULL));
  REFUSED(wk_module_create(NULL, NULL));
  REFUSED(wk_module_create(&nameless, NULL));
  REFUSED(wk_module_register(NULL));
  REFUSED(wk_module_register(&nameless));
  REFUSED(wk_module_add(NULL, "name", NULL));
  REFUSED(wk_module_add(t->module, NULL, NULL));
  REFUSED(wk_module_add_parameter(NULL, "name", WK_SCALAR, WK_F32, 0));
  REFUSED(wk_module_add_parameter(t->module, NULL, WK_SCALAR, WK_F32, 0));
  REFUSED(wk_linear_layer_at(WK_HERE, NULL)); /* out_features has to be given */
}

static void optimizers(void **state) {
  things *t = *state;
  REFUSED(wk_sgd_create_at(WK_HERE, NULL));
  REFUSED(wk_adam_create(NULL));
  REFUSED(wk_optimizer_step(NULL));
  REFUSED(wk_optimizer_get(NULL, "learning_rate"));
  REFUSED(wk_optimizer_get(t->optimizer, NULL));
  REFUSED(wk_optimizer_set(NULL, "learning_rate", 1));
  REFUSED(wk_optimizer_set(t->optimizer, NULL, 1));
  REFUSED(wk_adamw_create(NULL));
  REFUSED(wk_rmsprop_create(NULL));
  REFUSED(wk_adagrad_create(NULL));
  REFUSED(wk_lion_create(NULL));
  REFUSED(wk_optimizer_set_for(NULL, "*", "learning_rate", 1));
  REFUSED(wk_optimizer_set_for(t->optimizer, NULL, "learning_rate", 1));
  REFUSED(wk_optimizer_set_for(t->optimizer, "*", NULL, 1));
  REFUSED(wk_clip_gradient_norm(NULL, 1));
  REFUSED(wk_clip_gradient_value(NULL, 1));
  REFUSED(wk_loss_scaler_scale(NULL, NULL));
  REFUSED(wk_loss_scaler_unscale(NULL, t->optimizer));
  REFUSED(wk_loss_scaler_step(NULL, t->optimizer));
  REFUSED(wk_loss_scaler_update(NULL));
}

static void data(void **state) {
  things *t = *state;
  wk_tensors batch;
  REFUSED(wk_dataset_open_at(WK_HERE, NULL));
  REFUSED(wk_dataset_open(NULL));
  REFUSED(wk_dataset_from_tensors(NULL, t->tensor));
  REFUSED(wk_dataset_from_tensors(t->tensor, NULL));
  REFUSED(wk_dataset_create(NULL, NULL));
  REFUSED(wk_dataset_create(&(wk_dataset_functions){.struct_size = sizeof(wk_dataset_functions)},
                            NULL));
  REFUSED(wk_dataset_get(NULL, 0, NULL));
  REFUSED(wk_loader_create_at(WK_HERE, NULL));
  REFUSED(wk_loader_create(NULL));
  REFUSED(wk_loader_next(NULL, &batch));
  REFUSED(wk_loader_next(t->loader, NULL));
  REFUSED(wk_loader_seek(NULL, 0, 0));
}

static void training(void **state) {
  things *t = *state;
  wk_evaluation evaluation = {.struct_size = sizeof evaluation};
  wk_prediction best = {.struct_size = sizeof best};
  REFUSED(wk_fit_at(WK_HERE, NULL));
  REFUSED(wk_fit(NULL, t->optimizer, t->loader));
  REFUSED(wk_fit(t->module, NULL, t->loader));
  REFUSED(wk_fit(t->module, t->optimizer, NULL));
  REFUSED(wk_fit(t->module, t->optimizer, t->loader, .callback_count = 1));
  REFUSED(wk_fit(t->module, t->optimizer, t->loader, .resume = true));
  REFUSED(wk_evaluate(NULL, t->loader, &evaluation));
  REFUSED(wk_evaluate(t->module, NULL, &evaluation));
  REFUSED(wk_evaluate(t->module, t->loader, NULL));
  REFUSED(wk_accuracy(NULL, t->loader));
  REFUSED(wk_accuracy(t->module, NULL));
  REFUSED(wk_checkpoint_save(NULL, t->module, t->optimizer, t->loader));
  REFUSED(wk_checkpoint_save("nothing", NULL, t->optimizer, t->loader));
  REFUSED(wk_checkpoint_load("nothing", t->module, NULL, t->loader));
  REFUSED(wk_checkpoint_load("nothing", t->module, t->optimizer, NULL));
  REFUSED(wk_predict_image(NULL, "nothing.png", &best, 1, NULL));
  REFUSED(wk_predict_image(t->module, NULL, &best, 1, NULL));
  REFUSED(wk_predict_image(t->module, "nothing.png", NULL, 1, NULL));
}

static void files(void **state) {
  things *t = *state;
  wk_event event = {.struct_size = sizeof event};
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  REFUSED(wk_safetensors_open(NULL));
  REFUSED(wk_safetensors_get(NULL, "name", NULL));
  REFUSED(wk_safetensors_writer_add(NULL, "name", t->tensor));
  REFUSED(wk_safetensors_writer_add(writer, NULL, t->tensor));
  REFUSED(wk_safetensors_writer_add(writer, "name", NULL));
  REFUSED(wk_safetensors_writer_set(writer, "key", NULL));
  REFUSED(wk_safetensors_writer_save(NULL, "nothing"));
  REFUSED(wk_safetensors_writer_save(writer, NULL));
  REFUSED(wk_png_load(NULL));
  REFUSED(wk_png_save(NULL, "nothing"));
  REFUSED(wk_png_save(t->tensor, NULL));
  REFUSED(wk_event_writer_create(NULL));
  REFUSED(wk_event_writer_restart(NULL, 0));
  REFUSED(wk_event_writer_scalar(NULL, "tag", 0, 0));
  REFUSED(wk_event_writer_flush(NULL));
  REFUSED(wk_event_reader_open(NULL));
  REFUSED(wk_event_reader_next(NULL, &event));
  wk_safetensors_writer_free(writer);
}

/* An error that was there before keeps what it says, whatever is called. */
static void first_error_wins(void **state) {
  things *t = *state;
  wk_error error = {.struct_size = sizeof error};
  wk_error_set(WK_ERROR_CANCELLED, "first");
  wk_fit_at(WK_HERE, NULL);
  wk_backward_at(WK_HERE, NULL);
  wk_sequential(NULL);
  wk_module_add(t->module, NULL, NULL);
  wk_module_create(NULL, NULL);
  wk_dataset_create(NULL, NULL);
  wk_evaluate(NULL, NULL, NULL);
  wk_adam_create(NULL);
  wk_linear_layer(0);
  wk_sum(NULL);
  wk_item(NULL);
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_CANCELLED);
  assert_string_equal(error.message, "first");
  assert_string_equal(error.op, "");
  assert_string_equal(error.file, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tensors),  cmocka_unit_test(gradients),  cmocka_unit_test(parts),
      cmocka_unit_test(modules),  cmocka_unit_test(optimizers), cmocka_unit_test(data),
      cmocka_unit_test(training), cmocka_unit_test(files),      cmocka_unit_test(first_error_wins),
  };
  return cmocka_run_group_tests(tests, make_things, free_things);
}
