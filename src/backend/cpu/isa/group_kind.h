/* SPDX-License-Identifier: Apache-2.0 */

/* Rows in groups of as many columns as there are lanes, the last one perhaps shorter, for one real
 * type; see kinds.h. Included by templates in its place. */

#include "backend/cpu/isa/kinds.h"

#define load_group OF_KIND(load_group)
#define store_group OF_KIND(store_group)

/* For each group of `columns` from `i` on, `some` of them: GROUP, or in the last one less. */
#undef GROUP
#undef EACH_GROUP
#define GROUP ((int64_t)(sizeof(lanes) / sizeof(TYPE)))
#define EACH_GROUP(i, some)                                                                        \
  for (int64_t i = 0, some; (some = columns - i < GROUP ? columns - i : GROUP), i < columns;       \
       i += GROUP)

/* For WK_FOLD_LANES; the larger one is the first NaN if there is any. */
#undef ADD_ONE
#undef LARGER_ONE
#define ADD_ONE(a, b) ((a) + (b))
#define LARGER_ONE(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))

WK_LANES_INLINE lanes load_group(const TYPE *from, int64_t some, TYPE other) {
  return some == GROUP ? lanes_load(from) : lanes_load_some(from, some, other);
}
WK_LANES_INLINE void store_group(TYPE *to, int64_t some, lanes x) {
  if (some == GROUP)
    lanes_store(to, x);
  else
    lanes_store_some(to, some, x);
}
