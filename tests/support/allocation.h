/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_SUPPORT_ALLOCATION_H
#define WICK_TESTS_SUPPORT_ALLOCATION_H

/* How much memory a piece of code holds at once, whoever asks malloc for it: Wick, libpng, zlib or
 * jansson. Known only to programs built with AddressSanitizer, whose malloc can be listened to. */

#include <stdbool.h>
#include <stddef.h>

/* Starts counting from what there is now. False where nothing can be counted. */
bool allocation_watch_begin(void);

/* The most bytes there were at once since the start, beyond those there were then. What tensors
 * hold in pages of their own is counted too. */
size_t allocation_watch_end(void);

#endif
