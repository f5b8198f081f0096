/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_VERSION_H
#define WICK_VERSION_H

/* The one place that states Wick's version; the build system reads it from here. */
#define WK_VERSION_MAJOR 0
#define WK_VERSION_MINOR 1
#define WK_VERSION_PATCH 0

#endif
