/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_JOURNAL_H
#define WICK_OPS_JOURNAL_H

/* Random numbers once more: a journal notes which numbers the random ops of a thread took, and a
 * second run takes the same ones from it, so that generators stay as they are. */

#include "ops/op.h"

typedef struct wk_journal_entry {
  uint64_t seed, offset;
  int64_t count;
  wk_generator *generator; /* they are of; NULL: the thread's own */
} wk_journal_entry;

typedef struct wk_random_journal {
  struct wk_random_journal *outer; /* that was open before */
  wk_journal_entry *entries;
  size_t count, capacity, next;
  bool replays;
  bool apart; /* those outside it neither note nor replay */
} wk_random_journal;

/* Takes the next `count` numbers of a generator (NULL: the thread's own). */
wk_journal_entry wk_generator_draw(wk_generator *generator, int64_t count);

/* While a function is traced nothing is taken yet: an entry has this seed, which no user would
 * give, and a number of its own as the offset. */
#define WK_TRACED_SEED UINT64_C(0x7d1c0a83b65fe294)

/* From here on the calling thread's random ops note their numbers, or, if it `replays`, take them
 * from the journal. Journals may lie in others. */
void wk_journal_open(wk_random_journal *journal, bool replays);
void wk_journal_close(wk_random_journal *journal);
void wk_journal_undo(const wk_random_journal *journal); /* generators are as before they drew */

/* Owned entries that say where the generators of those of `other` stand. */
wk_status wk_generators_note(wk_random_journal *journal, const wk_random_journal *other);
void wk_journal_free(wk_random_journal *journal);

#endif
