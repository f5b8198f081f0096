/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

static _Thread_local wk_thread here = {.gradients_recorded = true};

wk_thread *wk_thread_here(void) { return &here; }
