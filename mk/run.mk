# Running Loom in QEMU. Each target installs what is missing and builds first, so that it works on a fresh machine: the
# build is a second make, because what it depends on may have been installed a moment ago.
BUILD_FIRST = @tools/deps && $(MAKE) --no-print-directory -j2

.PHONY: run run-fast qemu qemu-interp qemu-otp screenshot
run: ## boot Loom in QEMU through UEFI firmware: an Erlang shell on the terminal (Ctrl-A X ends QEMU)
	$(BUILD_FIRST) build/loom.img
	@tools/qemu uefi
run-fast: ## the same without firmware (PVH): a prompt in a fraction of the time
	$(BUILD_FIRST) build/kernel.elf build/boot.pak
	@tools/qemu fast
qemu: run ## same as run
qemu-interp: ## the machine alone: one module and the preloaded ones, no OTP
	$(BUILD_FIRST) build/kernel.elf build/boot.pak
	@tools/qemu fast -c '-boot /otp/bin/hello' </dev/null
qemu-otp: ## OTP on bare metal: starts it, prints a line, powers off
	$(BUILD_FIRST) build/kernel.elf build/boot.pak
	@tools/qemu fast -c "-noshell -eval 'io:format(\"OTP ~s on ~p~n\", [erlang:system_info(otp_release), os:type()]), init:stop().'" </dev/null
screenshot: ## the picture of the screen that the README shows: doc/screenshot.png
	$(BUILD_FIRST) build/loom.img
	@tools/screenshot doc/screenshot.png
