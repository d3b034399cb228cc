// Replies of all motors of all buses at once; the references are KnownReplies in hw_drivers/bus/known_replies.py and
// BusPlant in hw_drivers/bus/plant.py.
#include "kernel.h"

enum { STAMP_S = 2, STAMP_NS = 3, STAMP = 4 };

KERNEL(Replies, whole(motors) whole(buses)
    words(rows, 2 * motors)  // frames as they came: identifier with length, data
    words(mask, 2 * motors) words(heads, 2 * motors) times(stamps, 4 * motors)
    times(bus_of_row, motors) times(offset_ns, buses) times(row_of_motor, motors)
    words(replies, motors) times(t_ns, motors) times(sequence, motors))

static int64_t time_of(const Replies *replies, int64_t row) {
    const int64_t *stamp = replies->stamps + STAMP * row;
    return stamp[STAMP_S] * 1000000000 + stamp[STAMP_NS] + replies->offset_ns[replies->bus_of_row[row]];
}

// 1 and everything taken where every row looks as it did when all had answered, and none is older than the question;
// else 0 and nothing changed.
int32_t take_replies(const Replies *replies, int64_t asked_ns) {
    const int64_t motors = replies->motors;
    for (int64_t i = 0; i < 2 * motors; i++)
        if ((replies->rows[i] & replies->mask[i]) != replies->heads[i]) return 0;
    for (int64_t row = 0; row < motors; row++) {
        const int64_t bus = replies->bus_of_row[row], place = replies->row_of_motor[row];
        if (bus < 0 || bus >= replies->buses || place < 0 || place >= motors) return 0;
        if (time_of(replies, row) < asked_ns) return 0;
    }
    for (int64_t motor = 0; motor < motors; motor++) {
        const int64_t row = replies->row_of_motor[motor];
        replies->replies[motor] = replies->rows[2 * row + 1];
        replies->t_ns[motor] = time_of(replies, row);
        replies->sequence[motor]++;
    }
    return 1;
}

KERNEL(Moves, whole(motors) doubles(values, 5 * motors) doubles(position, motors) doubles(moved, motors)
    doubles(calm, motors))

// How far each motor has turned since its last valid position; 1 where that is nowhere more than it can in the shortest
// tick, and then the positions are taken.
int32_t take_positions(const Moves *moves) {
    int calm = 1;
    for (int64_t i = 0; i < moves->motors; i++) {
        moves->moved[i] = fabs(moves->values[i] - moves->position[i]);
        if (!(moves->moved[i] <= moves->calm[i])) calm = 0;  // a NaN is no calm
    }
    if (calm) memcpy(moves->position, moves->values, moves->motors * sizeof(double));
    return calm;
}
