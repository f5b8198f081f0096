/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/loop_tape.h"

#include <string.h>

#include "base/memory.h"

#define PIECE_TARGET ((size_t)64 << 10) /* items lie together in pieces of so many bytes */

static _Thread_local wk_loop_tape *newest;

wk_loop_tape *wk_loop_tapes_now(void) { return newest; }

static void drop_pieces(wk_loop_tape *t, size_t from) {
  const size_t pieces = t->per_piece ? (t->count + t->per_piece - 1) / t->per_piece : 0;
  for (size_t i = from; i < pieces; i++) wk_storage_release(t->pieces[i]);
}

void wk_loop_tapes_free(wk_loop_tape *until) {
  while (newest != until) {
    wk_loop_tape *t = newest;
    newest = t->next;
    drop_pieces(t, 0);
    wk_deallocate(t->pieces);
    wk_deallocate(t);
  }
}

char *wk_loop_tape_item(const wk_loop_tape *t, size_t i) {
  return t->pieces[i / t->per_piece]->data + i % t->per_piece * t->item_size;
}

void wk_loop_tape_set_size(wk_loop_tape *t, size_t size) {
  t->item_size = size ? size : 1;
  t->per_piece = t->item_size < PIECE_TARGET ? PIECE_TARGET / t->item_size : 1;
}

wk_loop_tape *wk_loop_tape_create(wk_device *device, size_t size) {
  wk_loop_tape *t = wk_allocate_zeroed(1, sizeof *t);
  if (!t) return NULL;
  *t = (wk_loop_tape){.next = newest, .device = device, .each = 1};
  if (size) wk_loop_tape_set_size(t, size);
  return newest = t;
}

void wk_loop_tape_keep_fewer(wk_loop_tape *t) {
  const size_t kept = (t->count + 1) / 2, pieces = (kept + t->per_piece - 1) / t->per_piece;
  for (size_t i = 1; i < kept; i++)
    memcpy(wk_loop_tape_item(t, i), wk_loop_tape_item(t, 2 * i), t->item_size);
  drop_pieces(t, pieces);
  t->count = kept;
  t->each *= 2;
}

char *wk_loop_tape_push(wk_loop_tape *t) {
  if (t->count % t->per_piece == 0) {
    const size_t piece = t->count / t->per_piece;
    if (!wk_grow(&t->pieces, &t->capacity, piece, sizeof *t->pieces)) return NULL;
    t->pieces[piece] = wk_storage_create(t->device, t->per_piece * t->item_size);
    if (!t->pieces[piece]) return NULL;
  }
  return wk_loop_tape_item(t, t->count++);
}
