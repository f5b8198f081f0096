/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of a relu that is pooled: only a window's largest element gets a gradient, and that
 * is what the pooling gave, so the relu's rule is asked there, of fewer elements. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/lives.h"
#include "graph/pass.h"
#include "ops/records.gen.h"
#include "ops/window.h"

static bool is_same(const wk_reference *a, const wk_reference *b) {
  return a->buffer >= 0 && a->buffer == b->buffer && a->version == b->version &&
         a->start == b->start && wk_layout_same_dims(&a->layout, &b->layout) &&
         a->layout.dtype == b->layout.dtype;
}

/* What the pooling of `x` gave whose gradient the node is, or NULL. */
static const wk_reference *find_pooled(const wk_graph *g, size_t gradient) {
  const wk_graph_node *node = &g->nodes[gradient];
  const wk_pool2d_settings s = wk_pool2d_settings_of(node->op, node->arguments);
  for (size_t n = 0; n < gradient; n++) {
    const wk_graph_node *pool = &g->nodes[n];
    if (!pool->op || pool->op->id != WK_OP_MAX_POOL2D || !wk_node_is_pure(g, pool) ||
        !is_same(&pool->inputs[0], &node->inputs[1]))
      continue;
    const wk_pool2d_settings t = wk_pool2d_settings_of(pool->op, pool->arguments);
    if (memcmp(s.window, t.window, sizeof s.window) == 0 &&
        memcmp(s.stride, t.stride, sizeof s.stride) == 0 &&
        memcmp(s.padding, t.padding, sizeof s.padding) == 0 &&
        memcmp(s.dilation, t.dilation, sizeof s.dilation) == 0 && s.same == t.same &&
        s.ceil_mode == t.ceil_mode)
      return &pool->outputs[0];
  }
  return NULL;
}

/* relu_gradient_x(max_pool2d_gradient(g, y), y) becomes
 * max_pool2d_gradient(relu_gradient_x(g, max_pool2d(y)), y). */
static bool swap(wk_graph *g, const wk_life *lives, size_t n) {
  wk_graph_node *relu = &g->nodes[n];
  if (!relu->op || relu->op->id != WK_OP_RELU_GRADIENT_X || relu->joined ||
      relu->inputs[0].buffer < 0)
    return false;
  const wk_life *l = &lives[relu->inputs[0].buffer];
  if (l->maker == WK_NO_NODE || l->count != 1 || l->result) return false;
  wk_graph_node *pool = &g->nodes[l->maker];
  if (!pool->op || pool->op->id != WK_OP_MAX_POOL2D_GRADIENT || !wk_node_is_pure(g, pool) ||
      !wk_node_is_pure(g, relu) || !is_same(&relu->inputs[0], &pool->outputs[0]) ||
      !is_same(&relu->inputs[1], &pool->inputs[1]))
    return false;
  const wk_reference *pooled = find_pooled(g, l->maker);
  if (!pooled || !wk_layout_is_contiguous(&pool->inputs[0].layout) ||
      !wk_layout_is_contiguous(&pooled->layout))
    return false;
  if (!wk_grow(&g->buffers, &g->buffer_capacity, g->buffer_count, sizeof *g->buffers)) return false;
  wk_buffer *buffer = &g->buffers[g->buffer_count];
  *buffer = (wk_buffer){.kind = WK_BUFFER_LOCAL,
                        .device = g->buffers[pooled->buffer].device,
                        .size = (size_t)wk_layout_count(&pooled->layout) *
                                wk_dtype_size(pooled->layout.dtype)};
  const wk_reference made = {.buffer = (int)g->buffer_count++, .layout = pooled->layout};
  const wk_reference whole = relu->outputs[0];
  relu->inputs[0] = pool->inputs[0], relu->inputs[1] = *pooled, relu->outputs[0] = made;
  pool->inputs[0] = made, pool->outputs[0] = whole;
  const wk_graph_node first = *relu;
  *relu = *pool, *pool = first;
  return true;
}

wk_status wk_pass_pooling(wk_graph *g, int64_t *changes) {
  wk_life *lives = wk_lives_create(g);
  for (size_t n = 0; lives && n < g->node_count && !wk_failed(); n++) *changes += swap(g, lives, n);
  wk_deallocate(lives);
  return wk_error_status();
}
