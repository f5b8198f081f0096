/* SPDX-License-Identifier: Apache-2.0 */
#include "autograd/anomaly.h"

#include <wick/autograd.h>

#include "autograd/tape.h"
#include "base/environment.h"
#include "base/text.h"
#include "ops/records.gen.h"
#include "tensor/statistics.h"

enum { UNKNOWN, OFF, ON };

static bool is_on(wk_thread *thread) {
  if (thread->anomaly_detection == UNKNOWN)
    thread->anomaly_detection = wk_debug_topic("anomaly") ? ON : OFF;
  return thread->anomaly_detection == ON;
}

bool wk_set_anomaly_detection(bool on) {
  wk_thread *thread = wk_thread_here();
  const bool before = is_on(thread);
  thread->anomaly_detection = on ? ON : OFF;
  return before;
}

bool wk_anomaly_detection_is_on(void) { return is_on(wk_thread_here()); }

/* ---- which calls are looked at ---- */

static bool has_inputs(const wk_call *call) {
  for (int i = 0; i < call->input_count; i++) {
    if (call->inputs[i]) return true;
  }
  return false;
}

/* Ops with large results that are values of their inputs, or zeros: what is wrong with them has
 * been seen before, and not to look at them halves what detection costs. */
static bool only_selects(int op) {
  switch (op) {
  case WK_OP_RELU:
  case WK_OP_RELU_GRADIENT_X:
  case WK_OP_MAX_POOL2D:
  case WK_OP_WHERE:
  case WK_OP_COPY_UPDATE:
    return true;
  default:
    return false;
  }
}

/* Ops that only make or move values do what they were told, such as padding with infinity. Of the
 * movers, one that changes the dtype may overflow. */
static bool computes(const wk_call *call) {
  if (call->op->class == WK_CLASS_VIEW || only_selects(call->op->id) || !has_inputs(call))
    return false;
  return call->op->class != WK_CLASS_MOVE ||
         call->layouts[0].dtype != call->inputs[0]->layout.dtype;
}

static bool is_written(const wk_call *call, int input) {
  return wk_op_input_at(call->op, input)->written;
}

/* The first result with an anomaly: an output, or an input that the op updated. NULL: none. */
static const wk_tensor *find_bad_result(const wk_call *call) {
  for (int i = 0; i < call->op->output_count; i++) {
    if (wk_tensor_has_anomaly(call->outputs[i])) return call->outputs[i];
  }
  for (int i = 0; call->op->class == WK_CLASS_UPDATE && i < call->input_count; i++) {
    if (call->inputs[i] && is_written(call, i) && wk_tensor_has_anomaly(call->inputs[i]))
      return call->inputs[i];
  }
  return NULL;
}

/* ---- what is said about one ---- */

/* What went in: `bad` is the first input that held an anomaly, -1 if all were finite. */
typedef struct verdict {
  char inputs[1024]; /* a line for each */
  int bad;
  wk_statistics bad_values;
  int64_t infinite; /* over all inputs */
} verdict;

static void look_at_inputs(const wk_call *call, verdict *v) {
  char line[384], values[160];
  size_t used = 0;
  v->bad = -1, v->infinite = 0, v->inputs[0] = '\0';
  for (int i = 0; i < call->input_count; i++) {
    wk_statistics s;
    if (!call->inputs[i]) continue;
    wk_call_describe_input(call, i, line, sizeof line);
    used = wk_print_into(v->inputs, sizeof v->inputs, used, "%s%s", used ? "\n" : "", line);
    if (!wk_tensor_statistics(call->inputs[i], &s)) continue;
    wk_statistics_text(&s, values, sizeof values);
    used = wk_print_into(v->inputs, sizeof v->inputs, used, "   %s%s", values,
                         is_written(call, i) ? ", as written" : "");
    if (is_written(call, i)) continue; /* what it held before is gone */
    v->infinite += s.infinite;
    if (v->bad < 0 && s.not_a_number + s.infinite) v->bad = i, v->bad_values = s;
  }
}

/* "3 NaN and 1 infinite value" */
static void print_counts(const wk_statistics *s, char *buffer, size_t size) {
  char nan[32], infinite[32];
  wk_format_count(nan, sizeof nan, s->not_a_number);
  wk_format_count(infinite, sizeof infinite, s->infinite);
  size_t used = 0;
  if (s->not_a_number) used = wk_print_into(buffer, size, 0, "%s NaN", nan);
  if (s->infinite)
    wk_print_into(buffer, size, used, "%s%s infinite value%s", used ? " and " : "", infinite,
                  s->infinite == 1 ? "" : "s");
}

static void blame_input(const wk_call *call, const verdict *v) {
  const wk_tensor *input = call->inputs[v->bad];
  char counts[96];
  print_counts(&v->bad_values, counts, sizeof counts);
  char text[256];
  wk_print_into(text, sizeof text, 0, "the input %s already holds %s",
                wk_op_input_at(call->op, v->bad)->name, counts);
  wk_error_add_lines(text);
  if (input->producer)
    wk_error_add_hint("%s passed them on, or ran before detection was on", input->producer);
  else if (input->name)
    wk_error_add_hint("%s was loaded or written with them", input->name);
  else
    wk_error_add_hint("they are in the data: no op made this tensor");
}

static wk_status report(const wk_call *call, const wk_statistics *result, const verdict *v) {
  char counts[96], count[32];
  print_counts(result, counts, sizeof counts);
  wk_format_count(count, sizeof count, result->count);
  const wk_op *rule = wk_gradient_of;
  wk_fail(WK_ERROR_NUMERIC, "in %s%s: the result of %s holds %s among %s%s",
          rule                                 ? "the gradient of "
          : call->op->class == WK_CLASS_UPDATE ? "the optimizer's step"
                                               : "forward",
          rule ? rule->name : "", call->op->name, counts, count,
          v->bad < 0 ? ", made of finite inputs" : "");
  if (v->bad >= 0)
    blame_input(call, v);
  else
    wk_error_add_hint("a smaller learning rate, scaled inputs or a clamp in front keep values in "
                      "range");
  wk_error_add_shapes(v->inputs);
  return WK_ERROR_NUMERIC;
}

/* An infinity that an op merely passes on, such as a mask's, is no anomaly; a NaN always is. */
static wk_status judge(const wk_call *call, const wk_tensor *result) {
  wk_statistics values;
  verdict v;
  if (!wk_tensor_statistics(result, &values)) return WK_OK;
  look_at_inputs(call, &v);
  if (!values.not_a_number && v.infinite) return WK_OK;
  return report(call, &values, &v);
}

static wk_status watch_call(const wk_dispatch_layer *const *layer, wk_call *call) {
  if (!is_on(call->thread)) return wk_dispatch_next(layer, call);
  wk_status status = wk_dispatch_next(layer, call);
  if (status != WK_OK || !computes(call)) return status;
  const wk_tensor *bad = find_bad_result(call);
  if (!bad || (status = judge(call, bad)) == WK_OK) return WK_OK;
  for (int i = 0; i < call->op->output_count; i++) {
    wk_tensor_release(call->outputs[i]);
    call->outputs[i] = NULL;
  }
  return status;
}

const wk_dispatch_layer wk_anomaly_layer = {"anomaly", watch_call};
