/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_SMALL_H
#define WICK_BASE_SMALL_H

/* Memory of small objects that come and go with every op: a freed one is kept by the thread that
 * freed it, for its next request of that size. Above 1 KiB these are wk_allocate and
 * wk_deallocate. */

#include <stddef.h>

void *wk_small_allocate(size_t size);                /* uninitialised; fails as wk_allocate */
void wk_small_deallocate(void *memory, size_t size); /* of the same size; NULL is fine */

#endif
