# SPDX-License-Identifier: Apache-2.0
# Loom: `make help` lists what there is to make. B=debug|release|asan|tsan|stress-... (mk/flags.mk) chooses the build of the Linux program.
B ?= release
CC ?= gcc
OUT := build/$(B)
.DEFAULT_GOAL := all

include mk/flags.mk
include mk/vm.mk
-include mk/metal.mk
-include mk/os.mk
-include mk/run.mk
-include mk/test.mk
-include mk/conformance.mk

.PHONY: all clean help
all: build/loom ## the Linux program build/loom (also: plain `make`)

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile mk/*.mk | expand -t 18

clean: ## remove all build output
	rm -rf build
