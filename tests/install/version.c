/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest outside program: prints the version of the library that it runs with. Also compiled
 * as C++. */

#include <stdio.h>

#include <wick/wick.h>

int main(void) {
  printf("%s\n", wk_version());
  return 0;
}
