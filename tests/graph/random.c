/* SPDX-License-Identifier: Apache-2.0 */
/* random_graphs COUNT [FIRST]: functions of many ops put together at random, one for each seed from
 * FIRST, run eagerly and compiled from the same start: results, gradients, what they write and the
 * numbers that they draw must have the same bits. The last line is how many do; a seed that differs
 * is named with what differs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/wick.h>

#include "graph/function.h"
#include "recipe.h"

enum { CALLS = 3, MOST_BYTES = 1 << 20 };

/* What one mode left behind, byte by byte. */
typedef struct record {
  unsigned char bytes[MOST_BYTES];
  size_t count;
  size_t ends[CALLS * 8]; /* of each thing in it */
  const char *names[CALLS * 8];
  int things;
} record;

static record eager, compiled;

static bool note(record *r, const char *name, const wk_tensor *x) {
  const size_t size = (size_t)wk_tensor_count(x) * wk_dtype_size(wk_tensor_dtype(x));
  if (wk_error_status() < 0 || r->count + size > MOST_BYTES) return false;
  wk_tensor_read(x, r->bytes + r->count, size);
  r->count += size;
  r->names[r->things] = name, r->ends[r->things++] = r->count;
  return wk_error_status() >= 0;
}

static bool run(uint64_t seed, bool compile, record *r) {
  WK_SCOPE;
  *r = (record){.count = 0};
  recipe made;
  recipe_create(&made, seed);
  wk_function *function = wk_compile(recipe_run, &made, .recompute = (int)(seed % 3) * 0.3);
  bool fine = wk_error_status() >= 0;
  if (function) function->limits.small = 0, function->limits.pieces = (int64_t)(seed % 7);
  for (int call = 0; call < CALLS && fine; call++) {
    WK_SCOPE;
    wk_tensor *inputs[RECIPE_INPUTS];
    recipe_inputs(&made, call, inputs);
    const wk_tensors in = {RECIPE_INPUTS, inputs};
    wk_tensor *result = compile ? wk_call(function, in) : recipe_run(&made, in);
    fine = result && note(r, "the result", result) && note(r, "written memory", made.state);
    for (int i = 0; i < RECIPE_PARAMETERS && fine; i++) {
      const wk_tensor *gradient = wk_tensor_gradient(made.parameters[i]);
      if (gradient) fine = note(r, i ? "gradient 1" : "gradient 0", gradient);
    }
  }
  /* Both modes have drawn as many numbers. */
  if (fine) fine = note(r, "the random numbers after it", wk_uniform(WK_SHAPE(4)));
  if (!fine) wk_error_report(stderr);
  wk_function_free(function);
  recipe_free(&made);
  return fine;
}

static const char *first_difference(void) {
  if (eager.things != compiled.things) return "how many gradients there are";
  for (int i = 0; i < eager.things; i++) {
    const size_t begin = i ? eager.ends[i - 1] : 0;
    if (eager.ends[i] != compiled.ends[i]) return "a size";
    if (memcmp(eager.bytes + begin, compiled.bytes + begin, eager.ends[i] - begin) != 0)
      return eager.names[i];
  }
  return NULL;
}

int main(int argc, char **argv) {
  const long count = argc > 1 ? atol(argv[1]) : 200;
  const long first = argc > 2 ? atol(argv[2]) : 1;
  long equal = 0;
  for (long seed = first; seed < first + count; seed++) {
    const bool ran = run((uint64_t)seed, false, &eager) && run((uint64_t)seed, true, &compiled);
    const char *difference = ran ? first_difference() : "it failed";
    if (difference)
      printf("seed %ld: %s\n", seed, difference);
    else
      equal++;
    wk_error_clear();
  }
  printf("%ld of %ld random functions have eager's bits\n", equal, count);
  return count > 0 && equal == count ? 0 : 1;
}
