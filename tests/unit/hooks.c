/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that backward calls with gradients. */
#include "support/unit.h"

#include <wick/wick.h>

static wk_tensor *leaf(double value) {
  wk_tensor *tensor = wk_full(WK_SHAPE(2), value, .dtype = WK_F64);
  wk_tensor_set_requires_gradient(tensor, true);
  return tensor;
}

static double first(const wk_tensor *tensor) {
  double values[16] = {0};
  wk_tensor_read(tensor, values, sizeof *values * (size_t)wk_tensor_count(tensor));
  return values[0];
}

typedef struct note {
  int runs, ends;
  double seen;
  double factor;     /* the gradient is multiplied by it; 0: left as it is */
  uint64_t handle;   /* removes itself, if not 0 */
  wk_tensor *tensor; /* that it hangs on */
  wk_status status;
} note;

static wk_status run(void *context, void *event) {
  note *n = context;
  wk_gradient_event *e = event;
  n->runs++;
  n->seen = first(e->gradient);
  if (n->factor != 0) e->replacement = wk_multiply(e->gradient, wk_scalar(n->factor));
  if (n->handle) assert_true(wk_tensor_remove_hook(n->tensor, n->handle));
  return n->status;
}

static void end(void *context) { ((note *)context)->ends++; }

static wk_callback callback(note *n) { return (wk_callback){sizeof(wk_callback), run, n, end}; }

static uint64_t add(wk_tensor *tensor, note *n) {
  const wk_callback c = callback(n);
  uint64_t handle = 0;
  wk_tensor_add_hook(tensor, &c, &handle);
  return handle;
}

static void test_a_leaf(void **state) {
  (void)state;
  note n = {.factor = 10}, arrived = {0};
  {
    WK_SCOPE;
    wk_tensor *x = leaf(3);
    add(x, &n);
    const wk_callback c = callback(&arrived);
    wk_tensor_add_arrival_hook(x, &c, NULL);
    wk_backward(wk_sum(wk_multiply(x, x))); /* used twice, yet called once */
    assert_no_error();
    assert_int_equal(n.runs, 1);
    assert_true(n.seen == 6);
    assert_true(first(wk_tensor_gradient(x)) == 60);
    assert_true(arrived.runs == 1 && arrived.seen == 60);
    wk_backward(wk_sum(x)); /* another adds up: the hook sees only its own */
    assert_true(n.seen == 1 && arrived.seen == 70);
    wk_backward(x, .gradient = wk_full(WK_SHAPE(2), 2, .dtype = WK_F64)); /* the leaf itself */
    assert_no_error();
    assert_true(n.runs == 3 && n.seen == 2 && arrived.seen == 90);
    wk_tensor *g;
    wk_grad(&g, wk_sum(wk_multiply(x, x)), WK_TENSORS(x));
    assert_true(n.runs == 4 && first(g) == 60 && arrived.runs == 3);
    assert_int_equal(n.ends, 0);
  }
  assert_true(n.ends == 1 && arrived.ends == 1);
}

static void test_a_result(void **state) {
  (void)state;
  note n = {.factor = -1}, after = {0};
  {
    WK_SCOPE;
    wk_tensor *x = leaf(3), *y = wk_multiply(x, x);
    add(y, &n);
    add(y, &after); /* sees what the first one left */
    wk_backward(wk_sum(wk_multiply(y, wk_scalar(5))), .retain_graph = true);
    assert_no_error();
    assert_true(n.seen == 5 && after.seen == -5);
    assert_true(first(wk_tensor_gradient(x)) == -30);
    wk_tensor *g[2];
    wk_grad(g, wk_sum(wk_multiply(y, wk_scalar(2))), WK_TENSORS(x, y), .create_graph = true);
    assert_no_error();
    assert_true(first(g[0]) == -12 && first(g[1]) == -2);
    wk_tensor *second;
    wk_grad(&second, wk_sum(g[0]), WK_TENSORS(x)); /* through the hook */
    assert_no_error();
    assert_true(first(second) == -4);
  }
  assert_true(n.ends == 1 && after.ends == 1);
}

/* The leaf's gradient is complete when the last of the ops that use it has run, not at the end. */
typedef struct order {
  int count;
  char names[8];
} order;

typedef struct named {
  order *order;
  char name;
} named;

static wk_status note_name(void *context, void *event) {
  (void)event;
  named *n = context;
  n->order->names[n->order->count++] = n->name;
  return WK_OK;
}

static void test_leaves_arrive_as_early_as_they_can(void **state) {
  (void)state;
  WK_SCOPE;
  order o = {0};
  named early = {&o, 'e'}, late = {&o, 'l'}, between = {&o, 'b'};
  wk_tensor *x = leaf(1), *w = leaf(2);
  wk_tensor *y = wk_exp(x);
  wk_tensor_add_arrival_hook(w, &(wk_callback){sizeof(wk_callback), note_name, &early, NULL}, NULL);
  wk_tensor_add_arrival_hook(x, &(wk_callback){sizeof(wk_callback), note_name, &late, NULL}, NULL);
  wk_tensor_add_hook(y, &(wk_callback){sizeof(wk_callback), note_name, &between, NULL}, NULL);
  wk_backward(wk_sum(wk_multiply(y, w)));
  assert_no_error();
  assert_string_equal(o.names, "ebl");
}

static void test_removing(void **state) {
  (void)state;
  WK_SCOPE;
  note stays = {0}, goes = {0}, removes_itself = {0};
  wk_tensor *x = leaf(3);
  const uint64_t handle = add(x, &goes);
  removes_itself.tensor = x;
  removes_itself.handle = add(x, &removes_itself);
  add(x, &stays);
  assert_true(wk_tensor_remove_hook(x, handle));
  assert_false(wk_tensor_remove_hook(x, handle));
  assert_false(wk_tensor_remove_hook(NULL, handle));
  assert_int_equal(goes.ends, 1);
  wk_backward(wk_sum(x));
  wk_backward(wk_sum(x));
  assert_no_error();
  assert_true(goes.runs == 0 && removes_itself.runs == 1 && stays.runs == 2);
  assert_int_equal(removes_itself.ends, 1);
}

static wk_status nested(void *context, void *event) {
  (void)event;
  wk_tensor *loss = context;
  return wk_backward(loss, .retain_graph = true);
}

static wk_status wrong_sizes(void *context, void *event) {
  (void)context;
  ((wk_gradient_event *)event)->replacement = wk_full(WK_SHAPE(3), 1, .dtype = WK_F64);
  return WK_OK;
}

static void test_mistakes(void **state) {
  (void)state;
  note n = {.status = WK_ERROR_CANCELLED}, refused = {0}, unused = {0};
  WK_SCOPE;
  wk_tensor *x = leaf(3);
  const uint64_t handle = add(x, &n);
  wk_backward(wk_sum(x));
  assert_error_says(WK_ERROR_CANCELLED, "without saying why");
  assert_null(wk_tensor_gradient(x));
  wk_tensor_remove_hook(x, handle);
  wk_backward(wk_sum(x)); /* nothing is left over */
  assert_no_error();
  assert_true(first(wk_tensor_gradient(x)) == 1);

  wk_callback c = callback(&refused);
  wk_tensor_add_hook(wk_detach(x), &c, NULL);
  assert_error_says(WK_ERROR_STATE, "requires no gradient");
  wk_tensor_add_arrival_hook(wk_exp(x), &c, NULL);
  assert_error_says(WK_ERROR_STATE, "result of an op");
  wk_tensor_add_hook(NULL, &c, NULL);
  assert_error(WK_ERROR_ARGUMENT);
  assert_int_equal(refused.ends, 3);
  {
    WK_NO_GRADIENT;
    add(wk_exp(x), &unused);
    assert_no_error();
    assert_int_equal(unused.ends, 1);
  }

  wk_tensor *y = wk_multiply(x, x), *loss = wk_sum(y);
  wk_tensor_add_hook(y, &(wk_callback){sizeof(wk_callback), nested, loss, NULL}, NULL);
  wk_backward(loss);
  assert_error_says(WK_ERROR_STATE, "already on its way");
  wk_tensor *z = wk_multiply(x, x);
  wk_tensor_add_hook(z, &(wk_callback){sizeof(wk_callback), wrong_sizes, NULL, NULL}, NULL);
  wk_backward(wk_sum(z));
  assert_error_says(WK_ERROR_SHAPE, "f64 [3]");
}

/* Parameters of a network: their hooks outlive the moves of their memory. */
static void test_parameters(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_linear_layer(4), wk_relu_layer(), wk_linear_layer(2));
  wk_module_build_for(network, WK_SHAPE(3), WK_F64, NULL);
  wk_parameters *set = wk_module_parameters(network);
  note n = {0};
  for (size_t i = 0; i < wk_parameters_count(set); i++) {
    const wk_callback c = callback(&n);
    wk_tensor_add_arrival_hook(wk_parameters_get(set, i), &c, NULL);
  }
  {
    WK_SCOPE;
    wk_backward(wk_mean(wk_forward(network, wk_full(WK_SHAPE(5, 3), 1, .dtype = WK_F64))));
    assert_no_error();
    assert_int_equal(n.runs, 4);
  }
  wk_module_free(network);
  assert_int_equal(n.ends, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_leaf),
      cmocka_unit_test(test_a_result),
      cmocka_unit_test(test_leaves_arrive_as_early_as_they_can),
      cmocka_unit_test(test_removing),
      cmocka_unit_test(test_mistakes),
      cmocka_unit_test(test_parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
