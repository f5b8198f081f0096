/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/journal.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/trace.h"

static _Thread_local wk_random_journal *innermost;

void wk_journal_open(wk_random_journal *journal, bool replays) {
  journal->outer = innermost;
  journal->replays = replays;
  journal->next = 0;
  innermost = journal;
}

void wk_journal_close(wk_random_journal *journal) { innermost = journal->outer; }

void wk_journal_undo(const wk_random_journal *journal) {
  for (size_t i = journal->count; i-- > 0;) {
    wk_generator *given = journal->entries[i].generator;
    wk_generator *generator = given ? given : wk_generator_default();
    generator->offset = journal->entries[i].offset;
  }
}

void wk_journal_free(wk_random_journal *journal) {
  wk_deallocate(journal->entries);
  journal->entries = NULL;
  journal->count = journal->capacity = 0;
}

static wk_status replay(wk_random_journal *journal, int64_t count, wk_journal_entry *entry) {
  if (journal->next < journal->count) *entry = journal->entries[journal->next++];
  if (journal->next <= journal->count && entry->count == count) return WK_OK;
  wk_fail(WK_ERROR_STATE, "the second run of a checkpoint's function draws other random numbers "
                          "than the first");
  wk_error_add_hint("it must do the same in both; wk_is_recomputing tells which one it is");
  return WK_ERROR_STATE;
}

static wk_status note(wk_random_journal *journal, const wk_journal_entry *entry) {
  if (!wk_grow(&journal->entries, &journal->capacity, journal->count, sizeof *entry))
    return wk_error_status();
  journal->entries[journal->count++] = *entry;
  return WK_OK;
}

wk_journal_entry wk_generator_draw(wk_generator *given, int64_t count) {
  static _Thread_local uint64_t traced;
  if (wk_tracing) return (wk_journal_entry){WK_TRACED_SEED, ++traced, count, given};
  wk_generator *generator = given ? given : wk_generator_default();
  const wk_journal_entry entry = {generator->seed, generator->offset, count, given};
  generator->offset += (uint64_t)count;
  return entry;
}

wk_status wk_generators_note(wk_random_journal *journal, const wk_random_journal *other) {
  *journal = (wk_random_journal){.count = 0};
  for (size_t i = 0; i < other->count; i++) {
    const wk_journal_entry now = wk_generator_draw(other->entries[i].generator, 0);
    if (note(journal, &now) != WK_OK) return wk_error_status();
  }
  return WK_OK;
}

/* Journals outside the one that replays noted these numbers when they were first drawn, or will
 * when they replay. */
wk_status wk_random_key_draw(wk_random_key *key, int64_t count) {
  if (key->keyed) return WK_OK;
  wk_random_journal *source = innermost;
  while (source && !source->replays && !source->apart) source = source->outer;
  wk_journal_entry entry = {.count = -1};
  wk_status status = WK_OK;
  if (source && source->replays)
    status = replay(source, count, &entry);
  else
    entry = wk_generator_draw(key->generator, count);
  for (wk_random_journal *j = innermost; j != source && status == WK_OK; j = j->outer)
    status = note(j, &entry);
  if (source && !source->replays && status == WK_OK) status = note(source, &entry);
  if (status != WK_OK) return status;
  key->seed = entry.seed, key->offset = entry.offset;
  key->keyed = true;
  key->generator = NULL;
  return WK_OK;
}
