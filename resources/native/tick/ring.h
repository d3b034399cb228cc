// Appending to a ring in shared memory; the reference is RingWriter in studio/ipc/ring.py.
#include "kernel.h"

// A slot is: sequence number, record, sequence number; the second may be unaligned.
KERNEL(Ring, whole(capacity) whole(slot_size) bytes(slots, capacity * slot_size) words(head, 1))

static void store(uint8_t *place, uint64_t value) {
    memcpy(place, &value, sizeof value);
    __atomic_thread_fence(__ATOMIC_RELEASE);  // readers see what is stored first no later than what follows
}

// `record` is the address of slot_size - 16 bytes; Python has checked it.
int32_t append_record(const Ring *ring, int64_t sequence, int64_t record) {
    const int64_t size = ring->slot_size - 16;
    uint8_t *slot = ring->slots + sequence % ring->capacity * ring->slot_size;
    if (sequence <= 0 || size < 0) return -1;
    store(slot + 8 + size, 0);
    store(slot, (uint64_t)sequence);
    memcpy(slot + 8, (const void *)record, (size_t)size);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    store(slot + 8 + size, (uint64_t)sequence);
    __atomic_store_n(ring->head, (uint64_t)sequence, __ATOMIC_RELEASE);
    return 0;
}
