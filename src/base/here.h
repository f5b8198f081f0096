/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_HERE_H
#define WICK_BASE_HERE_H

/* Calls within the library have no place of their own: errors name the user's. The compiler
 * includes this before every file of the library. A constant is copied by a few stores, where a
 * literal would be made and then copied, at each of some thousand calls. */

#define WK_HERE wk_nowhere
#include <wick/base.h>

static const wk_place wk_nowhere __attribute__((unused));

#endif
