/* SPDX-License-Identifier: Apache-2.0 */

/* Scopes: a thread's stack of the tensors that its open scopes own. */

#include "base/library.h"
#include "base/memory.h"
#include "tensor/live.h"

/* An entry is a tensor's address, with its low bit set once wk_scope_return handed it up. */
typedef uintptr_t entry;
#define RETURNED ((entry)1)

typedef struct wk_scope_stack scope_stack;

static scope_stack *stack_here(void) { return &WK_THREAD->scopes; }

static wk_tensor *tensor_of(entry e) { return (wk_tensor *)(e & ~RETURNED); }

/* What wk_scope_open returns when it could not: closing it does nothing. */
static const wk_scope no_scope = {0, 0};

static void close_innermost(scope_stack *stack) {
  if (wk_live_is_watched()) wk_live_note_peak();
  const size_t start = stack->starts[stack->depth - 1], end = stack->count;
  size_t kept = start;
  /* A release may run code that opens and closes a scope above `end`, which may move the array. */
  for (size_t i = start; i < end; i++) {
    const entry e = stack->entries[i];
    if (e & RETURNED)
      stack->entries[kept++] = e & ~RETURNED;
    else
      wk_tensor_release(tensor_of(e));
  }
  stack->count = kept;
  stack->depth--;
}

static void free_stack(void) {
  scope_stack *stack = stack_here();
  while (stack->depth) close_innermost(stack);
  wk_deallocate(stack->entries);
  wk_deallocate(stack->starts);
  *stack = (scope_stack){.entries = NULL};
}

wk_scope wk_scope_open(void) {
  scope_stack *stack = stack_here();
  if (stack->depth == stack->depth_capacity) {
    if (!stack->starts) wk_at_thread_exit(free_stack);
    if (!wk_grow(&stack->starts, &stack->depth_capacity, stack->depth, sizeof *stack->starts))
      return no_scope;
  }
  stack->starts[stack->depth++] = stack->count;
  return (wk_scope){.position = stack->count, .depth = stack->depth};
}

void wk_scope_close(wk_scope *scope) {
  if (!scope || !scope->depth) return;
  scope_stack *stack = stack_here();
  const size_t depth = scope->depth;
  scope->depth = 0;
  /* Not there any more: a scope around it was closed first. */
  if (depth > stack->depth || stack->starts[depth - 1] != scope->position) return;
  while (stack->depth >= depth) close_innermost(stack);
}

bool wk_scope_is_open(void) { return stack_here()->depth > 0; }

void wk_scope_each(void (*visit)(wk_tensor *tensor, void *context), void *context) {
  const scope_stack *stack = stack_here();
  for (size_t i = 0; i < stack->count; i++) visit(tensor_of(stack->entries[i]), context);
}

size_t wk_scope_count(void) { return stack_here()->count; }

wk_tensor *wk_scope_add(wk_tensor *owned) {
  if (!owned) return NULL;
  scope_stack *stack = stack_here();
  if (!stack->depth) {
    wk_fail(WK_ERROR_STATE, "no scope is open to own the result");
    wk_error_add_hint("put WK_SCOPE; at the start of the block, or call wk_scope_open");
  } else if (stack->count < stack->capacity ||
             wk_grow(&stack->entries, &stack->capacity, stack->count, sizeof *stack->entries)) {
    stack->entries[stack->count++] = (entry)owned;
    return owned;
  }
  wk_tensor_release(owned);
  return NULL;
}

static wk_tensor *hand_up(wk_tensor *tensor) {
  scope_stack *stack = stack_here();
  if (stack->depth < 2) {
    wk_fail(WK_ERROR_STATE, "there is no enclosing scope to return a tensor to");
    wk_error_add_hint("open a scope around this one; WK_SCOPE; does it");
    return NULL;
  }
  const size_t start = stack->starts[stack->depth - 1];
  bool returned_before = false;
  for (size_t i = stack->count; i-- > start;) {
    if (tensor_of(stack->entries[i]) != tensor) continue;
    if (stack->entries[i] & RETURNED) {
      returned_before = true;
      continue;
    }
    stack->entries[i] |= RETURNED;
    return tensor;
  }
  if (returned_before) return tensor;
  wk_fail(WK_ERROR_STATE, "the returned tensor does not belong to the innermost scope");
  wk_error_add_hint("wk_tensor_retain keeps a tensor of another scope");
  return NULL;
}

wk_tensor *wk_scope_return_at(wk_place here, wk_tensor *tensor) {
  if (!tensor || wk_failed()) return NULL;
  wk_tensor *returned = hand_up(tensor);
  wk_error_add_call("scope_return", here);
  return returned;
}
