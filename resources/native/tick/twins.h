// Drive law, leader twins and hands at physics rate; the references are DriveLaw, LeaderTwins and DualArmBoxWorld in
// studio/sim. Of a Drives, motors count leader joints first.
#include "kernel.h"

enum { WINDING, FRICTION, OUTSIDE, KEPT, CHANNELS };

KERNEL(Drives, whole(motors) whole(joints)
    doubles(state, 2 * motors)       // position, velocity
    doubles(inputs, 2 * 4 * motors)  // of the last channel: torque and nothing
    doubles(gains, 2 * 4 * motors) doubles(constant, 4 * motors) doubles(high, 2 * motors) doubles(low, 2 * motors)
    doubles(net, motors) doubles(speed_gain, joints) number(dt))

// One physics step of every drive; then the velocities of the joints that have only their own inertia.
int32_t step_drives(const Drives *drives) {
    const int64_t motors = drives->motors;
    double *velocity = drives->state + motors;
    for (int64_t i = 0; i < motors; i++) {
        double channel[CHANNELS], *torque = drives->inputs + KEPT * motors + i;
        for (int64_t c = 0; c < CHANNELS; c++) {
            const double *gain = drives->gains + c * motors + i;
            const double by_position = gain[0] * (c == KEPT ? *torque : drives->state[i]);
            const double by_velocity = gain[4 * motors] * (c == KEPT ? torque[4 * motors] : velocity[i]);
            channel[c] = drives->constant[c * motors + i] - (by_position + by_velocity);
        }
        for (int64_t c = 0; c <= FRICTION; c++)
            channel[c] = at_least(at_most(channel[c], drives->high[c * motors + i]), drives->low[c * motors + i]);
        *torque = channel[KEPT] + channel[WINDING];
        drives->net[i] = (*torque + channel[FRICTION]) + channel[OUTSIDE];
    }
    for (int64_t i = 0; i < drives->joints; i++) velocity[i] += drives->net[i] * drives->speed_gain[i];
    return 0;
}

// Positions of all motors after one physics step.
int32_t move_joints(const Drives *drives) {
    const double *velocity = drives->state + drives->motors;
    for (int64_t i = 0; i < drives->motors; i++) drives->state[i] += velocity[i] * drives->dt;
    return 0;
}

KERNEL(Registers, whole(motors)
    doubles(command, 5 * motors) doubles(scale, 2 * motors)
    doubles(gains, 2 * 4 * motors) doubles(constant, 4 * motors))

// The commands of the coming control period as gains and constant of the winding.
int32_t load_registers(const Registers *registers) {
    const int64_t motors = registers->motors;
    const double *position = registers->command, *velocity = position + motors, *kp = velocity + motors,
                 *kd = kp + motors, *torque = kd + motors;
    for (int64_t i = 0; i < motors; i++) {
        const double stiffness = kp[i] * registers->scale[i], damping = kd[i] * registers->scale[motors + i];
        registers->gains[WINDING * motors + i] = stiffness;
        registers->gains[4 * motors + WINDING * motors + i] = damping;
        const double constant = torque[i] * registers->scale[i] + stiffness * position[i];
        registers->constant[WINDING * motors + i] = constant + damping * velocity[i];
    }
    return 0;
}

KERNEL(Hands, whole(joints)
    doubles(target, joints) doubles(hand, joints) doubles(share, joints) doubles(most, joints) doubles(rate, joints)
    doubles(kp, joints) doubles(kd, joints) doubles(gravity, joints) doubles(constant, joints)
    doubles(position, joints) doubles(velocity, joints) doubles(lower, joints) doubles(upper, joints))

// One control period of the hands on the leaders: each follows its target, pulls its joint, and the joints stop at
// their limits.
int32_t move_hands(const Hands *hands) {
    for (int64_t i = 0; i < hands->joints; i++) {
        double step = (hands->target[i] - hands->hand[i]) * hands->share[i];
        step = at_least(at_most(step, hands->most[i]), -hands->most[i]);
        hands->hand[i] += step;
        const double pull = hands->kp[i] * hands->hand[i] + hands->kd[i] * (step * hands->rate[i]);
        hands->constant[i] = pull - hands->gravity[i];
        const double here = hands->position[i];
        const double inside = at_most(at_least(here, hands->lower[i]), hands->upper[i]);
        if (inside != here && !isnan(here)) {
            hands->velocity[i] = 0.0;
            hands->position[i] = inside;
        }
    }
    return 0;
}

KERNEL(Report, whole(motors)
    doubles(state, 2 * motors) doubles(torque, motors) doubles(columns, 5 * motors)
    doubles(heating, motors) doubles(keep, motors) doubles(room, motors))

// What the drives know after a control period: position, velocity, torque, temperature; the error stays.
int32_t report(const Report *world) {
    const int64_t motors = world->motors;
    memcpy(world->columns, world->state, 2 * motors * sizeof(double));
    memcpy(world->columns + 2 * motors, world->torque, motors * sizeof(double));
    for (int64_t i = 0; i < motors; i++) {
        double *heat = world->columns + 3 * motors + i;
        const double warmed = world->torque[i] * world->torque[i] * world->heating[i];
        *heat = (*heat * world->keep[i] + warmed) + world->room[i];
    }
    return 0;
}
