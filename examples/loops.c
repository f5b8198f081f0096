/* SPDX-License-Identifier: Apache-2.0 */
/* Loops whose length only values know, and their gradients, eagerly and compiled. */
#include <stdio.h>
#include <string.h>

#include <wick/wick.h>

typedef struct loop {
  wk_tensor *x;
  double limit;
  wk_loop_policy policy;
} loop;

static wk_tensor *number(double value) { return wk_full(WK_SHAPE(1), value, .dtype = WK_F64); }

/* y = x; while (y < limit) y = y * x */
static wk_tensor *is_below(void *context, wk_tensors state) {
  return wk_less(state.item[0], number(((loop *)context)->limit));
}

static wk_status multiply(void *context, wk_tensors state, wk_tensor **next) {
  next[0] = wk_multiply(state.item[0], ((loop *)context)->x);
  return wk_error_status();
}

/* The loop's result, its derivative and the second one, [3]; of a long loop no second. */
static wk_tensor *derive(void *context, wk_tensors in) {
  loop *l = context;
  wk_tensor *x = l->x = wk_clone(in.item[0]), *y = NULL, *first = NULL, *second = NULL;
  wk_tensor_set_requires_gradient(x, true);
  wk_while(&y, is_below, multiply, l, WK_TENSORS(x), l->policy);
  const bool twice = l->policy == WK_LOOP_KEEP_ALL;
  wk_grad(&first, y, WK_TENSORS(x), .create_graph = twice);
  if (twice)
    wk_grad(&second, first, WK_TENSORS(x));
  else
    second = first;
  return wk_detach(wk_concatenate(WK_TENSORS(y, first, second)));
}

/* n goes on, and n * n + 1 is what comes out. */
static wk_status square(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[0] = wk_add(in.item[0], number(1));
  results[1] = wk_add(wk_multiply(in.item[0], in.item[0]), number(1));
  return wk_error_status();
}

/* The same, as a list that grows. */
static wk_tensor *is_below_five(void *context, wk_tensors state) {
  (void)context;
  return wk_less(state.item[0], number(5));
}

static wk_status append_square(void *context, wk_tensors state, wk_tensor **next) {
  wk_tensor *results[2] = {NULL, NULL};
  square(NULL, state, results);
  next[0] = results[0];
  return wk_list_append(context, results[1]);
}

static wk_tensor *grown(void *context, wk_tensors in) {
  (void)context;
  wk_list *list = wk_list_create();
  wk_tensor *n;
  wk_while(&n, is_below_five, append_square, list, in);
  wk_tensor *all = wk_list_stack(list);
  wk_list_free(list);
  return all;
}

static wk_tensor *squares(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *results[2] = {NULL, NULL};
  wk_scan(results, square, NULL, WK_TENSORS(number(0)), WK_TENSORS(in.item[0]), .output_count = 1);
  return wk_reshape(results[1], WK_SHAPE(5));
}

static void show(const char *title, wk_tensor *values, int count) {
  printf("%s", title);
  for (int i = 0; values && i < count; i++) printf(" %.6g", wk_item(wk_select(values, 0, i)));
  printf("\n");
}

/* loops [million]: with it, a loop of a million trips under square-root checkpoints. */
int main(int argc, char **argv) {
  WK_SCOPE;
  const bool million = argc > 1 && strcmp(argv[1], "million") == 0;
  const bool eager_only = argc > 2 && strcmp(argv[2], "eager") == 0;
  const bool compiled_only = argc > 2 && strcmp(argv[2], "compiled") == 0;
  loop l = {NULL, million ? 2.718281828 : 100, million ? WK_LOOP_SQUARE_ROOT : WK_LOOP_KEEP_ALL};
  wk_tensor *x = number(million ? 1.000001 : 1.5);
  wk_function *f = wk_compile(derive, &l), *g = wk_compile(squares, NULL);
  wk_function *h = wk_compile(grown, NULL); /* for each length that its list gets */
  if (!compiled_only) show("eager", derive(&l, WK_TENSORS(x)), 3);
  if (!eager_only) show("compiled", wk_call(f, WK_TENSORS(x)), 3);
  if (!million) {
    wk_tensor *five = wk_zeros(WK_SHAPE(5, 1), .dtype = WK_F64);
    show("list", grown(NULL, WK_TENSORS(number(0))), 5);
    show("compiled list", wk_call(h, WK_TENSORS(number(0))), 5);
    show("shorter", wk_call(h, WK_TENSORS(number(2))), 3);
    show("scan", wk_call(g, WK_TENSORS(five)), 5);
  }
  wk_memory_statistics m = {.struct_size = sizeof m};
  wk_memory_statistics_get(wk_tensor_device(x), &m);
  printf("peak %.3f MB\n", (double)m.peak / 1e6);
  wk_function_free(f);
  wk_function_free(g);
  wk_function_free(h);
  return wk_error_report(stderr);
}
