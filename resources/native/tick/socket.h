// All frames of one bus in one system call each way; the reference is RawCanTransport in hw_drivers/bus/raw_can.py.
#include "kernel.h"

#ifdef __linux__

// Blocks of `struct mmsghdr`, 64 bytes each, whose pointers Python has set; `offset_ns` turns stamps into monotonic time.
KERNEL(Frames, whole(socket) whole(rows_out) whole(rows_in) bytes(outgoing, 64 * rows_out) bytes(incoming, 64 * rows_in)
    times(offset_ns, 1))

_Static_assert(sizeof(struct mmsghdr) == 64, "the blocks are 64 bytes a row");

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// How many of the first `count` frames were taken; else the error, negative.
int32_t send_frames(const Frames *frames, int64_t count) {
    if (count < 0 || count > frames->rows_out) return -EINVAL;
    const int sent = sendmmsg((int)frames->socket, (struct mmsghdr *)frames->outgoing, (unsigned)count, MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

// How many frames have come; else the error, negative. The offset is moved only as far as two readings of the monotonic
// clock around one of the wall clock ask.
int32_t receive_frames(const Frames *frames) {
    const int count = recvmmsg((int)frames->socket, (struct mmsghdr *)frames->incoming, (unsigned)frames->rows_in,
                               MSG_DONTWAIT, NULL);
    if (count <= 0) return count < 0 ? -errno : 0;
    const int64_t before = now_ns(CLOCK_MONOTONIC), wall = now_ns(CLOCK_REALTIME), after = now_ns(CLOCK_MONOTONIC);
    int64_t offset = *frames->offset_ns;
    if (offset < before - wall) offset = before - wall;
    if (offset > after - wall) offset = after - wall;
    *frames->offset_ns = offset;
    return count;
}

#endif
