# Compiler flags that every part of Loom is built with, and the build modes of the Linux program.
WARN := -Wall -Wextra -Werror -Wshadow -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wwrite-strings -Wimplicit-fallthrough -Wpointer-arith
BASE_CFLAGS := -std=gnu11 $(WARN) -fno-common -fno-strict-aliasing -fno-omit-frame-pointer -g -I. -MMD -MP

MODE_release  := -O2
MODE_debug    := -O1 -DLOOM_DEBUG -DOP_LOOP
MODE_asan     := -O1 -DLOOM_DEBUG -DOP_LOOP -fsanitize=address,undefined -fno-sanitize=alignment
MODE_stress-gc    := $(MODE_asan) -DLOOM_STRESS_GC
MODE_stress-yield := $(MODE_asan) -DLOOM_STRESS_YIELD
MODE_stress-heap  := $(MODE_asan) -DLOOM_STRESS_HEAP
MODE_stress-alloc := $(MODE_asan) -DLOOM_STRESS_ALLOC
MODE_tsan     := -O1 -DLOOM_DEBUG -DOP_LOOP -fsanitize=thread
ifeq ($(MODE_$(B)),)
$(error B=$(B): there is no such build mode (release, debug, asan, tsan, stress-gc, stress-yield, stress-heap, stress-alloc))
endif
