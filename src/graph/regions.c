/* SPDX-License-Identifier: Apache-2.0 */
/* Records of loops and of steps of lists, traced or from a text. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/control_node.h"

#define ALIGNMENT 64

/* It writes what it carries and has no results. */
static wk_status infer_nothing(wk_call *call) {
  (void)call;
  return WK_OK;
}

static const struct {
  const char *name;
  wk_status (*run)(const wk_control *control, const wk_kernel_call *call);
} kinds[] = {{"while", wk_run_while},
             {"while_gradient", wk_run_reverse},
             {"list_open", wk_run_list_open},
             {"list_append", wk_run_list_append},
             {"list_stack", wk_run_list_stack}};

static int find_kind(const char *name) {
  for (int i = 0; i < (int)(sizeof kinds / sizeof kinds[0]); i++)
    if (strcmp(kinds[i].name, name) == 0) return i;
  return -1;
}

bool wk_control_is_name(const char *name) { return find_kind(name) >= 0; }

wk_control *wk_control_create(const char *name) {
  const int kind = find_kind(name);
  wk_control *c = kind < 0 ? NULL : wk_allocate_zeroed(1, sizeof *c);
  if (!c) return NULL;
  atomic_init(&c->references, 1);
  c->run = kinds[kind].run;
  c->op = (wk_op){.name = kinds[kind].name,
                  .id = WK_CONTROL_OP,
                  .class = WK_CLASS_UPDATE,
                  .hidden = true,
                  .infer = infer_nothing,
                  .settings = {.size = sizeof(wk_control_arguments)}};
  return c;
}

size_t wk_control_carried(const wk_control *c) {
  return c->run == wk_run_reverse ? c->plans[WK_REGION_REVERSE].graph.result_count : c->state_count;
}

static bool draws_from(const wk_control *c, const wk_generator *generator) {
  for (size_t i = 0; i < c->generator_count; i++)
    if (c->generators[i] == generator) return true;
  return false;
}

/* Those of a region's draws, among which are those of the loops in it. */
static wk_status find_generators(wk_control *c) {
  size_t capacity = 0;
  for (int k = 0; k < WK_REGION_COUNT; k++) {
    const wk_graph *g = &c->plans[k].graph;
    for (size_t i = 0; i < g->draw_count; i++) {
      if (draws_from(c, g->draws[i].generator)) continue;
      if (!wk_grow(&c->generators, &capacity, c->generator_count, sizeof *c->generators))
        return wk_error_status();
      c->generators[c->generator_count++] = g->draws[i].generator;
    }
  }
  return WK_OK;
}

static bool acts(const wk_control *c) {
  for (int k = 0; k < WK_REGION_COUNT; k++) {
    const wk_graph *g = &c->plans[k].graph;
    for (size_t n = 0; n < g->node_count; n++)
      if (g->nodes[n].late.run || (g->nodes[n].control && g->nodes[n].control->acts)) return true;
  }
  return false;
}

wk_status wk_control_place_states(wk_control *c) {
  const int which = c->run == wk_run_while ? WK_REGION_BODY : WK_REGION_REVERSE;
  const wk_graph *g = &c->plans[which].graph;
  c->place = wk_allocate_zeroed(c->state_count + 1, sizeof *c->place);
  if (!c->place) return wk_error_status();
  size_t at = 0;
  for (size_t i = 0; i < c->state_count; i++) {
    c->place[i] = at;
    for (size_t b = 0; b < g->buffer_count; b++)
      if (g->buffers[b].kind == WK_BUFFER_INPUT && g->buffers[b].input == (int)i)
        at += (g->buffers[b].size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
  c->place[c->state_count] = at ? at : ALIGNMENT;
  c->acts = acts(c);
  return c->run == wk_run_while ? find_generators(c) : WK_OK;
}

wk_status wk_control_plan(wk_control *c) {
  wk_status status = WK_OK;
  for (int i = 0; i < WK_REGION_COUNT && status == WK_OK; i++) {
    wk_plan *plan = &c->plans[i];
    if (plan->place || !plan->graph.result_count) continue;
    wk_graph graph = plan->graph;
    plan->graph = (wk_graph){0};
    status = wk_plan_create(plan, &graph, NULL);
    if (status == WK_OK) plan->fallible = 0; /* the node's own operands are kept */
  }
  return status;
}
