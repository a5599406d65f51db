# Static checks. `make lint` runs them all, goes on after a failure, and says at the end which failed.

LINT_SRC := $(wildcard src/*/*.c controller/*.c controller/*/*.c)
LINT_HDR := $(wildcard src/*/*.h controller/*.h controller/*/*.h)
TEST_SRC := $(wildcard tests/*/*.[ch] tests/*/*/*.[ch] tests/*/*/*/*.[ch])

CLANG_FORMAT ?= clang-format-14
CLANG_TIDY   ?= clang-tidy-14

LINT_CHECKS := format-check check-layers check-banned check-headers shellcheck docs-check cppcheck tidy analyzer

lint:
	@failed=; for c in $(LINT_CHECKS); do \
	    $(MAKE) -s -k --no-print-directory $$c || failed="$$failed $$c"; done; \
	 if [ -n "$$failed" ]; then echo "lint: failed:$$failed"; exit 1; fi; \
	 echo "lint: $(words $(LINT_CHECKS)) passed, 0 failed"

format-check:
	@files=$$($(CLANG_FORMAT) --dry-run $(LINT_SRC) $(LINT_HDR) $(TEST_SRC) 2>&1 | \
	    sed -nE 's/^([^ :]+):[0-9]+:.*clang-format-violations.*/\1: run make format/p' | sort -u); \
	 [ -z "$$files" ] || { echo "$$files"; exit 1; }; \
	 echo "format-check: $(words $(LINT_SRC) $(LINT_HDR) $(TEST_SRC)) files"
format:
	@$(CLANG_FORMAT) -i $(LINT_SRC) $(LINT_HDR) $(TEST_SRC)

check-layers check-banned:
	@tools/$@ --self-test
	@tools/$@
check-headers:
	@tools/$@ --self-test
	@tools/$@ -- $(CC) $(CPPFLAGS) $(CFLAGS)

# Clean results are kept by content (tools/lint-cached). clang does not know all of gcc's flags; the compiler
# itself has already seen to the warnings.
LINT_CPP    := NB_CPP="$(CC) -E -P $(filter-out $(FORTIFY_),$(CPPFLAGS)) -std=gnu17"
tidy//%:
	@$(LINT_CPP) tools/lint-cached tidy $* $(CLANG_TIDY) --quiet $* -- -std=gnu17 $(filter-out $(FORTIFY_),$(CPPFLAGS))
cppcheck//%:
	@$(LINT_CPP) tools/lint-cached cppcheck $* cppcheck --quiet --std=c11 --language=c \
	    --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
	    --error-exitcode=1 -D__GNUC__ -DNB_VERSION='"x"' -Isrc -I. $*
analyzer//%:
	@$(LINT_CPP) tools/lint-cached analyzer $* $(CC) $(CPPFLAGS) $(CFLAGS) -fanalyzer -c $* -o /dev/null
tidy: $(LINT_SRC:%=tidy//%)
cppcheck: $(LINT_SRC:%=cppcheck//%)
analyzer: $(LINT_SRC:%=analyzer//%)
tidy cppcheck analyzer:
	@echo "$@: $(words $^) files"

# Every script that says so in its first line, whatever its name.
SHELL_SCRIPTS = $(shell grep -rlE '^\#!.*\b(ba)?sh$$' --exclude-dir=.git --exclude-dir=$(B) --exclude-dir=node_modules . 2>/dev/null | sort)
shellcheck:
	@shellcheck -x -S warning $(SHELL_SCRIPTS)
	@echo "shellcheck: $(words $(SHELL_SCRIPTS)) scripts"

.PHONY: lint $(LINT_CHECKS) format
