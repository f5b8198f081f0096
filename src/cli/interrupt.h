/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_INTERRUPT_H
#define WICK_CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on the first Ctrl-C (or SIGTERM) only makes wk_interrupted true; a second one ends the
 * process at once. */
void wk_interrupt_watch(void);
bool wk_interrupted(void);

#endif
