# The front door: every target is one line over Meson and pytest. `make` builds build/caulk.
BUILD = build
PYTHON = $(shell command -v /usr/bin/python3 || command -v python3)
VENV = .cache/venv

.PHONY: all programs demo test test-all unit bench bench-pyperformance soak soak-attach soak-all clean asan tsan fuzz-image clang needs install

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) caulk libcaulk_agent.so

$(BUILD)/build.ninja: | needs
	@meson setup $(BUILD) >$(BUILD).log 2>&1 && mv $(BUILD).log $(BUILD)/setup.log || { cat $(BUILD).log; rm -f $(BUILD).log; exit 1; }

# Only speaks, and only costs, when something is missing.
needs:
	@tools/install-needs build

demo: all
	@demo/run

# The tests' own Python packages live in .cache/, never in the system.
$(VENV)/done: tests/requirements.txt
	@tools/install-needs test
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

# With the programs that tests and benchmarks ask.
programs: all
	@ninja -C $(BUILD)

unit: programs
	@meson test -C $(BUILD) --print-errorlogs

test: unit $(VENV)/done
	@CAULK=$(BUILD)/caulk $(VENV)/bin/python -m pytest -q tests

# The same on every version and build that can be had: a gigabyte or two in .cache/pythons, half an hour the first time.
test-all: all
	@tools/fetch-pythons --all || echo "test-all: the Pythons named above are not tested"
	@tools/build-pythons || echo "test-all: the Pythons named above are not tested"
	@$(MAKE) --no-print-directory test

bench: programs
	@$(PYTHON) tests/bench/run.py $(BUILD)/caulk
	@$(PYTHON) tests/bench/sampler.py $(BUILD)

# What sampling costs over the benchmarks of pyperformance: half an hour, and a hundred megabytes in .cache/.
bench-pyperformance: programs
	@$(PYTHON) tests/bench/suite.py $(BUILD) --json $(BUILD)/bench-pyperformance.json

# Long runs, not part of `make test`: a server under load through 500 snapshots and through 200 killed visits.
soak: all $(VENV)/done
	@$(VENV)/bin/python tests/soak/soak_snapshots.py --count 500 --caulk $(BUILD)/caulk
	@$(VENV)/bin/python tests/soak/kill9.py --count 200 --caulk $(BUILD)/caulk

# Two thousand snapshots each of servers under full load (NUMBER=2000); about half an hour for each version.
soak-all: NUMBER = 2000
soak-all: all $(VENV)/done
	@for version in 3.9 3.11 3.13 3.15; do $(VENV)/bin/python tests/soak/soak_snapshots.py --count $(NUMBER) --full \
	    --python $$version --caulk $(BUILD)/caulk || exit 1; done

# A thousand times the sampler into a server under load and out again (NUMBER=1000), for each of four versions; with that
# of native memory by NATIVE=1.
soak-attach: NUMBER = 1000
soak-attach: all $(VENV)/done
	@for version in 3.9 3.11 3.13 3.14; do $(VENV)/bin/python tests/soak/attach_cycles.py --count $(NUMBER) \
	    $(if $(NATIVE),--native) --python $$version --caulk $(BUILD)/caulk || exit 1; done

# The same tests with sanitizers, and with the other compiler.
asan: | needs
	@[ -e build-asan/build.ninja ] || meson setup build-asan -Db_sanitize=address,undefined >/dev/null
	@meson test -C build-asan --print-errorlogs

# The sampler's threads under the thread sanitizer.
tsan: | needs
	@[ -e build-tsan/build.ninja ] || meson setup build-tsan -Db_sanitize=thread >/dev/null
	@meson test -C build-tsan --print-errorlogs agent_threads agent_beside

# Wild heaps: words of real Pythons' memory overwritten, under the sanitizers. SECONDS=60 for a minute of it.
fuzz-image: SECONDS = 3600
fuzz-image: | needs
	@[ -e build-asan/build.ninja ] || meson setup build-asan -Db_sanitize=address,undefined >/dev/null
	@ninja -C build-asan tests/fuzz/fuzz_image >/dev/null
	@$(PYTHON) tests/fuzz/fuzz_image.py build-asan/tests/fuzz/fuzz_image --seconds $(SECONDS) --seed 0

clang: | needs
	@tools/install-needs clang
	@[ -e build-clang/build.ninja ] || CC=clang meson setup build-clang >/dev/null
	@meson test -C build-clang --print-errorlogs

install: all
	@meson install -C $(BUILD)

clean:
	@rm -rf $(BUILD) $(BUILD).log build-asan build-tsan build-clang build-gcc .cache
