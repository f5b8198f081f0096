/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/memory.h"
#include "tensor/fields.h"

static _Thread_local wk_generator thread_generator;

wk_generator *wk_generator_create_at(wk_place here, uint64_t seed) {
  if (wk_failed()) return NULL;
  wk_generator *generator = NULL;
  if (wk_fields_refuse("a generator cannot be made") == WK_OK)
    generator = wk_allocate(sizeof *generator);
  if (generator) *generator = (wk_generator){.seed = seed};
  wk_error_add_call("generator_create", here);
  return generator;
}

void wk_generator_free(wk_generator *generator) {
  if (generator != &thread_generator) wk_deallocate(generator);
}

wk_generator *wk_generator_default(void) { return &thread_generator; }

void wk_generator_set(wk_generator *generator, uint64_t seed, uint64_t offset) {
  if (!generator || wk_fields_refuse("a generator cannot be set") != WK_OK) return;
  generator->seed = seed, generator->offset = offset;
}

void wk_generator_get(const wk_generator *generator, uint64_t *seed, uint64_t *offset) {
  if (seed) *seed = generator ? generator->seed : 0;
  if (offset) *offset = generator ? generator->offset : 0;
}
