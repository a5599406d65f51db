# neo4j-backup: one makefile, no recursion.
#
#   make               both programs            make test      set up and pass every test
#   make unit          unit tests               make demo      a real cluster, a real backup, a real restore
#   make lint          every static check       make clean-demo
#   make help          all targets
#
# V=1 shows the commands. SAN=asan (address and undefined) or SAN=tsan builds with that sanitizer.
# FAULTS=1 compiles the fault points in. B=DIR puts the objects elsewhere. CC=clang is fine too.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := $(shell cat VERSION)
CC      := gcc
SAN     ?=
FAULTS  ?=
VARIANT := release$(SAN:%=-%)$(FAULTS:1=-faults)
B       ?= build
O       := $(B)/$(VARIANT)
Q       := $(if $(V),,@)
SILENT  := $(findstring s,$(firstword -$(MAKEFLAGS)))
say      = $(if $(V)$(SILENT),,@printf '  %-7s %s\n' $(1) $(2))

# --- flags ---------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wvla -Walloca \
        -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef -Wcast-qual \
        -Wnull-dereference -Wimplicit-fallthrough -Wdate-time -Werror \
        -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
WARN_GCC := -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wbidi-chars=any -Wtrampolines
IS_CLANG := $(findstring clang,$(CC))
# Asked of the compiler once: flags that only newer ones know.
has_flag  = $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(1))
HARDEN := -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero \
          -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing -fPIE \
          -fexceptions $(call has_flag,-fcf-protection=full) $(call has_flag,-fstrict-flex-arrays=3)
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodlopen -Wl,--as-needed

FORTIFY_ := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
OPT_     := -O2 -g
SAN_     :=
ifeq ($(SAN),asan)
SAN_     := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_     := -O1 -g
endif
ifeq ($(SAN),tsan)
SAN_     := -fsanitize=thread -fno-omit-frame-pointer
OPT_     := -O1 -g
endif
ifneq ($(SAN),)
FORTIFY_ :=
# gcc's flow warnings see phantom paths in instrumented code; the plain build has them on.
WARN     += -Wno-null-dereference
endif

PKGS     := libcurl libcjson yaml-0.1 libssl libcrypto zlib
WEB_PKGS := libwebsockets
CPPFLAGS := -D_GNU_SOURCE -DNB_VERSION='"$(VERSION)"' $(if $(FAULTS),-DNB_FAULTS=1) -Isrc -I. \
            $(FORTIFY_) $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS) $(WEB_PKGS) 2>/dev/null))
CFLAGS   := -std=gnu17 $(OPT_) -pthread $(WARN) $(if $(IS_CLANG),,$(WARN_GCC)) $(HARDEN) $(SAN_)
LDFLAGS  := $(LDHARDEN) $(SAN_) -pthread
LIBS     := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -ldeflate -lm
WEB_LIBS := $(shell pkg-config --libs $(WEB_PKGS) 2>/dev/null)

# --- sources -------------------------------------------------------------------------------------

LIB_SRC  := $(filter-out src/main/%,$(wildcard src/*/*.c))
CLI_SRC  := $(wildcard src/main/*.c)
CTL_SRC  := $(filter-out controller/main.c,$(wildcard controller/*.c controller/*/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(O)/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(O)/%.o)
CTL_OBJ  := $(CTL_SRC:%.c=$(O)/%.o)
FAKE_SRC := $(wildcard tests/fakes/*.c)
FAKE_OBJ := $(FAKE_SRC:%.c=$(O)/%.o)

PROGRAMS := $(O)/neo4j-backup $(O)/neo4j-backup-controller

all: $(PROGRAMS)
controller: $(O)/neo4j-backup-controller
worker: $(O)/neo4j-backup

$(O)/%.o: %.c Makefile VERSION
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(O)/libnb.a: $(LIB_OBJ)
$(O)/libctl.a: $(CTL_OBJ)
$(O)/libfakes.a: $(FAKE_OBJ)
$(O)/lib%.a:
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/neo4j-backup: $(CLI_OBJ) $(O)/libnb.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(O)/neo4j-backup-controller: $(O)/controller/main.o $(O)/libctl.a $(O)/libnb.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(WEB_LIBS) $(LIBS) -o $@

# --- tests ---------------------------------------------------------------------------------------

TESTS     ?= $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c)
TEST_BINS := $(TESTS:%.c=$(O)/%)

$(O)/tests/unit/controller/%: $(O)/tests/unit/controller/%.o $(O)/libctl.a $(O)/libfakes.a $(O)/libnb.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(WEB_LIBS) $(LIBS) -lcmocka -o $@
$(O)/tests/unit/%: $(O)/tests/unit/%.o $(O)/libfakes.a $(O)/libnb.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

build-tests: $(TEST_BINS)
# Runs every binary, goes on after a failure, and ends with "N passed, N failed".
unit: $(TEST_BINS)
	@tools/run-tests $(TEST_BINS)

TOOL_SRC  := $(wildcard tests/tools/*.c)
TOOL_BINS := $(TOOL_SRC:%.c=$(O)/%)
test-tools: $(TOOL_BINS)
$(O)/tests/tools/%: $(O)/tests/tools/%.o $(O)/libctl.a $(O)/libnb.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

FUZZ_SRC  := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BINS := $(FUZZ_SRC:%.c=$(O)/%)
# The corpora, replayed by a plain driver: needs no fuzzer. Use SAN=asan.
$(O)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/driver.o $(O)/libctl.a $(O)/libnb.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(WEB_LIBS) $(LIBS) -o $@
corpora: $(FUZZ_BINS)
	@for b in $(FUZZ_BINS); do n=$${b##*/fuzz_}; $$b tests/fuzz/corpus/$$n || exit 1; done

# --- what is generated -------------------------------------------------------------------------------

# The reference of the API and the chart's copies of the definitions.
docs: $(O)/tests/tools/yaml-to-json $(O)/neo4j-backup
	tools/gen-api-docs $< > docs/api.md
	tools/gen-metrics-docs > docs/metrics.md
	tools/check-cli-docs --write $(O)/neo4j-backup
crds:
	cp crd/*.yaml deploy/helm/neo4j-backup/files/crds/
docs-check: $(O)/tests/tools/yaml-to-json $(O)/neo4j-backup
	@tools/gen-api-docs $< --check docs/api.md
	@tools/gen-metrics-docs --check docs/metrics.md
	@tools/check-cli-docs $(O)/neo4j-backup
	@diff -r crd deploy/helm/neo4j-backup/files/crds

# --- everything, with all the set-up ----------------------------------------------------------------

# Both bring what they need (Debian packages, pinned Go and JDK, test servers), need root or sudo, and
# can be run again; downloads and builds are kept in ~/.cache/neo4j-backup.
test:
	@tests/run.sh
demo:
	@tests/e2e/demo.sh up
clean-demo:
	@tests/e2e/demo.sh down
e2e: all
	@tests/e2e/run.sh
bench: all
	@tests/bench/run.sh
bench-controller: controller
	@tests/bench/controller.sh
# Root file system and image archive of the container image, without a container engine.
image: all
	@tools/make-image $(O) $(B)/image

.PRECIOUS: $(O)/%.o
.PHONY: all controller worker build-tests unit test-tools corpora clean test demo clean-demo e2e bench \
        bench-controller image help docs docs-check crds

clean:
	rm -rf $(B)

help:
	@echo 'make                build both programs into build/release'
	@echo 'make test           set everything up and pass every test'
	@echo 'make demo           real cluster, Neo4j and S3; a scheduled backup and a restore'
	@echo 'make clean-demo     remove what make demo started'
	@echo 'make unit           unit tests (TESTS=... for some, SAN=asan or SAN=tsan)'
	@echo 'make corpora        replay the fuzz corpora (SAN=asan)'
	@echo 'make lint           every static check;  make format: clang-format'
	@echo 'make e2e            end-to-end stories on the real parts'
	@echo 'make bench          export against the bare drain and the peers, as ratios'
	@echo 'make bench-controller  the controller with 10,000 policies, beside the CronJob controller'
	@echo 'make soak           the controller for an hour under changes, cut watches and replaced tokens (SOAK_SECONDS=...)'
	@echo 'make image          the container image as an archive, without a container engine'

-include tools/make/*.mk
-include $(shell find $(O) -name '*.d' 2>/dev/null)
