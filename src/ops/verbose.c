/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/verbose.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/environment.h"
#include "base/text.h"

#define KINDS 4096 /* of calls that are told apart; then no more lines */

static atomic_int wanted = -1;                           /* not known yet */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards these: */
static uint64_t told[KINDS];
static int told_count;

bool wk_verbose_dispatch(void) {
  int now = atomic_load_explicit(&wanted, memory_order_relaxed);
  if (now < 0) {
    now = strcmp(wk_variable_get(WK_VARIABLE_VERBOSE), "dispatch") == 0;
    atomic_store(&wanted, now);
  }
  return now;
}

static size_t describe_operands(const wk_operand *operands, int count, char *text, size_t size,
                                size_t used) {
  char shape[128];
  for (int i = 0; i < count; i++) {
    if (!operands[i].data) continue;
    wk_layout_describe(&operands[i].layout, shape, sizeof shape);
    used = wk_print_into(text, size, used, " %s", shape);
  }
  return used;
}

/* FNV-1a */
static uint64_t hash_of(const char *text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
  return hash;
}

static bool is_new(const char *text) {
  const uint64_t hash = hash_of(text);
  pthread_mutex_lock(&lock);
  bool found = told_count == KINDS;
  for (int i = 0; i < told_count && !found; i++) found = told[i] == hash;
  if (!found) told[told_count++] = hash;
  pthread_mutex_unlock(&lock);
  return !found;
}

void wk_verbose_tell(const wk_kernel_call *call, const wk_kernel *const *before, int count,
                     const wk_kernel *chosen) {
  char text[2048];
  size_t used = wk_print_into(text, sizeof text, 0, "wick: %s", call->op->name);
  used = describe_operands(call->inputs, call->input_count, text, sizeof text, used);
  used = wk_print_into(text, sizeof text, used, " ->");
  used = describe_operands(call->outputs, call->output_count, text, sizeof text, used);
  used = wk_print_into(text, sizeof text, used, ": %s", chosen->name);
  for (int i = 0; i < count; i++) {
    const char *why = before[i]->refuse ? before[i]->refuse(call) : NULL;
    used = wk_print_into(text, sizeof text, used, "; not %s: %s", before[i]->name,
                         why ? why : "not at this level");
  }
  if (is_new(text)) fprintf(stderr, "%s\n", text);
}
