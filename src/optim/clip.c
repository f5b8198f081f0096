/* SPDX-License-Identifier: Apache-2.0 */
/* Norms and bounds of the gradients of a whole parameter set. */
#include "optim/clip.h"

#include <math.h>
#include <string.h>

#include <wick/autograd.h>

#include "base/error.h"
#include "ops/dispatch.h"
#include "ops/records.gen.h"
#include "ops/trace.h"
#include "optim/optimizer.h"

/* ---- every gradient of a set: runs of chunks, and the rows of row-sparse ones ---- */

typedef wk_status (*visit_gradient)(void *context, wk_tensor *gradient);

typedef struct walk {
  wk_parameters *set;
  visit_gradient visit;
  void *context;
} walk;

static wk_status visit_run(void *context, uint32_t group, size_t chunk, int64_t start,
                           int64_t count) {
  (void)group;
  WK_SCOPE;
  const walk *w = context;
  const wk_chunk *c = &w->set->chunks[chunk];
  wk_tensor *gradient = wk_scope_add(wk_chunk_view(c, c->gradients, start, count));
  return gradient ? w->visit(w->context, gradient) : wk_error_status();
}

static wk_status visit_rows(void *context, size_t segment) {
  WK_SCOPE;
  const walk *w = context;
  return w->visit(w->context, w->set->segments[segment].tensor->leaf->row_values);
}

static wk_status each_gradient(wk_parameters *set, visit_gradient visit, void *context) {
  WK_NO_GRADIENT;
  walk w = {set, visit, context};
  const wk_status status = wk_parameters_each_run(set, NULL, visit_run, &w);
  return status < 0 ? status : wk_parameters_each_rows(set, visit_rows, &w);
}

/* ---- the norm ---- */

/* *total is an owned reference. */
static wk_status add_squares(void *context, wk_tensor *gradient) {
  wk_tensor **total = context,
            *row = wk_reshape(gradient, WK_SHAPE(1, wk_layout_count(&gradient->layout), 1));
  wk_tensor *squares = wk_cast(wk_reshape(wk_square_sum(row), WK_SCALAR), WK_F64);
  if (*total) squares = wk_add(*total, squares);
  wk_tensor_release(*total);
  *total = wk_tensor_retain(squares);
  return wk_error_status();
}

wk_status wk_gradient_measure(wk_parameters *set, wk_late late) {
  wk_tensor *total = NULL;
  each_gradient(set, add_squares, &total);
  if (!total) total = wk_tensor_retain(wk_full(WK_SCALAR, 0, .dtype = WK_F64));
  if (total && !wk_failed()) wk_host_step(late, total);
  wk_tensor_release(total);
  return wk_error_status();
}

/* ---- bounds ---- */

typedef struct bounds {
  double scale, limit;
  wk_late late;
} bounds;

static wk_status bound(void *context, wk_tensor *gradient) {
  const bounds *b = context;
  const wk_bound_update_arguments arguments = {sizeof arguments, gradient, b->scale, b->limit};
  return wk_op_run_late(&wk_op_table[WK_OP_BOUND_UPDATE], (wk_place){0}, &arguments, b->late);
}

wk_status wk_gradient_bound(wk_parameters *set, double scale, double limit, wk_late late) {
  bounds b = {scale, limit, late};
  return each_gradient(set, bound, &b);
}

/* ---- for users ---- */

static wk_status check(const wk_parameters *set, const char *what, double most) {
  if (!set) return wk_fail(WK_ERROR_ARGUMENT, "the parameter set is NULL");
  if (most > 0) return WK_OK;
  wk_fail(WK_ERROR_ARGUMENT, "%s is %g, but must be positive", what, most);
  wk_error_add_hint("wk_clip_gradient_norm(parameters, INFINITY) only measures");
  return WK_ERROR_ARGUMENT;
}

static bool keep_norm(void *set, int64_t detail, void *squares) {
  (void)detail;
  ((wk_parameters *)set)->norm = sqrt(*(const double *)squares);
  return true;
}

/* `detail` holds the bits of the largest norm. */
static bool fill_bound(void *set, int64_t detail, void *arguments) {
  double most;
  memcpy(&most, &detail, sizeof most);
  ((wk_bound_update_arguments *)arguments)->scale =
      wk_clip_factor(((const wk_parameters *)set)->norm, most);
  return true;
}

static double clip_norm(wk_parameters *set, double most) {
  if (check(set, "the largest norm", most) < 0) return (double)NAN;
  set->norm = (double)NAN;
  if (wk_tracing && most == (double)INFINITY) {
    wk_fail(WK_ERROR_STATE, "the norm has no value while a function is compiled");
    wk_error_add_hint("measure it outside of the function, which may clip to a finite norm");
    return (double)NAN;
  }
  if (wk_gradient_measure(set, (wk_late){keep_norm, set, 0}) < 0) return (double)NAN;
  if (most == (double)INFINITY) return set->norm;
  int64_t detail;
  memcpy(&detail, &most, sizeof detail);
  wk_gradient_bound(set, wk_clip_factor(set->norm, most), INFINITY,
                    (wk_late){fill_bound, set, detail});
  return wk_failed() ? (double)NAN : set->norm;
}

double wk_clip_gradient_norm_at(wk_place here, wk_parameters *parameters, double most) {
  if (wk_failed()) return (double)NAN;
  const double norm = clip_norm(parameters, most);
  wk_error_add_call("clip_gradient_norm", here);
  return norm;
}

wk_status wk_clip_gradient_value_at(wk_place here, wk_parameters *parameters, double most) {
  if (wk_failed()) return wk_error_pending;
  if (check(parameters, "the largest value", most) == WK_OK)
    wk_gradient_bound(parameters, 1, most, (wk_late){NULL, NULL, 0});
  wk_error_add_call("clip_gradient_value", here);
  return wk_error_status();
}
