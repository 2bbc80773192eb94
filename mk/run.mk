# Running Loom in QEMU. Each target installs what is missing and builds first, so that it works on a fresh machine: the
# build is a second make, because what it depends on may have been installed a moment ago.
BUILD_FIRST = @tools/deps && $(MAKE) --no-print-directory -j2

# APP=DIR... adds your own modules (tools/app), ARGS='...' are flags for OTP, as on erl's command line.
APP ?=
ARGS ?=
export ARGS
# The disk that Loom shows at /disk. It is kept from run to run, until `make clean`; LOOM_DISK=FILE is one of your own, LOOM_DISK= none.
LOOM_DISK ?= build/disk.img
DISK_MIB := 64
WITH_APP = $(if $(APP),tools/app $(APP) &&)
FLAGS_FOR_OTP = "$$([ -z '$(APP)' ] || cat build/app/cmdline) $$ARGS"

.PHONY: run run-fast image qemu qemu-interp qemu-otp screenshot demo-triangle demo-web
run: ## boot Loom in QEMU through UEFI firmware: an Erlang shell on the terminal (Ctrl-A X ends QEMU)
ifeq ($(APP)$(ARGS),)
	$(BUILD_FIRST) build/loom.img $(LOOM_DISK)
	@LOOM_DISK=$(LOOM_DISK) tools/qemu uefi
else
	@$(MAKE) --no-print-directory image $(LOOM_DISK)
	@LOOM_DISK=$(LOOM_DISK) LOOM_IMAGE=build/app/loom.img tools/qemu uefi
endif
build/disk.img:
	@echo "  DISK  $@"
	@mkdir -p $(@D)
	@truncate -s $(DISK_MIB)M $@.new && PATH=$$PATH:/usr/sbin mkfs.vfat -F 32 -n LOOM $@.new >/dev/null && mv $@.new $@
run-fast: ## the same without firmware (PVH): a prompt in a fraction of the time. APP=DIR adds your modules, ARGS='...' flags
	$(BUILD_FIRST) build/kernel.elf build/boot.pak $(LOOM_DISK)
	@$(WITH_APP) LOOM_DISK=$(LOOM_DISK) LOOM_BUNDLE=$(if $(APP),build/app/boot.pak,build/boot.pak) tools/qemu fast -c $(FLAGS_FOR_OTP)
image: ## a disk image with your modules and flags in it: make image APP=DIR ARGS='...' makes build/app/loom.img
	$(BUILD_FIRST) build/loom.img
	@mkdir -p build/app
	@$(WITH_APP) tools/mkimg -l build/BOOTX64.EFI -k build/kernel.elf -p $(if $(APP),build/app/boot.pak,build/boot.pak) \
		-c $(FLAGS_FOR_OTP) -o build/app/loom.img
qemu: run ## same as run
qemu-interp: ## the machine alone: one module and the preloaded ones, no OTP
	$(BUILD_FIRST) build/kernel.elf build/boot.pak
	@tools/qemu fast -c '-boot /otp/bin/hello' </dev/null
qemu-otp: ## OTP on bare metal: starts it, prints a line, powers off
	$(BUILD_FIRST) build/kernel.elf build/boot.pak
	@tools/qemu fast -c "-noshell -eval 'io:format(\"OTP ~s on ~p~n\", [erlang:system_info(otp_release), os:type()]), init:stop().'" </dev/null
screenshot: ## the pictures of the screen that the README shows: doc/screenshot.png, doc/triangle.png
	$(BUILD_FIRST) build/loom.img
	@tools/screenshot doc/screenshot.png
	@tools/screenshot triangle doc/triangle.png
	@tools/deps tests && tests/boot/web --picture doc/web.png
demo-triangle: ## boots in QEMU, turns the triangle on the screen, prints frames per second, makes build/triangle.png
	$(BUILD_FIRST) build/loom.img
	@tools/screenshot triangle build/triangle.png
# Where the host's browsers find the status page.
PORT ?= 8080
demo-web: ## boots in QEMU with a network; the status page is at http://127.0.0.1:8080/ (PORT=8080), a shell on the terminal
	$(BUILD_FIRST) build/kernel.elf build/boot.pak
	@tools/app "$$(erl -noshell -eval 'io:put_chars(code:lib_dir(inets)), halt().')"
	@LOOM_BUNDLE=build/app/boot.pak LOOM_FORWARD=tcp:127.0.0.1:$(PORT)-:80 tools/qemu fast -m 256 \
		-c "$$(cat build/app/cmdline) -s loom_web -loom_web_address http://127.0.0.1:$(PORT)/ $$ARGS"
