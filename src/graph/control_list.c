/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of tensors. One that was made in a function and grows in a compiled loop of it becomes a
 * tape of the run: nodes make it, add to it, and copy it out where it is read. */
#include <string.h>

#include <wick/ops.h>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/memory.h"
#include "graph/control.h"
#include "graph/control_node.h"
#include "graph/extents.h"
#include "graph/loop_tape.h"
#include "ops/trace.h"

struct wk_list {
  wk_tensor **items; /* owned */
  size_t count, capacity;
  wk_tracer *made_in;
  bool made_again; /* by a function that is called again for its gradient */
  wk_layout like;  /* of each item */
  wk_tensor *tape; /* owned: where the run notes the list's; NULL: it grew in no loop */
  wk_tensor *all;  /* owned: what is on the tape so far, once that was asked for */
  bool wanted;     /* it may hold what has gradients */
  bool in_loop;    /* it is among those that grew in the loop that is traced: */
  wk_list *next_in_loop;
};

static _Thread_local wk_list *grown; /* in the outermost loop that is traced */

wk_list *wk_list_create(void) {
  wk_list *list = wk_failed() ? NULL : wk_allocate_zeroed(1, sizeof *list);
  if (list) list->made_in = wk_tracing, list->made_again = wk_is_recomputing();
  return list;
}

static void forget_all(wk_list *list) {
  wk_tensor_release(list->all);
  list->all = NULL;
}

void wk_list_free(wk_list *list) {
  if (!list) return;
  for (wk_list **l = &grown; *l; l = &(*l)->next_in_loop)
    if (*l == list) {
      *l = list->next_in_loop;
      break;
    }
  for (size_t i = 0; i < list->count; i++) wk_tensor_release(list->items[i]);
  wk_tensor_release(list->tape);
  forget_all(list);
  wk_deallocate(list->items);
  wk_deallocate(list);
}

void wk_lists_end_loop(bool wanted) {
  while (grown) {
    wk_list *list = grown;
    grown = list->next_in_loop;
    list->in_loop = false, list->next_in_loop = NULL;
    list->wanted = list->wanted || wanted;
  }
}

/* ---- nodes and what they do ---- */

static wk_loop_tape *tape_of(const wk_kernel_call *call) {
  wk_loop_tape *tape;
  memcpy(&tape, call->inputs[0].data, sizeof tape);
  return tape;
}

wk_status wk_run_list_open(const wk_control *c, const wk_kernel_call *call) {
  (void)c;
  wk_loop_tape *tape = wk_loop_tape_create(call->stream->device, 0);
  memcpy(call->inputs[0].data, &tape, sizeof tape);
  return wk_error_status();
}

static size_t size_of(const wk_layout *layout) {
  return (size_t)wk_layout_count(layout) * wk_dtype_size(layout->dtype);
}

wk_status wk_run_list_append(const wk_control *c, const wk_kernel_call *call) {
  (void)c;
  wk_loop_tape *tape = tape_of(call);
  const wk_operand *item = &call->inputs[1];
  if (!tape->item_size) wk_loop_tape_set_size(tape, size_of(&item->layout));
  char *to = wk_loop_tape_push(tape);
  if (to) memcpy(to, item->data, size_of(&item->layout));
  return wk_error_status();
}

wk_status wk_run_list_stack(const wk_control *c, const wk_kernel_call *call) {
  const wk_loop_tape *tape = tape_of(call);
  if (wk_extents_check(c->extent, c->assumed, (int64_t)tape->count) != WK_OK)
    return wk_error_status();
  wk_layout item = call->inputs[1].layout;
  const size_t size = tape->count ? size_of(&item) / tape->count : 0;
  for (size_t i = 0; i < tape->count; i++)
    memcpy((char *)call->inputs[1].data + i * size, wk_loop_tape_item(tape, i), size);
  return WK_OK;
}

/* Takes the node's control: it writes the list's tape, and perhaps another tensor. */
static wk_status emit(wk_control *c, wk_list *list, wk_tensor *other, bool written) {
  if (!c) return wk_error_status();
  wk_tensor *items[] = {list->tape, other};
  bool writes[] = {true, written};
  return wk_control_emit(c, (wk_place){0}, &(wk_control_operands){items, writes, other ? 2 : 1});
}

static wk_status emit_append(wk_list *list, wk_tensor *tensor) {
  const bool recorded = wk_set_gradients_recorded(false);
  wk_tensor *row = wk_contiguous(tensor);
  wk_set_gradients_recorded(recorded);
  forget_all(list);
  return row ? emit(wk_control_create("list_append"), list, row, false) : wk_error_status();
}

/* The tape, and on it what the list has so far: nodes of the trace in which the list was made. */
static wk_status open_tape(wk_list *list, wk_device *device) {
  wk_tracer *const inner = wk_tracing;
  const bool recorded = wk_set_gradients_recorded(false);
  wk_thread_here()->tracing = list->made_in;
  list->tape = wk_tensor_retain(wk_full(WK_SHAPE(1), 0, .dtype = WK_I64, .device = device));
  if (list->tape) emit(wk_control_create("list_open"), list, NULL, false);
  for (size_t i = 0; i < list->count && !wk_failed(); i++) {
    list->wanted = list->wanted || wk_wants_gradient(list->items[i]);
    emit_append(list, list->items[i]);
  }
  wk_thread_here()->tracing = inner;
  wk_set_gradients_recorded(recorded);
  return wk_error_status();
}

static bool is_around(const wk_tracer *outer, const wk_tracer *inner) {
  while (inner && inner != outer) inner = inner->around;
  return inner;
}

/* In a loop that is compiled, of the function in which the list was made. */
static wk_status append_in_loop(wk_list *list, wk_tensor *tensor) {
  if (!list->made_in || !is_around(list->made_in, wk_tracing)) {
    wk_fail(WK_ERROR_UNSUPPORTED, "a list made outside of a compiled function grows in it");
    wk_error_add_hint("make it in the function and return what it holds, stacked");
    return WK_ERROR_UNSUPPORTED;
  }
  if (wk_host_memory_only(tensor) != WK_OK) return wk_error_status();
  if (!list->tape && open_tape(list, wk_tensor_device_of(tensor)) != WK_OK)
    return wk_error_status();
  list->wanted = list->wanted || (wk_gradients_recorded && wk_wants_gradient(tensor));
  if (!list->in_loop) list->in_loop = true, list->next_in_loop = grown, grown = list;
  return emit_append(list, tensor);
}

static wk_status check_like(wk_list *list, const wk_tensor *tensor) {
  const wk_tensor first = {.layout = list->like};
  if (list->count || list->tape) return wk_state_check("item", list->count, &first, tensor);
  list->like = tensor->layout;
  wk_layout_set_strides(&list->like);
  return WK_OK;
}

static wk_status append(wk_list *list, wk_tensor *tensor) {
  if (wk_failed()) return wk_error_status();
  if (!list || !tensor) return wk_fail(WK_ERROR_ARGUMENT, "the list or the tensor is NULL");
  if (wk_is_recomputing() && !list->made_again) return WK_OK; /* it was added the first time */
  if (check_like(list, tensor) != WK_OK) return wk_error_status();
  if (list->made_in != wk_tracing) return append_in_loop(list, tensor);
  if (list->tape) {
    list->wanted = list->wanted || wk_wants_gradient(tensor);
    return emit_append(list, tensor);
  }
  if (!wk_grow(&list->items, &list->capacity, list->count, sizeof *list->items))
    return wk_error_status();
  list->items[list->count++] = wk_tensor_retain(tensor);
  return WK_OK;
}

wk_status wk_list_append_at(wk_place here, wk_list *list, wk_tensor *tensor) {
  append(list, tensor);
  wk_error_add_call("list_append", here);
  return wk_error_status();
}

/* ---- reading ---- */

static wk_status check_readable(const wk_list *list) {
  if (!list->tape) return WK_OK;
  if (list->made_in != wk_tracing || wk_tracing->around) {
    wk_fail(WK_ERROR_UNSUPPORTED, "a list that grew in a compiled loop is read in a loop");
    wk_error_add_hint("read it behind the loops, in the function that is compiled");
  } else if (list->wanted && wk_gradients_recorded) {
    wk_fail(WK_ERROR_UNSUPPORTED, "no gradient flows through a list that grew in a compiled loop");
    wk_error_add_hint("collect by the outputs of a wk_scan, or stack it while gradients are not "
                      "recorded");
  }
  return wk_error_status();
}

/* What is on the tape, as one tensor: of as many items as the trace takes there to be. */
static wk_status read_tape(wk_list *list) {
  if (list->all || check_readable(list) != WK_OK) return wk_error_status();
  wk_control *c = wk_control_create("list_stack");
  if (!c) return wk_error_status();
  wk_layout layout = list->like;
  if (layout.rank == WK_MAX_RANK || wk_extents_ask(&c->extent, &c->assumed) != WK_OK) {
    wk_control_release(c);
    return wk_failed()
               ? wk_error_status()
               : wk_fail(WK_ERROR_SHAPE, "items of %d dimensions cannot be stacked", layout.rank);
  }
  memmove(layout.dims + 1, layout.dims, (size_t)layout.rank * sizeof *layout.dims);
  layout.dims[0] = c->assumed, layout.rank++;
  const bool recorded = wk_set_gradients_recorded(false);
  list->all = wk_tensor_retain(wk_full(wk_layout_shape(&layout), 0, .dtype = layout.dtype,
                                       .device = wk_tensor_device_of(list->tape)));
  wk_set_gradients_recorded(recorded);
  if (list->all) return emit(c, list, list->all, true);
  wk_control_release(c);
  return wk_error_status();
}

static int64_t length_of(wk_list *list) {
  if (!list) return 0;
  if (!list->tape) return (int64_t)list->count;
  return read_tape(list) == WK_OK ? list->all->layout.dims[0] : 0;
}

int64_t wk_list_length(wk_list *list) { return wk_failed() ? 0 : length_of(list); }

wk_tensor *wk_list_get_at(wk_place here, wk_list *list, int64_t index) {
  wk_tensor *result = NULL;
  const int64_t count = wk_list_length(list), at = index < 0 ? index + count : index;
  if (!wk_failed() && (at < 0 || at >= count))
    wk_fail(WK_ERROR_INDEX, "there is no item %lld in a list of %lld", (long long)index,
            (long long)count);
  if (!wk_failed())
    result =
        list->tape ? wk_select(list->all, 0, at) : wk_scope_add(wk_tensor_retain(list->items[at]));
  wk_error_add_call("list_get", here);
  return result;
}

wk_tensor *wk_list_stack_at(wk_place here, wk_list *list) {
  wk_tensor *result = NULL;
  if (!wk_list_length(list) && !wk_failed())
    wk_fail(WK_ERROR_STATE, "an empty list has nothing to stack");
  if (!wk_failed())
    result = list->tape ? wk_clone(list->all)
                        : wk_stack((wk_tensors){list->count, list->items}, .axis = 0);
  wk_error_add_call("list_stack", here);
  return result;
}
