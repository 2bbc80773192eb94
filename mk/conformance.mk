# SPDX-License-Identifier: Apache-2.0
# OTP's own test suites, on erl and on loom: doc/conformance.md. T selects applications, suites or cases:
# T=stdlib, T=lists_SUITE, T=lists_SUITE:member. OTP_SRC=DIR uses the sources in DIR instead of fetching them.
.PHONY: conformance
conformance: deps build/loom ## run OTP's own test suites on erl and on loom and compare
	@tools/conformance/run $(T)
