/* A sampler without a Python. */
#include "agent_world.h"

#include "agent/agent_stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

__thread uint32_t world_stack = 1;
static uint64_t state;

uint32_t agent_stack_here(void) {
    return world_stack;
}

size_t agent_stack_bytes(void) {
    return 0;
}

bool agent_python_is_ending(void) {
    return false;
}

void agent_fork_settle(void) {
}

uint64_t world_random(uint64_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 24) % limit;
}

struct wire_stack *world_stack_at(uint32_t stack) {
    return (struct wire_stack *)agent_region(agent_recording, WIRE_STACKS) + stack;
}

void world_begin(uint64_t interval, uint64_t seed) {
    if (agent_recording) {
        munmap(agent_recording, agent_recording->file_size);
        munmap((void *)agent.range_base, agent.range_size);
    }
    memset(&agent, 0, sizeof agent);
    memset(&agent_thread, 0, sizeof agent_thread);
    agent_thread.random = seed * 2 + 1;
    state = seed;
    if (agent_recording_open(NULL, 16 << 20, &agent_recording) || agent_range_reserve((size_t)8 << 30) || !agent_account_begin()) {
        puts("no memory for a recording");
        exit(1);
    }
    agent_recording->range_base = agent.range_base;
    agent_region_take(agent_recording, WIRE_STACKS, WORLD_STACKS);
    agent_region_publish(agent_recording, WIRE_STACKS, WORLD_STACKS);
    agent.options = (struct agent_options){.interval = interval, .memory = 16 << 20, .budget = 1e9};
    agent.interval = interval;
    agent.every_byte = interval == 1;
    agent.phase = AGENT_SAMPLING;
}
