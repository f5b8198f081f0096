/* SPDX-License-Identifier: Apache-2.0 */
/* What records say of rows and sums (wk_rows): an op called on parts of its operands makes the same
 * rows, to the bit, and parts of a sum that add up to it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wick/device.h>
#include <wick/ops.h>

#include "cases.h"
#include "ops/dispatch.h"
#include "tests.h"

typedef struct part {
  const op_case *c;
  const int8_t *axes; /* of each input, along which it is cut; -1: it is not */
  int64_t begin, end;
} part;

/* Attributes that hold the sizes of what the op makes: those of the part. */
static void cut_shape(const part *p, case_arguments *arguments) {
  const wk_attribute *shape = wk_settings_find(&p->c->op->settings, "shape");
  if (shape && p->c->op->rows.inputs)
    ((wk_shape *)(void *)(arguments->bytes + shape->offset))->dims[0] = p->end - p->begin;
}

static bool run_part(const part *p, wk_tensor **outputs) {
  wk_tensor *inputs[WK_SAMPLE_TENSORS];
  case_arguments whole, arguments;
  wk_device *device = wk_device_get("cpu");
  if (!case_prepare(p->c, device, CASE_CONTIGUOUS, &whole)) return false;
  for (int i = 0; i < p->c->input_count; i++) {
    inputs[i] = whole.inputs[i];
    if (inputs[i] && p->axes[i] >= 0)
      inputs[i] = wk_contiguous(wk_slice(inputs[i], p->axes[i], p->begin, p->end));
  }
  if (!case_bind(p->c, device, inputs, &arguments)) return false;
  cut_shape(p, &arguments);
  return wk_op_run(p->c->op, WK_HERE, arguments.bytes, outputs) >= 0;
}

static int64_t size_along(const part *p) {
  for (int i = 0; i < p->c->input_count; i++)
    if (p->axes[i] >= 0) return p->c->inputs[i].shape.dims[p->axes[i]];
  return 0;
}

/* ---- rows ---- */

/* Along which axes the sample is cut; false: it has no rows. `rank` of the results, whose first
 * axis has `rows`. */
static bool find_rows(const op_case *c, int rank, int64_t rows, int8_t *axes) {
  const wk_rows *r = &c->op->rows;
  const bool broadcasts = c->op->class == WK_CLASS_POINTWISE;
  for (int i = 0; i < c->input_count; i++) {
    const wk_shape *shape = &c->inputs[i].shape;
    const bool is_matrix = r->matrices >> i & 1;
    axes[i] = -1;
    if (is_matrix && shape->rank < 2) return false;
    const bool has_rows = r->inputs >> i & 1 || (is_matrix && shape->rank > 2);
    if (!has_rows || !c->inputs[i].data) continue;
    const bool lines_up = shape->rank == rank || !(broadcasts || is_matrix);
    if (shape->rank && lines_up && shape->dims[0] == rows)
      axes[i] = 0;
    else if (!broadcasts)
      return false;
  }
  return true;
}

static bool setting_is(const wk_sample *sample, const char *name, const char *what) {
  for (int i = 0; i < sample->setting_count; i++)
    if (strcmp(sample->settings[i].name, name) == 0) return strstr(sample->settings[i].text, what);
  return false;
}

/* Whether what the op makes of a row also follows from where it stands: it draws numbers for it, or
 * adds rows up. Of other ops than reductions nobody asks for the axes: they may not matter. */
static bool looks_elsewhere(const wk_sample *sample, const wk_op *op) {
  if (setting_is(sample, "rate", ".")) return true;
  return op->class == WK_CLASS_REDUCTION &&
         (!setting_is(sample, "axes", "1") || setting_is(sample, "axes", "0") ||
          setting_is(sample, "axes", "-"));
}

/* Whether row r of the outputs is what the op makes of that row alone. */
static bool same_row(const case_result *whole, const part *row) {
  WK_SCOPE;
  wk_tensor *made[WK_MAX_OUTPUTS] = {NULL};
  if (!run_part(row, made)) return print_pending_error(case_label(row->c)), false;
  bool same = true;
  for (int o = 0; o < whole->output_count; o++) {
    const sample_tensor *all = &whole->values[o];
    const size_t size = (size_t)(all->count / all->shape.dims[0]) * wk_dtype_size(all->dtype);
    sample_tensor one;
    same = read_tensor(&one, made[o]) && same &&
           memcmp(one.data, (char *)all->data + (size_t)row->begin * size, size) == 0;
    sample_tensor_free(&one);
    wk_tensor_release(made[o]);
  }
  if (!same) print_error("%s: row %d alone is another\n", case_label(row->c), (int)row->begin);
  return same;
}

/* The number of rows that were compared, or -1. *was_cut: bit i is set if input i was, in several.
 */
static int64_t check_rows(const op_case *c, unsigned *was_cut) {
  case_result whole;
  int8_t axes[WK_SAMPLE_TENSORS];
  int64_t rows = 0;
  if (looks_elsewhere(c->sample, c->op)) return 0;
  if (!case_run(c, wk_device_get("cpu"), CASE_CONTIGUOUS, &whole)) return -1;
  const wk_shape *made = &whole.values[0].shape;
  if (made->rank && whole.values[0].count && find_rows(c, made->rank, made->dims[0], axes))
    for (rows = 0; rows >= 0 && rows < made->dims[0];)
      rows = same_row(&whole, &(part){c, axes, rows, rows + 1}) ? rows + 1 : -1;
  for (int i = 0; rows > 1 && i < c->input_count; i++)
    if (axes[i] >= 0) *was_cut |= 1u << i;
  case_result_free(&whole);
  return rows;
}

/* ---- sums ---- */

static bool adds_up(const case_result *whole, const part *p, int64_t size) {
  WK_SCOPE;
  part first = *p, second = *p;
  first.end = second.begin = size / 2, second.end = size;
  wk_tensor *a = NULL, *b = NULL;
  if (!run_part(&first, &a) || !run_part(&second, &b)) return false;
  sample_tensor sum;
  bool same = read_tensor(&sum, wk_add(a, b)) && sum.count == whole->values[0].count;
  for (int64_t i = 0; same && i < sum.count; i++) {
    const double want = sample_real(&whole->values[0], i), got = sample_real(&sum, i);
    same = fabs(got - want) <= 1e-5 * (1 + fabs(want));
  }
  sample_tensor_free(&sum);
  wk_tensor_release(a);
  wk_tensor_release(b);
  return same;
}

static int64_t check_sums(const op_case *c) {
  case_result whole;
  int8_t axes[WK_SAMPLE_TENSORS];
  memset(axes, -1, sizeof axes);
  for (int i = 0; i < c->input_count && i < 2; i++) axes[i] = (int8_t)(c->op->rows.sums[i] - 1);
  for (int i = 0; i < c->input_count; i++)
    if (c->op->rows.matrices >> i & 1 && c->inputs[i].shape.rank != 2) return 0;
  const part p = {.c = c, .axes = axes};
  if (c->inputs[0].shape.rank <= axes[0] || size_along(&p) < 2 || !is_float(c->dtype)) return 0;
  if (c->op->class == WK_CLASS_REDUCTION && !setting_is(c->sample, "axes", "0")) return 0;
  if (!case_run(c, wk_device_get("cpu"), CASE_CONTIGUOUS, &whole)) return -1;
  const bool is_real = whole.values[0].dtype == WK_F32 || whole.values[0].dtype == WK_F64;
  const bool good = !is_real || adds_up(&whole, &p, size_along(&p));
  if (!good) print_error("%s: its halves do not add up to it\n", case_label(c));
  case_result_free(&whole);
  return good ? is_real : -1;
}

/* ---- all ops ---- */

static bool has_rows(const wk_op *op) { return op->rows.inputs || op->rows.sums[0]; }

static void test_rows(void **state) {
  const wk_op *op = *state;
  int64_t rows = 0, sums = 0;
  unsigned was_cut = 0;
  for (int s = 0; s < wk_sample_table_count && rows >= 0 && sums >= 0; s++) {
    if (strcmp(wk_sample_table[s].op, op->name) != 0) continue;
    wk_dtype dtypes[2];
    case_dtypes(&wk_sample_table[s], dtypes);
    WK_SCOPE;
    op_case c;
    if (!case_make(&c, &wk_sample_table[s], dtypes[0])) fail();
    const int64_t more = op->rows.inputs ? check_rows(&c, &was_cut) : 0;
    const int64_t summed = op->rows.sums[0] && more >= 0 ? check_sums(&c) : 0;
    rows = more < 0 ? -1 : rows + more, sums = summed < 0 ? -1 : sums + summed;
    case_free(&c);
  }
  assert_true(rows >= 0 && sums >= 0);
  if (op->rows.inputs && rows < 2) fail_msg("no sample has rows");
  const bool stated = op->class != WK_CLASS_POINTWISE; /* else the class says it of all inputs */
  for (int i = 0; stated && i < op->input_count && i < 8; i++)
    if ((op->rows.inputs | op->rows.matrices) >> i & ~(was_cut >> i) & 1)
      fail_msg("no sample has rows of %s", op->inputs[i].name);
  if (op->rows.sums[0] && !sums) fail_msg("no sample has halves");
}

int run_row_tests(void) { return run_op_tests("rows", has_rows, test_rows); }
