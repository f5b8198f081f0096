/* SPDX-License-Identifier: Apache-2.0 */
/* Results have equal bits for any number of threads, and in every run. Larger cases than the
 * records' samples, so that work is really divided; they are also checked against the reference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/base.h>
#include <wick/device.h>

#include "check.h"
#include "compare.h"
#include "tests.h"

static const wk_sample large_samples[] = {
    {"add", 2, {"uniform(-4, 4) [100003]", "uniform(-4, 4) [100003]"}, 0, {{0}}, {0, 0}},
    {"add", 2, {"uniform(-4, 4) [300, 1, 70]", "uniform(-4, 4) [9, 1]"}, 0, {{0}}, {0, 0}},
    {"exp", 1, {"uniform(-9, 9) [100003]"}, 0, {{0}}, {2, 1}},
    {"gelu", 1, {"uniform(-9, 9) [100003]"}, 0, {{0}}, {2, 8}},
    {"sin", 1, {"uniform(-900, 900) [100003]"}, 0, {{0}}, {1, 1}},
    {"masked_fill",
     2,
     {"uniform(-9, 9) [300, 301]", "bits [301] bool"},
     1,
     {{"value", "3"}},
     {0, 0}},
    {"linspace", 0, {NULL}, 3, {{"start", "1"}, {"end", "3"}, {"count", "70001"}}, {0, 0}},
    {"exponential", 0, {NULL}, 3, {{"shape", "[70001]"}, {"seed", "3"}, {"keyed", "true"}}, {0, 0}},
    {"cast", 1, {"uniform(-9, 9) [70001]"}, 1, {{"dtype", "\"i32\""}}, {0, 0}},
    {"sum", 1, {"uniform(-1, 1) [100003]"}, 0, {{0}}, {64, 64}},
    {"sum", 1, {"uniform(-1, 1) [37, 5003]"}, 1, {{"axes", "[0]"}}, {64, 64}},
    {"sum", 1, {"uniform(-1, 1) [5003, 37]"}, 1, {{"axes", "[0]"}}, {64, 64}},
    {"sum", 1, {"uniform(-1, 1) [37, 5003]"}, 1, {{"axes", "[1]"}}, {64, 64}},
    {"max", 1, {"uniform(-1, 1) [40, 50, 60]"}, 1, {{"axes", "[0, 2]"}}, {0, 0}},
    {"argmax", 1, {"uniform(-1, 1) [500, 103]"}, 1, {{"axis", "1"}}, {0, 0}},
    {"sum", 1, {"uniform(-1, 1) [40, 50, 60]"}, 1, {{"axes", "[0, 2]"}}, {64, 64}},
    {"sum", 1, {"integers(-9, 9) [40, 50, 60] i16"}, 1, {{"axes", "[1]"}}, {0, 0}},
    {"product", 1, {"uniform(0.9, 1.1) [40, 5003]"}, 1, {{"axes", "[1]"}}, {2048, 2048}},
    {"min", 1, {"uniform(-1, 1) [40, 50, 60]"}, 1, {{"axes", "[1]"}}, {0, 0}},
    {"all", 1, {"integers(0, 40) [40, 50, 60] i64"}, 1, {{"axes", "[1]"}}, {0, 0}},
    {"any", 1, {"special [70000]"}, 0, {{0}}, {0, 0}},
    {"argmin", 1, {"uniform(-1, 1) [50, 103, 9]"}, 1, {{"axis", "1"}}, {0, 0}},
    {"cumulative_sum", 1, {"uniform(-1, 1) [50, 1003]"}, 1, {{"axis", "1"}}, {64, 64}},
    {"cumulative_sum", 1, {"uniform(-1, 1) [9, 40, 1003]"}, 1, {{"axis", "1"}}, {64, 64}},
    {"cumulative_product", 1, {"uniform(0.9, 1.1) [90, 203]"}, 1, {{"axis", "0"}}, {512, 512}},
    {"linear_recurrence",
     2,
     {"uniform(-1, 1) [9, 40, 1003]", "uniform(-1, 1) [9, 40, 1003]"},
     1,
     {{"axis", "1"}},
     {64, 64}},
    {"cumulative_max", 1, {"uniform(-1, 1) [50, 1003]"}, 1, {{"axis", "1"}}, {0, 0}},
    {"cumulative_min", 1, {"integers(-9, 9) [40, 1003] i32"}, 1, {{"axis", "0"}}, {0, 0}},
    {"count_nonzero", 1, {"integers(0, 2) [7, 9003] i8"}, 1, {{"axes", "[1]"}}, {0, 0}},
    {"unique", 1, {"integers(-99, 99) [9003] i64"}, 0, {{0}}, {0, 0}},
    {"is_in", 2, {"integers(0, 9) [9003] f32", "integers(0, 5) [7] f32"}, 0, {{0}}, {0, 0}},
    {"sort", 1, {"uniform(-1, 1) [50, 1003]"}, 1, {{"axis", "1"}}, {0, 0}},
    {"sort", 1, {"integers(-90, 90) [50, 1003] i16"}, 1, {{"axis", "0"}}, {0, 0}},
    {"top_k", 1, {"uniform(-1, 1) [50, 1003]"}, 2, {{"k", "5"}, {"axis", "1"}}, {0, 0}},
    {"matmul", 2, {"uniform(-1, 1) [257, 300]", "uniform(-1, 1) [300, 129]"}, 0, {{0}}, {64, 64}},
    {"matmul", 2, {"uniform(-1, 1) [1, 700]", "uniform(-1, 1) [700, 301]"}, 0, {{0}}, {64, 64}},
    {"matmul", 2, {"uniform(-1, 1) [9, 40, 50]", "uniform(-1, 1) [9, 50, 33]"}, 0, {{0}}, {64, 64}},
    {"conv2d",
     3,
     {"uniform(-1, 1) [3, 17, 19, 16]", "uniform(-1, 1) [32, 3, 3, 16]", NULL},
     1,
     {{"same", "true"}},
     {64, 64}},
    {"conv2d",
     3,
     {"uniform(-1, 1) [3, 28, 28, 1]", "uniform(-1, 1) [32, 3, 3, 1]", "uniform(-1, 1) [32]"},
     0,
     {{0}},
     {64, 64}},
    {"conv2d",
     3,
     {"uniform(-1, 1) [2, 20, 20, 33]", "uniform(-1, 1) [33, 3, 3, 1]", NULL},
     2,
     {{"groups", "33"}, {"stride", "[2, 2]"}},
     {64, 64}},
    {"conv2d_data_gradient",
     2,
     {"uniform(-1, 1) [3, 17, 19, 32]", "uniform(-1, 1) [32, 3, 3, 16]"},
     2,
     {{"shape", "[3, 17, 19, 16]"}, {"same", "true"}},
     {64, 64}},
    {"conv2d_weight_gradient",
     2,
     {"uniform(-1, 1) [3, 17, 19, 32]", "uniform(-1, 1) [3, 17, 19, 16]"},
     2,
     {{"shape", "[32, 3, 3, 16]"}, {"same", "true"}},
     {64, 64}},
    {"max_pool2d", 1, {"uniform(-1, 1) [5, 26, 26, 32]"}, 1, {{"window", "[2, 2]"}}, {0, 0}},
    {"max_pool2d_gradient",
     2,
     {"uniform(-1, 1) [5, 13, 13, 32]", "uniform(-1, 1) [5, 26, 26, 32]"},
     1,
     {{"window", "[2, 2]"}},
     {4, 4}},
    {"average_pool2d",
     1,
     {"uniform(-1, 1) [5, 26, 26, 32]"},
     2,
     {{"window", "[3, 3]"}, {"stride", "[2, 2]"}},
     {16, 16}},
    {"average_pool2d_gradient",
     1,
     {"uniform(-1, 1) [5, 13, 13, 70]"},
     4,
     {{"shape", "[5, 26, 26, 70]"},
      {"window", "[3, 3]"},
      {"stride", "[2, 2]"},
      {"padding", "[1, 1]"}},
     {16, 16}},
    {"unfold2d", 1, {"uniform(-1, 1) [3, 20, 21, 9]"}, 1, {{"window", "[3, 3]"}}, {0, 0}},
    {"fold2d",
     1,
     {"uniform(-1, 1) [3, 342, 81]"},
     2,
     {{"size", "[20, 21]"}, {"window", "[3, 3]"}},
     {16, 16}},
    {"max_unpool2d_gradient",
     2,
     {"uniform(-1, 1) [3, 20, 21, 33]", "integers(0, 419) [3, 20, 21, 33] i64"},
     0,
     {{0}},
     {0, 0}},
    {"interpolate",
     1,
     {"uniform(-1, 1) [3, 20, 21, 35]"},
     2,
     {{"size", "[31, 47]"}, {"mode", "\"linear\""}},
     {64, 64}},
    {"interpolate", 1, {"uniform(-1, 1) [3, 40, 41, 3]"}, 1, {{"scale", "2"}}, {0, 0}},
    {"resample_gradient",
     1,
     {"uniform(-1, 1) [3, 47, 350]"},
     3,
     {{"axis", "1"}, {"size", "20"}, {"mode", "\"cubic\""}},
     {64, 64}},
    {"adaptive_average_pool2d",
     1,
     {"uniform(-1, 1) [3, 40, 41, 35]"},
     1,
     {{"size", "[7, 7]"}},
     {64, 64}},
    {"normalise",
     3,
     {"uniform(-1, 1) [1, 3000, 70, 1]", "uniform(-1, 1) [70]", "uniform(-1, 1) [70]"},
     1,
     {{"epsilon", "1e-5"}},
     {64, 64}},
    {"normalise",
     3,
     {"uniform(9, 11) [1, 9000, 3, 1]", NULL, NULL},
     1,
     {{"epsilon", "1e-5"}},
     {64, 64}},
    {"normalise",
     3,
     {"uniform(-1, 1) [700, 1, 1, 103]", "uniform(-1, 1) [103]", "uniform(-1, 1) [103]"},
     1,
     {{"epsilon", "1e-5"}},
     {64, 64}},
    {"normalise",
     3,
     {"uniform(-1, 1) [3, 900, 8, 5]", "uniform(-1, 1) [40]", NULL},
     1,
     {{"epsilon", "1e-5"}},
     {64, 64}},
    {"normalise_gradient",
     5,
     {"uniform(-1, 1) [1, 3000, 70, 1]", "uniform(-1, 1) [1, 3000, 70, 1]",
      "uniform(-1, 1) [1, 70]", "uniform(1, 2) [1, 70]", "uniform(-1, 1) [70]"},
     1,
     {{"affine", "true"}},
     {64, 64}},
    {"normalise_gradient",
     5,
     {"uniform(-1, 1) [700, 1, 1, 103]", "uniform(-1, 1) [700, 1, 1, 103]",
      "uniform(-1, 1) [700, 1]", "uniform(1, 2) [700, 1]", "uniform(-1, 1) [103]"},
     1,
     {{"affine", "true"}},
     {64, 64}},
    {"normalise_gradient",
     5,
     {"uniform(-1, 1) [3, 900, 8, 5]", "uniform(-1, 1) [3, 900, 8, 5]", "uniform(-1, 1) [3, 8]",
      "uniform(1, 2) [3, 8]", NULL},
     1,
     {{"affine", "true"}},
     {64, 64}},
    {"softmax", 1, {"uniform(-9, 9) [500, 103]"}, 0, {{0}}, {16, 16}},
    {"log_softmax", 1, {"uniform(-9, 9) [500, 103]"}, 0, {{0}}, {16, 16}},
    {"cross_entropy",
     2,
     {"uniform(-9, 9) [5000, 10]", "integers(0, 9) [5000] i64"},
     0,
     {{0}},
     {64, 64}},
    {"cross_entropy_gradient",
     3,
     {"uniform(1, 2) []", "uniform(-9, 9) [5000, 10]", "integers(0, 9) [5000] i64"},
     0,
     {{0}},
     {64, 64}},
    {"softmax", 1, {"uniform(-9, 9) [3, 70, 103]"}, 1, {{"axes", "[1]"}}, {16, 16}},
    {"attention",
     4,
     {"uniform(-1, 1) [2, 4, 150, 33]", "uniform(-1, 1) [2, 2, 300, 33]",
      "uniform(-1, 1) [2, 2, 300, 65]", NULL},
     1,
     {{"causal", "true"}},
     {256, 256}},
    {"attention_gradient",
     7,
     {"uniform(-1, 1) [1, 2, 150, 65]", "uniform(-1, 1) [1, 2, 150]",
      "uniform(-1, 1) [1, 2, 150, 33]", "uniform(-1, 1) [1, 1, 300, 33]",
      "uniform(-1, 1) [1, 1, 300, 65]", "uniform(5, 6) [1, 2, 150]", "bits [1, 2, 1, 300] bool"},
     0,
     {{0}},
     {256, 256}},
    {"lstm_steps",
     5,
     {"uniform(-1, 1) [70, 9, 132]", "uniform(-1, 1) [132, 33]", "uniform(-1, 1) [70, 33]",
      "uniform(-1, 1) [70, 33]", "integers(0, 9) [70] i64"},
     1,
     {{"reverse", "true"}},
     {512, 512}},
    {"gru_steps",
     5,
     {"uniform(-1, 1) [70, 9, 99]", "uniform(-1, 1) [99, 33]", "uniform(-1, 1) [70, 33]", NULL,
      "integers(0, 9) [70] i64"},
     0,
     {{0}},
     {512, 512}},
    {"contiguous", 1, {"uniform(-4, 4) [40, 50, 60]"}, 0, {{0}}, {0, 0}},
    {"pad",
     1,
     {"uniform(-4, 4) [30, 41, 52]"},
     2,
     {{"before", "[1, 0, 2]"}, {"after", "[0, 3, 1]"}},
     {0, 0}},
    {"pad",
     1,
     {"uniform(-4, 4) [30, 41, 52]"},
     3,
     {{"before", "[1, 0, 2]"}, {"after", "[0, -3, 1]"}, {"mode", "\"reflect\""}},
     {0, 0}},
    {"concatenate",
     2,
     {"uniform(-4, 4) [90, 101]", "uniform(-4, 4) [90, 203]"},
     1,
     {{"axis", "1"}},
     {0, 0}},
    {"contiguous", 1, {"uniform(-4, 4) [300, 1, 203]"}, 0, {{0}}, {0, 0}},
    {"contiguous", 1, {"integers(0, 255) [9, 50, 61] u8"}, 0, {{0}}, {0, 0}},
    {"contiguous", 1, {"uniform(-4, 4) [70, 90] f16"}, 0, {{0}}, {0, 0}},
    {"slice_update",
     2,
     {"uniform(-4, 4) [90, 203]", "uniform(-4, 4) [90, 1]"},
     4,
     {{"axis", "1"}, {"start", "200"}, {"end", "2"}, {"step", "-3"}},
     {0, 0}},
    {"gather",
     2,
     {"uniform(-4, 4) [301, 70]", "integers(0, 300) [500, 70] i64"},
     1,
     {{"axis", "0"}},
     {0, 0}},
    {"gather",
     2,
     {"uniform(-4, 4) [301, 70]", "integers(0, 69) [301, 100] i64"},
     1,
     {{"axis", "1"}},
     {0, 0}},
    {"scatter",
     3,
     {"uniform(-4, 4) [301, 70]", "integers(0, 300) [500, 70] i64", "uniform(-4, 4) [500, 70]"},
     1,
     {{"axis", "0"}},
     {0, 0}},
    {"scatter_add",
     3,
     {"uniform(-4, 4) [30, 170]", "integers(0, 29) [500, 170] i64", "uniform(-4, 4) [500, 170]"},
     1,
     {{"axis", "0"}},
     {64, 64}},
    {"scatter_reduce",
     3,
     {"uniform(-4, 4) [30, 170]", "integers(0, 169) [30, 900] i64", "uniform(-4, 4) [30, 900]"},
     3,
     {{"axis", "1"}, {"reduction", "\"max\""}, {"exclude_x", "true"}},
     {0, 0}},
    {"index_get",
     2,
     {"uniform(-4, 4) [301, 70]", "integers(-301, 300) [900] i64"},
     0,
     {{0}},
     {0, 0}},
    {"index_put",
     3,
     {"uniform(-4, 4) [301, 70]", "uniform(-4, 4) [2000, 70]", "integers(-301, 300) [2000] i64"},
     1,
     {{"accumulate", "true"}},
     {64, 64}},
    {"index_put",
     3,
     {"uniform(-4, 4) [3, 301]", "uniform(-4, 4) [3, 20000]", "integers(-301, 300) [20000] i64"},
     2,
     {{"accumulate", "true"}, {"axis", "1"}},
     {64, 64}},
    {"index_reduce",
     3,
     {"uniform(-4, 4) [301, 70]", "integers(-301, 300) [2000] i64", "uniform(-4, 4) [2000, 70]"},
     3,
     {{"axis", "0"}, {"reduction", "\"min\""}, {"exclude_x", "true"}},
     {0, 0}},
    {"embedding", 2, {"uniform(-4, 4) [301, 70]", "integers(0, 300) [900] i64"}, 0, {{0}}, {0, 0}},
    {"uniform", 0, {NULL}, 3, {{"shape", "[70001]"}, {"seed", "3"}, {"keyed", "true"}}, {0, 0}},
    {"normal", 0, {NULL}, 3, {{"shape", "[70001]"}, {"seed", "3"}, {"keyed", "true"}}, {0, 0}},
    {"dropout",
     1,
     {"uniform(-4, 4) [70001]"},
     3,
     {{"rate", "0.3"}, {"seed", "5"}, {"keyed", "true"}},
     {1, 1}},
    {"adam_update",
     4,
     {"uniform(-1, 1) [70001]", "uniform(-1, 1) [70001]", "uniform(-1, 1) [70001]",
      "uniform(0, 1) [70001]"},
     6,
     {{"step_size", "0.01"},
      {"correction", "1.5"},
      {"beta1", "0.9"},
      {"beta2", "0.999"},
      {"epsilon", "1e-08"},
      {"weight_decay", "0"}},
     {16, 16}},
};

static bool run_with_threads(const op_case *c, int threads, case_result *result) {
  *result = (case_result){.count = 0};
  return wk_set_thread_count(threads) == WK_OK &&
         case_run(c, wk_device_get("cpu"), CASE_CONTIGUOUS, result);
}

/* One thread first, then others, then one again. */
static bool check_threads(const op_case *c) {
  static const int thread_counts[] = {2, 3, 1};
  const int before = wk_thread_count();
  case_result expected;
  bool good = run_with_threads(c, 1, &expected);
  for (size_t i = 0; good && i < COUNT_OF(thread_counts); i++) {
    case_result actual;
    char how[64];
    snprintf(how, sizeof how, "%d threads after 1", thread_counts[i]);
    good = run_with_threads(c, thread_counts[i], &actual) &&
           compare_results(how, c, &actual, &expected, 0);
    case_result_free(&actual);
  }
  case_result_free(&expected);
  wk_set_thread_count(before);
  return good;
}

static int check_sample_threads(const wk_sample *sample) {
  wk_dtype dtypes[2];
  const int count = case_dtypes(sample, dtypes);
  int failures = 0;
  for (int i = 0; i < count; i++) {
    op_case c;
    if (!case_make(&c, sample, dtypes[i]) || !check_threads(&c)) failures++;
    case_free(&c);
  }
  return failures;
}

static void test_samples(void **state) {
  (void)state;
  int failures = 0;
  for (int i = 0; i < wk_sample_table_count; i++)
    failures += check_sample_threads(&wk_sample_table[i]);
  assert_int_equal(failures, 0);
}

static bool has_large_sample(const wk_op *op) {
  for (size_t i = 0; i < COUNT_OF(large_samples); i++)
    if (strcmp(large_samples[i].op, op->name) == 0) return true;
  return false;
}

static void test_large(void **state) {
  const wk_op *op = *state;
  const bool quick = getenv("WICK_TEST_QUICK") != NULL; /* the reference takes long for them */
  int failures = 0;
  for (size_t i = 0; i < COUNT_OF(large_samples); i++) {
    if (strcmp(large_samples[i].op, op->name) != 0) continue;
    if (!quick) failures += check_sample(&large_samples[i]);
    failures += check_sample_threads(&large_samples[i]);
  }
  assert_int_equal(failures, 0);
}

int run_determinism_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples)};
  return cmocka_run_group_tests_name("threads", tests, NULL, NULL) +
         run_op_tests("large", has_large_sample, test_large);
}
