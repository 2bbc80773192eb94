# Compiler flags that every part of Loom is built with, and the build modes of the Linux program.
WARN := -Wall -Wextra -Werror -Wshadow -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wwrite-strings -Wimplicit-fallthrough -Wpointer-arith
BASE_CFLAGS := -std=gnu11 $(WARN) -fno-common -fno-strict-aliasing -fno-omit-frame-pointer -g -I. -MMD -MP

MODE_release  := -O2
MODE_debug    := -O1 -DLOOM_DEBUG -DOP_LOOP
MODE_asan     := -O1 -DLOOM_DEBUG -DOP_LOOP -fsanitize=address,undefined -fno-sanitize=alignment
MODE_gcstress := -O1 -DLOOM_DEBUG -DOP_LOOP -DLOOM_GC_STRESS
MODE_yieldstress := -O1 -DLOOM_DEBUG -DOP_LOOP -DLOOM_YIELD_STRESS -fsanitize=address,undefined -fno-sanitize=alignment
MODE_tsan     := -O1 -DLOOM_DEBUG -DOP_LOOP -fsanitize=thread
ifeq ($(MODE_$(B)),)
$(error B=$(B): there is no such build mode (release, debug, asan, gcstress, yieldstress, tsan))
endif
