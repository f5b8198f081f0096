/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_LIBRARY_H
#define WICK_BASE_LIBRARY_H

/* What happens at the end of the library and of a thread: higher rooms say here what they keep. */

/* Has `function` called by wk_shutdown, last registered first. Registering it again before then
 * changes nothing; after a shutdown it must be registered anew. [any thread] */
void wk_at_shutdown(void (*function)(void));

/* Has `function` called when the calling thread ends, or in the thread that calls wk_shutdown; last
 * registered first, once. For what a thread-local variable owns. [any thread] */
void wk_at_thread_exit(void (*function)(void));

#endif
