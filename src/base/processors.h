/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_PROCESSORS_H
#define WICK_BASE_PROCESSORS_H

/* Processors this process may keep busy: those in its affinity mask, at most its cgroup's quota (a
 * container's limit), at least one. [any thread] */
int wk_processor_count(void);

/* The quota, in processors, of the cgroup that `membership` (the text of /proc/self/cgroup) names,
 * and of those above it, whichever is least; 0 when there is none. `root` is where the hierarchies
 * are mounted. [any thread] */
double wk_processor_quota(const char *membership, const char *root);

#endif
