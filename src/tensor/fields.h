/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TENSOR_FIELDS_H
#define WICK_TENSOR_FIELDS_H

/* Fields of objects that a traced function reads to decide what it does, or changes. Nothing that
 * happens while a function is traced may last, so whoever changes such a field notes it first: the
 * tracer puts it back, expects to find it so when the function is called, and then gives it the
 * value that it had in the end. Outside of a trace a note costs a look at a thread-local pointer.
 */

#include "tensor/tensor.h"

typedef struct wk_field {
  void *address;
  size_t size;
  uint64_t before, after;
  wk_tensor *owner; /* retained: of which the field is a part; or NULL */
  bool guarded;     /* calls depend on it; otherwise it is only put back */
} wk_field;

/* Memory older than the trace that is written in it. */
typedef struct wk_written {
  wk_root *root; /* retained */
  unsigned version_before;
} wk_written;

typedef struct wk_field_journal {
  wk_field *fields;
  size_t count, capacity;
  wk_written *written;
  size_t written_count, written_capacity;
  bool failed; /* a note was lost: no memory */
} wk_field_journal;

/* The calling thread's; NULL: nothing is traced. */
#define wk_fields_noted (wk_thread_here()->fields_noted)

void wk_field_add(wk_tensor *owner, void *address, size_t size, bool guarded);
void wk_written_add(wk_root *root);

/* Notes a field of at most 8 bytes before it is read for a decision or changed. It is a part of
 * `owner`, or, if that is NULL, of something that outlives the function. */
#define WK_NOTE_FIELD(owner, field)                                                                \
  do {                                                                                             \
    if (wk_fields_noted) wk_field_add(owner, &(field), sizeof(field), true);                       \
  } while (0)

/* The same for one on which nothing depends but late arguments. */
#define WK_NOTE_CHANGE(owner, field)                                                               \
  do {                                                                                             \
    if (wk_fields_noted) wk_field_add(owner, &(field), sizeof(field), false);                      \
  } while (0)

/* Before a call: notes what fields hold that it may change on its way. After one that failed: puts
 * them back. */
void wk_fields_begin(wk_field_journal *journal);
void wk_fields_undo(const wk_field_journal *journal);

/* Raises WK_ERROR_STATE in a traced function: "`what` while a function is compiled"; what is done
 * on the host happens then only, and what is made does not outlive it. */
wk_status wk_fields_refuse(const char *what);

/* Puts all fields back, having kept what they were in the end. */
void wk_fields_restore(wk_field_journal *journal);
bool wk_fields_hold(const wk_field_journal *journal);  /* whether all are as they were found */
void wk_fields_apply(const wk_field_journal *journal); /* gives them the values of the end */

/* For a part of a traced function: what noted fields hold, owned, NULL without memory; and whether
 * they, and those noted since, hold that again, but for those of tensors that the trace made. If
 * they do not and are put `back`, they do. */
uint64_t *wk_fields_look(const wk_field_journal *journal);
bool wk_fields_same(const wk_field_journal *journal, const uint64_t *then, size_t count, bool back);
void wk_fields_free(wk_field_journal *journal);

#endif
