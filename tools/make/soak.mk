# The controller for an hour under changes, cut watches and replaced tokens, judged by the rules in tests/bench/soak.py.

.PHONY: soak
soak: controller
	@tests/bench/soak.sh
