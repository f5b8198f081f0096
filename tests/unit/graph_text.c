/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs from texts: what reads back, what runs, what is refused and where, and what passes change.
 */
#include "support/unit.h"

#include <wick/wick.h>

#include "graph/pass.h"
#include "graph/plan.h"
#include "graph/specialise.h"

static const char example[] =
    "# a comment, then what two inputs give\n"
    "@0: input 0, 24 bytes on cpu\n"
    "@1: input 1, 24 bytes on cpu\n"
    "%2: local, 24 bytes on cpu\n"
    "%3: local, 24 bytes on cpu\n"
    "%4: local, 24 bytes on cpu\n"
    "%2 f32 [2, 3] = negative(@0 f32 [2, 3]) at \"a \\\"b\\\"\" from \"x.c\":3\n"
    "%3 f32 [2, 3] = negative(%2 f32 [2, 3])\n"
    "%4 f32 [2, 3] = multiply(%3 f32 [2, 3], @1 f32 [2, 3] by [1, 2])\n"
    "return %4 f32 [2, 3]\n";

static void check_round_trip(const char *text) {
  wk_graph g;
  wk_text written = {0};
  wk_graph_from_text(&g, text, NULL);
  assert_no_error();
  wk_graph_to_text(&g, &written);
  assert_string_equal(written.data, strchr(text, '@'));
  wk_text_free(&written);
  wk_graph_free(&g);
}

static void a_text_reads_back(void **state) {
  (void)state;
  check_round_trip(example);
}

/* Runs the graph of `text` after the passes in `names`; returns how many nodes were left. */
static size_t run(const char *text, const char *names, const float *x, const float *y,
                  float *result) {
  WK_SCOPE;
  wk_graph g;
  wk_plan plan;
  wk_plan_context context = {0};
  wk_graph_from_text(&g, text, NULL);
  wk_passes_run_named(&g, names);
  assert_no_error();
  const size_t nodes = g.node_count;
  wk_plan_create(&plan, &g, NULL);
  wk_tensor *in[2] = {wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, x, NULL),
                      wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, y, NULL)};
  wk_tensor *out;
  assert_no_error();
  wk_plan_run(&plan, &context, (wk_tensors){2, in}, &out);
  assert_no_error();
  wk_tensor_read(out, result, 6 * sizeof *result);
  wk_tensor_release(out);
  wk_plan_context_free(&context);
  wk_plan_free(&plan);
  return nodes;
}

static const float x[] = {1, -2, 3, -0.0f, 5, 6}, y[] = {1, 10, 100, 1000, 10000, 0.5f};

static void check_pass(const char *text, const char *name, size_t before, size_t after) {
  float expected[6], got[6];
  assert_int_equal(run(text, "none", x, y, expected), before);
  assert_int_equal(run(text, name, x, y, got), after);
  assert_memory_equal(expected, got, sizeof got);
}

static void two_negations_go(void **state) {
  (void)state;
  float result[6];
  run(example, "none", x, y, result);
  assert_true(result[1] == -2 * 100 && result[5] == 6 * 0.5f);
  check_pass(example, "algebra,dead_code", 3, 1);
}

#define HEADER                                                                                     \
  "@0: input 0, 24 bytes on cpu\n@1: input 1, 24 bytes on cpu\n%2: local, 24 bytes on cpu\n"       \
  "%3: local, 24 bytes on cpu\n%4: local, 24 bytes on cpu\n"

static void constants_are_made_once(void **state) {
  (void)state;
  static const char text[] =
      HEADER "%2 f32 [2, 3] = full() {shape: [2, 3], value: 0.25, dtype: \"f32\", device: null}\n"
             "%3 f32 [2, 3] = negative(%2 f32 [2, 3])\n"
             "%4 f32 [2, 3] = add(%3 f32 [2, 3], @0 f32 [2, 3])\n"
             "return %4 f32 [2, 3]\n";
  check_pass(text, "constants", 3, 1);
}

static void neutral_constants_go(void **state) {
  (void)state;
  static const char *const uses[][2] = {{"multiply(@0 f32 [2, 3], %2 f32 [])", "1"},
                                        {"add(@0 f32 [2, 3], %2 f32 [])", "-0"},
                                        {"subtract(@0 f32 [2, 3], %2 f32 [])", "0"},
                                        {"divide(@0 f32 [2, 3], %2 f32 [])", "1"},
                                        {"add(@0 f32 [2, 3], %2 f32 [])", "0"},
                                        {"divide(%2 f32 [], @0 f32 [2, 3])", "1"}};
  for (size_t i = 0; i < COUNT_OF(uses); i++) {
    char text[1024];
    snprintf(text, sizeof text,
             "%s%%2 f32 [] = full() {shape: [], value: %s, dtype: \"f32\", device: null}\n"
             "%%3 f32 [2, 3] = %s\n%%4 f32 [2, 3] = add(%%3 f32 [2, 3], @1 f32 [2, 3])\n"
             "return %%4 f32 [2, 3]\n",
             HEADER, uses[i][1], uses[i][0]);
    check_pass(text, "constants,algebra", 3, i < 4 ? 1 : 2);
  }
}

static void results_that_are_the_same_have_memory_each(void **state) {
  (void)state;
  WK_SCOPE;
  static const char text[] = HEADER "%2 f32 [2, 3] = relu(@0 f32 [2, 3])\n"
                                    "%3 f32 [2, 3] = relu(@0 f32 [2, 3])\n"
                                    "return %2 f32 [2, 3]\nreturn %3 f32 [2, 3]\n"
                                    "return %3 f32 [3, 2]\n";
  wk_graph g;
  wk_plan plan;
  wk_plan_context context = {0};
  wk_tensor *in[2] = {wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, x, NULL)}, *out[3];
  in[1] = in[0];
  wk_graph_from_text(&g, text, NULL);
  wk_passes_run_named(&g, "common_nodes,dead_code");
  wk_plan_create(&plan, &g, NULL);
  wk_plan_run(&plan, &context, (wk_tensors){2, in}, out);
  assert_no_error();
  for (int i = 0; i < 3; i++) {
    float got[6];
    wk_tensor_read(out[i], got, sizeof got);
    for (int k = 0; k < 6; k++) assert_true(got[k] == (x[k] > 0 ? x[k] : 0));
    wk_tensor_release(out[i]);
  }
  wk_plan_context_free(&context);
  wk_plan_free(&plan);
}

static void a_copy_of_turned_operands_goes(void **state) {
  (void)state;
  static const char text[] = HEADER "%2 f32 [2, 3] = contiguous(@0 f32 [2, 3] by [1, 2])\n"
                                    "%3 f32 [2, 3] = add(%2 f32 [2, 3], @1 f32 [2, 3])\n"
                                    "return %3 f32 [2, 3]\n";
  check_pass(text, "copies", 2, 1);
}

static void other_sizes_are_worked_out(void **state) {
  (void)state;
  wk_graph g, other;
  wk_text text = {0};
  wk_graph_from_text(&g, example, NULL);
  wk_layout layouts[2] = {{0}};
  assert_true(wk_layout_make(&layouts[0], WK_F32, 2, (int64_t[]){5, 3}));
  assert_true(wk_layout_make(&layouts[1], WK_F32, 2, (int64_t[]){3, 5}));
  assert_int_equal(wk_graph_specialise(&other, &g, 2, layouts), WK_ERROR_UNSUPPORTED);
  assert_error_says(WK_ERROR_UNSUPPORTED, "node 2");
  wk_graph_free(&g);
  char rows[1024];
  snprintf(rows, sizeof rows, "%.*s", (int)(strstr(example, " by ") - example), example);
  strcat(rows, ")\nreturn %4 f32 [2, 3]\n");
  wk_graph_from_text(&g, rows, NULL);
  layouts[1] = layouts[0];
  wk_graph_specialise(&other, &g, 2, layouts);
  assert_no_error();
  wk_graph_to_text(&other, &text);
  assert_non_null(strstr(text.data, "%4: local, 60 bytes"));
  assert_non_null(strstr(text.data, "return %4 f32 [5, 3]"));
  wk_text_free(&text);
  wk_graph_free(&other);
  assert_true(wk_layout_make(&layouts[1], WK_F32, 2, (int64_t[]){2, 3}));
  assert_int_equal(wk_graph_specialise(&other, &g, 2, layouts), WK_ERROR_STATE);
  assert_error_says(WK_ERROR_STATE, "node 2 of the graph (multiply)");
  wk_graph_free(&g);
}

static void errors_name_line_and_column(void **state) {
  (void)state;
  static const char *const wrong[][2] = {
      {"%0: local, 8 bytes on cpu\n%0 f32 [2] = nothing()\n", "line 2, column 14"},
      {"%0: local, 8 bytes on moon\n", "line 1, column 27 of the graph: there is no device moon"},
      {"%1: local, 8 bytes on cpu\n", "not numbered in order"},
      {"@0: local, 8 bytes on cpu\n", "expected input"},
      {"return %7 f32 []\n", "there is no such buffer"},
      {"%0: local, 8 bytes on cpu\nreturn %0 f33 []\n", "there is no dtype f33"},
      {"%0: local, 8 bytes on cpu\nreturn %0 f32 [1, 2] by [1]\n", "not as many strides"},
      {"%0: local, 8 bytes on cpu\nreturn %0 f32 [-1]\n", "out of range: -1"},
      {"%0: local, 8 bytes on cpu\nreturn %0 f32 [9223372036854775807, 4]\n", "any memory"},
      {"%0: local, 8 bytes on cpu\nreturn %0 f32 [2\n", "expected ,"},
      {"@0: input 0, 8 bytes on cpu\nrelu(@0 f32 [2])\n", "not as many results as has relu"},
      {"@0: input 0, 8 bytes on cpu\nhost(@0 f32 [2]) {late}\n", "expected :"},
      {"%0: local, 8 bytes on cpu\n%0 f32 [2] = full() {value: 1}\n", "there is no shape"},
      {"%0: local, 8 bytes on cpu\n%0 f32 [2] = full() {value: x}\n", "not a value for value"},
      {"%0: local, 8 bytes on cpu\n%0 f32 [2] = full() {value: 1, value: 1}\n", "given twice"},
      {"%0: local, 8 bytes on cpu\n%0 f32 [2] = full() {color: 1}\n", "there is no setting color"},
      {"host() {order: 1} at \"never ends\n", "without end"},
      {"draw 1: 5 numbers\n", "not numbered in order"},
      {"draw 0: 5 numbers, and more\n", "the end of the line"},
      {"\377\n", "expected a name"},
  };
  for (size_t i = 0; i < COUNT_OF(wrong); i++) {
    wk_graph g;
    assert_int_equal(wk_graph_from_text(&g, wrong[i][0], NULL), WK_ERROR_FORMAT);
    assert_error_says(WK_ERROR_FORMAT, wrong[i][1]);
    assert_int_equal(g.node_count + g.buffer_count, 0);
  }
}

static void passes_have_names(void **state) {
  (void)state;
  wk_graph g = {0};
  assert_int_equal(wk_passes_run_named(&g, "algebra,magic"), WK_ERROR_ARGUMENT);
  assert_error_says(WK_ERROR_ARGUMENT, "no pass magic");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_text_reads_back),
      cmocka_unit_test(two_negations_go),
      cmocka_unit_test(constants_are_made_once),
      cmocka_unit_test(neutral_constants_go),
      cmocka_unit_test(results_that_are_the_same_have_memory_each),
      cmocka_unit_test(a_copy_of_turned_operands_goes),
      cmocka_unit_test(other_sizes_are_worked_out),
      cmocka_unit_test(errors_name_line_and_column),
      cmocka_unit_test(passes_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
