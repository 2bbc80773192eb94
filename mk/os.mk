# What runs above the machine: Erlang applications under os/, compiled with warnings as errors.
OS_APPS := $(sort $(foreach d,$(wildcard os/*/src),$(word 2,$(subst /, ,$(d)))))
OS_SRC := $(wildcard os/*/src/*.erl)
OS_BEAMS := $(foreach s,$(OS_SRC),build/os/$(word 2,$(subst /, ,$(s)))/ebin/$(basename $(notdir $(s))).beam)
OS_APP_FILES := $(foreach a,$(OS_APPS),$(if $(wildcard os/$(a)/src/$(a).app.src),build/os/$(a)/ebin/$(a).app))
OS_PRIV := $(patsubst %,build/%,$(wildcard os/*/priv/*))
# What has no source any more would be loaded all the same.
STALE := $(filter-out $(OS_BEAMS),$(wildcard build/os/loom_*/ebin/*.beam))
ifneq ($(STALE),)
$(shell rm -f $(STALE))
.PHONY: build/os/loom.boot
endif
ERLC_FLAGS := +debug_info -Wall -Werror
# Asked once, and only by rules that need it: `make deps` may be what installs erl.
OTP_ROOT = $(eval OTP_ROOT := $$(shell erl -noshell -eval 'io:put_chars(code:root_dir()), halt().' 2>/dev/null))$(OTP_ROOT)
START_SCRIPT = $(lastword $(sort $(wildcard $(OTP_ROOT)/releases/*/start_clean.script)))

# The behaviour is compiled before the modules that implement it.
build/os/loom_hal/ebin/loom_drv_%.beam: build/os/loom_hal/ebin/loom_driver.beam
build/os/loom_fs/ebin/loom_fat32.beam: build/os/loom_fs/ebin/loom_fs.beam
define OS_RULE
build/os/$(1)/ebin/%.beam: os/$(1)/src/%.erl
	@mkdir -p $$(@D)
	@echo "  ERLC  $$<"
	@erlc $(ERLC_FLAGS) -pa build/os/loom_hal/ebin -pa build/os/loom_fs/ebin -o $$(@D) $$<
build/os/$(1)/ebin/$(1).app: os/$(1)/src/$(1).app.src
	@mkdir -p $$(@D)
	@cp $$< $$@
build/os/$(1)/priv/%: os/$(1)/priv/%
	@mkdir -p $$(@D)
	@cp $$< $$@
endef
$(foreach a,$(OS_APPS),$(eval $(call OS_RULE,$(a))))

build/os/loom.boot: tools/mkboot $(OS_BEAMS)
	@tools/mkboot $(START_SCRIPT) $@ $(foreach a,$(OS_APPS),$(a)=build/os/$(a)/ebin)

build/os/hello.boot: tools/mkboot
	@tools/mkboot --bare loom_hello $@ /otp/os/loom_demo/ebin

.PHONY: os
os: $(OS_BEAMS) $(OS_APP_FILES) $(OS_PRIV) build/os/loom.boot build/os/hello.boot ## the Erlang applications and the boot script

# The demonstrations on the Linux program; in a running Loom they are loom_demo:all() and so on.
DEMO_PATH := build/os/loom_demo/ebin build/os/loom_hal/ebin build/os/model
# Models of devices (os/loom_model): for tests and demonstrations on Linux, never part of the bundle.
MODELS := $(patsubst os/loom_model/%.erl,build/os/model/%.beam,$(wildcard os/loom_model/*.erl))
build/os/model/%.beam: os/loom_model/%.erl
	@mkdir -p $(@D)
	@echo "  ERLC  $<"
	@erlc $(ERLC_FLAGS) -pa build/os/model -o $(@D) $<
$(filter build/os/model/loom_model_%,$(filter-out %_device.beam %_virtio.beam,$(MODELS))): build/os/model/loom_model_virtio.beam
build/os/model/loom_model_virtio.beam: build/os/model/loom_model_device.beam
.PHONY: model demo demo-fault demo-reload demo-pipeline demo-swarm
model: $(MODELS)
demo: demo-fault demo-reload demo-pipeline demo-swarm ## the four that need no machine; also demo-fault, demo-reload, demo-pipeline, demo-swarm; in QEMU: demo-triangle, demo-web
demo-fault demo-reload demo-pipeline demo-swarm: demo-%: build/loom os model
	@build/loom -noshell -pa $(DEMO_PATH) -eval 'loom_demo:main([$*])' </dev/null
