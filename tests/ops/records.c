/* SPDX-License-Identifier: Apache-2.0 */
/* Whether records, samples and kernels fit together. That every op has samples, and every
 * differentiable one a gradient that was compared, is what the tests "check" and "gradient" of each
 * op say: they fail when there is nothing to do. */
#include <stdio.h>
#include <string.h>

#include <wick/device.h>

#include "cases.h"
#include "ops/dispatch.h"
#include "ops/kernel.h"
#include "tests.h"

static int check_reads(const wk_op *op) {
  int failures = 0;
  if (op->gradient_reads_inputs >> op->input_count) failures++;
  if (op->gradient_reads_outputs >> op->output_count) failures++;
  if (!op->vjp && (op->gradient_reads_inputs || op->gradient_reads_outputs)) failures++;
  if (failures) print_error("%s: the gradient reads what there is not\n", op->name);
  return failures;
}

static int check_inputs(const wk_op *op) {
  int failures = 0;
  if (op->input_count > WK_MAX_INPUTS || op->output_count > WK_MAX_OUTPUTS) failures++;
  if (op->settings.size > WK_MAX_ARGUMENTS_SIZE) failures++;
  for (int i = 0; i < op->input_count; i++) {
    const wk_op_input *input = &op->inputs[i];
    if (input->offset + sizeof(wk_tensor *) > op->settings.size) failures++;
    if (input->list && i != op->input_count - 1) failures++;
    if (input->written && op->class != WK_CLASS_UPDATE && !op->composite) failures++;
  }
  if (failures) print_error("%s: the record breaks a limit\n", op->name);
  return failures;
}

/* Composites need no kernel, views no memory of their own; all else runs everywhere. */
static int check_kernels(const wk_op *op) {
  int failures = 0;
  if (!op->infer || op->class == WK_CLASS_VIEW) return 0;
  for (int i = 0; i < wk_device_count(); i++) {
    wk_device *device = wk_device_get(wk_device_name_at(i));
    if (wk_kernel_exists(device, op->id)) continue;
    print_error("%s has no kernel on %s\n", op->name, wk_device_name(device));
    failures++;
  }
  return failures;
}

static void test_record(void **state) {
  const wk_op *op = *state;
  assert_ptr_equal(wk_op_find(op->name), op);
  assert_ptr_equal(&wk_op_table[op->id], op);
  assert_true(op->composite || op->infer);
  assert_int_equal(check_reads(op) + check_inputs(op) + check_kernels(op), 0);
}

static void test_sample_names(void **state) {
  (void)state;
  for (int i = 0; i < wk_sample_table_count; i++)
    if (!wk_op_find(wk_sample_table[i].op)) fail_msg("samples of %s", wk_sample_table[i].op);
}

/* ---- updates write in place ---- */

static bool is_update(const wk_op *op) { return op->class == WK_CLASS_UPDATE; }

static void check_update(const op_case *c, wk_device *device) {
  WK_SCOPE;
  case_arguments arguments;
  assert_true(case_prepare(c, device, CASE_CONTIGUOUS, &arguments));
  unsigned versions[WK_SAMPLE_TENSORS];
  const char *addresses[WK_SAMPLE_TENSORS];
  for (int i = 0; i < c->input_count; i++) {
    versions[i] = atomic_load(&arguments.inputs[i]->root->version);
    addresses[i] = wk_tensor_data(arguments.inputs[i]);
  }
  assert_int_equal(wk_op_run(c->op, WK_HERE, arguments.bytes, NULL), WK_OK);
  for (int i = 0; i < c->input_count; i++) {
    const unsigned version = atomic_load(&arguments.inputs[i]->root->version);
    sample_tensor now;
    assert_true(read_tensor(&now, arguments.inputs[i]));
    const size_t size = (size_t)now.count * wk_dtype_size(now.dtype);
    const bool changed = memcmp(now.data, c->inputs[i].data, size) != 0;
    sample_tensor_free(&now);
    assert_ptr_equal(wk_tensor_data(arguments.inputs[i]), addresses[i]);
    assert_int_equal(version != versions[i], case_input_is_written(c, i));
    assert_int_equal(changed, case_input_is_written(c, i));
  }
}

static void test_update(void **state) {
  const wk_op *op = *state;
  for (int i = 0; i < wk_sample_table_count; i++) {
    if (strcmp(wk_sample_table[i].op, op->name) != 0) continue;
    op_case c;
    assert_true(case_make(&c, &wk_sample_table[i], WK_F32));
    check_update(&c, wk_device_get("cpu"));
    check_update(&c, wk_device_get("reference"));
    case_free(&c);
  }
}

int run_record_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_sample_names)};
  return cmocka_run_group_tests_name("samples", tests, NULL, NULL) +
         run_op_tests("record", NULL, test_record) +
         run_op_tests("in place", is_update, test_update);
}
