/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_INSPECT_PLAN_H
#define WICK_CLI_INSPECT_PLAN_H

/* A plan as `wick inspect` shows it: as lines, and as a picture. */

#include <stdio.h>

#include "graph/timeline.h"

typedef struct wk_plan_view {
  const wk_plan *plan;
  const wk_parameters *parameters; /* whose names it shows */
  wk_life_span *spans;
  size_t span_count;
  size_t *live; /* bytes in the arena during each step */
  size_t peak;  /* the step with most of them */
} wk_plan_view;

wk_status wk_plan_view_create(wk_plan_view *view, const wk_plan *plan,
                              const wk_parameters *parameters);
void wk_plan_view_free(wk_plan_view *view);

/* "%7 f32 [1, 10] = linear(%5, $2.weight, $2.bias)" of a step; as snprintf. */
size_t wk_plan_step_text(const wk_plan_view *view, size_t step, char *buffer, size_t size);

/* The graph from above to below, with an arc for each operand, and beside it what lies in the arena
 * during each step: bytes to the right, steps to below. */
wk_status wk_plan_view_write_svg(const wk_plan_view *view, const char *title, FILE *file);

#endif
