// The MIT codec of all motors; the reference is MitArrayCodec in hw_drivers/motors/codec_mit.py.
#include "kernel.h"

// Five fields of a motor in one 64-bit word, sent with its highest byte first. Arrays are [5][motors].
KERNEL(Codec, whole(motors)
    doubles(low, 5 * motors) doubles(span, 5 * motors) doubles(codes, 5 * motors) doubles(most, 5 * motors)
    doubles(step, 5 * motors) words(shifts, 5 * motors) words(masks, 5 * motors) words(flip, 5 * motors)
    words(ids, motors) doubles(values, 5 * motors) words(frames, motors) doubles(carried, 5 * motors))

static double scaled(const Codec *codec, int64_t place) {
    return (codec->values[place] - codec->low[place]) / codec->span[place];
}

// `values` into `frames`, and what these decode to into `carried`. -1 and nothing done where a value is not finite.
int32_t encode_commands(const Codec *codec) {
    const int64_t motors = codec->motors;
    for (int64_t place = 0; place < 5 * motors; place++)
        if (!isfinite(scaled(codec, place))) return -1;
    for (int64_t motor = 0; motor < motors; motor++) {
        uint64_t word = 0;
        for (int64_t place = motor; place < 5 * motors; place += motors) {
            const double share = at_most(at_least(scaled(codec, place), 0.0), codec->most[place]);
            const uint64_t code = (uint64_t)(share * codec->codes[place] + 0.5);
            codec->carried[place] = (double)code * codec->step[place] + codec->low[place];
            word |= code << codec->shifts[place];
        }
        codec->frames[motor] = __builtin_bswap64(word);
    }
    return 0;
}

// `values` into reply `frames`; a NaN becomes the lowest code.
int32_t encode_replies(const Codec *codec) {
    const int64_t motors = codec->motors;
    for (int64_t motor = 0; motor < motors; motor++) {
        uint64_t word = codec->ids[motor];
        for (int64_t place = motor; place < 5 * motors; place += motors) {
            const double value = scaled(codec, place);
            const double share = at_most(value > 0.0 ? value : 0.0, codec->most[place]);
            const uint64_t code = (uint64_t)(share * codec->codes[place] + 0.5);
            word |= (code ^ codec->flip[place]) << codec->shifts[place];
        }
        codec->frames[motor] = __builtin_bswap64(word);
    }
    return 0;
}

// `frames` into `values`, commands and replies alike.
int32_t decode(const Codec *codec) {
    const int64_t motors = codec->motors;
    for (int64_t motor = 0; motor < motors; motor++) {
        const uint64_t word = __builtin_bswap64(codec->frames[motor]);
        for (int64_t place = motor; place < 5 * motors; place += motors) {
            const uint64_t code = (word >> codec->shifts[place] & codec->masks[place]) ^ codec->flip[place];
            codec->values[place] = (double)code * codec->step[place] + codec->low[place];
        }
    }
    return 0;
}
