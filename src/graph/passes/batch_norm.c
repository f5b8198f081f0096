/* SPDX-License-Identifier: Apache-2.0 */
/* The normalisation behind a convolution, with statistics that are not the batch's, goes into its
 * filters and bias: conv(x, w) * scale + shift is conv(x, w * scale) + shift but for rounding. They
 * are computed at each call, so that they follow the weights, and for few pixels it does not pay.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/lives.h"
#include "graph/pass.h"
#include "ops/records.gen.h"

/* Adds a node behind the others, whose result is a new buffer of these sizes: returned in *made. */
static wk_status add(wk_graph *g, int op, const wk_reference *inputs, const wk_layout *layout,
                     wk_reference *made) {
  if (!wk_grow(&g->buffers, &g->buffer_capacity, g->buffer_count, sizeof *g->buffers) ||
      !wk_grow(&g->nodes, &g->node_capacity, g->node_count, sizeof *g->nodes))
    return wk_error_status();
  *made = (wk_reference){.buffer = (int)g->buffer_count, .layout = *layout};
  wk_layout_set_strides(&made->layout);
  g->buffers[g->buffer_count++] =
      (wk_buffer){.kind = WK_BUFFER_LOCAL,
                  .device = g->buffers[inputs[0].buffer].device,
                  .size = (size_t)wk_layout_count(layout) * wk_dtype_size(layout->dtype),
                  .input = -1};
  wk_graph_node *node = &g->nodes[g->node_count++];
  *node = (wk_graph_node){.op = &wk_op_table[op], .draw = WK_NO_DRAW, .outputs = {*made}};
  const size_t count = (size_t)node->op->input_count;
  node->arguments = wk_allocate_zeroed(1, node->op->settings.size);
  node->inputs = wk_allocate_zeroed(count, sizeof *node->inputs);
  if (!node->arguments || !node->inputs) return wk_error_status();
  memcpy(node->arguments, &node->op->settings.size, sizeof node->op->settings.size);
  memcpy(node->inputs, inputs, count * sizeof *inputs);
  node->input_count = (int)count;
  return WK_OK;
}

/* Why the normalisation at `n` stays as it is; NULL: it goes into the convolution before it. */
static const char *refuse(const wk_graph *g, const wk_life *lives, size_t n) {
  const wk_graph_node *node = &g->nodes[n];
  const wk_reference *y = &node->inputs[0];
  const wk_life *life = &lives[y->buffer];
  if (life->maker == WK_NO_NODE || !wk_reference_is_whole(g, y)) return "it follows no convolution";
  const wk_graph_node *conv = &g->nodes[life->maker];
  if (!conv->op || conv->op->id != WK_OP_CONV2D) return "it follows no convolution";
  const int64_t channels = conv->outputs[0].layout.dims[3];
  if (!wk_layout_same_dims(&node->outputs[0].layout, &conv->outputs[0].layout))
    return "it changes the convolution's shape";
  if (life->count != 1 || life->result) return "others read what the convolution makes";
  for (int i = 1; i < 4; i++) {
    const wk_layout *l = &node->inputs[i].layout;
    const bool one = i == 3 && wk_layout_count(l) == 1;
    if (!one && (l->rank != 1 || l->dims[0] != channels)) return "it differs from pixel to pixel";
  }
  for (int i = 0; i < conv->input_count; i++)
    if (conv->inputs[i].buffer >= 0 && g->buffers[conv->inputs[i].buffer].version)
      return "the convolution's operands are written in the function";
  return NULL;
}

/* Computes filters and bias behind the graph's nodes and puts them into the convolution, which
 * takes the place of the normalisation. */
static wk_status fold(wk_graph *g, size_t maker, size_t n) {
  const wk_reference *in = g->nodes[n].inputs;
  const wk_reference weight = g->nodes[maker].inputs[1], bias = g->nodes[maker].inputs[2];
  const wk_reference mean = in[1], scale = in[2], shift = in[3];
  wk_reference by_filter = scale, scaled, moved, product;
  by_filter.layout.rank = 4;
  for (int i = 1; i < 4; i++) by_filter.layout.dims[i] = by_filter.layout.strides[i] = 1;
  wk_status status =
      add(g, WK_OP_MULTIPLY, (wk_reference[]){weight, by_filter}, &weight.layout, &scaled);
  if (bias.buffer >= 0) {
    if (status == WK_OK)
      status = add(g, WK_OP_SCALE_SHIFT, (wk_reference[]){bias, mean, scale, shift}, &mean.layout,
                   &moved);
  } else {
    if (status == WK_OK)
      status = add(g, WK_OP_MULTIPLY, (wk_reference[]){mean, scale}, &mean.layout, &product);
    if (status == WK_OK)
      status = add(g, WK_OP_SUBTRACT, (wk_reference[]){shift, product}, &mean.layout, &moved);
  }
  if (status != WK_OK) return status;
  wk_graph_node held = g->nodes[maker], *conv = &g->nodes[n];
  const wk_reference made = conv->outputs[0];
  g->nodes[maker] = *conv, *conv = held; /* the other one goes */
  conv->outputs[0] = made;
  conv->inputs[1] = scaled, conv->inputs[2] = moved;
  return WK_OK;
}

/* Moves the last `count` nodes before node `n`. */
static void move_before(wk_graph *g, size_t n, size_t count) {
  wk_graph_node moved[3];
  const size_t first = g->node_count - count;
  memcpy(moved, &g->nodes[first], count * sizeof *moved);
  memmove(&g->nodes[n + count], &g->nodes[n], (first - n) * sizeof *moved);
  memcpy(&g->nodes[n], moved, count * sizeof *moved);
}

static wk_status fold_next(wk_graph *g, size_t *at, int64_t *changes) {
  wk_life *lives = wk_lives_create(g);
  wk_status status = wk_error_status();
  for (; lives && *at < g->node_count; ++*at) {
    const wk_graph_node *node = &g->nodes[*at];
    if (!node->op || node->op->id != WK_OP_SCALE_SHIFT || !wk_node_is_pure(g, node)) continue;
    if ((g->nodes[*at].apart = refuse(g, lives, *at))) continue;
    const size_t count = g->node_count, maker = lives[node->inputs[0].buffer].maker;
    bool *gone = wk_allocate_zeroed(count + 4, sizeof *gone);
    status = gone ? fold(g, maker, *at) : wk_error_status();
    if (status == WK_OK) {
      move_before(g, *at, g->node_count - count);
      gone[maker] = true;
      wk_graph_remove(g, gone);
      ++*changes;
    }
    wk_deallocate(gone);
    break;
  }
  wk_deallocate(lives);
  return status;
}

wk_status wk_pass_batch_norm(wk_graph *g, int64_t *changes) {
  wk_status status = WK_OK;
  for (size_t at = 0; at < g->node_count && status == WK_OK;) status = fold_next(g, &at, changes);
  return status;
}
