/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_GRAPH_RECIPE_H
#define WICK_TESTS_GRAPH_RECIPE_H

/* A random function: what it does follows from a seed alone, so that it does the same each time. */

#include <stdint.h>

#include <wick/wick.h>

enum { RECIPE_INPUTS = 2, RECIPE_PARAMETERS = 2 };

typedef struct recipe {
  uint64_t seed;
  int steps;
  wk_shape shape;                           /* of the inputs */
  wk_tensor *parameters[RECIPE_PARAMETERS]; /* owned leaves that require gradients */
  wk_tensor *state;                         /* owned, older than the function, written by it */
} recipe;

void recipe_create(recipe *made, uint64_t seed);
void recipe_free(recipe *made);

/* The inputs of call number `call`, in the innermost scope. */
void recipe_inputs(const recipe *made, int call, wk_tensor **inputs);

/* The function: context is the recipe. */
wk_tensor *recipe_run(void *context, wk_tensors inputs);

#endif
