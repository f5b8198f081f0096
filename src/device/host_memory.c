/* SPDX-License-Identifier: Apache-2.0 */
#include "device/host_memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"
#include "base/text.h"
#include "device/device.h"

#ifdef WK_WITH_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define POISON(memory, size) ASAN_POISON_MEMORY_REGION(memory, size)
#define UNPOISON(memory, size) ASAN_UNPOISON_MEMORY_REGION(memory, size)
#else
#define POISON(memory, size) ((void)(memory), (void)(size))
#define UNPOISON(memory, size) ((void)(memory), (void)(size))
#endif

/* Freed blocks are kept in buckets, four to each power of two, and the last one freed, whose bytes
 * are the likeliest to be in a cache, is handed out first. What is kept is bounded: above the bound
 * the buckets that were used longest ago give their blocks back. Blocks that a bucket
 * never needed for a while go back too, so that programs whose shapes differ from call to call do
 * not collect blocks of every size: small ones soon, since malloc makes other sizes of them; those
 * in pages of their own late, since getting pages anew is slow.
 *
 * In front of a device's pool each thread has a few small blocks of its own, so that most requests
 * of small ops take no lock. A block belongs to the thread that freed it. What is active is counted
 * by the thread, too, and added to the pool's count in steps: exact as long as one thread works,
 * the peak of several may be off by a step of each. */

#define MAX_DEVICES 16 /* a power of two */
#define SMALLEST 64    /* bytes; also what every block is aligned to */
#define BUCKET_COUNT 256
#define LEAST_CACHE_LIMIT ((size_t)256 << 20)
#define WHILE 1024     /* requests and frees after which small blocks not needed go back */
#define LARGE_LOOKS 16 /* times that, for large ones */
#define LARGE ((size_t)2 << 20)
#define FRONT_BUCKETS 25               /* the first of them: blocks of up to 4 KiB */
#define FRONT_BYTES ((size_t)16 << 10) /* that a thread keeps in each */
#define FRONT_STEP ((int64_t)64 << 10) /* bytes by which its count may differ from the pool's */
#define GUARD_SIZE 64
#define GUARD_BYTE 0xA5
#define FRESH_BYTE 0xFF /* NaN in every float type: shows who reads what was never written */

/* A cached block's first bytes. They stay unpoisoned, so that leak checkers can follow the
   list. */
typedef struct block {
  struct block *next;
} block;

typedef struct bucket {
  block *blocks;
  size_t block_size;
  uint64_t last_use;
  size_t count, least; /* of blocks: now, and the fewest since the bucket was last looked at */
} bucket;

typedef struct host_pool {
  _Atomic int64_t active, peak; /* but for what fronts count; the rest is guarded by the lock */
  size_t cached;
  size_t highest; /* the most that was ever active, before a reset of peak: bounds what is cached */
  uint64_t allocations;
  uint64_t clock, next_look, looks;
  bucket buckets[BUCKET_COUNT];
} host_pool;

/* What one thread keeps of a pool's. Only the thread touches the blocks; others read the counts. */
typedef struct front {
  block *blocks[FRONT_BUCKETS];
  _Atomic uint16_t room[FRONT_BUCKETS]; /* how many more blocks it would keep */
  _Atomic int64_t active, most; /* bytes handed out less those taken back; the most this was */
  _Atomic uint64_t allocations;
  host_pool *pool;
  struct front *next, **link; /* in the list of all, guarded by the lock */
} front;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the pools */
static host_pool pools[MAX_DEVICES];                     /* by device index */
static front *all_fronts;
static _Thread_local front *fronts[MAX_DEVICES]; /* NULL: none yet, or no more */
static bool ends_registered;                     /* that wk_shutdown calls end_pools */
static atomic_int allocator = -1;                /* not known yet */
static _Atomic int64_t damage;

static host_pool *pool_of(const wk_device *device) {
  return &pools[device->index & (MAX_DEVICES - 1)];
}
static front **front_of(const wk_device *device) {
  return &fronts[device->index & (MAX_DEVICES - 1)];
}

static wk_host_allocator choose_allocator(void) {
  int now = -1;
  wk_at_fork_lock(&lock); /* here, since this is the first that happens */
  const char *name = wk_variable_get(WK_VARIABLE_ALLOCATOR);
  const int asked = !strcmp(name, "system")  ? WK_HOST_SYSTEM
                    : !strcmp(name, "guard") ? WK_HOST_GUARD
                                             : WK_HOST_POOL;
  return atomic_compare_exchange_strong(&allocator, &now, asked) ? (wk_host_allocator)asked
                                                                 : (wk_host_allocator)now;
}

wk_host_allocator wk_host_allocator_get(void) {
  const int now = atomic_load_explicit(&allocator, memory_order_relaxed);
  return now >= 0 ? (wk_host_allocator)now : choose_allocator();
}

/* ---- buckets; the caller holds the lock ---- */

/* Size and number of the smallest bucket that holds `size` bytes. */
static int find_bucket(size_t size, size_t *block_size) {
  if (size <= SMALLEST) return *block_size = SMALLEST, 0;
  /* size - 1 has its highest bit at `power`; the two bits below say which quarter it is in */
  const int power = 63 - __builtin_clzll((unsigned long long)size - 1);
  const int quarter = (int)((size - 1) >> (power - 2)) & 3;
  *block_size = (size_t)(5 + quarter) << (power - 2);
  return 4 * (power - 6) + quarter + 1;
}

static size_t bucket_size(int index) {
  return index ? (size_t)(5 + (index - 1) % 4) << ((index - 1) / 4 + 4) : SMALLEST;
}

static void push(block **list, void *memory, size_t block_size) {
  block *kept = memory;
  UNPOISON(kept, sizeof *kept); /* a request may have been for less */
  kept->next = *list;
  *list = kept;
  POISON(kept + 1, block_size - sizeof *kept);
}

/* `size`: how much of it will be used. */
static void *pop(block **list, size_t size) {
  block *taken = *list;
  *list = taken->next;
  UNPOISON(taken, size);
  return taken;
}

static void *pop_from(host_pool *pool, bucket *from, size_t size) {
  if (--from->count < from->least) from->least = from->count;
  pool->cached -= from->block_size;
  return pop(&from->blocks, size);
}

static void *take_block(host_pool *pool, int index, size_t size) {
  bucket *from = &pool->buckets[index];
  from->last_use = ++pool->clock;
  return from->blocks ? pop_from(pool, from, size) : NULL;
}

static void release_one(host_pool *pool, bucket *from) {
  wk_deallocate_block(pop_from(pool, from, from->block_size), from->block_size);
}

static void release_all(host_pool *pool) {
  for (int i = 0; i < BUCKET_COUNT; i++)
    while (pool->buckets[i].blocks) release_one(pool, &pool->buckets[i]);
}

/* What was ever active, also before a reset of the peak. */
static size_t update_highest(host_pool *pool) {
  const size_t peak = (size_t)atomic_load_explicit(&pool->peak, memory_order_relaxed);
  if (peak > pool->highest) pool->highest = peak;
  return pool->highest;
}

static void shrink_to_limit(host_pool *pool) {
  const size_t highest = update_highest(pool);
  const size_t limit = highest > LEAST_CACHE_LIMIT ? highest : LEAST_CACHE_LIMIT;
  while (pool->cached > limit) {
    bucket *oldest = NULL;
    for (bucket *at = pool->buckets; at < pool->buckets + BUCKET_COUNT; at++)
      if (at->blocks && (!oldest || at->last_use < oldest->last_use)) oldest = at;
    release_one(pool, oldest);
  }
}

static void release_unneeded(host_pool *pool) {
  if (pool->clock < pool->next_look) return;
  pool->next_look = pool->clock + WHILE;
  const bool large_too = ++pool->looks % LARGE_LOOKS == 0;
  for (bucket *at = pool->buckets; at < pool->buckets + BUCKET_COUNT; at++) {
    if (at->block_size >= LARGE && !large_too) continue;
    for (size_t unneeded = at->least; unneeded > 0; unneeded--) release_one(pool, at);
    at->least = at->count;
  }
}

static void keep_block(host_pool *pool, void *memory, int index, size_t block_size) {
  bucket *to = &pool->buckets[index];
  push(&to->blocks, memory, block_size);
  to->block_size = block_size, to->last_use = ++pool->clock;
  to->count++;
  pool->cached += block_size;
  shrink_to_limit(pool);
  release_unneeded(pool);
}

/* ---- fronts ---- */

/* A front is written by its thread alone: that needs no atomic additions. */
#define OWN(count) atomic_load_explicit(&(count), memory_order_relaxed)
#define SET_OWN(count, value) atomic_store_explicit(&(count), (value), memory_order_relaxed)

static void *take_from_front(front *f, size_t size) {
  size_t block_size;
  const int index = find_bucket(size, &block_size);
  if (index >= FRONT_BUCKETS || !f->blocks[index]) return NULL;
  SET_OWN(f->room[index], (uint16_t)(OWN(f->room[index]) + 1));
  return pop(&f->blocks[index], size);
}

static bool give_to_front(front *f, void *memory, size_t size) {
  size_t block_size;
  const int index = find_bucket(size, &block_size);
  if (index >= FRONT_BUCKETS || !OWN(f->room[index])) return false;
  SET_OWN(f->room[index], (uint16_t)(OWN(f->room[index]) - 1));
  push(&f->blocks[index], memory, block_size);
  return true;
}

static uint16_t most_room(int index) { return (uint16_t)(FRONT_BYTES / bucket_size(index)); }

static size_t cached_in_front(const front *f) {
  size_t bytes = 0;
  for (int i = 0; i < FRONT_BUCKETS; i++)
    bytes += (size_t)(most_room(i) - OWN(f->room[i])) * bucket_size(i);
  return bytes;
}

static void raise_peak(host_pool *pool, int64_t active) {
  int64_t peak = atomic_load_explicit(&pool->peak, memory_order_relaxed);
  while (active > peak && !atomic_compare_exchange_weak(&pool->peak, &peak, active)) {
  }
}

static void count_active(host_pool *pool, int64_t change, int64_t most) {
  raise_peak(pool, atomic_fetch_add_explicit(&pool->active, change, memory_order_relaxed) + most);
}

/* Adds what the calling thread's front has counted to the pool's. */
static void settle(front *f) {
  if (!f) return;
  count_active(f->pool, OWN(f->active), OWN(f->most));
  SET_OWN(f->active, 0);
  SET_OWN(f->most, 0);
}

static void count_in_front(front *f, int64_t change) {
  const int64_t active = OWN(f->active) + change;
  SET_OWN(f->active, active);
  if (active > OWN(f->most)) SET_OWN(f->most, active);
  if (active > FRONT_STEP || active < -FRONT_STEP) settle(f);
}

/* Hands all blocks of the front to its pool; the caller holds the lock. */
static void empty_front(front *f) {
  for (int i = 0; f && i < FRONT_BUCKETS; i++) {
    while (f->blocks[i]) keep_block(f->pool, pop(&f->blocks[i], sizeof(block)), i, bucket_size(i));
    SET_OWN(f->room[i], most_room(i));
  }
}

static void end_fronts(void) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MAX_DEVICES; i++) {
    front *f = fronts[i];
    if (!f) continue;
    empty_front(f);
    settle(f);
    f->pool->allocations += f->allocations;
    *f->link = f->next;
    if (f->next) f->next->link = f->link;
    fronts[i] = NULL;
    wk_deallocate(f);
  }
  pthread_mutex_unlock(&lock);
}

/* Gives the thread its front; without memory for one it goes on without. */
static void begin_front(int index) {
  front *f = wk_try_allocate_block(sizeof *f);
  if (!f) return;
  wk_at_thread_exit(end_fronts);
  memset(f, 0, sizeof *f);
  for (int i = 0; i < FRONT_BUCKETS; i++) f->room[i] = most_room(i);
  f->pool = &pools[index];
  pthread_mutex_lock(&lock);
  f->next = all_fronts, f->link = &all_fronts;
  if (f->next) f->next->link = &f->next;
  all_fronts = fronts[index] = f;
  pthread_mutex_unlock(&lock);
}

/* Requests that the front served let the pool's time pass, too. */
static void look_at_pool(host_pool *pool) {
  pthread_mutex_lock(&lock);
  pool->clock += WHILE;
  release_unneeded(pool);
  pthread_mutex_unlock(&lock);
}

/* ---- guard bytes ---- */

static void *guard_block(char *raw, size_t size) {
  memset(raw, GUARD_BYTE, GUARD_SIZE);
  memset(raw + GUARD_SIZE, FRESH_BYTE, size);
  memset(raw + GUARD_SIZE + size, GUARD_BYTE, GUARD_SIZE);
  return raw + GUARD_SIZE;
}

static bool is_intact(const unsigned char *bytes) {
  for (int i = 0; i < GUARD_SIZE; i++)
    if (bytes[i] != GUARD_BYTE) return false;
  return true;
}

int64_t wk_host_guard_damage(void) { return atomic_load(&damage); }

/* ---- requests ---- */

/* Takes what an unpooled request costs from the system: the block and its guards. */
static void *allocate_unpooled(size_t size, bool guarded) {
  if (size > PTRDIFF_MAX - 2 * GUARD_SIZE) return NULL;
  char *raw = wk_try_allocate_block(guarded ? size + 2 * GUARD_SIZE : size);
  return raw && guarded ? guard_block(raw, size) : raw;
}

static void free_unpooled(char *memory, size_t size, bool guarded) {
  if (!guarded) {
    wk_deallocate_block(memory, size);
    return;
  }
  const unsigned char *bytes = (const unsigned char *)memory;
  if (!is_intact(bytes - GUARD_SIZE) || !is_intact(bytes + size)) atomic_fetch_add(&damage, 1);
  wk_deallocate_block(memory - GUARD_SIZE, size + 2 * GUARD_SIZE);
}

static void *allocate_pooled(host_pool *pool, size_t size) {
  if (size > PTRDIFF_MAX / 2) return NULL;
  size_t block_size;
  const int index = find_bucket(size, &block_size);
  void *memory = take_block(pool, index, size);
  if (memory) return memory;
  memory = wk_try_allocate_block(block_size);
  if (memory) POISON((char *)memory + size, block_size - size);
  return memory;
}

static void *try_allocate(host_pool *pool, wk_host_allocator how, size_t size) {
  return how == WK_HOST_POOL ? allocate_pooled(pool, size)
                             : allocate_unpooled(size, how == WK_HOST_GUARD);
}

static void fail_allocation(const wk_device *device, size_t size, const wk_memory_statistics *s) {
  char requested[32], active[32], cached[32], peak[32];
  wk_format_bytes(requested, sizeof requested, size);
  wk_format_bytes(active, sizeof active, s->active);
  wk_format_bytes(cached, sizeof cached, s->cached);
  wk_format_bytes(peak, sizeof peak, s->peak);
  wk_fail(WK_ERROR_MEMORY,
          "%s requested on device %s and not to be had: %s are active, %s were cached and have "
          "been given back, the peak was %s",
          requested, device->name, active, cached, peak);
  wk_error_add_hint("use a smaller batch, or close scopes sooner so that tensors are released");
}

static void end_pools(void) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MAX_DEVICES; i++) release_all(&pools[i]);
  ends_registered = false;
  pthread_mutex_unlock(&lock);
}

/* What is kept for reuse, and what is in use; the caller holds the lock. */
static size_t cached_bytes(const host_pool *pool) {
  size_t bytes = pool->cached;
  for (const front *f = all_fronts; f; f = f->next)
    if (f->pool == pool) bytes += cached_in_front(f);
  return bytes;
}

static size_t active_bytes(const host_pool *pool) {
  int64_t bytes = pool->active;
  for (const front *f = all_fronts; f; f = f->next)
    if (f->pool == pool) bytes += OWN(f->active);
  return bytes > 0 ? (size_t)bytes : 0;
}

/* What the front could not serve, or is not asked to. */
static void *allocate_locked(wk_device *device, size_t size, bool refused) {
  host_pool *pool = pool_of(device);
  const wk_host_allocator how = wk_host_allocator_get();
  wk_memory_statistics before;
  pthread_mutex_lock(&lock);
  if (!ends_registered) wk_at_shutdown(end_pools);
  ends_registered = true;
  pool->allocations++;
  settle(*front_of(device));
  void *memory = refused ? NULL : try_allocate(pool, how, size);
  if (!memory) { /* what is kept for reuse may be what is missing */
    before = (wk_memory_statistics){.active = active_bytes(pool),
                                    .peak = (size_t)pool->peak,
                                    .cached = cached_bytes(pool)};
    if (!refused) {
      empty_front(*front_of(device));
      release_all(pool);
      memory = try_allocate(pool, how, size);
    }
  }
  if (memory) count_active(pool, (int64_t)size, (int64_t)size);
  pthread_mutex_unlock(&lock);
  if (!memory) fail_allocation(device, size, &before);
  return memory;
}

static void *allocate(wk_device *device, size_t size, wk_stream *stream) {
  (void)stream;
  const bool refused = wk_memory_must_fail();
  const bool pooled = wk_host_allocator_get() == WK_HOST_POOL;
  front *f = *front_of(device);
  if (!f || !pooled || refused) {
    if (!f && pooled && !refused) begin_front(device->index % MAX_DEVICES);
    return allocate_locked(device, size, refused);
  }
  void *memory = take_from_front(f, size);
  if (!memory) return allocate_locked(device, size, false);
  const uint64_t allocations = OWN(f->allocations) + 1;
  SET_OWN(f->allocations, allocations);
  count_in_front(f, (int64_t)size);
  if (allocations % WHILE == 0) look_at_pool(f->pool);
  return memory;
}

static void free_memory(wk_device *device, void *memory, size_t size, wk_stream *stream) {
  (void)stream;
  if (!memory) return;
  front *f = *front_of(device);
  const wk_host_allocator how = wk_host_allocator_get();
  if (f && how == WK_HOST_POOL && give_to_front(f, memory, size)) {
    count_in_front(f, -(int64_t)size);
    return;
  }
  host_pool *pool = pool_of(device);
  atomic_fetch_sub_explicit(&pool->active, (int64_t)size, memory_order_relaxed);
  pthread_mutex_lock(&lock);
  if (how == WK_HOST_POOL) {
    size_t block_size;
    const int index = find_bucket(size, &block_size);
    keep_block(pool, memory, index, block_size);
  } else {
    free_unpooled(memory, size, how == WK_HOST_GUARD);
  }
  pthread_mutex_unlock(&lock);
}

wk_status wk_host_allocator_set(wk_host_allocator wanted) {
  if (wk_failed()) return wk_error_pending;
  size_t active = 0;
  wk_at_fork_lock(&lock);
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MAX_DEVICES; i++) active += active_bytes(&pools[i]);
  for (int i = 0; i < MAX_DEVICES && !active; i++) {
    empty_front(fronts[i]);
    release_all(&pools[i]);
  }
  if (!active) atomic_store(&allocator, (int)wanted);
  pthread_mutex_unlock(&lock);
  if (active)
    return wk_fail(WK_ERROR_STATE, "the host allocator cannot change while memory is in use");
  return WK_OK;
}

/* ---- the rest of what a device offers ---- */

static wk_status copy(wk_device *device, void *to, const void *from, size_t size,
                      wk_stream *stream) {
  (void)device, (void)stream;
  if (size) memcpy(to, from, size);
  return WK_OK;
}

static wk_status synchronise(wk_device *device, wk_stream *stream) {
  (void)device, (void)stream;
  return WK_OK;
}

static void statistics(const wk_device *device, wk_memory_statistics *result) {
  host_pool *pool = pool_of(device);
  pthread_mutex_lock(&lock);
  settle(*front_of(device));
  result->active = active_bytes(pool), result->cached = cached_bytes(pool);
  raise_peak(pool, (int64_t)result->active);
  result->peak = (size_t)pool->peak;
  result->allocations = pool->allocations;
  for (front *f = all_fronts; f; f = f->next)
    if (f->pool == pool) result->allocations += f->allocations;
  pthread_mutex_unlock(&lock);
}

static void peak_reset(wk_device *device) {
  host_pool *pool = pool_of(device);
  pthread_mutex_lock(&lock);
  settle(*front_of(device));
  update_highest(pool);
  atomic_store(&pool->peak, (int64_t)active_bytes(pool));
  pthread_mutex_unlock(&lock);
}

static void trim(wk_device *device) {
  host_pool *pool = pool_of(device);
  pthread_mutex_lock(&lock);
  empty_front(*front_of(device));
  release_all(pool);
  pthread_mutex_unlock(&lock);
}

const wk_device_functions wk_host_device_functions = {.struct_size = sizeof(wk_device_functions),
                                                      .allocate = allocate,
                                                      .free = free_memory,
                                                      .from_host = copy,
                                                      .to_host = copy,
                                                      .synchronise = synchronise,
                                                      .statistics = statistics,
                                                      .peak_reset = peak_reset,
                                                      .trim = trim};
