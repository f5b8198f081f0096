/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_ERROR_H
#define WICK_BASE_ERROR_H

/* How the library raises errors. The first one wins; later ones of the same thread are dropped.
 *
 * A raiser says what is wrong; callers further out add what they know (op, module path, shapes,
 * place) with wk_error_add_*, which touch only fields that are still empty. */

#include <stdarg.h>

#include <wick/base.h>

#include "base/thread.h"

/* Raises an error and returns `status`, so that callers write `return wk_fail(...)`. */
wk_status wk_fail(wk_status status, const char *format, ...) WK_PRINTF(2, 3);
wk_status wk_fail_v(wk_status status, const char *format, va_list values);

/* Raises WK_ERROR_IO (WK_ERROR_NOT_FOUND when nothing is there) for what was tried on `path`, with
 * errno's text and what to do about it: wk_fail_errno("open", path) says "cannot open PATH: No such
 * file or directory". */
wk_status wk_fail_errno(const char *what, const char *path);

/* Raises WK_ERROR_MEMORY for `size` bytes. */
wk_status wk_fail_memory(size_t size);

/* Sets a hint in front of the one there is: for callers who know better what went wrong. */
void wk_error_add_hint_first(const char *format, ...) WK_PRINTF(1, 2);

/* Add to the pending error what its raiser did not know. No effect when none is pending or the
 * field is already set. */
void wk_error_add_hint(const char *format, ...) WK_PRINTF(1, 2);
void wk_error_add_op(const char *op);
void wk_error_add_module(const char *module_path);
void wk_error_add_place(wk_place place);
void wk_error_add_shapes(const char *shapes);

/* Clears the pending error of an attempt that may fail; a want of memory stays pending. */
void wk_error_forgive(void);

/* Forgets which op failed and on what: the one around it that the user called is named instead. */
void wk_error_rise(void);

/* Adds both at the end of a public function: its name without the wk_, and its caller's place.
 * Without a place the caller is the library itself, and names what the user called. */
void wk_error_add_call(const char *op, wk_place here);

/* Appends lines to the message, for lists that are part of what is wrong. */
void wk_error_add_lines(const char *text);

/* Replaces the message by `format`, keeping the old message as the cause. */
void wk_error_wrap(const char *format, ...) WK_PRINTF(1, 2);

/* The calling thread's wk_error_status; only error.c writes it. */
#define wk_error_pending (wk_thread_here()->error)

/* True when the calling thread has a pending error: a fallible call then returns at once. */
static inline bool wk_failed(void) { return wk_error_pending < 0; }

/* Has wk_error_report end with what `write` (as snprintf) gives, in every thread, until NULL. */
void wk_error_report_end_with(size_t (*write)(char *buffer, size_t size));

/* An error carried from a worker thread to the thread that waits for it. */
typedef struct wk_error_parcel wk_error_parcel;

/* Moves the calling thread's pending error into a parcel (NULL when there is none, or no memory:
 * then the error stays), and unpacks it in another thread, freeing the parcel. */
wk_error_parcel *wk_error_pack(void);
void wk_error_unpack(wk_error_parcel *parcel);
void wk_error_parcel_free(wk_error_parcel *parcel);

#endif
