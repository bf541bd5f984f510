"""What the tests of the sampler share."""
import os

import pytest

import built
import sampled as samplers


@pytest.fixture(scope="session")
def library():
    """The sampler."""
    return built.find("CAULK_AGENT_LIBRARY", "libcaulk_agent.so", mode=os.R_OK)


@pytest.fixture
def sampled(library, tmp_path):
    return samplers.Sampled(library, tmp_path)


@pytest.fixture(scope="session")
def probe():
    """The sampler's reading of frames, for a Python to ask."""
    return built.find("CAULK_STACK_PROBE", "tests", "agent", "libstack_probe.so", mode=os.R_OK)
