/* SPDX-License-Identifier: Apache-2.0 */
/* Norms and bounds of the gradients of a whole parameter set. */
#include "optim/clip.h"

#include <math.h>

#include <wick/autograd.h>

#include "base/error.h"
#include "ops/dispatch.h"
#include "ops/records.gen.h"
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

static wk_status add_squares(void *context, wk_tensor *gradient) {
  double *squares = context;
  *squares += wk_item(wk_square_sum(gradient));
  return wk_error_status();
}

double wk_gradient_norm(wk_parameters *set) {
  double squares = 0;
  const wk_status status = each_gradient(set, add_squares, &squares);
  return status < 0 ? (double)NAN : sqrt(squares);
}

/* ---- bounds ---- */

typedef struct bounds {
  double scale, limit;
} bounds;

static wk_status bound(void *context, wk_tensor *gradient) {
  const bounds *b = context;
  const wk_bound_update_arguments arguments = {sizeof arguments, gradient, b->scale, b->limit};
  return wk_op_run(&wk_op_table[WK_OP_BOUND_UPDATE], (wk_place){0}, &arguments, NULL);
}

wk_status wk_gradient_bound(wk_parameters *set, double scale, double limit) {
  bounds b = {scale, limit};
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

static double clip_norm(wk_parameters *set, double most) {
  if (check(set, "the largest norm", most) < 0) return (double)NAN;
  const double norm = wk_gradient_norm(set);
  if (wk_failed() || most == (double)INFINITY) return norm;
  wk_gradient_bound(set, wk_clip_factor(norm, most), INFINITY);
  return wk_failed() ? (double)NAN : norm;
}

double wk_clip_gradient_norm_at(wk_place here, wk_parameters *parameters, double most) {
  if (wk_failed()) return (double)NAN;
  const double norm = clip_norm(parameters, most);
  wk_error_add_call("clip_gradient_norm", here);
  return norm;
}

wk_status wk_clip_gradient_value_at(wk_place here, wk_parameters *parameters, double most) {
  if (wk_failed()) return wk_error_pending;
  if (check(parameters, "the largest value", most) == WK_OK) wk_gradient_bound(parameters, 1, most);
  wk_error_add_call("clip_gradient_value", here);
  return wk_error_status();
}
