# SPDX-License-Identifier: Apache-2.0
"""Random words as src/base/random.h defines them."""
MASK = (1 << 64) - 1


def philox(seed, counter, stream):
    c = [counter & 0xFFFFFFFF, counter >> 32, stream & 0xFFFFFFFF, stream >> 32]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def word(seed, index):
    return philox(seed, index >> 2, 0)[index & 3]


def unit_double(high, low):
    return ((high << 32 | low) >> 11) * 2.0**-53
