# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The only build file. `make help` lists the targets.
#   V=1     show commands        SAN=1   ASan+UBSan, into build-san/
#   BPF=0   everything but live capture (no clang, bpftool or BTF needed)
#   CC=clang, O=DIR, VMLINUX_H=FILE, DESTDIR=, PREFIX=/usr/local

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all

V       ?= 0
SAN     ?= 0
BPF     ?= 1
O       ?= build$(if $(filter 1,$(SAN)),-san)
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
SUITES  ?= bullseye bookworm trixie sid

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
PKGCONF ?= pkg-config
STRIP   ?= strip

ifeq ($(V),1)
msg :=
q   :=
else
msg = @printf '  %-8s %s\n' "$(1)" "$(patsubst $(O)/%,%,$@)";
q   := @
endif

ARCH     := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
CFLAGS   ?= -O2 -g
warnings := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wshadow
lib_pkgs := libelf libdw zlib jansson
ifneq ($(BPF),0)
lib_pkgs += libbpf
endif
pkg_cflags := $(shell $(PKGCONF) --cflags $(lib_pkgs) 2>/dev/null)
pkg_libs    = $(shell $(PKGCONF) --libs $(1) || echo missing-packages-run-tools/deps) -lm
all_cflags  = -std=gnu11 -D_GNU_SOURCE -DSVCTRACE_VERSION='"$(VERSION)"' $(warnings) \
	      -fno-omit-frame-pointer -Iinclude -Isrc -I. -I$(O) $(pkg_cflags) $(CFLAGS)
ifeq ($(SAN),1)
all_cflags += -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS    += -fsanitize=address,undefined
endif

objs      = $(patsubst %.c,$(O)/%.o,$(sort $(foreach d,$(1),$(wildcard src/$(d)/*.c))))
core_objs    := $(call objs,base bus event trace engine render pidfile stuck)
sym_objs     := $(call objs,elf unwind)
capture_objs := $(call objs,capture)
main_objs    := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard src/*.c))) \
		$(call objs,doctor recording pidfile/verb stuck/verb)
bpf_objs     := $(patsubst %.bpf.c,$(O)/%.bpf.o,$(sort $(wildcard bpf/*.bpf.c)))
iterators    := $(patsubst bpf/iter/%.bpf.c,%,$(sort $(wildcard bpf/iter/*.bpf.c)))
libs := $(O)/libsym.a $(O)/libcore.a
ifneq ($(BPF),0)
libs := $(O)/libcapture.a $(libs)
else
main_objs += $(O)/src/standin/capture.o
endif
tests := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/unit/test_*.c)))
fuzzers := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.PHONY: all
all: $(O)/svctrace ## build svctrace

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

$(O)/svctrace: $(main_objs) $(libs)
	$(call msg,LINK)
	$(q)$(CC) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(lib_pkgs))

# One file that needs nothing of the machine it runs on.
static_libs = $(shell $(PKGCONF) --static --libs $(lib_pkgs)) -lm
.PHONY: static
static: $(O)/svctrace.static ## build one static file, build/svctrace.static
$(O)/svctrace.static: $(main_objs) $(O)/src/standin/eu_search.o $(libs)
	$(call msg,LINK)
	$(q)$(CC) $(LDFLAGS) -static -o $@.tmp $^ -Wl,--start-group $(static_libs) -Wl,--end-group
	$(q)$(STRIP) -o $@ $@.tmp && rm $@.tmp

$(O)/libcore.a: $(core_objs)
$(O)/libsym.a: $(sym_objs)
$(O)/libcapture.a: $(capture_objs)
$(O)/%.a:
	$(call msg,AR)
	$(q)rm -f $@ && $(AR) rcs $@ $^

$(O)/%.o: %.c $(O)/flags | $(if $(filter-out 0,$(BPF)),$(O)/svctrace.skel.h $(iterators:%=$(O)/%.skel.h))
	$(call msg,CC)
	$(q)mkdir -p $(@D) && $(CC) $(all_cflags) -MMD -MP -c -o $@ $<

# Objects are built again when the flags change.
$(O)/flags: FORCE
	@mkdir -p $(O); echo '$(CC) $(all_cflags) BPF=$(BPF)' | cmp -s - $@ || echo '$(CC) $(all_cflags) BPF=$(BPF)' > $@
.PHONY: FORCE
FORCE:

# BPF: the kernel's types, the programs, their skeleton.
$(O)/vmlinux.h: $(VMLINUX_H)
	$(call msg,BTF)
	$(q)mkdir -p $(O); if [ -n "$(VMLINUX_H)" ]; then cp "$(VMLINUX_H)" $@; \
	elif [ -r /sys/kernel/btf/vmlinux ]; then $(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@; \
	else echo "This machine has no /sys/kernel/btf/vmlinux. Give VMLINUX_H=FILE (bpftool btf dump" \
	     "file VMLINUX format c > FILE, on any machine), or build without live capture: make BPF=0" >&2; exit 1; fi

bpf_cflags := -O2 -g -target bpf -mcpu=v2 -D__TARGET_ARCH_$(ARCH) -Iinclude -Ibpf -Wall -Wextra -Werror \
	      -Wno-unused-parameter -Wno-missing-declarations
$(O)/bpf/%.bpf.o: bpf/%.bpf.c $(O)/vmlinux.h
	$(call msg,BPF)
	$(q)mkdir -p $(@D) && $(CLANG) $(bpf_cflags) -I$(O) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

$(O)/svctrace.bpf.o: $(bpf_objs)
	$(call msg,BPFLINK)
	$(q)$(BPFTOOL) gen object $@ $^

$(O)/svctrace.skel.h: $(O)/svctrace.bpf.o
	$(call msg,SKEL)
	$(q)$(BPFTOOL) gen skeleton $< name svctrace_bpf > $@

$(iterators:%=$(O)/%.skel.h): $(O)/%.skel.h: $(O)/bpf/iter/%.bpf.o
	$(call msg,SKEL)
	$(q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# The programs for aarch64, compiled on any machine: types of the other architecture are relocated.
.PHONY: bpf-arm64
bpf-arm64: $(patsubst bpf/%.bpf.c,$(O)/arm64/%.bpf.o,$(sort $(wildcard bpf/*.bpf.c bpf/*/*.bpf.c))) ## compile the BPF programs for aarch64
$(O)/arm64/%.bpf.o: bpf/%.bpf.c $(O)/vmlinux.h $(wildcard bpf/*.h bpf/*/*.h)
	$(call msg,BPF)
	$(q)mkdir -p $(@D) && $(CLANG) $(subst -D__TARGET_ARCH_$(ARCH),-D__TARGET_ARCH_arm64,$(bpf_cflags)) \
		$(if $(filter x86,$(ARCH)),-DSVCTRACE_CROSS_ARM64) -I$(O) -c -o $@ $<

# Tests.
.PHONY: unit
unit: $(tests)
$(O)/tests/unit/test_%: $(O)/tests/unit/test_%.o $(O)/libsym.a $(O)/libcore.a
	$(call msg,LINK)
	$(q)$(CC) $(LDFLAGS) -o $@ $^ $(call pkg_libs,libelf libdw zlib jansson cmocka)

# To show that nothing leans on frame pointers.
$(O)/tests/unit/test_unwind.o: private CFLAGS += -fomit-frame-pointer

.PHONY: fuzz
fuzz: $(fuzzers) ## build the fuzz targets (replaying; CC=clang FUZZ=1 for libFuzzer)
ifeq ($(FUZZ),1)
$(fuzzers): LDFLAGS += -fsanitize=fuzzer
all_cflags += -fsanitize=fuzzer-no-link
else
$(fuzzers): $(O)/tests/fuzz/replay_main.o
endif
$(O)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/libsym.a $(O)/libcore.a
	$(call msg,LINK)
	$(q)$(CC) $(LDFLAGS) -o $@ $^ $(call pkg_libs,libelf libdw zlib jansson)

.PHONY: check
check: ## install what is missing, build, pass every test
	@tools/deps check
	@SUITES='$(SUITES)' tests/run

# Benchmarks (docs/benchmark.md).
bench_programs := $(O)/bench/load $(O)/bench/bus $(O)/bench/unwind
$(O)/bench/load: bench_link := -static
$(O)/bench/bus: bench_link = $(call pkg_libs,libsystemd)
$(O)/bench/unwind: bench_link = $(call pkg_libs,libelf libdw zlib jansson)
$(O)/bench/unwind: $(O)/libsym.a $(O)/libcore.a
$(O)/bench/%: $(O)/tests/bench/%.o
	$(call msg,LINK)
	$(q)mkdir -p $(@D) && $(CC) $(LDFLAGS) -o $@ $^ $(bench_link)

.PHONY: bench bench-quick bench-programs
bench-programs: all static $(bench_programs) $(O)/tests/unit/test_trace_scale
bench: ## measure what svctrace costs, next to its peers; writes the tables of docs/benchmark.md
	@tools/deps bench
	@$(MAKE) -s bench-programs
	@tests/bench/bench --docs
bench-quick: ## the same in less than five minutes, for tests/bench/compare
	@tools/deps bench
	@$(MAKE) -s bench-programs
	@tests/bench/bench --quick

.PHONY: demo
demo: ## install what is missing, build, show the main job
	@tools/deps $(if $(GUEST),guest,demo)
	@tools/demo

.PHONY: golden
golden: all static ## record tests/golden again in guests, show what changed
	@tools/golden

.PHONY: install
install: all ## install to DESTDIR PREFIX
	install -Dm755 $(O)/svctrace $(DESTDIR)$(PREFIX)/sbin/svctrace
	for p in man/*.[1-8]; do install -Dm644 $$p $(DESTDIR)$(PREFIX)/share/man/man$${p##*.}/$${p##*/}; done
	for s in docs/schema/*.json; do install -Dm644 $$s $(DESTDIR)$(PREFIX)/share/svctrace/$${s##*/}; done

.PHONY: fmt
fmt: ## format C files as .clang-format says
	clang-format -i $$(find bpf src include tests -name '*.[ch]')

.PHONY: clean
clean: ## remove what was built
	rm -rf build build-*

-include $(shell find $(O) -name '*.d' 2>/dev/null)
