// Arithmetic of one control tick; the references are in studio/control. Motor arrays are [columns][sides][joints].
#include "kernel.h"

enum { POSITION, VELOCITY, KP, KD, TORQUE };

// --- studio/control/estimator.py -------------------------------------------------------------------------------------

KERNEL(Filter, whole(joints)
    doubles(measured, 5 * 2 * joints)
    doubles(friction, joints)  // tanh of the speed over the friction's speed
    doubles(coulomb, joints) doubles(viscous, joints) doubles(weight, 3 * joints) doubles(rate, joints)
    doubles(filtered, 3 * joints) doubles(acceleration, joints))

// Position, velocity and torque without friction of the followers through one low-pass; `fresh` starts it.
int32_t filter_motion(const Filter *filter, int64_t fresh) {
    const int64_t joints = filter->joints;
    for (int64_t i = 0; i < joints; i++) {
        const double *measured = filter->measured + joints + i;  // the followers' side
        double input[3] = {measured[0], measured[2 * joints], measured[4 * joints]}, change[3];
        input[2] -= filter->friction[i] * filter->coulomb[i];
        input[2] -= input[1] * filter->viscous[i];
        for (int64_t k = 0; k < 3; k++) {
            double *kept = filter->filtered + k * joints + i;
            if (fresh) *kept = input[k];
            change[k] = (input[k] - *kept) * filter->weight[k * joints + i];
            *kept += change[k];
        }
        filter->acceleration[i] = change[1] * filter->rate[i];
    }
    return 0;
}

KERNEL(Hand, whole(arms) number(damping)
    doubles(lengths, 3) doubles(measured, 5 * 2 * 4 * arms) doubles(torque, 4 * arms) doubles(force, 3 * arms))

// Minus the force at the tip of each follower arm that fits its joint torques best (studio/robot/geometry.py).
int32_t find_forces(const Hand *hand) {
    const double upper = hand->lengths[0], fore = hand->lengths[1], tip = hand->lengths[2];
    for (int64_t arm = 0; arm < hand->arms; arm++) {
        const double *q = hand->measured + 4 * hand->arms + 4 * arm, *torque = hand->torque + 4 * arm;
        const double a2 = q[1], a3 = a2 + q[2], a4 = a3 + q[3];
        const double x4 = tip * cos(a4), z4 = tip * sin(a4);
        const double x3 = fore * cos(a3) + x4, z3 = fore * sin(a3) + z4;
        const double x2 = upper * cos(a2) + x3, z2 = upper * sin(a2) + z3;
        const double tangential = torque[0] * x2 / (x2 * x2 + hand->damping);
        const double zz = z2 * z2 + z3 * z3 + z4 * z4 + hand->damping;
        const double xx = x2 * x2 + x3 * x3 + x4 * x4 + hand->damping;
        const double xz = x2 * z2 + x3 * z3 + x4 * z4;
        const double radial_sum = -(z2 * torque[1] + z3 * torque[2] + z4 * torque[3]);
        const double vertical_sum = -(x2 * torque[1] + x3 * torque[2] + x4 * torque[3]);
        const double determinant = zz * xx - xz * xz;
        const double radial = (xx * radial_sum - xz * vertical_sum) / determinant;
        const double vertical = (zz * vertical_sum - xz * radial_sum) / determinant;
        const double c = cos(q[0]), s = sin(q[0]);
        double *force = hand->force + 3 * arm;
        force[0] = -(c * radial - s * tangential);
        force[1] = -(s * radial + c * tangential);
        force[2] = -vertical;
    }
    return 0;
}

// --- studio/control/watch.py and vibration.py ------------------------------------------------------------------------

KERNEL(Look, whole(motors)
    doubles(measured, 5 * motors) doubles(low, 5 * motors) doubles(high, 5 * motors)
    bytes(above, 5 * motors) bytes(below, 5 * motors)
    times(t_ns, motors) times(before_ns, motors) times(missed, motors))

// Which values are within their bounds, and how many ticks each motor has been silent; 1 where any of it is trouble.
int32_t look_for_trouble(const Look *look) {
    int trouble = 0;
    for (int64_t i = 0; i < look->motors; i++) {
        const int same = look->t_ns[i] == look->before_ns[i];
        look->missed[i] = same ? look->missed[i] + 1 : 0;
        look->before_ns[i] = look->t_ns[i];
        trouble |= same;
    }
    for (int64_t i = 0; i < 5 * look->motors; i++) {
        look->above[i] = look->measured[i] >= look->low[i];
        look->below[i] = look->measured[i] <= look->high[i];
        trouble |= !(look->above[i] && look->below[i]);
    }
    return trouble;
}

KERNEL(Spread, whole(samples) whole(joints) whole(pairs) whole(per_arm)
    doubles(window, samples * 2 * joints) doubles(sigma, 2 * joints) doubles(strongest, pairs))

static double larger(double a, double b) { return isnan(a) || a >= b ? a : b; }

// Standard deviation of each joint's speed over the window, and the largest of each pair.
int32_t measure_spread(const Spread *spread) {
    const int64_t motors = 2 * spread->joints;
    for (int64_t i = 0; i < motors; i++) {
        double sum = 0.0, squares = 0.0;
        for (int64_t k = 0; k < spread->samples; k++) sum += spread->window[k * motors + i];
        const double mean = sum / (double)spread->samples;
        for (int64_t k = 0; k < spread->samples; k++) {
            const double away = spread->window[k * motors + i] - mean;
            squares += away * away;
        }
        spread->sigma[i] = sqrt(squares / (double)spread->samples);
    }
    for (int64_t pair = 0; pair < spread->pairs; pair++) {
        double most = 0.0;
        for (int64_t i = pair * spread->per_arm; i < (pair + 1) * spread->per_arm; i++)
            most = larger(larger(spread->sigma[i], spread->sigma[spread->joints + i]), most);
        spread->strongest[pair] = most;
    }
    return 0;
}

// --- studio/control/passivity.py -------------------------------------------------------------------------------------

KERNEL(Energy, whole(joints) whole(pairs) whole(per_arm)
    doubles(measured, 5 * 2 * joints) doubles(before, 2 * joints) doubles(ruling, 4 * 2 * joints) number(rate)
    doubles(delta, 2 * joints) doubles(sums, 3 * pairs))

static double work_on(const Energy *energy, int64_t motor) {
    const int64_t motors = 2 * energy->joints;
    const double *ruling = energy->ruling + motor, here = energy->measured[motor];
    const double delta = here - energy->before[motor];
    energy->delta[motor] = delta;
    const double spring = (ruling[POSITION * motors] - (here - delta * 0.5)) * ruling[KP * motors];
    const double damper = (ruling[VELOCITY * motors] - delta * energy->rate) * ruling[KD * motors];
    return (spring + damper) * delta;
}

static double stored_in(const Energy *energy, int64_t joint) {
    const double apart = energy->measured[joint] - energy->measured[energy->joints + joint];
    return apart * apart * energy->ruling[KP * 2 * energy->joints + energy->joints + joint];
}

// Per pair: work on the leader's and on the follower's joints, twice the energy in the springs.
int32_t sum_energy(const Energy *energy) {
    const int64_t joints = energy->joints;
    for (int64_t pair = 0; pair < energy->pairs; pair++) {
        double leader = 0.0, follower = 0.0, stored = 0.0;
        for (int64_t joint = pair * energy->per_arm; joint < (pair + 1) * energy->per_arm; joint++) {
            leader += work_on(energy, joint);
            follower += work_on(energy, joints + joint);
            stored += stored_in(energy, joint);
        }
        energy->sums[pair] = leader;
        energy->sums[energy->pairs + pair] = follower;
        energy->sums[2 * energy->pairs + pair] = stored;
    }
    memcpy(energy->before, energy->measured, 2 * joints * sizeof(double));
    return 0;
}

// --- studio/control/limiter.py ---------------------------------------------------------------------------------------

KERNEL(Limits, whole(motors) number(least_kd) number(slope)
    doubles(measured, 5 * motors) doubles(requested, 5 * motors) doubles(command, 5 * motors)
    doubles(low, 5 * motors) doubles(high, 5 * motors) doubles(before, motors) doubles(most, motors)
    doubles(least, motors) doubles(slow_bound, 3 * motors) doubles(bound, 3 * motors))

// Set-points walk to what is asked, no faster than allowed, from where the joint is when it was idle; then every value
// goes into its range.
static void limit_values(const Limits *limits, int64_t motor) {
    const int64_t motors = limits->motors;
    const int stiff = limits->requested[KP * motors + motor] > 0.0;
    double *before = limits->before + motor;
    if (!stiff) *before = limits->measured[POSITION * motors + motor];
    const double step = limits->requested[POSITION * motors + motor] - *before;
    *before += at_most(at_least(step, limits->least[motor]), limits->most[motor]);
    limits->low[KD * motors + motor] = stiff ? limits->least_kd : 0.0;
    for (int64_t place = motor; place < 5 * motors; place += motors) {
        const double asked = place == motor ? *before : limits->requested[place];
        limits->command[place] = at_most(at_least(asked, limits->low[place]), limits->high[place]);
    }
}

// Torque that the drive starts the period with, that of spring and damper alone, speed.
static void test_values(const Limits *limits, int64_t motor, double tested[3]) {
    const int64_t motors = limits->motors;
    const double *command = limits->command + motor, *measured = limits->measured + motor;
    const double spring = (command[POSITION * motors] - measured[0]) * command[KP * motors];
    const double damper = (command[VELOCITY * motors] - measured[motors]) * command[KD * motors];
    tested[0] = fabs((spring + damper) + command[TORQUE * motors]);
    tested[1] = fabs(spring + damper);
    tested[2] = fabs(measured[motors]);
}

static int is_within(const Limits *limits, const double *bound, double slope) {
    for (int64_t motor = 0; motor < limits->motors; motor++) {
        double tested[3];
        test_values(limits, motor, tested);
        tested[0] += slope * tested[2];
        for (int64_t k = 0; k < 3; k++)
            if (!(tested[k] <= bound[k * limits->motors + motor])) return 0;  // a NaN is within nothing
    }
    return 1;
}

// Fills `command`; 0 where the exact rule for the torque, in Python, must follow.
int32_t limit_commands(const Limits *limits) {
    for (int64_t motor = 0; motor < limits->motors; motor++) limit_values(limits, motor);
    return is_within(limits, limits->slow_bound, 0.0) || is_within(limits, limits->bound, limits->slope);
}

// --- studio/control/stream.py ----------------------------------------------------------------------------------------

enum { AS_DOUBLE, AS_FLOAT, AS_BYTE, AGE_AS_FLOAT };
enum { TARGET, SOURCE, COUNT, KIND, ENTRY };

// Each entry: offset in the record, address of the source, how many, and as what. Python has checked that source and
// target have room (studio/control/stream.py).
KERNEL(Copies, whole(count) whole(size) times(entries, 4 * count) bytes(record, size))

static void copy_values(uint8_t *target, const double *source, int64_t count, int64_t kind, int64_t now_ns) {
    if (kind == AS_DOUBLE) {
        memcpy(target, source, count * sizeof(double));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        if (kind == AS_BYTE) {
            target[i] = source[i] >= 0.0 && source[i] <= 255.0 ? (uint8_t)source[i] : 255;
            continue;
        }
        int64_t t_ns;
        memcpy(&t_ns, source + i, sizeof t_ns);
        const float value = kind == AS_FLOAT ? (float)source[i] : (float)((double)(now_ns - t_ns) * 1e-9);
        memcpy(target + i * sizeof value, &value, sizeof value);
    }
}

int32_t fill_record(const Copies *copies, int64_t now_ns) {
    for (int64_t i = 0; i < copies->count; i++) {
        const int64_t *entry = copies->entries + ENTRY * i;
        copy_values(copies->record + entry[TARGET], (const double *)entry[SOURCE], entry[COUNT], entry[KIND], now_ns);
    }
    return 0;
}
