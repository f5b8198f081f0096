/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DATA_SHUFFLE_H
#define WICK_DATA_SHUFFLE_H

#include <stdint.h>

/* What random numbers in this room are for: the upper half of Philox's stream number, so that one
 * seed serves all without two uses meeting. The lower half is an epoch, a class or a part. */
#define WK_STREAM_EPOCH ((uint64_t)1 << 32)
#define WK_STREAM_LABELS ((uint64_t)2 << 32)
#define WK_STREAM_SPLIT ((uint64_t)3 << 32)
#define WK_STREAM_GLYPHS ((uint64_t)4 << 32)

/* Puts the numbers 0 to count-1 into `order`, in an order that depends on (seed, stream) alone. */
void wk_permutation(uint64_t seed, uint64_t stream, int64_t count, int64_t *order);

#endif
